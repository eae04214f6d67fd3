import Postgres
import TestSupport
import Testing

@testable import Notifications

/// LATE when what is expected of a job changes.
@Suite struct LateExpectationTests {
    /// Due 90 and 20 minutes ago, each with a success a quarter of an hour later; the second one still counts as not judged.
    private func addJob(_ outbox: Outbox, within: String) async throws -> Int {
        let job = try await outbox.addJob("sync", "cron_pattern = '0 0 1 1 *', expect_success_within = '\(within)'")
        try await LateWatch(pool: outbox.pool).runOnce()
        try await outbox.run("UPDATE job_watches SET watched_through = now() - interval '9 hours', next_look_at = '-infinity'")
        for minutes in [90, 20] {
            try await outbox.plant(
                """
                WITH t AS (INSERT INTO schedule_ticks (job_config_id, due_at, outcome, execution_id)
                  VALUES (\(job), now() - \(minutes) * interval '1 minute', 'ENQUEUED', uuid_v7()) RETURNING *)
                INSERT INTO job_finished (id, job_config_id, status, trigger, scheduled_for, attempt, finished_at)
                SELECT execution_id, job_config_id, 'SUCCESS', 'SCHEDULE', due_at, 1, due_at + interval '15 minutes' FROM t
                """)
        }
        return job
    }

    @Test("what is late is told as it was expected, though nothing is expected any more when it is told", arguments: [true, false])
    func changedSince(_ isScheduled: Bool) async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let watch = LateWatch(pool: outbox.pool)
            if isScheduled {
                _ = try await addJob(outbox, within: "10 minutes")
            } else {
                try await outbox.addJob("sync", "expect_success_within = '10 minutes'")
                try await watch.runOnce()
                try await outbox.run("UPDATE job_watches SET watched_through = now() - interval '1 hour', next_look_at = '-infinity'")
            }
            #expect(try await watch.runOnce() > 0)
            try await outbox.run(
                "UPDATE job_configurations SET expect_success_within = NULL, cron_pattern = \(orNull: isScheduled ? nil : "0 0 * * *")::text"
            )
            let transport = FakeTransport()
            _ = try await outbox.sender(channel, transport).turn()
            let message = try #require(transport.messages.first)
            let words = isScheduled ? "não terminou bem em 10 min." : "há mais de 10 min."
            #expect(message.text.plain.contains(words), "\(message.text.plain)")
            #expect(WebhookBody(message).document["data"]?["expected_within_seconds"] == 600)
        }
    }

    @Test(
        "an expectation made tighter: due times whose new deadline had passed by then were on time and stay so; another change forgives nothing"
    )
    func tightened() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let watch = LateWatch(pool: outbox.pool)
            let job = try await addJob(outbox, within: "1 hour")
            #expect(try await watch.runOnce() == 0)
            try await outbox.run("UPDATE job_configurations SET expect_success_within = '10 minutes' WHERE id = \(job)")
            #expect(try await watch.runOnce() == 0)
            #expect(try await outbox.deliveries() == [])
            // From now on the new one holds, and a change of something else loses no due time that was not judged yet.
            try await outbox.run("UPDATE job_watches SET watched_through = now() - interval '1 hour'")
            try await outbox.run("UPDATE job_configurations SET description = 'x' WHERE id = \(job)")
            #expect(try await watch.runOnce() == 1)
        }
    }
}
