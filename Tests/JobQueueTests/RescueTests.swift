import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// Runs that come back: tried again, interrupted, rescued (SPEC §3 Attempts, Rescue; R06, R08, R10, R31).
@Suite struct RescueTests {
    @Test("a failure uses an attempt, an interruption and a rescue raise the row's own limit")
    func attempts() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "NOOP", "max_attempts = 2")
            let worker = try await queue.addWorker()
            let id = try await queue.enqueue(job)[0]
            try await queue.giveBack([try await queue.claimOne(worker)], as: "RETRY", error: #"{"code": "A"}"#, delay: .seconds(60))
            #expect(
                try await queue.column(
                    "status || max_attempts || rescues || (error_details ->> 'code') || (run_at > now() + interval '50 s')", of: id)
                    == "PENDING20Atrue")
            #expect(try await queue.claim(worker).isEmpty, "it waits")
            #expect(try await queue.text("SELECT retry_execution(\(id)::uuid)") == id)
            let second = try await queue.claimOne(worker)
            #expect(second.attempt == 2 && second.maxAttempts == 2)
            let runAt = try await queue.column("run_at", of: id)
            try await queue.giveBack([second], as: "INTERRUPTED", delay: nil)
            #expect(try await queue.column("run_at", of: id) == runAt, "it keeps its place")
            #expect(try await queue.column("max_attempts", of: id) == "3")
            _ = try await queue.claimOne(worker)
            try await queue.kill(worker)
            #expect(try await queue.rescue() == 1)
            #expect(try await queue.column("status || max_attempts || rescues", of: id) == "PENDING41")
            let other = try await queue.addWorker()
            try await queue.giveBack([try await queue.claimOne(other)], as: "TIMED_OUT")
            #expect(try await queue.column("max_attempts || ' ' || rescues", of: id) == "4 0", "an end of its own ends the row of rescues")
            try await queue.finish([try await queue.claimOne(other)])
            #expect(try await queue.attempts(id) == ["1 RETRY", "2 INTERRUPTED", "3 RESCUED", "4 TIMED_OUT", "5 SUCCESS"])
            #expect(try await queue.number("SELECT count(*) FROM job_attempts WHERE started_at IS NULL OR finished_at < started_at") == 0)
        }
    }

    @Test("the third worker lost in a row ends the execution QUARANTINED, and its parent hears of it")
    func quarantine() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let first = try await queue.addWorker()
            let parent = try await queue.addParent(job, stores: [7], worker: first)
            for round in 1...3 {
                let worker = try await queue.addWorker()
                let run = try await queue.claimOne(worker)
                #expect(run.attempt == round)
                try await queue.kill(worker)
                #expect(try await queue.rescue() == 1)
                #expect(try await queue.finish([run]).isEmpty)
            }
            let child = try await queue.text("SELECT id FROM job_executions WHERE parent_id = \(parent)::uuid")
            #expect(
                try await queue.column("status || ' ' || (error_details ->> 'code') || ' ' || rescues", of: child) == "FAILED QUARANTINED 3"
            )
            #expect(try await queue.column("error_details #>> '{stores,0,store_id}'", of: child) == "7", "the message names the store")
            #expect(try await queue.attempts(child) == ["1 RESCUED", "2 RESCUED", "3 RESCUED"])
            #expect(
                try await queue.column("status || ' ' || (error_details -> 'stores' -> 0 ->> 'message')", of: parent).hasPrefix(
                    "FAILED three workers"))
        }
    }

    @Test("R10: what was rescued twice has no other such run beside it on its worker: the one that kills it is quarantined alone")
    func suspectsApart() async throws {
        try await Queue.withDatabase { queue in
            let ids = try await queue.enqueue(try await queue.addJob(), count: 5)
            for _ in 1...2 {
                let worker = try await queue.addWorker()
                #expect(try await queue.claim(worker).count == 5)
                try await queue.kill(worker)
                #expect(try await queue.rescue() == 5)
            }
            // The others go on beside it, and what comes anew does too.
            let (killed, healthy) = (try await queue.addWorker(), try await queue.addWorker())
            let fresh = try await queue.enqueue(try await queue.addJob("fresh"))
            #expect(try await queue.claim(killed).map(\.id) == [ids[0]] + fresh)
            #expect(try await queue.claim(killed).isEmpty)
            let second = try await queue.claimOne(healthy)
            try await queue.kill(killed)
            #expect(try await queue.rescue() == 2)
            #expect(try await queue.column("status || ' ' || (error_details ->> 'code')", of: ids[0]) == "FAILED QUARANTINED")
            #expect(try await queue.column("status || ' ' || rescues", of: fresh[0]) == "PENDING 1")
            try await queue.finish([second])
            for id in ids.dropFirst(2) {
                let run = try #require(try await queue.claim(healthy).first { $0.id == id })
                #expect(try await queue.claim(healthy).isEmpty)
                try await queue.finish([run])
            }
            #expect(
                try await queue.texts("SELECT status FROM job_executions WHERE id = ANY (\(ids)::uuid[]) ORDER BY id")
                    == ["FAILED"] + Array(repeating: "SUCCESS", count: 4))
        }
    }

    @Test("only runs whose worker's lease ended are rescued: not the living's, not a waiting parent")
    func onlyTheDead() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let (living, dead) = (try await queue.addWorker(), try await queue.addWorker())
            try await queue.addParent(job, stores: [1], worker: living)
            let child = try await queue.claim(living)
            try await queue.enqueue(job, count: 2)
            let lost = try await queue.claim(dead)
            #expect(try await queue.rescue() == 0)
            try await queue.kill(dead)
            #expect(try await queue.rescue() == 2)
            #expect(try await queue.rescue() == 0)
            #expect(try await queue.number("SELECT count(*) FROM job_live WHERE status = 'RUNNING'") == 2)
            #expect(try await queue.finish(lost + child) == [child[0].id])
            try await queue.run("DELETE FROM workers")
            _ = try await queue.claim(living)
            #expect(try await queue.rescue() == 0)
        }
    }

    @Test("a worker's row that is gone counts as a worker that is gone")
    func unknownWorker() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.enqueue(job)
            _ = try await queue.claim(worker)
            try await queue.run("DELETE FROM workers")
            #expect(try await queue.rescue() == 1)
        }
    }

    @Test(
        "R06: 10,000 stuck rows, some without a limit of attempts, are rescued page by page; what somebody holds or PostgreSQL refuses starves none"
    )
    func pages() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let ids = try await queue.enqueue(job, count: 10_000)
            #expect(try await queue.claim(worker, batch: 10_000).count == 10_000)
            try await queue.kill(worker)
            try await queue.plant(
                "UPDATE job_live SET max_attempts = 2147483647 WHERE id IN (SELECT id FROM job_live ORDER BY id LIMIT 700)")
            // More than a page of rows that cannot come back, in front of all others.
            try await queue.run(
                "ALTER TABLE job_live ADD CONSTRAINT spite CHECK (status = 'RUNNING' OR id > '\(spliced(ids[519]))') NOT VALID")
            let maintenance = Maintenance(pool: queue.pool, interval: .seconds(1))
            let rescued = try await queue.pool.transaction { transaction in
                _ = try await transaction.query("SELECT FROM job_live WHERE id = \(ids[650])::uuid FOR UPDATE")
                return try await maintenance.runOnce(withHousekeeping: false)
            }
            #expect(rescued == 9_479)
            #expect(try await queue.column("status", of: ids[650]) == "RUNNING")
            try await queue.run("ALTER TABLE job_live DROP CONSTRAINT spite")
            #expect(try await maintenance.runOnce(withHousekeeping: false) == 521)
            #expect(try await queue.number("SELECT count(*) FROM job_live WHERE status = 'PENDING' AND rescues = 1") == 10_000)
            #expect(try await queue.number("SELECT count(*) FROM job_live WHERE max_attempts = 2147483647") == 700)
        }
    }

    @Test(
        "R08: a row that violates a unique index on its way back to PENDING never stops the rest of its batch",
        arguments: ["RESCUED", "RETRY"])
    func uniqueViolation(outcome: String) async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let ids = try await queue.enqueue(job, count: 5)
            let runs = try await queue.claim(worker)
            // An end of this attempt is recorded already, and another row cannot come back at all.
            try await queue.run(
                "INSERT INTO job_attempts_past (execution_id, attempt, outcome) VALUES (\(ids[1])::uuid, 1, 'INTERRUPTED')")
            try await queue.run(
                "CREATE UNIQUE INDEX spite ON job_live (status) WHERE status = 'PENDING' AND id IN ('\(spliced(ids[2]))', '\(spliced(ids[3]))')"
            )
            if outcome == "RESCUED" {
                try await queue.kill(worker)
                #expect(try await Maintenance(pool: queue.pool, interval: .seconds(1)).runOnce(withHousekeeping: false) == 4)
            } else {
                let writer = OutcomeWriter(
                    pool: queue.pool, logs: ExecutionLogWriter(wakeup: Wakeup()), wakeup: Wakeup(), onWritten: { _ in })
                for run in runs {
                    writer.submit(run, .retried(RunError(code: "X", message: "m", isRetryable: true), timedOut: false, delay: .zero))
                }
                try await writer.writeOnce()
            }
            #expect(
                try await queue.texts("SELECT id FROM job_live WHERE status = 'PENDING' ORDER BY id") == [ids[0], ids[1], ids[2], ids[4]])
            #expect(try await queue.status(ids[3]) == "RUNNING")
            #expect(try await queue.attempts(ids[1]) == ["1 INTERRUPTED"], "one recorded end an attempt")
            #expect(try await queue.attempts(ids[4]) == ["1 \(outcome)"])
        }
    }

    @Test("R04: rescuer and finisher race for one row: one of them wins, and there is one end an attempt")
    func race() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            for _ in 0..<20 {
                let worker = try await queue.addWorker()
                try await queue.enqueue(job, count: 5)
                let runs = try await queue.claim(worker)
                try await queue.kill(worker)
                async let rescued = queue.rescue()
                async let finished = queue.finish(runs)
                let (back, ended) = (try await rescued, try await finished.count)
                #expect(back + ended <= 5)
                _ = try await queue.rescue()
                let left = try await queue.addWorker()
                try await queue.finish(try await queue.claim(left))
            }
            #expect(try await queue.number("SELECT count(*) FROM job_executions WHERE status = 'SUCCESS'") == 100)
            #expect(
                try await queue.number(
                    "SELECT count(*) FROM (SELECT FROM job_attempts GROUP BY execution_id, attempt HAVING count(*) > 1) AS twice") == 0)
            #expect(
                try await queue.number(
                    "SELECT count(*) FROM job_executions AS e WHERE attempt <> (SELECT count(*) FROM job_attempts AS a WHERE a.execution_id = e.id)"
                ) == 0)
        }
    }

    @Test("R09: a host name and a pid that are used again are another worker: each process start has its own lease and runs")
    func identity() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            try await queue.enqueue(job, count: 2)
            let starts = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"].map {
                WorkerIdentity(id: $0, host: "host", pid: 7, version: "v", slots: 1)
            }
            var runs: [ClaimedRun] = []
            for start in starts {
                try await queue.run(QueueStatements.renewLease(start, lease: .seconds(30), running: 0))
                runs.append(try await queue.claim(start.id, batch: 1)[0])
            }
            #expect(try await queue.number("SELECT count(*) FROM workers WHERE host = 'host' AND pid = 7") == 2)
            try await queue.kill(starts[0].id)
            try await queue.run(QueueStatements.renewLease(starts[1], lease: .seconds(30), running: 1))
            #expect(try await queue.rescue() == 1)
            #expect(try await queue.texts(QueueStatements.lostRuns(runs)) == [runs[0].id])
            #expect(try await queue.finish(runs) == [runs[1].id])
            #expect(try await queue.texts(QueueStatements.heldRows(worker: starts[1].id)).isEmpty)
        }
    }

    @Test("a lease that ends too late, after the server's clock jumped, is cut to one lease from now")
    func clockJump() async throws {
        try await Queue.withDatabase { queue in
            let worker = try await queue.addWorker()
            try await queue.run("UPDATE workers SET lease = '30 s', lease_until = clock_timestamp() + interval '2 hours'")
            try await queue.rescue()
            #expect(
                try await queue.text("SELECT lease_until <= clock_timestamp() + interval '30 s' FROM workers WHERE id = \(worker)::uuid")
                    == "t")
        }
    }

    @Test("nothing is rescued in the first lease time after the server started")
    func afterTheServersStart() async throws {
        let server = try await RestartableServer.start()
        let pool = PostgresPool(try PostgresConfiguration(url: server.url()), maximumConnections: 2)
        _ = try await Migrator(pool: pool, migrations: MigrationTests.migrations).up()
        let worker = "00000000-0000-7000-8000-000000000001"
        _ = try await pool.query("INSERT INTO job_configurations (name, job_type) VALUES ('j', 'NOOP')")
        _ = try await pool.query(
            "INSERT INTO workers (id, host, pid, version, lease, lease_until, slots) VALUES (\(worker)::uuid, 'h', 1, 'v', '1 hour', now() + interval '1 hour', 1)"
        )
        _ = try await pool.query("SELECT enqueue_job('j')")
        #expect(try await Queue.claim(worker, batch: 1, on: pool).count == 1)
        await pool.close()
        try await server.restart(.immediate)
        let later = PostgresPool(try PostgresConfiguration(url: server.url()), maximumConnections: 2)
        let maintenance = Maintenance(pool: later, interval: .seconds(1))
        _ = try await later.query("UPDATE workers SET lease_until = clock_timestamp() - interval '1 second'")
        #expect(try await maintenance.runOnce(withHousekeeping: true) == 0, "its worker could not renew while the server was down")
        _ = try await later.query("UPDATE workers SET lease = '1 microsecond'")
        #expect(try await maintenance.runOnce(withHousekeeping: false) == 1)
        await later.close()
    }

    @Test("rows that carry a worker's id though it does not know them are given back")
    func unknownRows() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.enqueue(job, count: 2)
            let runs = try await queue.claim(worker)
            let rows = try await queue.pool.query(QueueStatements.heldRows(worker: worker)).map {
                HeldRow(id: try $0.get("id"), token: try $0.get("token"))
            }
            #expect(Set(rows.map(\.id)) == Set(runs.map(\.id)))
            try await queue.run(
                QueueStatements.giveBack(rows: [HeldRow(id: runs[0].id, token: runs[0].token), HeldRow(id: runs[1].id, token: 0)]))
            #expect(try await queue.column("status || max_attempts", of: runs[0].id) == "PENDING4")
            #expect(try await queue.status(runs[1].id) == "RUNNING", "another token, another owner")
            #expect(try await queue.texts(QueueStatements.lostRuns(runs)) == [runs[0].id])
        }
    }
}
