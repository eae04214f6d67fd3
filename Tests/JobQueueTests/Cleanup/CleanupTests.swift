import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// What a clean-up removes of the queue's own tables, and what it leaves.
@Suite struct CleanupTests {
    /// A run of a clean-up that holds its lease.
    private func context(_ queue: Queue, options: JSONValue = [:]) async throws -> RunContext {
        let worker = try await queue.addWorker()
        let id = try await queue.enqueue(try await queue.addJob("clean-\(UUID().uuidString)", type: "CLEANUP_LOGS"))[0]
        let run = try #require(try await queue.claim(worker).first { $0.id == id })
        let lease = Lease(length: .seconds(600))
        lease.renewed(askedAt: MonotonicClock.now())
        return RunContext(
            run: run, configuration: .sample(type: "CLEANUP_LOGS"), options: options, pool: queue.pool, lease: lease,
            term: Lease.Term(number: 1), logWriter: ExecutionLogWriter(wakeup: Wakeup()), slotPause: SlotPause { _ in })
    }

    private func clean(_ queue: Queue, _ options: JSONValue = [:], rules: [RetentionRule] = [.scheduleTicks]) async throws -> JSONValue {
        guard case .succeeded(let metrics?) = try await CleanupJob(rules: rules).run(context(queue, options: options)) else {
            throw Unexpected("no metrics")
        }
        return metrics
    }

    /// Partitions of the days so long ago.
    private func addDays(_ queue: Queue, _ ages: [Int]) async throws {
        for age in ages { try await queue.run("SELECT create_day_partitions((now() AT TIME ZONE 'UTC')::date - \(age)::int)") }
    }

    /// An execution that was made in the middle of the day so long ago and ended within a second, or later.
    @discardableResult
    private func addFinished(_ queue: Queue, age: Int, lastedDays: Int = 0, parent: ExecutionID? = nil) async throws -> ExecutionID {
        let id = try await id(queue, age: age)
        try await queue.plant(
            """
            INSERT INTO job_finished (id, job_config_id, parent_id, status, created_at, finished_at)
            SELECT \(id)::uuid, 1, \(orNull: parent)::uuid, 'FAILED', uuid_v7_time(\(id)::uuid), uuid_v7_time(\(id)::uuid) + make_interval(days => \(lastedDays)::int, secs => 1)
            """)
        return id
    }

    /// An id of the middle of the day so long ago.
    private func id(_ queue: Queue, age: Int) async throws -> ExecutionID {
        try await queue.text(
            """
            SELECT overlay(uuid_v7()::text PLACING left(uuid_v7_floor((((now() AT TIME ZONE 'UTC')::date - \(age)::int)::timestamp + interval '12 hours') AT TIME ZONE 'UTC')::text, 13)
              FROM 1 FOR 13)
            """)
    }

    /// The days of partitions that are still there, by their age.
    private func days(_ queue: Queue, of parent: String) async throws -> [Int] {
        try await queue.texts(
            """
            SELECT (now() AT TIME ZONE 'UTC')::date - to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') FROM pg_inherits
            WHERE inhparent = \(parent)::regclass ORDER BY 1 DESC
            """
        ).compactMap { Int($0) }.filter { $0 > 1 }
    }

    @Test("partitions wholly older than the retention go, the others stay; their rows are counted")
    func partitions() async throws {
        try await Queue.withDatabase { queue in
            try await addDays(queue, [7, 8, 9, 30, 90, 91, 92, 200])
            for age in [7, 8, 9, 30] {
                try await queue.run(
                    """
                    INSERT INTO execution_logs (execution_id, attempt, logged_at, message)
                    SELECT uuid_v7(), 1, ((now() AT TIME ZONE 'UTC')::date - \(age)::int)::timestamp AT TIME ZONE 'UTC', 'x' FROM generate_series(1, \(age)::int)
                    """)
            }
            for age in [30, 90, 91, 92, 200] { try await addFinished(queue, age: age) }
            let executions = try await id(queue, age: 200)
            try await queue.run(
                "INSERT INTO job_attempts_past (execution_id, attempt, outcome) VALUES (\(executions)::uuid, 1, 'RETRY')")
            let wouldGo = try await clean(queue, ["dry_run": true])
            #expect(try await days(queue, of: "execution_logs") == [200, 92, 91, 90, 30, 9, 8, 7])
            let metrics = try await clean(queue)
            #expect(wouldGo["dry_run"] == true && wouldGo["removed"] == metrics["removed"] && metrics["dry_run"] == nil)
            // The 91st day was over an hour too late only in the first hour of a day.
            let executionsGone = metrics["removed"]?["job_executions"]?.intValue ?? 0
            #expect((2...3).contains(executionsGone), "\(metrics)")
            #expect(
                metrics["removed"] == [
                    "execution_logs": 47, "job_executions": .integer(Int64(executionsGone)), "job_attempts": 1, "schedule_ticks": 0,
                ], "\(metrics)")
            #expect(metrics["estimated"] == nil && metrics["skipped"] == nil && metrics["severity"] == "ok")
            #expect(try await days(queue, of: "execution_logs") == [7])
            #expect(try await Set(days(queue, of: "job_finished")).subtracting([91]) == [90, 30, 9, 8, 7])
            #expect(try await days(queue, of: "job_attempts_past") == days(queue, of: "job_finished"))
            #expect(
                try await clean(queue)["removed"] == ["execution_logs": 0, "job_executions": 0, "job_attempts": 0, "schedule_ticks": 0])
        }
    }

    @Test("a day stays while a live execution was made on it, repeats one of it, or waits for children in it, and while one ended late")
    func inUse() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            try await addDays(queue, [100, 110, 120, 130, 140, 150])
            let worker = try await queue.addWorker()
            let live = try await id(queue, age: 100)
            try await queue.plant(
                """
                INSERT INTO job_live (id, job_config_id, run_at, created_at)
                VALUES (\(live)::uuid, \(job), now() + interval '1 day', uuid_v7_time(\(live)::uuid))
                """)
            try await queue.run("INSERT INTO job_attempts_past (execution_id, attempt, outcome) VALUES (\(live)::uuid, 1, 'RETRY')")
            let repeated = try await addFinished(queue, age: 110)
            let retry = try await queue.text("SELECT retry_execution(\(repeated)::uuid)")
            let parent = try await queue.addParent(job, stores: [1, 2], worker: worker)
            try await addFinished(queue, age: 120, parent: parent)
            try await addFinished(queue, age: 130, lastedDays: 100)
            try await addFinished(queue, age: 140, lastedDays: 30)
            try await addFinished(queue, age: 150)
            #expect(try await clean(queue)["removed"]?["job_executions"] == 2)
            #expect(try await days(queue, of: "job_finished") == [130, 120, 110, 100])
            #expect(try await days(queue, of: "job_attempts_past") == [130, 120, 110, 100])
            try await queue.run("SELECT cancel_execution(id) FROM unnest(\([retry, parent])::uuid[]) AS id")
            #expect(try await clean(queue)["removed"]?["job_executions"] == 2)
            #expect(try await days(queue, of: "job_finished") == [130, 100])
            #expect(try await queue.status(live) == "PENDING")
            try await queue.run("SELECT cancel_execution(\(live)::uuid)")
            _ = try await clean(queue)
            #expect(try await queue.status(live) == "CANCELLED", "it ended a moment ago, so it is kept from now on")
        }
    }

    @Test("ticks go job by job in pages, those of live executions stay; what is younger stays")
    func ticks() async throws {
        try await Queue.withDatabase { queue in
            let worker = try await queue.addWorker()
            try await queue.run(
                """
                INSERT INTO schedule_ticks (job_config_id, due_at, outcome)
                SELECT j, now() - make_interval(days => 91, mins => n), 'ENQUEUED' FROM unnest('{1,2,7}'::int[]) AS j, generate_series(1, 1200 * j) AS n
                UNION ALL SELECT j, now() - make_interval(days => 89, mins => n), 'ENQUEUED' FROM unnest('{1,2,7}'::int[]) AS j, generate_series(1, 10) AS n
                """)
            let live = try await queue.enqueue(try await queue.addJob())[0]
            let run = try await queue.claimOne(worker)
            try await queue.run(
                "UPDATE schedule_ticks SET execution_id = \(live)::uuid WHERE (job_config_id, due_at) IN (SELECT job_config_id, min(due_at) FROM schedule_ticks GROUP BY 1)"
            )
            #expect(try await clean(queue, ["dry_run": true])["removed"]?["schedule_ticks"] == 11_997)
            #expect(try await clean(queue)["removed"]?["schedule_ticks"] == 11_997)
            #expect(try await queue.number("SELECT count(*) FROM schedule_ticks") == 33)
            try await queue.finish([run])
            #expect(try await clean(queue)["removed"]?["schedule_ticks"] == 3)
        }
    }

    @Test("whatever the retention, today and yesterday stay; a switch of the old system leaves its part alone")
    func switches() async throws {
        try await Queue.withDatabase { queue in
            try await addDays(queue, [2, 3])
            let none = try await clean(queue, ["cleanup_executions": false, "cleanup_system_logs": false])
            #expect(none["removed"] == [:])
            #expect(try await clean(queue, ["retention_days": 0, "cleanup_executions": false])["removed"] == ["execution_logs": 0])
            #expect(try await days(queue, of: "execution_logs") == [])
            #expect(try await days(queue, of: "job_finished") == [3, 2])
            _ = try await clean(queue, ["execution_retention_days": 0, "retention_days": nil])
            #expect(try await Set(days(queue, of: "job_finished")).subtracting([2]) == [])
            let kept = try await queue.number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'execution_logs'::regclass")
            #expect(kept == 9, "yesterday to next week")
        }
    }

    @Test("partitions that are not the queue's own, by default or without an end, are nobody's to drop")
    func foreignPartitions() async throws {
        try await Queue.withDatabase { queue in
            try await queue.run("CREATE TABLE the_rest PARTITION OF execution_logs DEFAULT")
            try await queue.run("CREATE TABLE ages PARTITION OF execution_logs FOR VALUES FROM (MINVALUE) TO ('2020-01-01')")
            try await queue.run("CREATE TABLE ahead PARTITION OF execution_logs FOR VALUES FROM ('2100-01-01') TO (MAXVALUE)")
            _ = try await clean(queue)
            #expect(
                try await queue.texts("SELECT relname FROM pg_class WHERE relname IN ('the_rest', 'ages', 'ahead') ORDER BY 1") == [
                    "ahead", "the_rest",
                ])
        }
    }

    @Test("a number that cannot be used is refused by its field, for good")
    func options() throws {
        for options: JSONValue in [["retention_days": "7"], ["retention_days": -1], ["retention_days": 1.5]] {
            let error = try #require(throws: RunError.self) { try CleanupOptions(options) }
            #expect(!error.isRetryable && error.message.hasPrefix("config.retention_days: "))
        }
        let error = try #require(throws: RunError.self) { try CleanupOptions(["dry_run": "yes"]) }
        #expect(error.message.hasPrefix("config.dry_run: "))
        let standard = try CleanupOptions([:])
        #expect(
            standard.logDays == 7 && standard.executionDays == 90 && !standard.isDryRun && standard.cleansLogs && standard.cleansExecutions)
        #expect(try CleanupOptions(["retention_days": 3.0]).logDays == 3)
    }
}
