import Postgres
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import JobQueue

/// The ends of runs reach the database, once, whatever happens on the way (R07, R08, R24).
@Suite struct OutcomeWriterTests {
    private func writer(_ pool: PostgresPool, _ logs: ExecutionLogWriter? = nil) -> OutcomeWriter {
        OutcomeWriter(pool: pool, logs: logs ?? ExecutionLogWriter(wakeup: Wakeup()), wakeup: Wakeup(), onWritten: { _ in })
    }

    private let failure = RunError(code: "BROKEN", message: "it broke", isRetryable: true, metrics: ["n": 2])

    @Test("every outcome is written as what it is, many in one round")
    func outcomes() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.enqueue(job, count: 8)
            let runs = try await queue.claim(worker)
            let writer = writer(queue.pool)
            let outcomes: [RunOutcome] = [
                .succeeded(metrics: #"{"n": 1}"#), .failed(failure, timedOut: false), .failed(failure, timedOut: true),
                .retried(failure, timedOut: false, delay: .seconds(60)), .retried(failure, timedOut: true, delay: .zero),
                .interrupted(.interruption, delay: nil), .fannedOut([PlannedChild(params: [:])], unit: "stores"), .fencedOff,
            ]
            for (run, outcome) in zip(runs, outcomes) { writer.submit(run, outcome) }
            #expect(writer.unwrittenCount == 8 && writer.unwrittenIDs == Set(runs.map(\.id)))
            try await writer.writeOnce()
            #expect(writer.unwrittenCount == 0)
            var rows: [String] = []
            for run in runs {
                let column = "concat_ws(' ', status, max_attempts, metrics ->> 'n', error_details ->> 'code')"
                rows.append(try await queue.column(column, of: run.id) + " " + (try await queue.attempts(run.id)).joined())
            }
            #expect(
                rows == [
                    "SUCCESS 3 1 1 SUCCESS", "FAILED 3 2 BROKEN 1 FAILED", "FAILED 3 2 BROKEN 1 TIMED_OUT", "PENDING 3 BROKEN 1 RETRY",
                    "PENDING 3 BROKEN 1 TIMED_OUT", "PENDING 4 INTERRUPTED 1 INTERRUPTED", "RUNNING 3 1 under way", "RUNNING 3 1 under way",
                ])
            #expect(try await queue.number("SELECT count(*) FROM job_live WHERE parent_id = \(runs[6].id)::uuid") == 1)
        }
    }

    @Test("others are told of the place that a run leaves when its worker claims no more, and else are not", arguments: [true, false])
    func placesLeft(isLeaving: Bool) async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("limited", "max_concurrency = 1")
            try await queue.enqueue(job, count: 2)
            let runs = try await queue.claim(try await queue.addWorker())
            try #require(runs.count == 1 && runs[0].isGated)
            let told = Mutex<[Bool]>([])
            let writer = OutcomeWriter(
                pool: queue.pool, logs: ExecutionLogWriter(wakeup: Wakeup()), wakeup: Wakeup(), isLeaving: { isLeaving },
                onWritten: { freesPlaces in told.withLock { $0.append(freesPlaces) } })
            try await queue.run("SELECT setval('last_wake', 1)")
            writer.submit(runs[0], .succeeded(metrics: nil))
            try await writer.writeOnce()
            #expect(try await (queue.number("SELECT last_value FROM last_wake") > 1) == isLeaving)
            #expect(told.withLock { $0 } == [true])
        }
    }

    @Test("a result that PostgreSQL refuses fails its own run alone")
    func refusedResult() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            try await queue.enqueue(job, count: 5)
            let runs = try await queue.claim(try await queue.addWorker())
            let writer = writer(queue.pool)
            for (place, run) in runs.enumerated() {
                writer.submit(run, .succeeded(metrics: place == 2 ? #"{"name": "\u0000"}"# : "{}"))
            }
            try await writer.writeOnce()
            #expect(try await queue.number("SELECT count(*) FROM job_finished WHERE status = 'SUCCESS'") == 4)
            #expect(try await queue.column("status || (error_details ->> 'code')", of: runs[2].id) == "FAILEDRESULT_REFUSED")
            #expect(writer.unwrittenCount == 0)
        }
    }

    @Test(
        "a run whose every end is refused costs the others nothing, and waits for what refuses it to go, instead of running again and again"
    )
    func refusedRow() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let ids = try await queue.enqueue(job, count: 4)
            let worker = try await queue.addWorker()
            let runs = try await queue.claim(worker)
            try await queue.run(
                "ALTER TABLE job_finished ADD CONSTRAINT spite CHECK (id <> '\(spliced(ids[0]))')")
            let writer = writer(queue.pool)
            for run in runs { writer.submit(run, .succeeded(metrics: nil)) }
            try await writer.writeOnce()
            #expect(try await queue.number("SELECT count(*) FROM job_finished WHERE status = 'SUCCESS'") == 3)
            #expect(writer.unwrittenIDs == Set(runs.filter { "\($0.id)" == ids[0] }.map(\.id)))
            #expect(try await queue.texts("SELECT id FROM job_live WHERE worker = \(worker)::uuid") == [ids[0]])
            try await queue.run("ALTER TABLE job_finished DROP CONSTRAINT spite")
            try await eventually("the end that was refused") {
                try await writer.writeOnce()
                return writer.unwrittenCount == 0
            }
            #expect(try await queue.status(ids[0]) == "SUCCESS")
        }
    }

    @Test("the plan of a job that was deleted meanwhile fails its own run, and holds up no other end")
    func planOfDeleted() async throws {
        try await Queue.withDatabase { queue in
            let (job, other) = (try await queue.addJob("gone"), try await queue.addJob("there"))
            try await queue.enqueue(job)
            try await queue.enqueue(other)
            let runs = try await queue.claim(try await queue.addWorker())
            try await queue.run("UPDATE job_configurations SET deleted_at = now() WHERE id = \(job)")
            let writer = writer(queue.pool)
            for run in runs { writer.submit(run, .fannedOut([PlannedChild(params: [:])], unit: "stores")) }
            try await writer.writeOnce()
            #expect(writer.unwrittenCount == 0)
            let gone = try #require(runs.first { $0.jobConfigID == job })
            #expect(try await queue.column("status || (error_details ->> 'code')", of: gone.id) == "FAILEDRESULT_REFUSED")
            #expect(try await queue.number("SELECT count(*) FROM job_live WHERE parent_id IS NOT NULL") == 1)
        }
    }

    @Test("while the table is locked or the database is away nothing is lost, and no success becomes a failure")
    func databaseAway() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            try await queue.enqueue(job, count: 4)
            let runs = try await queue.claim(try await queue.addWorker())
            let pool = PostgresPool(
                try PostgresConfiguration(url: queue.database.url, statementDeadline: .milliseconds(400)), maximumConnections: 2)
            let logs = ExecutionLogWriter(wakeup: Wakeup())
            let writer = writer(pool, logs)
            for run in runs.prefix(3) { writer.submit(run, .succeeded(metrics: nil)) }
            try await queue.pool.transaction { transaction in
                _ = try await transaction.query("LOCK TABLE job_live IN ACCESS EXCLUSIVE MODE")
                await #expect(throws: PostgresError.self) { try await writer.writeOnce() }
            }
            #expect(writer.unwrittenCount == 3)
            let server = try TestCluster.shared.pool
            _ = try await server.query("ALTER DATABASE \(spliced(queue.database.name)) ALLOW_CONNECTIONS false")
            _ = try await server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = \(queue.database.name)")
            logs.append(run: runs[3], level: .info, message: "kept", fields: [:])
            await #expect(throws: PostgresError.self) { try await writer.writeOnce() }
            #expect(writer.unwrittenCount == 3 && !logs.isEmpty)
            _ = try await server.query("ALTER DATABASE \(spliced(queue.database.name)) ALLOW_CONNECTIONS true")
            try await eventually("the ends in the database") { (try? await writer.writeOnce()) != nil }
            try await eventually("an answer") { (try? await queue.number("SELECT 1")) == 1 }
            #expect(try await queue.texts("SELECT status FROM job_executions ORDER BY 1") == ["RUNNING", "SUCCESS", "SUCCESS", "SUCCESS"])
            #expect(try await queue.texts("SELECT message FROM execution_logs") == ["kept"])
            await pool.close()
        }
    }

    @Test("lines are stored in order, fenced, and one that PostgreSQL refuses costs only itself")
    func logs() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            try await queue.enqueue(job, count: 2)
            let runs = try await queue.claim(try await queue.addWorker())
            let logs = ExecutionLogWriter(wakeup: Wakeup())
            let writer = writer(queue.pool, logs)
            logs.append(run: runs[0], level: .info, message: "one", fields: ["n": 1])
            logs.append(run: runs[0], level: .warning, message: "a\0b", fields: [:])
            logs.append(run: runs[1], level: .info, message: "bad", fields: ["text": "\0"])
            logs.append(run: runs[1], level: .error, message: "two", fields: [:])
            logs.append(run: .sample(token: runs[0].token), level: .info, message: "nobody's", fields: [:])
            let stale = ClaimedRun.sample(1, token: 0)
            logs.append(run: stale, level: .info, message: "stale", fields: [:])
            try await writer.writeOnce()
            #expect(
                try await queue.texts("SELECT level || ' ' || message || coalesce(fields::text, '') FROM execution_logs ORDER BY id")
                    == ["info one{\"n\": 1}", "warning a\u{FFFD}b", "error two"])
            #expect(try await queue.number("SELECT count(*) FROM execution_logs WHERE logged_at > clock_timestamp() OR attempt <> 1") == 0)
        }
    }

    @Test("NUL goes out of a line whatever follows it: a line of a program costs no other line its batch")
    func nulBeforeMark() async throws {
        try await Queue.withDatabase { queue in
            try await queue.enqueue(try await queue.addJob())
            let run = try await queue.claimOne(try await queue.addWorker())
            let logs = ExecutionLogWriter(wakeup: Wakeup())
            logs.append(run: run, level: .info, message: "a\0\u{301}b", fields: [:])
            logs.append(run: run, level: .info, message: "\0", fields: [:])
            try await writer(queue.pool, logs).writeOnce()
            #expect(try await queue.texts("SELECT message FROM execution_logs ORDER BY id") == ["a\u{FFFD}\u{301}b", "\u{FFFD}"])
        }
    }

    @Test("a refused line is found by halves: the lines around it take a few statements, not one each")
    func halves() async throws {
        try await Queue.withDatabase { queue in
            try await queue.enqueue(try await queue.addJob())
            let run = try await queue.claimOne(try await queue.addWorker())
            try await queue.run("CREATE SEQUENCE statements")
            try await queue.run(
                "CREATE FUNCTION count_statement() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''statements''); RETURN NULL; END'"
            )
            try await queue.run(
                "CREATE TRIGGER counted AFTER INSERT ON execution_logs FOR EACH STATEMENT EXECUTE FUNCTION count_statement()")
            let logs = ExecutionLogWriter(wakeup: Wakeup())
            for number in 1...900 {
                logs.append(run: run, level: .info, message: "\(number)", fields: number == 500 ? ["text": "\0"] : [:])
            }
            try await writer(queue.pool, logs).writeOnce()
            #expect(
                try await queue.texts("SELECT message FROM execution_logs ORDER BY id")
                    == (1...900).filter { $0 != 500 }.map(String.init))
            #expect(try await queue.number("SELECT last_value FROM statements") < 20)
        }
    }

    @Test("NUL in an error or in what was measured costs a run neither: it fails with its own cause")
    func nulInError() async throws {
        try await Queue.withDatabase { queue in
            try await queue.enqueue(try await queue.addJob(), count: 2)
            let runs = try await queue.claim(try await queue.addWorker())
            let error = RunError(
                code: "EXIT_3", message: "it said last: a\0\u{301}b", isRetryable: false, metrics: ["k\0": ["a\0\u{301}", 1]])
            let writer = writer(queue.pool)
            writer.submit(runs[0], .failed(error, timedOut: false))
            writer.submit(runs[1], .retried(error, timedOut: false, delay: .zero))
            try await writer.writeOnce()
            #expect(try await queue.column("error_details ->> 'message'", of: runs[0].id) == "it said last: a\u{FFFD}\u{301}b")
            #expect(try await queue.column("metrics", of: runs[0].id) == "{\"k\u{FFFD}\": [\"a\u{FFFD}\u{301}\", 1]}")
            #expect(try await queue.column("error_details ->> 'code'", of: runs[1].id) == "EXIT_3")
        }
    }

    @Test("lines are cut at 8 KB, and beyond 20,000 they are counted instead of kept")
    func caps() {
        let logs = ExecutionLogWriter(wakeup: Wakeup())
        logs.append(run: .sample(), level: .info, message: String(repeating: "é", count: 5000), fields: [:])
        let (lines, _) = logs.take()
        #expect(lines[0].message.utf8.count <= ExecutionLogWriter.longestMessage + 4 && lines[0].message.hasSuffix("é …"))
        logs.stored()
        for number in 0..<(ExecutionLogWriter.mostWaiting + 5) {
            logs.append(run: .sample(), level: .info, message: "\(number)", fields: [:])
        }
        let (kept, dropped) = logs.take()
        #expect(kept.count == ExecutionLogWriter.mostWaiting + 1 && dropped == 5 && logs.isEmpty)
        logs.stored()
        logs.append(run: .sample(), level: .info, message: "new", fields: [:])
        logs.putBack(kept)
        let (again, lost) = logs.take()
        #expect(again.count == kept.count + 1 && lost == 0 && again.first?.message == "0" && again.last?.message == "new")
    }
}
