import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// Schedules that cannot be used, and what hands did to the rows of others.
@Suite struct SchedulerProblemTests {
    @Test("what SQL let through and the scheduler cannot use is a problem of the configuration, until it is good again")
    func problems() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let job = try await fixture.addJob(pattern: "0 0 31 2 *")
            let good = try await fixture.addJob("good", pattern: "* * * * * *")
            let before = try await fixture.pool.query("SELECT updated_at FROM job_configurations WHERE id = \(job)").first!["updated_at"]
            #expect(try await fixture.scheduler.runOnce() != nil)
            let marked = try await fixture.pool.query("SELECT problem, updated_at FROM job_configurations WHERE id = \(job)").first!
            #expect(marked["problem"]?.contains("never comes") == true)
            #expect(marked["updated_at"] == before)
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.count("SELECT FROM audit_log WHERE row_id = \(String(job)) AND action = 'UPDATE'") == 1)
            _ = try await fixture.pool.query("UPDATE job_configurations SET cron_pattern = '0 0 28 2 *' WHERE id = \(job)")
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.count("SELECT FROM job_configurations WHERE problem IS NOT NULL") == 0)
            #expect(try await fixture.count("SELECT FROM job_schedules WHERE next_due_at IS NOT NULL") == 2)
            _ = good
        }
    }

    @Test("what a hand took away is there again after the next look; an infinite due time is refused, for it would stop all schedules")
    func planAgain() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let never = try await fixture.addJob(pattern: "0 0 31 2 *")
            let good = try await fixture.addJob("good", pattern: "0 5 * * *")
            _ = try await fixture.scheduler.runOnce()
            _ = try await fixture.pool.query("UPDATE job_configurations SET problem = NULL WHERE id = \(never)")
            _ = try await fixture.pool.query("UPDATE job_schedules SET next_due_at = NULL WHERE job_config_id = \(good)")
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.count("SELECT FROM job_configurations WHERE id = \(never) AND problem IS NOT NULL") == 1)
            #expect(try await fixture.count("SELECT FROM job_schedules WHERE job_config_id = \(good) AND next_due_at > now()") == 1)
            let refusal = await #expect(throws: PostgresError.self) {
                try await fixture.pool.query("UPDATE job_schedules SET next_due_at = 'infinity' WHERE job_config_id = \(good)")
            }
            #expect(refusal?.sqlState == "23514")
        }
    }

    @Test("a new job whose row somebody keeps locked holds up no other job's due time")
    func lockedNewcomer() async throws {
        try await SchedulerFixture.withDatabase { fixture in
            let old = try await fixture.addJob("old", pattern: "* * * * * *")
            _ = try await fixture.scheduler.runOnce()
            let new = try await fixture.addJob("new", pattern: "0 5 * * *")
            try await fixture.rewind(old, by: 5)
            try await fixture.pool.transaction { transaction in
                _ = try await transaction.query("SELECT FROM job_configurations WHERE id = \(new) FOR UPDATE")
                _ = try await fixture.scheduler.runOnce()
                #expect(try await fixture.count("SELECT FROM schedule_ticks WHERE job_config_id = \(old)") > 0)
            }
            _ = try await fixture.scheduler.runOnce()
            #expect(try await fixture.count("SELECT FROM job_schedules WHERE job_config_id = \(new)") == 1)
        }
    }
}
