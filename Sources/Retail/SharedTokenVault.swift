import JobQueue
import Postgres
import Runtime

/// Keeps a partner's token in `integration_keys`, sealed, so that all workers share one login while it is good.
package struct SharedTokenVault: TokenVault {
    private static let key = "login_token"
    private let integrationID: Int
    private let pool: PostgresPool
    private let seal: @Sendable (String) throws -> String
    private let open: @Sendable (String) throws -> String

    /// `seal` and `open` make and read `enc:v1:` envelopes.
    package init(
        integrationID: Int, pool: PostgresPool, seal: @escaping @Sendable (String) throws -> String,
        open: @escaping @Sendable (String) throws -> String
    ) {
        self.integrationID = integrationID
        self.pool = pool
        self.seal = seal
        self.open = open
    }

    /// The token that is good as far as is known, or nil; one that cannot be opened (another key) counts as none.
    package func current() async throws -> String? {
        let row = try await pool.query(RetailStatements.key(integration: integrationID, key: Self.key)).first
        return row?["value"].flatMap { try? open($0) }
    }

    /// Logs in unless somebody has replaced the refused token meanwhile; one login at a time over all workers, as long as it takes no more
    /// than 30 s.
    package func renew(refused: String?, login: @Sendable () async throws -> LoginToken) async throws -> String {
        let deadline = MonotonicClock.now() + .seconds(60)
        while MonotonicClock.now() < deadline {
            if let token = try await current(), token != refused { return token }
            if let begun: String = try await pool.query(RetailStatements.beginLogin(integration: integrationID)).first?.get("login") {
                do {
                    if let token = try await current(), token != refused {
                        try await end(begun)
                        return token
                    }
                    let fresh = try await login()
                    _ = try await pool.query(
                        RetailStatements.storeKey(
                            integration: integrationID, key: Self.key, value: seal(fresh.token), lifetime: fresh.lifetime))
                    try await end(begun)
                    return fresh.token
                } catch {
                    // In a task of its own: in a cancelled one no statement would be sent, and others would wait for 30 s.
                    await Task { try? await end(begun) }.value
                    throw error
                }
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw RunError(code: "LOGIN_BUSY", message: "another worker's login did not end within a minute", isRetryable: true)
    }

    private func end(_ login: String) async throws {
        _ = try await pool.query(RetailStatements.endLogin(integration: integrationID, login: login))
    }
}
