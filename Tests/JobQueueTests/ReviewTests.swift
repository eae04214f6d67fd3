import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// What a review of the queue found: races of inserts and changes of jobs, lock order, counting.
@Suite struct ReviewTests {
    /// Three executions of a job, inserted by a transaction that commits after the job was changed.
    private func insertedBefore(_ change: String, _ queue: Queue) async throws -> [ExecutionID] {
        let job = try await queue.addJob()
        return try await queue.pool.transaction { transaction in
            let rows = try await transaction.query(
                "INSERT INTO job_executions (job_config_id) SELECT \(job) FROM generate_series(1, 3) RETURNING id::text AS id")
            try await queue.run("UPDATE job_configurations SET \(unsafe: change) WHERE id = \(job)")
            return try rows.map { try $0.get("id", as: String.self) }
        }
    }

    @Test("an INSERT that commits after its job was limited is held to the limit")
    func insertAndLimit() async throws {
        try await Queue.withDatabase { queue in
            let ids = try await insertedBefore("max_concurrency = 1", queue)
            let worker = try await queue.addWorker()
            #expect(try await queue.claim(worker).isEmpty, "they are not gated yet")
            _ = try await Maintenance(pool: queue.pool, interval: .seconds(1)).runOnce(withHousekeeping: false)
            for _ in ids {
                let claimed = try await queue.claim(worker)
                #expect(claimed.count == 1)
                try await queue.finish(claimed)
            }
        }
    }

    @Test("an INSERT that commits after its job was deleted is never claimed and ends CANCELLED; others go on")
    func insertAndDelete() async throws {
        try await Queue.withDatabase { queue in
            let ids = try await insertedBefore("deleted_at = now()", queue)
            let worker = try await queue.addWorker()
            let other = try await queue.enqueue(try await queue.addJob("other"))
            #expect(try await queue.claim(worker).map(\.id) == other)
            _ = try await Maintenance(pool: queue.pool, interval: .seconds(1)).runOnce(withHousekeeping: false)
            for id in ids { #expect(try await queue.status(id) == "CANCELLED") }
            #expect(try await queue.status(other[0]) == "RUNNING")
        }
    }

    @Test("an INSERT that commits after its job was paused is gated by the next round, long after by that of the housekeeping")
    func insertAndPause() async throws {
        try await Queue.withDatabase { queue in
            let ids = try await insertedBefore("paused_at = now()", queue)
            let worker = try await queue.addWorker()
            let maintenance = Maintenance(pool: queue.pool, interval: .seconds(1))
            try await queue.run("ALTER TABLE job_configurations DISABLE TRIGGER USER")
            try await queue.run("UPDATE job_configurations SET updated_at = now() - interval '1 day'")
            try await queue.run("ALTER TABLE job_configurations ENABLE TRIGGER USER")
            _ = try await maintenance.runOnce(withHousekeeping: false)
            #expect(try await queue.column("gated", of: ids[0]) == "false")
            _ = try await maintenance.runOnce(withHousekeeping: true)
            for id in ids { #expect(try await queue.column("gated", of: id) == "true") }
            try await queue.run("SELECT resume_job('job')")
            #expect(try await queue.claim(worker).count == 3)
        }
    }

    @Test("interruptions do not lengthen the wait after a failure; failures and timeouts double it")
    func backoff() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.enqueue(job)
            var expected = 30.0
            for outcome in ["INTERRUPTED", "RESCUED", "INTERRUPTED", "RETRY", "INTERRUPTED", "TIMED_OUT", "INTERRUPTED"] {
                try await queue.giveBack([try await queue.claimOne(worker)], as: outcome)
                if outcome == "RETRY" || outcome == "TIMED_OUT" { expected *= 2 }
            }
            let run = try await queue.claimOne(worker)
            #expect(run.attempt == 8 && run.maxAttempts == 8)
            try await queue.plant("UPDATE job_live SET max_attempts = 20")
            try await queue.giveBack([run], as: "INTERRUPTED")
            let outcome = await ReviewJob.outcome(of: try await queue.claimOne(worker)) {
                throw RunError(code: "LATER", message: "m", isRetryable: true)
            }
            guard case .retried(_, _, let delay) = outcome else { throw Unexpected("\(outcome)") }
            #expect(delay >= .seconds(expected * 0.8) && delay <= .seconds(expected * 1.2), "\(delay) after two failures")
        }
    }

    @Test("deleting or replacing waits for rows that are being given back, and neither is a deadlock's victim", arguments: [false, true])
    func lockOrder(isReplaced: Bool) async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            var parents = try await queue.enqueue(job, count: 2)
            let runs = try await queue.claim(worker)
            // The second parent's child is made first: in order of parents, the children come in the wrong order.
            for parent in parents.reversed() {
                let run = try #require(runs.first { $0.id == parent })
                #expect(try await queue.fanOut(run, [PlannedChild(params: [:])]))
                // Ids made in one millisecond have no order.
                try await queue.run("SELECT pg_sleep(0.003)")
            }
            let children = try await queue.claim(worker).sorted { $0.id < $1.id }
            #expect(children.map(\.parentID) == [parents[1], parents[0]])
            try await queue.pool.withConnection { session in
                try await session.script("BEGIN")
                _ = try await session.query("SELECT FROM job_live WHERE id = \(children[0].id)::uuid FOR UPDATE")
                async let cancelling: Void = queue.run(
                    isReplaced
                        ? ScheduleStatements.cancelLiveExecutions(of: [job])
                        : "UPDATE job_configurations SET deleted_at = now() WHERE id = \(job)")
                try await waitForLock(queue)
                _ = try await session.query(
                    QueueStatements.giveBack(children.map { ReturnedRun(run: $0, attemptOutcome: "RETRY", error: "{}", delay: nil) }))
                try await session.script("COMMIT")
                try await cancelling
            }
            parents += children.map(\.id)
            for id in parents { #expect(try await queue.status(id) == "CANCELLED") }
        }
    }

    /// Returns once a session waits for a row that another one locked.
    private func waitForLock(_ queue: Queue) async throws {
        let deadline = MonotonicClock.now() + .seconds(10)
        while try await queue.number(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 0
        {
            guard MonotonicClock.now() < deadline else { throw Unexpected("nobody waits for a lock") }
        }
    }

    @Test("hundreds of lanes with runs of many partners each have what is left of their limits")
    func admissionCost() async throws {
        try await Queue.withDatabase { queue in
            let worker = try await queue.addWorker()
            try await queue.run("INSERT INTO integrations (name, type) SELECT 'p' || n, 'WEBHOOK' FROM generate_series(1, 300) AS n")
            try await queue.run(
                "INSERT INTO job_configurations (name, job_type, max_concurrency) SELECT 'j' || n, 'NOOP', 6 FROM generate_series(1, 300) AS n"
            )
            let rows: SQL = """
                INSERT INTO job_executions (job_config_id, source_id, target_id, run_at)
                SELECT j.id, j.id, j.id % 300 + 1, now() - interval '1 second' FROM job_configurations AS j, generate_series(1, 4)
                """
            try await queue.plant(rows)
            try await queue.plant("UPDATE job_live SET status = 'RUNNING', worker = \(worker)::uuid, attempt = 1")
            try await queue.plant(rows)
            #expect(try await queue.claim(worker, batch: 200).count == 200)
        }
    }

    @Test("children of a job without partners of its own count for its integration, as their parent does")
    func childrenCount() async throws {
        try await Queue.withDatabase { queue in
            let partner = try await queue.addIntegration("p", type: "WEBHOOK", config: #"{"max_concurrency": 2}"#)
            let job = try await queue.addJob("j", type: "NOOP", "integration_id = \(partner)")
            let worker = try await queue.addWorker()
            try await queue.addParent(job, stores: [1, 2, 3, 4], worker: worker)
            #expect(try await queue.claim(worker).count == 2)
        }
    }

    @Test("R24: failures of the database that are nobody's fault use no attempt", arguments: ["53100", "53200", "40001", "40P01", nil])
    func blamelessDatabase(sqlState: String?) async throws {
        let kind: PostgresError.Kind =
            sqlState.map { $0.hasPrefix("53") ? .resourcesExhausted : .serialization } ?? .deadlineExceeded
        let outcome = await ReviewJob.outcome(of: .sample(attempt: 3)) {
            throw PostgresError(kind: kind, sqlState: sqlState, message: "not now")
        }
        guard case .interrupted(let error, let delay?) = outcome else { throw Unexpected("\(outcome)") }
        #expect(error.code == "DATABASE_AWAY" && delay >= .seconds(1))
    }

    @Test("a worker whose lease was lost in three outages was not lost: its run is no poison; three that never come back are")
    func outages() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let id = try await queue.enqueue(job)[0]
            let identity = WorkerIdentity(id: try await queue.addWorker(), host: "h", pid: 1, version: "v", slots: 1)
            let lease = Lease(length: .seconds(30))
            let keeper = LeaseKeeper(
                identity: identity, lease: lease, pool: queue.pool, runningCount: { 1 }, onRenewed: {}, onLost: { _ in })
            for _ in 1...4 {
                #expect(await keeper.renewOnce())
                _ = try await queue.claimOne(identity.id)
                // The database cannot be reached for longer than the lease, and others come back first.
                lease.released()
                try await queue.kill(identity.id)
                #expect(try await queue.rescue() == 1)
                #expect(try await queue.column("rescues", of: id) == "1")
                #expect(await keeper.renewOnce())
                #expect(try await queue.column("status || rescues", of: id) == "PENDING0")
            }
            for _ in 1...3 {
                let worker = try await queue.addWorker()
                _ = try await queue.claimOne(worker)
                try await queue.kill(worker)
                #expect(try await queue.rescue() == 1)
            }
            #expect(try await queue.column("status || (error_details ->> 'code')", of: id) == "FAILEDQUARANTINED")
        }
    }

    @Test("a worker that comes back while others run what was rescued from it is forgiven, also when the rescue commits after its renewal")
    func lateRescue() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let id = try await queue.enqueue(job)[0]
            let identity = WorkerIdentity(id: try await queue.addWorker(), host: "h", pid: 1, version: "v", slots: 1)
            let lease = Lease(length: .seconds(30))
            let keeper = LeaseKeeper(
                identity: identity, lease: lease, pool: queue.pool, runningCount: { 1 }, onRenewed: {}, onLost: { _ in })
            #expect(await keeper.renewOnce())
            _ = try await queue.claimOne(identity.id)
            lease.released()
            #expect(await keeper.renewOnce(), "back again, and nothing is rescued yet")
            try await queue.kill(identity.id)
            #expect(try await queue.rescue() == 1)
            let other = try await queue.addWorker()
            let run = try await queue.claimOne(other)
            #expect(await keeper.renewOnce())
            #expect(try await queue.column("status || rescues", of: id) == "RUNNING0")
            #expect(try await queue.finish([run]) == [id], "whoever runs it is not disturbed")
        }
    }
}

/// A job that does what a test says.
private struct ReviewJob: Job {
    let body: @Sendable () async throws -> Void

    func run(_ context: RunContext) async throws -> JobResult {
        try await body()
        return .succeeded(metrics: nil)
    }

    /// What becomes of a run whose job does this.
    static func outcome(of run: ClaimedRun, _ body: @escaping @Sendable () async throws -> Void) async -> RunOutcome {
        guard let configuration = try? PostgresConfiguration(url: "host=127.0.0.1 port=1") else { return .fencedOff }
        let pool = PostgresPool(configuration, maximumConnections: 1)
        let attempt = Attempt(
            jobs: ["TEST": ReviewJob(body: body)], pool: pool, lease: Lease(length: .seconds(30)),
            logs: ExecutionLogWriter(wakeup: Wakeup()))
        let outcome = await attempt.run(
            Assignment(run: run, configuration: .sample(), term: Lease.Term(number: 1)), pause: SlotPause { _ in })
        await pool.close()
        return outcome
    }
}
