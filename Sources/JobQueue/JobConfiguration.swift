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
    private struct Known {
        var entries: [Int: (configuration: JobConfiguration?, readAt: Duration)] = [:]
        /// How often one of them was changed: what was being read meanwhile may be from before.
        var changes = 0
    }

    private let pool: PostgresPool
    private let known = Mutex(Known())

    init(pool: PostgresPool) {
        self.pool = pool
    }

    /// The configurations of `ids`; one that is missing no longer exists.
    func configurations(of ids: Set<Int>) async throws -> [Int: JobConfiguration] {
        let now = MonotonicClock.now()
        var found: [Int: JobConfiguration] = [:]
        var stale: [Int] = []
        let changes = known.withLock { known in
            for id in ids {
                guard let entry = known.entries[id], now - entry.readAt <= Self.goodFor else {
                    stale.append(id)
                    continue
                }
                found[id] = entry.configuration
            }
            return known.changes
        }
        guard !stale.isEmpty else { return found }
        for row in try await pool.query(QueueStatements.configurations(ids: stale), deadline: .seconds(10)) {
            let configuration = try Self.decode(row)
            found[configuration.id] = configuration
        }
        known.withLock { known in
            guard known.changes == changes else { return }
            if known.entries.count > 20_000 { known.entries.removeAll() }
            for id in stale { known.entries[id] = (found[id], now) }
        }
        return found
    }

    /// One of them was changed.
    func forget() {
        known.withLock { known in
            known.entries.removeAll()
            known.changes += 1
        }
    }

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
