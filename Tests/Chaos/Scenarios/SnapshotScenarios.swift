import Foundation
import Postgres
import Synchronization
import TestRig
import TestSupport

/// R25: old snapshots, which keep every dead row version alive.
extension Catalogue {
    /// A transaction stays open for the whole run and four readers hold snapshots, while a worker drains a long queue and picks up single jobs.
    static let oldSnapshots = Scenario(
        number: "R25", injected: "a transaction open for the whole run, four repeatable-read readers, 60,000 executions",
        limit: .seconds(300)
    ) { trial in
        try await Rig.with(RigSettings(stores: 2, products: 400, sandbox: ["--latency-ms", "100"])) { rig in
            let drills = Drills(rig: rig)
            try await drills.addJob()
            try await drills.addJob("slow", sleepMilliseconds: 5_000)
            let readers = try await Readers(rig, count: 4)
            let watch = TransactionWatch(rig)
            let fleet = try await Fleet(rig, count: 1, [])
            let latencyBefore = try await latency(rig, drills)
            try await drills.enqueue(8, of: "slow")
            _ = try await rig.trigger()
            try await drills.enqueue(60_000)
            try await eventually(within: .seconds(200), "the end of the drills") {
                try await rig.value(
                    "SELECT NOT EXISTS (SELECT FROM job_live AS l JOIN job_configurations AS c ON c.id = l.job_config_id WHERE c.name = 'drill') AS value"
                )
            }
            let (first, last) = try await rates(rig)
            let latencyAfter = try await latency(rig, drills)
            let longest = try await watch.end()
            let queries = try await readers.end()
            try await Oracle(rig: rig).drainAndJudge()
            try await fleet.leave()
            trial.figure(
                """
                \(Int(first)) a second at the beginning, \(Int(last)) at the end (\(Drills.text(last / first))); a single job starts after \
                \(Drills.text(latencyBefore)) ms, at the end \(Drills.text(latencyAfter)) ms; our longest transaction \(Int(longest * 1000)) ms; \
                \(queries) queries of the readers
                """)
            // Not closer: what else the machine does changes a rate by half. A claim that read the dead rows once took 100 ms.
            try require(last >= first * 0.3, "the rate fell from \(Int(first)) to \(Int(last)) a second")
            try require(
                latencyAfter < latencyBefore * 5 + 20, "a single job starts \(Drills.text(latencyAfter / latencyBefore)) times later")
            try require(longest < 2.5, "a transaction of ours was open for \(Drills.text(longest)) s")
        }
    }

    /// Executions a second early and late: the second to fourth and the seventh to ninth tenth of them.
    private static func rates(_ rig: Rig) async throws -> (first: Double, last: Double) {
        guard
            let row = try await rig.pool.query(
                """
                SELECT max(rate) FILTER (WHERE part = 1) AS first, max(rate) FILTER (WHERE part = 3) AS last FROM (
                  SELECT part, (count(*) / extract(epoch FROM max(started_at) - min(started_at)))::float8 AS rate FROM (
                    SELECT e.started_at, (ntile(10) OVER (ORDER BY e.started_at) + 1) / 3 AS part FROM job_finished AS e
                    JOIN job_configurations AS c ON c.id = e.job_config_id WHERE c.name = 'drill') AS e
                  GROUP BY part) AS r
                """, deadline: .seconds(60)
            ).first
        else { throw Failed("no drills ended") }
        return (try row.get("first"), try row.get("last"))
    }

    /// The median time from INSERT to start of single jobs on an idle worker, in milliseconds.
    private static func latency(_ rig: Rig, _ drills: Drills) async throws -> Double {
        var ids: [String] = []
        for _ in 0..<20 {
            let id = try await rig.trigger("drill")
            ids.append(id)
            try await eventually("its end") {
                try await rig.value("SELECT EXISTS (SELECT FROM job_finished WHERE id = \(id)::uuid) AS value")
            }
        }
        return try await rig.value(
            """
            SELECT (percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at)) * 1000)::float8 AS value
            FROM job_finished WHERE id = ANY (\(ids)::uuid[])
            """)
    }
}

/// Tells tasks that it is time to end.
private final class Closing: Sendable {
    let isNear = Atomic(false)
    let queries = Atomic(0)

    var isOver: Bool { isNear.load(ordering: .acquiring) }
}

/// One transaction that stays open with a snapshot, and readers that hold theirs for two seconds each.
private struct Readers {
    private let pool: PostgresPool
    private let closing = Closing()
    private let tasks: [Task<Void, any Error>]

    init(_ rig: Rig, count: Int) async throws {
        let configuration = try PostgresConfiguration(url: rig.url, applicationName: "reader", statementDeadline: .seconds(200))
        let pool = PostgresPool(configuration, maximumConnections: count + 1)
        self.pool = pool
        let closing = closing
        let snapshot: [SQL] = ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT pg_current_xact_id()"]
        let holder = Task {
            try await pool.transaction { transaction in
                for statement in snapshot { _ = try await transaction.query(statement) }
                while !closing.isOver {
                    _ = try await transaction.query("SELECT count(*) FROM job_configurations")
                    try await Task.sleep(for: .milliseconds(200))
                }
            }
        }
        let readers = (0..<count).map { _ in
            Task {
                while !closing.isOver {
                    try await pool.transaction { transaction in
                        for statement in snapshot { _ = try await transaction.query(statement) }
                        for _ in 0..<4 {
                            _ = try await transaction.query("SELECT id, status FROM job_executions ORDER BY id DESC LIMIT 50")
                            _ = try await transaction.query("SELECT status, count(*) FROM job_live GROUP BY status")
                            closing.queries.add(2, ordering: .relaxed)
                            try await Task.sleep(for: .milliseconds(500))
                        }
                    }
                }
            }
        }
        tasks = [holder] + readers
    }

    /// Ends them and gives how many queries they made; throws when one could not hold its snapshot.
    func end() async throws -> Int {
        closing.isNear.store(true, ordering: .releasing)
        for task in tasks { try await task.value }
        await pool.close()
        return closing.queries.load(ordering: .relaxed)
    }
}

/// Looks again and again at how long our programs' transactions have been open.
private struct TransactionWatch {
    private let closing = Closing()
    private let task: Task<Double, any Error>

    init(_ rig: Rig) {
        let closing = closing
        task = Task {
            var longest = 0.0
            while !closing.isOver {
                longest = max(
                    longest,
                    try await rig.value(
                        """
                        SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8 AS value FROM pg_stat_activity
                        WHERE application_name LIKE 'chimera %' AND datname = current_database()
                        """))
                try await Task.sleep(for: .milliseconds(30))
            }
            return longest
        }
    }

    /// The longest that was seen, in seconds.
    func end() async throws -> Double {
        closing.isNear.store(true, ordering: .releasing)
        return try await task.value
    }
}
