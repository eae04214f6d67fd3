import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// Statements that meet others in their midst (R28): what permutations of whole statements cannot show.
@Suite struct LockOrderTests {
    @Test(
        "R28: cancelling a parent that makes its children meanwhile locks everybody in order of id: no deadlock with a run that is given back",
        arguments: [false, true]
    )
    func cancelWhilePlanning(looksLate: Bool) async throws {
        try await Queue.withDatabase { queue in
            if looksLate {
                // Time for the other one to see whose lock it waits for, before that lock is given up.
                let definition = try await queue.text("SELECT pg_get_functiondef('cancel_executions'::regproc)")
                let slow = definition.replacing("EXIT WHEN NOT EXISTS", with: "PERFORM pg_sleep(0.5); EXIT WHEN NOT EXISTS")
                #expect(slow != definition)
                try await queue.pool.withConnection { try await $0.script(slow) }
            }
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let parent = try await queue.enqueue(job)[0]
            let planning = try await queue.claimOne(worker)
            try await queue.pool.withConnection { planner in
                try await planner.script("BEGIN")
                _ = try await planner.query(QueueStatements.fanOut(planning, children: [PlannedChild(params: [:])], unit: "stores"))
                // Ids made in one millisecond have no order.
                try await queue.run("SELECT pg_sleep(0.003)")
                let later = try await queue.enqueue(job)[0]
                let laterRun = try await queue.claimOne(worker)
                try await queue.pool.withConnection { holder in
                    try await holder.script("BEGIN")
                    _ = try await holder.query("SELECT FROM job_live WHERE id = \(later)::uuid FOR UPDATE")
                    async let cancelling: Void = queue.run(ScheduleStatements.cancelLiveExecutions(of: [job]))
                    try await queue.waitForLocks(1)
                    try await planner.script("COMMIT")
                    // It has its parent now, and waits for the later row; the child is claimed and comes back together with that row.
                    try await eventuallyLocked(parent, queue)
                    let child = try await queue.claimOne(worker)
                    #expect(child.parentID == parent && child.id < later)
                    async let returning = queue.giveBack([child, laterRun])
                    try await queue.waitForLocks(2)
                    try await holder.script("COMMIT")
                    _ = try await (cancelling, returning)
                }
                #expect(try await queue.status(later) == "CANCELLED")
            }
            #expect(try await queue.texts("SELECT DISTINCT status FROM job_executions") == ["CANCELLED"])
        }
    }

    /// Returns once a session holds the row.
    private func eventuallyLocked(_ id: ExecutionID, _ queue: Queue) async throws {
        let deadline = MonotonicClock.now() + .seconds(60)
        while try await !queue.texts("SELECT id FROM job_live WHERE id = \(id)::uuid FOR UPDATE SKIP LOCKED").isEmpty {
            guard MonotonicClock.now() < deadline else { throw Unexpected("nobody locks \(id)") }
        }
    }

    @Test(
        "R28: a retry by hand that meets a run on its way back comes before or after it, and never finds a PENDING execution that it refuses"
    )
    func retryOfReturning() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let id = try await queue.enqueue(job)[0]
            let run = try await queue.claimOne(try await queue.addWorker())
            try await queue.pool.withConnection { holder in
                try await holder.script("BEGIN; LOCK TABLE job_finished IN ACCESS EXCLUSIVE MODE")
                async let retried = queue.refusal("SELECT retry_execution(\(id)::uuid)")
                try await queue.waitForLocks(1)
                async let returned = queue.giveBack([run], delay: .seconds(3600))
                try await queue.waitForLocks(2)
                try await holder.script("COMMIT")
                #expect(try await retried.message.contains("is RUNNING"))
                #expect(try await returned == [id])
            }
            #expect(try await queue.text("SELECT retry_execution(\(id)::uuid)") == id)
            #expect(try await queue.column("status || (run_at <= now())", of: id) == "PENDINGtrue")
        }
    }

    /// How many runs a rescue takes that waits for partitions, while `body` does something else.
    private func rescued(in queue: Queue, while body: (PostgresConnection) async throws -> Void) async throws -> Int {
        try await queue.run("SELECT create_partitions()")
        let day = try await queue.text("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '7 days', 'YYYYMMDD')")
        try await queue.run("DROP TABLE execution_logs_\(spliced(day))")
        return try await queue.pool.withConnection { maker in
            try await maker.script("BEGIN; SELECT create_partitions()")
            async let rescued = queue.rescue()
            try await queue.waitForLocks(1)
            try await body(maker)
            try await maker.script("COMMIT")
            return try await rescued
        }
    }

    @Test("R28: rows are rescued after partitions were made: no deadlock with a cancellation that makes them too")
    func partitionsFirst() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.enqueue(job)[0]
            _ = try await queue.claimOne(worker)
            try await queue.kill(worker)
            let rescued = try await rescued(in: queue) { maker in _ = try await maker.query("SELECT cancel_execution(\(id)::uuid)") }
            #expect(rescued == 0)
            #expect(try await queue.status(id) == "CANCELLED")
        }
    }

    @Test("R11: a worker that comes back while its runs are about to be rescued keeps what it claims then")
    func backMeanwhile() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.enqueue(job)
            _ = try await queue.claimOne(worker)
            try await queue.kill(worker)
            let id = try await queue.enqueue(job)[0]
            let rescued = try await rescued(in: queue) { _ in
                try await queue.run("UPDATE workers SET lease = '30 seconds', lease_until = clock_timestamp() + interval '30 seconds'")
                #expect(try await queue.claimOne(worker).id == id)
            }
            #expect(rescued == 0)
            #expect(try await queue.status(id) == "RUNNING")
        }
    }

    @Test(
        "R28: what an operator asks for while a row is cancelled by hand is done, not refused with 40001",
        arguments: [
            "SELECT cancel_execution('ID')", "SELECT retry_execution('ID')", "SELECT pause_job('job')",
            "UPDATE job_configurations SET deleted_at = now() WHERE name = 'job'",
            "UPDATE job_configurations SET max_concurrency = 1 WHERE name = 'job'",
        ])
    func movedRow(statement: String) async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let ids = try await queue.enqueue(job, count: 2)
            try await queue.pool.withConnection { byHand in
                try await byHand.script("BEGIN")
                _ = try await byHand.query("UPDATE job_executions SET status = 'CANCELLED' WHERE id = \(ids[0])::uuid")
                async let asked: Void = queue.run(spliced(statement.replacing("ID", with: ids[0])))
                try await queue.waitForLocks(1)
                try await byHand.script("COMMIT")
                try await asked
            }
            #expect(try await queue.status(ids[0]) == "CANCELLED")
            let later = try await queue.text("SELECT status || gated FROM job_executions WHERE id = \(ids[1])::uuid")
            let expected =
                statement.contains("deleted") ? "CANCELLEDfalse" : statement.contains("_execution") ? "PENDINGfalse" : "PENDINGtrue"
            #expect(later == expected)
        }
    }
}
