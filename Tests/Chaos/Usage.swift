import Foundation
import Postgres
import TestRig

/// What everything together uses at a moment of a soak.
struct Usage: Sendable {
    /// Tables that only grow with what is done, for history: their bytes are counted for each execution. The partitions of a day count as one.
    private static let histories = [
        "job_finished", "job_attempts_past", "execution_logs", "schedule_ticks", "campaigns", "notification_deliveries",
    ]
    /// Tables that hold what stands now and must not grow, however much goes through them.
    private static let states = [
        "job_live", "workers", "job_schedules", "integration_state", "request_reservations", "products", "job_configurations",
        "delivery_lanes", "job_failures",
    ]

    let programs: [String: Vitals]
    let sessions: Int
    let executions: Int
    /// Bytes with indexes and TOAST, by table.
    let sizes: [String: Int]

    init(_ rig: Rig, _ programs: [String: Vitals]) async throws {
        self.programs = programs
        sessions = try await rig.value(
            "SELECT count(*) AS value FROM pg_stat_activity WHERE application_name LIKE 'chimera %' AND datname = current_database()")
        executions = try await rig.value("SELECT count(*) AS value FROM job_finished")
        var sizes: [String: Int] = [:]
        let rows = try await rig.pool.query(
            """
            SELECT t.name, sum(pg_total_relation_size(p.relid))::bigint AS size
            FROM unnest(\(Self.histories + Self.states)::text[]) AS t(name) CROSS JOIN LATERAL pg_partition_tree(to_regclass(t.name)) AS p
            GROUP BY t.name
            UNION ALL
            SELECT t.name, pg_total_relation_size(to_regclass(t.name)) FROM unnest(\(Self.histories + Self.states)::text[]) AS t(name)
            WHERE NOT EXISTS (SELECT FROM pg_partition_tree(to_regclass(t.name)))
            """)
        for row in rows { sizes[try row.get("name")] = try row.get("size") }
        self.sizes = sizes
    }

    /// Throws when programs or sessions have become clearly more since the programs were warm.
    func requireBack(at warm: Usage, _ when: String, _ trial: Trial) throws {
        for (name, vitals) in programs.sorted(by: { $0.key < $1.key }) {
            guard let baseline = warm.programs[name] else { continue }
            trial.figure("\(when) \(name) from \(baseline) to \(vitals)")
            try vitals.requireBack(at: baseline, name)
        }
        trial.figure("\(when) from \(warm.sessions) to \(sessions) sessions")
        // Connections come when they are needed and go after a minute: each of the workers may have some more at one moment than at another.
        try require(sessions <= warm.sessions + 10, "\(sessions) sessions, \(warm.sessions) at the beginning")
    }

    /// Throws when a table that holds only what stands now has grown. Twice and 512 KiB: between two visits of autovacuum dead rows stand
    /// beside the living, and a page once taken is kept.
    func requireSameSizes(as warm: Usage, _ trial: Trial) throws {
        for table in Self.states {
            let (before, now) = (warm.sizes[table] ?? 0, sizes[table] ?? 0)
            try require(now <= before * 2 + 512 * 1024, "\(table) grew from \(before) to \(now) bytes")
        }
        let kibibytes = Self.states.map { "\($0) \((warm.sizes[$0] ?? 0) / 1024) → \((sizes[$0] ?? 0) / 1024)" }
        trial.figure("KiB of what stands: \(kibibytes.joined(separator: ", "))")
    }

    /// Bytes of history for each execution that ended between two moments.
    struct Growth: Sendable {
        let executions: Int
        let bytes: [String: Double]

        /// Throws when an execution has become dearer. By half and 150 bytes: tables grow by pages and indexes split them, and syncs are few.
        func requireSame(as before: Growth, _ trial: Trial) throws {
            try require(
                min(executions, before.executions) >= 500, "only \(before.executions) and \(executions) executions ended: nothing was shown"
            )
            trial.figure("\(before.executions) and \(executions) executions")
            let figures = bytes.sorted(by: { $0.key < $1.key }).map {
                String(format: "%@ %.0f → %.0f", $0.key, before.bytes[$0.key] ?? 0, $0.value)
            }
            trial.figure("bytes of history for each: \(figures.joined(separator: ", "))")
            for (table, now) in bytes {
                let then = before.bytes[table] ?? 0
                try require(
                    now <= then * 1.5 + 150, "\(table) grew by \(Int(now)) bytes for each execution, by \(Int(then)) in the beginning")
            }
        }
    }

    func growth(since earlier: Usage) -> Growth {
        let ended = executions - earlier.executions
        let bytes = Self.histories.map { ($0, Double((sizes[$0] ?? 0) - (earlier.sizes[$0] ?? 0)) / Double(max(ended, 1))) }
        return Growth(executions: ended, bytes: Dictionary(uniqueKeysWithValues: bytes))
    }
}
