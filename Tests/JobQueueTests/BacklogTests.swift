import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// What many rows of one job, or one who stops in the midst, cost the others (R27, R28).
@Suite struct BacklogTests {
    /// A page of one job's waiting rows and 50 more, and a worker.
    private func withBacklog(_ body: (Queue, _ worker: String) async throws -> Void) async throws {
        try await Queue.withDatabase { queue in
            try await queue.enqueue(try await queue.addJob(), count: 10_050)
            try await body(queue, try await queue.addWorker())
        }
    }

    @Test("while a claim holds the lock of the limits and does not end, jobs without limits go on")
    func admissionHeld() async throws {
        try await Queue.withDatabase { queue in
            let (limited, free) = (try await queue.addJob("limited", "max_concurrency = 1"), try await queue.addJob("free"))
            try await queue.enqueue(limited)
            let id = try await queue.enqueue(free)[0]
            let worker = try await queue.addWorker()
            try await queue.pool.withConnection { stopped in
                try await stopped.script("BEGIN; SELECT admit_gated(1, gen_random_uuid())")
                #expect(try await queue.claim(worker).map(\.id) == [id])
                try await stopped.script("COMMIT")
            }
            #expect(try await queue.claim(worker).map(\.jobConfigID) == [limited])
        }
    }

    @Test("a pause takes a page of a large backlog at once and the rest page by page; nothing of it is claimed from the first moment on")
    func pause() async throws {
        try await withBacklog { queue, worker in
            try await queue.run("SELECT pause_job('job')")
            let ungated: SQL = "SELECT count(*) FROM job_executions WHERE NOT gated"
            #expect(try await queue.number(ungated) == 50)
            #expect(try await queue.claim(worker).isEmpty)
            let page = QueueStatements.gateStragglers(looksAtAll: false, batch: 40)
            #expect(try await [queue.number(page), queue.number(ungated), queue.number(page), queue.number(page)] == [40, 10, 10, 0])
            try await queue.run("SELECT resume_job('job')")
            #expect(try await queue.claim(worker, batch: 500).count == 500)
        }
    }

    @Test("a job with a large backlog is deleted at once; what is left of it is cancelled page by page, and never claimed")
    func delete() async throws {
        try await withBacklog { queue, worker in
            try await queue.run("UPDATE job_configurations SET deleted_at = now()")
            #expect(try await queue.number("SELECT count(*) FROM job_executions WHERE status = 'CANCELLED'") == 10_000)
            #expect(try await queue.claim(worker).isEmpty)
            let page = QueueStatements.gateStragglers(looksAtAll: false, batch: 40)
            #expect(try await [queue.number(page), queue.number(page), queue.number(page)] == [40, 10, 0])
            #expect(try await queue.texts("SELECT DISTINCT status FROM job_executions") == ["CANCELLED"])
        }
    }

    @Test("R28: one statement that changes several jobs meets the end of their runs: no deadlock, whatever order it comes to the jobs in")
    func severalJobs() async throws {
        try await Queue.withDatabase { queue in
            let (first, second) = (try await queue.addJob("first"), try await queue.addJob("second"))
            let worker = try await queue.addWorker()
            let low = try await queue.enqueue(second)[0]
            try await queue.enqueue(first)
            let runs = try await queue.claim(worker)
            #expect(runs.count == 2)
            try await queue.pool.withConnection { holder in
                try await holder.script("BEGIN")
                _ = try await holder.query("SELECT FROM job_live WHERE id = \(low)::uuid FOR UPDATE")
                async let ended = queue.finish(runs)
                try await queue.waitForLocks(1)
                async let paused: Void = queue.run("UPDATE job_configurations SET paused_at = now()")
                try await queue.waitForLocks(2)
                try await holder.script("COMMIT")
                #expect(try await ended.count == 2)
                try await paused
            }
        }
    }

    @Test("a job that is removed with DELETE beside an INSERT under way leaves no execution for ever")
    func deletedBesideInsert() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("job", "max_concurrency = 1")
            try await queue.pool.transaction { inserting in
                _ = try await inserting.query("INSERT INTO job_executions (job_config_id) VALUES (\(job))")
                try await queue.run("DELETE FROM job_configurations")
            }
            #expect(try await queue.number(QueueStatements.gateStragglers(looksAtAll: true, batch: 100)) == 1)
            #expect(try await queue.texts("SELECT status FROM job_executions") == ["CANCELLED"])
        }
    }
}
