import Postgres
import Runtime
import Synchronization

/// A job as its row in `job_configurations` describes it.
package struct JobConfiguration: Sendable {
    /// The row's id.
    package let id: Int
    /// The name that operators use.
    package let name: String
    /// `SYNC_PRODUCTS`, `NOOP`, …
    package let jobType: String
    /// A name of `pg_timezone_names`.
    package let timeZone: String
    /// The job's own settings; the params of an execution lie over them. Null: they cannot be read.
    package let config: JSONValue
    /// Why the integration whose limits a CUSTOM or NOOP job counts for cannot be used, as a sentence that names it; nil when it can, or there
    /// is none.
    package let integrationProblem: String?
    /// The wait after the first failure, doubled each time.
    package let retryDelay: Duration
    /// How long one run may take.
    package let timeout: Duration
}

/// The configurations of the jobs whose runs were claimed lately, at most a second old. A worker that listens hears of a change before it
/// hears of what is inserted after it; one that does not follows within 2 s.
final class ConfigurationCache: Sendable {
    private static let goodFor: Duration = .seconds(1)
    private let pool: PostgresPool
    private let entries = Mutex<[Int: (configuration: JobConfiguration?, readAt: Duration)]>([:])

    init(pool: PostgresPool) {
        self.pool = pool
    }

    /// The configurations of `ids`; one that is missing no longer exists.
    func configurations(of ids: Set<Int>) async throws -> [Int: JobConfiguration] {
        let now = MonotonicClock.now()
        let stale = entries.withLock { entries in
            ids.filter { id in entries[id].map { now - $0.readAt > Self.goodFor } ?? true }
        }
        if !stale.isEmpty {
            let rows = try await pool.query(QueueStatements.configurations(ids: Array(stale)), deadline: .seconds(10))
            let fresh = try rows.map(Self.decode)
            entries.withLock { entries in
                if entries.count > 20_000 { entries.removeAll() }
                for id in stale { entries[id] = (nil, now) }
                for configuration in fresh { entries[configuration.id] = (configuration, now) }
            }
        }
        return entries.withLock { entries in
            ids.reduce(into: [:]) { found, id in found[id] = entries[id]?.configuration }
        }
    }

    /// One of them was changed.
    func forget() { entries.withLock { $0.removeAll() } }

    private static func decode(_ row: PostgresRow) throws -> JobConfiguration {
        JobConfiguration(
            id: try row.get("id"), name: try row.get("name"), jobType: try row.get("job_type"), timeZone: try row.get("time_zone"),
            // jsonb holds more than we read (1e400, depth): that job's runs fail, and nobody else's.
            config: (try? row.get("config")) ?? .null,
            integrationProblem: row["unusable_integration"].map { name in
                "integration \(name) is inactive or deleted; activate it or choose another"
            },
            retryDelay: .seconds(try row.get("retry_delay_seconds", as: Int.self)),
            timeout: .seconds(try row.get("timeout_seconds", as: Int.self)))
    }
}
