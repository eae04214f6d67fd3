import JobQueue
import Postgres
import Runtime

/// Keeps a partner's token in `integration_keys`, sealed, so that all workers share one login while it is good.
package struct SharedTokenVault: TokenVault {
    private static let key = "login_token"
    private let integrationID: Int
    private let pool: PostgresPool
    private let caller: String
    private let seal: @Sendable (String) throws -> String
    private let open: @Sendable (String) throws -> String

    /// `caller` is a UUID of this process; `seal` and `open` make and read `enc:v1:` envelopes.
    package init(
        integrationID: Int, pool: PostgresPool, caller: String, seal: @escaping @Sendable (String) throws -> String,
        open: @escaping @Sendable (String) throws -> String
    ) {
        self.integrationID = integrationID
        self.pool = pool
        self.caller = caller
        self.seal = seal
        self.open = open
    }

    /// The token that is good as far as is known, or nil; one that cannot be opened (another key) counts as none.
    package func current() async throws -> String? {
        let row = try await pool.query(RetailStatements.key(integration: integrationID, key: Self.key)).first
        return row?["value"].flatMap { try? open($0) }
    }

    /// Logs in unless somebody has replaced the refused token meanwhile; one login at a time over all workers.
    package func renew(refused: String?, login: @Sendable () async throws -> LoginToken) async throws -> String {
        let deadline = MonotonicClock.now() + .seconds(60)
        while MonotonicClock.now() < deadline {
            if let token = try await current(), token != refused { return token }
            if try await !pool.query(RetailStatements.beginLogin(integration: integrationID, caller: caller)).isEmpty {
                do {
                    if let token = try await current(), token != refused {
                        try await endLogin()
                        return token
                    }
                    let fresh = try await login()
                    _ = try await pool.query(
                        RetailStatements.storeKey(
                            integration: integrationID, key: Self.key, value: seal(fresh.token), lifetime: fresh.lifetime))
                    try await endLogin()
                    return fresh.token
                } catch {
                    // In a task of its own: in a cancelled one no statement would be sent, and others would wait for 30 s.
                    await Task { try? await endLogin() }.value
                    throw error
                }
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw RunError(code: "LOGIN_BUSY", message: "another worker's login did not end within a minute", isRetryable: true)
    }

    private func endLogin() async throws {
        _ = try await pool.query(RetailStatements.endLogin(integration: integrationID, caller: caller))
    }
}
