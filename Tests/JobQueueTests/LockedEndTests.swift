import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// Ends whose rows, or whose parents' rows, somebody keeps locked (R07).
@Suite struct LockedEndTests {
    /// What becomes of the run whose row is locked, and of its row when the lock is gone.
    struct LockedEnd: CustomTestStringConvertible {
        let testDescription: String
        let outcome: RunOutcome
        /// What the session that holds the lock does first.
        let deed: SQL
        let rowAfterwards: String
        let attempts: [String]
    }

    private func writer(for queue: Queue) -> (outcomes: OutcomeWriter, logs: ExecutionLogWriter) {
        let wakeup = Wakeup()
        let logs = ExecutionLogWriter(wakeup: wakeup)
        return (OutcomeWriter(pool: queue.pool, logs: logs, wakeup: wakeup, onWritten: { _ in }), logs)
    }

    private static let look: SQL = "SELECT FROM job_live WHERE id = (SELECT id FROM job_live ORDER BY id OFFSET 2 LIMIT 1) FOR UPDATE"
    private static let passing = RunError(code: "BROKEN", message: "it broke", isRetryable: true)
    static let lockedEnds = [
        LockedEnd(
            testDescription: "a success", outcome: .succeeded(metrics: nil), deed: look, rowAfterwards: "SUCCESS",
            attempts: ["1 SUCCESS"]),
        LockedEnd(
            testDescription: "an attempt that is made again", outcome: .retried(passing, timedOut: false, delay: .seconds(60)), deed: look,
            rowAfterwards: "PENDING", attempts: ["1 RETRY"]),
        LockedEnd(
            testDescription: "a parent that planned its children", outcome: .fannedOut([PlannedChild(params: [:])], unit: "stores"),
            deed: look, rowAfterwards: "RUNNING 1 children", attempts: ["1 under way"]),
        LockedEnd(
            testDescription: "a success that came too late for a cancellation", outcome: .succeeded(metrics: nil),
            deed: "UPDATE job_executions SET status = 'CANCELLED' WHERE id = (SELECT id FROM job_live ORDER BY id OFFSET 2 LIMIT 1)",
            rowAfterwards: "CANCELLED", attempts: ["1 CANCELLED"]),
    ]

    @Test("R07: a session that keeps one running row locked holds up the end of that run alone", arguments: lockedEnds)
    func lockedRows(_ locked: LockedEnd) async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            try await queue.enqueue(job, count: 8)
            let runs = try await queue.claim(try await queue.addWorker()).sorted { $0.id < $1.id }
            let outcomes = writer(for: queue).outcomes
            for run in runs[..<4] { outcomes.submit(run, run.id == runs[2].id ? locked.outcome : .succeeded(metrics: nil)) }
            let writing = try await queue.pool.transaction { transaction in
                _ = try await transaction.query(locked.deed)
                let writing = Task { await outcomes.run() }
                try await eventually(within: .seconds(20), "the ends of the others") {
                    try await queue.number("SELECT count(*) FROM job_finished WHERE status = 'SUCCESS'") == 3
                }
                try await eventually("only one end that is not written") { outcomes.unwrittenIDs == [runs[2].id] }
                // Those that come later meet it neither; an attempt's way back to PENDING is no other than its end.
                outcomes.submit(runs[4], .retried(Self.passing, timedOut: false, delay: .seconds(60)))
                for run in runs[5...] { outcomes.submit(run, .succeeded(metrics: nil)) }
                try await eventually(within: .seconds(20), "the later ends") {
                    let ended = try await queue.number("SELECT count(*) FROM job_finished WHERE status = 'SUCCESS'")
                    let status = try await queue.status(runs[4].id)
                    return ended == 6 && status == "PENDING"
                }
                #expect(try await queue.status(runs[2].id) == "RUNNING")
                return writing
            }
            try await eventually("the end whose row was locked") { outcomes.unwrittenCount == 0 }
            let children = try await queue.number("SELECT count(*) FROM job_live WHERE parent_id = \(runs[2].id)::uuid")
            let row = try await queue.status(runs[2].id) + (children > 0 ? " \(children) children" : "")
            #expect(row == locked.rowAfterwards)
            #expect(try await queue.attempts(runs[2].id) == locked.attempts)
            writing.cancel()
            await writing.value
        }
    }

    @Test("R07: a session that keeps a parent's row locked holds up none of its children; the parent ends with the sweep after it")
    func lockedParent() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let parent = try await queue.addParent(job, stores: [1, 2], worker: worker)
            let runs = try await queue.claimChildren(worker)
            let outcomes = writer(for: queue).outcomes
            for run in runs { outcomes.submit(run, .succeeded(metrics: nil)) }
            try await queue.pool.transaction { transaction in
                _ = try await transaction.query("SELECT FROM job_live WHERE id = \(parent)::uuid FOR UPDATE")
                let writing = Task { try await outcomes.writeOnce() }
                try await eventually(within: .seconds(20), "the ends of the children") {
                    try await queue.number("SELECT count(*) FROM job_finished WHERE status = 'SUCCESS'") == 2
                }
                try await writing.value
            }
            #expect(outcomes.unwrittenCount == 0)
            #expect(try await queue.status(parent) == "RUNNING")
            try await Maintenance(pool: queue.pool, interval: .seconds(1)).runOnce(withHousekeeping: true)
            #expect(try await queue.status(parent) == "SUCCESS")
        }
    }

    /// As CREATE INDEX locks the day's table of `name`.
    private func lock(_ name: String, of queue: Queue, in transaction: PostgresTransaction) async throws {
        let day = try await queue.text("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')")
        _ = try await transaction.query("LOCK TABLE \(spliced("\(name)_\(day)")) IN SHARE MODE")
    }

    @Test("R07: a locked table of lines holds up no end, of another run or of their own, and costs no line of what ended meanwhile")
    func lockedLines() async throws {
        try await Queue.withDatabase { queue in
            try await queue.enqueue(try await queue.addJob(), count: 3)
            let runs = try await queue.claim(try await queue.addWorker())
            let (outcomes, logs) = writer(for: queue)
            let writing = try await queue.pool.transaction { transaction in
                try await lock("execution_logs", of: queue, in: transaction)
                for run in runs[..<2] { logs.append(run: run, level: .info, message: "line", fields: [:]) }
                outcomes.submit(runs[0], .succeeded(metrics: nil))
                outcomes.submit(runs[1], .retried(Self.passing, timedOut: false, delay: .seconds(60)))
                outcomes.submit(runs[2], .succeeded(metrics: nil))
                let writing = Task { await outcomes.run() }
                // The server ends this transaction after a minute.
                try await eventually(within: .seconds(50), "the ends") {
                    try await queue.texts("SELECT status FROM job_executions ORDER BY 1") == ["PENDING", "SUCCESS", "SUCCESS"]
                }
                return writing
            }
            try await eventually("the lines") { try await queue.number("SELECT count(DISTINCT execution_id) FROM execution_logs") == 2 }
            writing.cancel()
            await writing.value
        }
    }

    @Test("R07: many ends that wait for a table elsewhere do not add up their waits for one that waits for nothing")
    func manyLockedElsewhere() async throws {
        try await Queue.withDatabase { queue in
            try await queue.enqueue(try await queue.addJob(), count: 61)
            let runs = try await queue.claim(try await queue.addWorker())
            let outcomes = writer(for: queue).outcomes
            let writing = try await queue.pool.transaction { transaction in
                try await lock("job_attempts_past", of: queue, in: transaction)
                for run in runs[..<60] { outcomes.submit(run, .retried(Self.passing, timedOut: false, delay: .seconds(60))) }
                let writing = Task { await outcomes.run() }
                try await eventually("one of them waits") {
                    try await queue.number(
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0
                }
                outcomes.submit(runs[60], .succeeded(metrics: nil))
                // A second or two for each of them would be two minutes.
                try await eventually(within: .seconds(50), "the end of the other run") {
                    try await queue.status(runs[60].id) == "SUCCESS"
                }
                return writing
            }
            try await eventually(within: .seconds(60), "the others") { outcomes.unwrittenCount == 0 }
            writing.cancel()
            await writing.value
        }
    }
}
