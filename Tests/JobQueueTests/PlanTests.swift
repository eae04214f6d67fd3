import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// R26: what the queue's statements read does not grow with what has ended, and does not depend on what the planner believes.
@Suite struct PlanTests {
    private static let pending = 20_000
    private static let finished = 100_000
    private static let batch = 50

    /// What the planner is told of the tables.
    enum Belief: String, CaseIterable, Sendable {
        case nothing = "no statistics at all"
        case empty = "statistics from when the tables were empty"
        case vacuumed = "a VACUUM that found pages with next to no rows"
        case huge = "ten times as many rows as there are"
        case right = "fresh statistics"
    }

    /// A queue with many executions that ended and many that wait; nothing but the test gathers statistics.
    private func fill(_ queue: Queue, _ belief: Belief) async throws {
        let tables = try await queue.texts(
            """
            SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
              AND (relname = 'job_live' OR relname LIKE 'job\\_finished\\_%')
            """)
        for table in tables { try await queue.run("ALTER TABLE \(spliced(table)) SET (autovacuum_enabled = off)") }
        if belief == .empty { try await queue.run("ANALYZE") }
        let job = try await queue.addJob()
        try await queue.pool.transaction { transaction in
            _ = try await transaction.query("SELECT set_config('chimera.moving', 'on', true)")
            _ = try await transaction.query(
                """
                INSERT INTO job_executions (job_config_id, status, trigger, priority, max_attempts, attempt, started_at, finished_at, attempt_outcome)
                SELECT \(job), 'SUCCESS', 'MANUAL', 0, 3, 1, now(), now(), 'SUCCESS' FROM generate_series(1, \(Self.finished)::int)
                """, deadline: .seconds(240))
        }
        try await queue.enqueue(job, count: Self.pending)
        switch belief {
        case .nothing, .empty: break
        case .right: try await queue.run("ANALYZE")
        case .vacuumed:
            try await queue.runAsAdministrator(
                """
                UPDATE pg_class SET reltuples = 0, relpages = 1000
                WHERE relnamespace = current_schema()::regnamespace AND relname = 'job_live'
                """)
        case .huge:
            try await queue.runAsAdministrator(
                """
                UPDATE pg_class SET reltuples = 50000000, relpages = 1000000 WHERE relnamespace = current_schema()::regnamespace
                  AND (relname LIKE 'job\\_live%' OR relname LIKE 'job\\_finished%' OR relname LIKE 'job\\_%')
                """)
        }
    }

    /// Rows that a statement reads of the live and of the finished executions, and how many tables or partitions it reads as a whole.
    private func cost(_ queue: Queue, _ statement: SQL) async throws -> (live: Int, finished: Int, scans: Int, answers: Int) {
        try await queue.pool.transaction { transaction in
            // What parallel workers read does not count as this session's.
            _ = try await transaction.query("SELECT set_config('max_parallel_workers_per_gather', '0', true)")
            let before = try await Self.counters(transaction)
            let answers = try await transaction.query(statement, deadline: .seconds(120)).count
            let after = try await Self.counters(transaction)
            return (after[0] - before[0], after[1] - before[1], after[2] - before[2], answers)
        }
    }

    /// What this session has read that it has not reported yet.
    private static func counters(_ transaction: PostgresTransaction) async throws -> [Int] {
        let row = try await transaction.query(
            """
            SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FILTER (WHERE relname = 'job_live')::bigint AS live,
              sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FILTER (WHERE relname LIKE 'job\\_finished%')::bigint AS finished,
              sum(seq_scan) FILTER (WHERE relname = 'job_live' OR relname LIKE 'job\\_finished%')::bigint AS scans
            FROM pg_stat_xact_user_tables
            """
        ).first
        return try ["live", "finished", "scans"].map { try #require(row).get($0) }
    }

    @Test(
        "R26: claim, finish, give back and rescue read as many rows as they take, whatever statistics say and however many ended",
        arguments: Belief.allCases)
    func reads(belief: Belief) async throws {
        try await Queue.withDatabase { queue in
            try await fill(queue, belief)
            let worker = try await queue.addWorker()
            let everything = try await cost(queue, "SELECT count(*) FROM job_executions")
            #expect(everything.live >= Self.pending && everything.finished >= Self.finished && everything.scans > 0, "what is counted here")
            // LIMIT means LIMIT: a batch is what was asked for, and only that much is read and locked.
            let claim = try await cost(queue, QueueStatements.claim(worker: worker, batch: Self.batch, after: .start))
            #expect(claim.answers == Self.batch)
            let limit = 6 * Self.batch
            #expect(claim.live <= limit && claim.finished == 0 && claim.scans == 0, "\(belief.rawValue): \(claim)")

            var runs = try await queue.claim(worker, batch: 3 * Self.batch)
            let ends = runs.prefix(Self.batch).map {
                FinishedRun(run: $0, status: "SUCCESS", attemptOutcome: "SUCCESS", metrics: nil, error: nil)
            }
            let finish = try await cost(queue, QueueStatements.finish(ends))
            #expect(finish.answers == Self.batch)
            #expect(finish.live <= limit && finish.finished <= limit && finish.scans == 0, "\(belief.rawValue): \(finish)")
            runs.removeFirst(Self.batch)

            let returns = runs.prefix(Self.batch).map { ReturnedRun(run: $0, attemptOutcome: "RETRY", error: "{}", delay: .seconds(60)) }
            let giveBack = try await cost(queue, QueueStatements.giveBack(returns))
            #expect(giveBack.answers == Self.batch)
            #expect(giveBack.live <= limit && giveBack.finished == 0 && giveBack.scans == 0, "\(belief.rawValue): \(giveBack)")

            let lost = try await cost(queue, QueueStatements.lostRuns(Array(runs.suffix(Self.batch))))
            #expect(lost.answers == 0 && lost.live <= limit && lost.scans == 0, "\(belief.rawValue): \(lost)")

            try await queue.kill(worker)
            let rescue = try await cost(queue, QueueStatements.rescue(batch: Self.batch, after: Watermark.start.id))
            #expect(rescue.live <= 4 * limit && rescue.finished == 0 && rescue.scans == 0, "\(belief.rawValue): \(rescue)")
            let sweep = try await cost(queue, QueueStatements.sweepParents)
            #expect(sweep.live <= limit && sweep.finished == 0 && sweep.scans == 0, "\(belief.rawValue): \(sweep)")
        }
    }

    @Test("R26: two claims at once take different rows, exactly as many as each asked for")
    func limitMeansLimit() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            try await queue.enqueue(job, count: 1_000)
            let (one, two) = (try await queue.addWorker(), try await queue.addWorker())
            try await queue.pool.transaction { first in
                let taken = try await Queue.claim(one, batch: 7, on: first)
                let others = try await queue.claim(two, batch: 990)
                #expect(taken.count == 7 && others.count == 990)
                #expect(Set(taken.map(\.id)).isDisjoint(with: others.map(\.id)))
                #expect(try await queue.claim(two, batch: 990).count == 3, "nothing but the seven is locked")
            }
        }
    }

    @Test(
        "R26: a claim reads nothing of what is due tomorrow, and partitions are looked after without reading old rows",
        arguments: [false, true])
    func future(isLimited: Bool) async throws {
        try await Queue.withDatabase { queue in
            let job = isLimited ? try await queue.addJob("job", "max_concurrency = 4") : try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.run(
                """
                INSERT INTO job_executions (job_config_id, id, run_at)
                SELECT \(job), uuid_v7_floor(now() - interval '3 days' + n * interval '10 ms'), now() + interval '1 day'
                FROM generate_series(1, 2000) AS n CROSS JOIN
                """ + asTheQueue)
            let id = try await queue.enqueue(job)[0]
            let claim = try await cost(queue, QueueStatements.claim(worker: worker, batch: Self.batch, after: .start))
            #expect(claim.answers == 1 && claim.live <= 20, "\(claim)")
            let look = try await cost(queue, "SELECT create_partitions()")
            #expect(look.live <= 20, "\(look)")
            let cancel = try await cost(queue, "SELECT cancel_execution(\(id)::uuid)")
            #expect(cancel.live <= 40, "\(cancel)")
        }
    }
}
