import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// Who gets what, in which order (SPEC §3 Order, QUEUE §6).
@Suite struct ClaimTests {
    @Test("rows come by priority, run_at and id, and no more than asked for")
    func order() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.run(
                """
                INSERT INTO job_executions (job_config_id, priority, run_at)
                SELECT \(job), (i * 7 % 5) - 2, now() - (i * 13 % 11) * interval '1 second' FROM generate_series(1, 200) AS i
                """)
            let expected = try await queue.texts("SELECT id FROM job_live ORDER BY priority, run_at, id")
            var claimed: [String] = []
            for batch in [1, 1, 10, 50, 100] {
                let runs = try await queue.claim(worker, batch: batch)
                #expect(runs.count == batch && Set(runs.map(\.token)).count == 1)
                claimed += runs.map(\.id)
            }
            #expect(claimed == Array(expected.prefix(162)))
            #expect(try await queue.claim(worker, batch: 100).count == 38)
            #expect(try await queue.claim(worker, batch: 100).isEmpty)
        }
    }

    @Test("behind the watermark nothing is looked at, and a full scan finds it")
    func watermark() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.enqueue(job, count: 10)
            let first = try await queue.claim(worker, batch: 5)
            let last = try #require(first.last)
            let mark = Watermark(priority: last.priority, runAt: last.runAtText, id: last.id)
            try await queue.giveBack([first[0]], delay: nil)
            let urgent = try await queue.text("INSERT INTO job_executions (job_config_id, priority) VALUES (\(job), -1) RETURNING id")
            let second = try await queue.claim(worker, batch: 100, after: mark)
            #expect(second.count == 5 && !second.contains { $0.id == urgent || $0.id == first[0].id })
            #expect(try await queue.claim(worker).map(\.id) == [urgent, first[0].id])
        }
    }

    @Test("a claim fills in attempt, token, worker and start, and takes rows that another session holds for nobody's")
    func claimedRow() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "NOOP", "max_attempts = 2")
            let worker = try await queue.addWorker()
            let ids = try await queue.enqueue(job, count: 3, params: #"{"sleep_ms": 1}"#)
            try await queue.pool.transaction { transaction in
                _ = try await transaction.query("SELECT FROM job_live WHERE id = \(ids[1])::uuid FOR UPDATE")
                #expect(try await queue.claim(worker).map(\.id) == [ids[0], ids[2]])
            }
            let run = try await queue.claimOne(worker)
            #expect(run.id == ids[1] && run.attempt == 1 && run.maxAttempts == 2 && run.paramsText == #"{"sleep_ms": 1}"# && !run.isGated)
            let row = try await queue.column("concat_ws(' ', status, attempt, worker, token, started_at <= clock_timestamp())", of: run.id)
            #expect(row == "RUNNING 1 \(worker) \(run.token) t")
            #expect(try await queue.attempts(run.id) == ["1 under way"])
        }
    }

    @Test("only a worker whose lease holds may claim")
    func leaseIsNeeded() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            try await queue.enqueue(job)
            #expect(try await queue.claim("00000000-0000-4000-8000-000000000000").isEmpty, "an unknown worker")
            let late = try await queue.addWorker(holdsLease: false)
            #expect(try await queue.claim(late).isEmpty, "its lease ended")
            let identity = WorkerIdentity(id: late, host: "h", pid: 1, version: "v", slots: 1)
            try await queue.run(QueueStatements.renewLease(identity, lease: .seconds(30), running: 0))
            #expect(try await queue.claim(late).count == 1)
            try await queue.run(QueueStatements.releaseLease(worker: late))
            try await queue.enqueue(job)
            #expect(try await queue.claim(late).isEmpty)
        }
    }

    @Test("tokens only grow, whatever is claimed, given back, planned or cancelled")
    func tokensGrow() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.enqueue(job)[0]
            var tokens: [Int] = []
            func look() async throws { tokens.append(try await queue.number("SELECT token FROM job_executions WHERE id = \(id)::uuid")) }
            try await look()
            for _ in 0..<3 {
                let run = try await queue.claimOne(worker)
                try await look()
                try await queue.giveBack([run])
                try await look()
            }
            let run = try await queue.claimOne(worker)
            try await look()
            try await queue.fanOut(run, [PlannedChild(params: [:])])
            try await look()
            try await queue.run("SELECT cancel_execution(\(id)::uuid)")
            try await look()
            #expect(tokens == Array(Set(tokens)).sorted())
        }
    }

    @Test("a paused job's executions wait, whenever they were made, and run after it resumes")
    func paused() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let before = try await queue.enqueue(job)
            let running = try await queue.claimOne(worker)
            try await queue.enqueue(job)
            try await queue.run("SELECT pause_job('job')")
            let pausedAt = try await queue.text("SELECT paused_at FROM job_configurations")
            try await queue.run("SELECT pause_job('job')")
            #expect(try await queue.text("SELECT paused_at FROM job_configurations") == pausedAt, "it stays as long as it was")
            try await queue.enqueue(job)
            try await queue.run("UPDATE job_executions SET priority = -9 WHERE status = 'PENDING'")
            #expect(try await queue.claim(worker).isEmpty)
            try await queue.giveBack([running])
            #expect(try await queue.claim(worker).isEmpty, "what comes back waits too")
            try await queue.run("SELECT resume_job('job')")
            #expect(try await queue.claim(worker).count == 3)
            #expect(try await queue.attempts(before[0]) == ["1 RETRY", "2 under way"])
        }
    }

    @Test("an inactive job's manual triggers run; a deleted job's pending and waiting executions are cancelled and its run may end")
    func inactiveAndDeleted() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "NOOP", "active = false")
            let worker = try await queue.addWorker()
            try await queue.enqueue(job)
            let run = try await queue.claimOne(worker)
            try await queue.enqueue(job)
            let returning = try await queue.claimOne(worker)
            let parent = try await queue.addParent(job, stores: [1, 2], worker: worker)
            let pending = try await queue.enqueue(job, count: 2)
            try await queue.run("UPDATE job_configurations SET deleted_at = now() WHERE id = \(job)")
            for id in [parent] + pending { #expect(try await queue.status(id) == "CANCELLED") }
            #expect(try await queue.number("SELECT count(*) FROM job_live") == 2)
            #expect(try await queue.finish([run]) == [run.id])
            try await queue.giveBack([returning])
            #expect(try await queue.status(returning.id) == "CANCELLED", "a run of a deleted job is not tried again")
            #expect(try await queue.attempts(returning.id) == ["1 RETRY"])
            #expect(try await queue.number("SELECT count(*) FROM job_live") == 0)
        }
    }

    @Test("a job with live executions is not removed; without any its history stays")
    func removed() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let id = try await queue.enqueue(job)[0]
            let error = try await queue.refusal("DELETE FROM job_configurations")
            #expect(error.message.contains("deleted_at"))
            try await queue.finish(try await queue.claim(try await queue.addWorker()))
            try await queue.run("DELETE FROM job_configurations")
            #expect(try await queue.status(id) == "SUCCESS")
        }
    }

    @Test("R27: 10,000 rows of a paused and 10,000 of a limited job in front delay nobody behind them")
    func headOfTheQueue() async throws {
        try await Queue.withDatabase { queue in
            let paused = try await queue.addJob("paused", type: "NOOP", "priority = -10")
            let limited = try await queue.addJob("limited", type: "NOOP", "priority = -10", "max_concurrency = 1")
            let free = try await queue.addJob("free")
            let worker = try await queue.addWorker()
            for job in [paused, limited] { try await queue.enqueue(job, count: 10_000) }
            try await queue.run("SELECT pause_job('paused')")
            let behind = try await queue.enqueue(free, count: 20)
            let runs = try await queue.claim(worker, batch: 50)
            #expect(runs.filter { $0.jobConfigID == limited }.count == 1)
            #expect(runs.filter { $0.jobConfigID == free }.map(\.id).sorted() == behind)
            #expect(runs.count == 21)
            try await queue.enqueue(free)
            #expect(try await queue.claim(worker, batch: 50).count == 1)
        }
    }

    @Test("R27: rows of a limited job that somebody keeps locked at the head of its lane hold up none behind them, however many")
    func lockedHeadOfLane() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("limited", "max_concurrency = 4")
            let ids = try await queue.enqueue(job, count: 400).sorted()
            let worker = try await queue.addWorker()
            try await queue.pool.transaction { transaction in
                _ = try await transaction.query("SELECT FROM job_live WHERE id = ANY (\(Array(ids.prefix(380)))::uuid[]) FOR UPDATE")
                #expect(try await queue.claim(worker, batch: 16).map(\.id) == Array(ids[380..<384]))
                #expect(try await queue.claim(worker, batch: 16).isEmpty, "the limit holds")
            }
        }
    }
}
