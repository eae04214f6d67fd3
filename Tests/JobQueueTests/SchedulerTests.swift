import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// One scheduler, turn by turn.
@Suite struct SchedulerTests {
    @Test("a due time becomes one execution of trigger SCHEDULE with its tick; a second look adds nothing")
    func enqueues() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: try await fixture.hourly())
            let next = try await fixture.scheduler.runOnce()
            #expect(try #require(next) > .seconds(1))
            try await fixture.rewind(job, by: 3_600)
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.outcomes(job) == ["ENQUEUED": 1])
            let row = try #require(try await fixture.pool.query("SELECT * FROM job_executions").first)
            #expect(try row.get("trigger", as: String.self) == "SCHEDULE")
            #expect(try row.get("status", as: String.self) == "PENDING")
            #expect(
                try await fixture.count("SELECT FROM schedule_ticks JOIN job_executions ON due_at = scheduled_for AND execution_id = id")
                    == 1)
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.count("SELECT FROM job_executions") == 1)
            #expect(try await fixture.mismatches() == 0)
        }
    }

    @Test(
        "misfire_policy decides about missed due times, and each leaves its tick",
        arguments: [
            ("RUN_ONCE", ["ENQUEUED": 1, "COALESCED": 179]), ("RUN_ALL", ["ENQUEUED": 100, "SKIPPED_MISFIRE": 80]),
            ("SKIP", ["SKIPPED_MISFIRE": 180]),
        ])
    func misfires(policy: String, expected: [String: Int]) async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: try await fixture.hourly(), misfire: policy)
            _ = try await fixture.scheduler.runOnce()
            try await fixture.rewind(job, by: 180 * 3_600)
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.outcomes(job) == expected)
            #expect(try await fixture.count("SELECT FROM job_executions") == expected["ENQUEUED"] ?? 0)
            let latest: SQL = """
                SELECT FROM job_executions AS e WHERE scheduled_for = (SELECT max(due_at) FROM schedule_ticks)
                """
            #expect(try await fixture.count(latest) == (policy == "SKIP" ? 0 : 1))
            #expect(try await fixture.mismatches() == 0)
        }
    }

    @Test("beyond 10,000 missed the older due times are one row with their count")
    func countedRow() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: "* * * * * *")
            _ = try await fixture.scheduler.runOnce()
            try await fixture.rewind(job, by: 86_400)
            _ = try await fixture.scheduler.runOnce()
            let counted = try await fixture.pool.query("SELECT * FROM schedule_ticks WHERE count > 1")
            #expect(counted.count == 1)
            #expect(try #require(counted.first).get("count", as: Int.self) >= 86_400 - 10_000 - 62)
            #expect(try await fixture.count("SELECT FROM schedule_ticks WHERE count = 1") >= 10_000)
            #expect(try await fixture.outcomes(job).values.reduce(0, +) >= 86_400)
            #expect(try await fixture.mismatches() == 0)
        }
    }

    @Test(
        "overlap_policy decides beside a live execution, by hand or not",
        arguments: [
            ("SKIP", "SKIPPED_OVERLAP", 0), ("QUEUE", "ENQUEUED", 1), ("ALLOW", "ENQUEUED", 1), ("REPLACE", "ENQUEUED", 1),
        ])
    func overlap(policy: String, outcome: String, made: Int) async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: try await fixture.hourly(), overlap: policy)
            _ = try await fixture.scheduler.runOnce()
            let running = try await fixture.addExecution(job, isRunning: true)
            try await fixture.rewind(job, by: 3_600)
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.outcomes(job) == [outcome: 1])
            #expect(try await fixture.count("SELECT FROM job_executions WHERE trigger = 'SCHEDULE'") == made)
            let row = try #require(try await fixture.pool.query("SELECT status FROM job_executions WHERE id = \(running)::uuid").first)
            let status: String = try row.get("status")
            #expect(status == (policy == "REPLACE" ? "CANCELLED" : "RUNNING"))
            #expect(try await fixture.mismatches() == 0)
        }
    }

    @Test("QUEUE keeps one waiting; what is not due yet and other jobs' executions overlap nothing")
    func queueAndBystanders() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let queueing = try await fixture.addJob("queueing", pattern: try await fixture.hourly(), overlap: "QUEUE")
            let later = try await fixture.addJob("later", pattern: try await fixture.hourly())
            let other = try await fixture.addJob("other", pattern: try await fixture.hourly(), overlap: "REPLACE")
            _ = try await fixture.scheduler.runOnce()
            try await fixture.addExecution(queueing, isRunning: true)
            try await fixture.addExecution(queueing)
            try await fixture.addExecution(later, dueIn: 3_600)
            for job in [queueing, later, other] { try await fixture.rewind(job, by: 3_600) }
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.outcomes(queueing) == ["SKIPPED_OVERLAP": 1])
            #expect(try await fixture.outcomes(later) == ["ENQUEUED": 1])
            #expect(try await fixture.outcomes(other) == ["ENQUEUED": 1])
            #expect(try await fixture.count("SELECT FROM job_executions WHERE status = 'CANCELLED'") == 0)
        }
    }

    @Test("a paused job's ticks are SKIPPED_PAUSED, an inactive or deleted one has none")
    func pausedInactiveDeleted() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let paused = try await fixture.addJob("paused", pattern: "* * * * * *")
            let inactive = try await fixture.addJob("inactive", pattern: "* * * * * *")
            let deleted = try await fixture.addJob("deleted", pattern: "* * * * * *")
            let manual = try await fixture.addJob("manual", pattern: "* * * * * *")
            _ = try await fixture.scheduler.runOnce()
            _ = try await fixture.pool.query("SELECT pause_job('paused')")
            _ = try await fixture.pool.query("UPDATE job_configurations SET active = false WHERE id = \(inactive)")
            _ = try await fixture.pool.query("UPDATE job_configurations SET deleted_at = now() WHERE id = \(deleted)")
            _ = try await fixture.pool.query("UPDATE job_configurations SET cron_pattern = NULL WHERE id = \(manual)")
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.count("SELECT FROM job_schedules WHERE next_due_at IS NOT NULL") == 1)
            let before = try await fixture.count("SELECT FROM schedule_ticks WHERE job_config_id <> \(paused)")
            // On a busy machine seconds went by before the pause, and they have their ticks.
            _ = try await fixture.pool.query("DELETE FROM schedule_ticks WHERE job_config_id = \(paused)")
            try await fixture.rewind(paused, by: 30)
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.outcomes(paused)["SKIPPED_PAUSED"]! >= 29)
            #expect(try await fixture.count("SELECT FROM schedule_ticks WHERE job_config_id <> \(paused)") == before)
            _ = try await fixture.pool.query("SELECT resume_job('paused')")
            _ = try await fixture.scheduler.runOnce()
            try await fixture.rewind(paused, by: 5)
            _ = try await fixture.pool.query("DELETE FROM schedule_ticks WHERE job_config_id = \(paused)")
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.outcomes(paused)["SKIPPED_PAUSED"] == nil)
        }
    }

    @Test("R51: a transaction cut between enqueue and commit leaves nothing, and the next one does it once")
    func rolledBack() async throws {
        struct Killed: Error {}
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: try await fixture.hourly())
            _ = try await fixture.scheduler.runOnce()
            try await fixture.rewind(job, by: 3_600)
            await #expect(throws: Killed.self) {
                try await fixture.pool.transaction { transaction in
                    let report = try await SchedulerTick.run(in: transaction, dueBy: 9_000_000_000_000_000)
                    #expect(report.enqueued == 1)
                    throw Killed()
                }
            }
            #expect(try await fixture.count("SELECT FROM job_executions") == 0)
            #expect(try await fixture.count("SELECT FROM schedule_ticks") == 0)
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.outcomes(job) == ["ENQUEUED": 1])
            #expect(try await fixture.mismatches() == 0)
        }
    }

    @Test("a due time that has its tick makes no execution, even when the schedule forgot that it looked")
    func tickGuards() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: try await fixture.hourly(), overlap: "ALLOW")
            _ = try await fixture.scheduler.runOnce()
            for _ in 0..<2 {
                try await fixture.rewind(job, by: 3_600)
                _ = try await fixture.scheduler.runOnce()
            }
            #expect(try await fixture.outcomes(job) == ["ENQUEUED": 1])
            #expect(try await fixture.count("SELECT FROM job_executions") == 1)
        }
    }

    @Test("REPLACE replaces nothing at a due time that has its tick already, and so makes no execution")
    func tickGuardsReplace() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: try await fixture.hourly(), overlap: "REPLACE")
            _ = try await fixture.scheduler.runOnce()
            try await fixture.rewind(job, by: 3_600)
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.outcomes(job) == ["ENQUEUED": 1])
            let running = try await fixture.addExecution(job, isRunning: true)
            try await fixture.rewind(job, by: 3_600)
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.outcomes(job) == ["ENQUEUED": 1])
            #expect(try await fixture.count("SELECT FROM job_executions WHERE id = \(running)::uuid AND status = 'RUNNING'") == 1)
        }
    }

    @Test("R51: a schedule whose row is lost goes on behind its last tick, not behind the job's last change")
    func lostRow() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: try await fixture.hourly(), overlap: "ALLOW", misfire: "RUN_ALL")
            try await fixture.pool.transaction { transaction in
                _ = try await transaction.query("SET LOCAL session_replication_role = replica")
                _ = try await transaction.query("UPDATE job_configurations SET updated_at = now() - interval '3 hours'")
            }
            _ = try await fixture.scheduler.runOnce()
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.outcomes(job) == ["ENQUEUED": 3])
            _ = try await fixture.pool.query("DELETE FROM schedule_ticks WHERE due_at < (SELECT max(due_at) FROM schedule_ticks)")
            _ = try await fixture.pool.query("DELETE FROM job_schedules")
            _ = try await fixture.scheduler.runOnce()
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.count("SELECT FROM job_executions") == 3)
        }
    }

    @Test("one schedule that the database refuses does not stop the others")
    func refusedSchedule() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            var jobs: [Int] = []
            for name in ["first", "refused", "last"] { jobs.append(try await fixture.addJob(name, pattern: try await fixture.hourly())) }
            _ = try await fixture.scheduler.runOnce()
            // An id from the database: DDL takes no parameters.
            _ = try await fixture.pool.query(
                "ALTER TABLE schedule_ticks ADD CONSTRAINT not_this_one CHECK (job_config_id <> \(unsafe: String(jobs[1])))")
            for job in jobs { try await fixture.rewind(job, by: 3_600) }
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.count("SELECT FROM job_executions") == 2)
            #expect(try await fixture.outcomes(jobs[1]).isEmpty)
            _ = try await fixture.pool.query("ALTER TABLE schedule_ticks DROP CONSTRAINT not_this_one")
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.outcomes(jobs[1]) == ["ENQUEUED": 1])
        }
    }

    @Test("R52: zone files that cannot be followed while the database refuses are followed when it answers")
    func zoneFilesLater() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: try await fixture.hourly())
            _ = try await fixture.scheduler.runOnce()
            _ = try await fixture.pool.query(
                "UPDATE job_schedules SET next_due_at = next_due_at + interval '1 hour' WHERE job_config_id = \(job)")
            let scheduler = fixture.scheduler
            _ = try await fixture.pool.query("ALTER TABLE job_schedules RENAME TO away")
            scheduler.reload()
            await #expect(throws: PostgresError.self) { try await scheduler.runOnce() }
            _ = try await fixture.pool.query("ALTER TABLE away RENAME TO job_schedules")
            _ = try await scheduler.runOnce()
            #expect(try await fixture.count("SELECT FROM job_schedules WHERE next_due_at < now() + interval '1 hour'") == 1)
        }
    }

    @Test("R52: a next due time that the zone files no longer give is planned anew, without losing one before it")
    func zoneFiles() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: try await fixture.hourly(), zone: "America/Sao_Paulo")
            let other = try await fixture.addJob("other", pattern: try await fixture.hourly())
            let planned = try #require(try await fixture.scheduler.runOnce())
            let others = try await fixture.pool.query("SELECT xmin::text AS version FROM job_schedules WHERE job_config_id = \(other)")
                .first!
            _ = try await fixture.pool.query(
                "UPDATE job_schedules SET next_due_at = next_due_at + interval '1 hour' WHERE job_config_id = \(job)")
            let scheduler = fixture.scheduler
            scheduler.reload()
            _ = try await scheduler.runOnce()
            let next: Bool = try await fixture.pool.query(
                "SELECT next_due_at < now() + interval '31 minutes' AS soon FROM job_schedules WHERE job_config_id = \(job)"
            ).first!.get("soon")
            #expect(next && planned > .zero)
            let same = try await fixture.pool.query("SELECT xmin::text AS version FROM job_schedules WHERE job_config_id = \(other)").first!
            #expect(same["version"] == others["version"])
        }
    }
}
