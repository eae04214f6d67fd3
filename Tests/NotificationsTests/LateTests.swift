import JobQueue
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Notifications

/// LATE: once for each due time whose success did not come in time (SPEC §4).
@Suite struct LateTests {
    /// A job that was due at the full hours before and after, as its schedulers would have left it: the last look was `looked` seconds ago.
    private func addHourly(_ outbox: Outbox, within: String, dueSecondsAgo: Int = 1800, looked: Int? = nil) async throws -> Int {
        let minute = try await outbox.number(
            "SELECT extract(minute FROM now() - \(dueSecondsAgo) * interval '1 second')::int")
        let job = try await outbox.addJob(
            "hourly", "cron_pattern = '\(minute) * * * *', time_zone = 'UTC', expect_success_within = '\(within)'")
        _ = try await Scheduler(pool: outbox.pool).runOnce()
        if let looked {
            try await outbox.run(
                """
                UPDATE job_schedules SET looked_until = now() - \(looked) * interval '1 second',
                  next_due_at = date_trunc('minute', now() - \(dueSecondsAgo) * interval '1 second') WHERE job_config_id = \(job)
                """)
        }
        return job
    }

    /// A due time with its execution, some minutes ago.
    private func addTick(
        _ outbox: Outbox, _ job: Int, minutesAgo: Int, outcome: String = "ENQUEUED", status: String? = nil, finishedMinutesAgo: Int = 0
    ) async throws {
        let due: SQL = "date_trunc('minute', now()) - \(minutesAgo) * interval '1 minute'"
        let id = try await outbox.text(
            "INSERT INTO schedule_ticks (job_config_id, due_at, outcome, execution_id) VALUES (\(job), \(due), \(outcome), uuid_v7()) RETURNING execution_id"
        )
        guard let status else { return }
        try await outbox.plant(
            """
            INSERT INTO job_finished (id, job_config_id, status, trigger, scheduled_for, attempt, finished_at)
            VALUES (\(id)::uuid, \(job), \(status), 'SCHEDULE', \(due), 1, now() - \(finishedMinutesAgo) * interval '1 minute')
            """)
    }

    private func watchSince(_ outbox: Outbox, hours: Int) async throws {
        try await outbox.run("UPDATE job_watches SET watched_through = now() - \(hours) * interval '1 hour', next_look_at = '-infinity'")
    }

    private func late(_ outbox: Outbox) async throws -> [String] {
        try await outbox.texts(
            """
            SELECT (round(extract(epoch FROM now() - due_at) / 600) * 10)::text FROM notification_deliveries
            WHERE event = 'LATE' ORDER BY due_at
            """)
    }

    @Test("a due time is late when nothing with it or a later one succeeded by its deadline: failed, missing, still running, or too late")
    func judged() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let job = try await outbox.addJob("sync", "cron_pattern = '0 0 1 1 *', expect_success_within = '30 minutes'")
            let watch = LateWatch(pool: outbox.pool)
            try await watch.runOnce()
            try await addTick(outbox, job, minutesAgo: 500, status: "SUCCESS", finishedMinutesAgo: 480)
            try await addTick(outbox, job, minutesAgo: 400, status: "FAILED", finishedMinutesAgo: 399)
            try await addTick(outbox, job, minutesAgo: 300, status: "SUCCESS", finishedMinutesAgo: 260)
            try await addTick(outbox, job, minutesAgo: 200, outcome: "COALESCED")
            try await addTick(outbox, job, minutesAgo: 190, status: "SUCCESS", finishedMinutesAgo: 180)
            try await addTick(outbox, job, minutesAgo: 100, outcome: "SKIPPED_PAUSED")
            try await addTick(outbox, job, minutesAgo: 90, outcome: "SKIPPED_OVERLAP")
            try await addTick(outbox, job, minutesAgo: 20)
            try await watchSince(outbox, hours: 9)
            #expect(try await watch.runOnce() == 4)
            #expect(try await late(outbox) == ["400", "300", "100", "90"])
            // Judged once: a channel that comes later hears nothing of it, nor does another look raise it again.
            try await outbox.addChannel("second")
            try await watchSince(outbox, hours: 9)
            try await outbox.run("UPDATE job_watches SET watched_through = now() - interval '35 minutes'")
            #expect(try await watch.runOnce() == 0)
            #expect(try await late(outbox).count == 4)
        }
    }

    @Test("of the due times that a pause skips the first is told while it lasts; once the job is resumed, each that nobody made up for")
    func paused() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("sync", "cron_pattern = '0 0 1 1 *', expect_success_within = '30 minutes'")
            let watch = LateWatch(pool: outbox.pool)
            try await watch.runOnce()
            try await outbox.run("SELECT pause_job('sync')")
            try await addTick(outbox, job, minutesAgo: 200, status: "FAILED", finishedMinutesAgo: 199)
            for minutes in [160, 120, 80] { try await addTick(outbox, job, minutesAgo: minutes, outcome: "SKIPPED_PAUSED") }
            try await watchSince(outbox, hours: 9)
            #expect(try await watch.runOnce() == 2)
            #expect(try await late(outbox) == ["200", "160"])
            let transport = FakeTransport()
            for _ in 1...2 { _ = try await outbox.sender(channel, transport).turn() }
            let lines = transport.messages.last?.text.plain.split(separator: "\n") ?? []
            #expect(lines.count == 5 && lines[2].hasPrefix("Nenhuma execução foi criada: o job estava pausado."), "\(lines)")
            #expect(lines.suffix(2) == ["chimera job resume sync", "chimera job run sync"])
            // Resumed after the due time: nothing comes by itself before the next one.
            try await addTick(outbox, job, minutesAgo: 40, outcome: "SKIPPED_PAUSED")
            try await outbox.run("SELECT resume_job('sync')")
            try await outbox.run("UPDATE job_watches SET watched_through = now() - interval '60 minutes', next_look_at = '-infinity'")
            #expect(try await watch.runOnce() == 1)
            #expect(try await late(outbox) == ["200", "160", "40"])
        }
    }

    @Test("twenty watchers that look at once raise each due time once")
    func race() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel("a")
            try await outbox.addChannel("b")
            for number in 1...30 {
                let job = try await outbox.addJob("sync-\(number)", "cron_pattern = '0 0 1 1 *', expect_success_within = '10 minutes'")
                for minutes in [60, 40, 20] { try await addTick(outbox, job, minutesAgo: minutes) }
            }
            let watch = LateWatch(pool: outbox.pool)
            await withThrowingTaskGroup { group in
                for _ in 0..<20 { group.addTask { try await watch.runOnce() } }
            }
            // The watches were made by the first look, from when the expectation was set.
            #expect(try await late(outbox) == [])
            try await watchSince(outbox, hours: 2)
            let raised = try await withThrowingTaskGroup { group in
                for _ in 0..<20 { group.addTask { try await watch.runOnce() } }
                return try await group.reduce(0, +)
            }
            #expect(raised == 90)
            #expect(try await late(outbox).count == 180)
        }
    }

    @Test("a due time without an execution says why: the run before had not ended, or nobody made one")
    func reasons() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("sync", "cron_pattern = '0 0 1 1 *', expect_success_within = '30 minutes'")
            let watch = LateWatch(pool: outbox.pool)
            try await watch.runOnce()
            try await addTick(outbox, job, minutesAgo: 90, outcome: "SKIPPED_OVERLAP")
            try await addTick(outbox, job, minutesAgo: 80)
            try await watchSince(outbox, hours: 2)
            #expect(try await watch.runOnce() == 2)
            let transport = FakeTransport()
            for _ in 1...2 { _ = try await outbox.sender(channel, transport).turn() }
            #expect(
                transport.messages.map { $0.text.plain.split(separator: "\n")[2] } == [
                    "Nenhuma execução foi criada: a anterior não tinha terminado.",
                    "Nenhuma execução foi criada; veja se há um scheduler ativo.",
                ])
        }
    }

    @Test("R54: all workers down: a scheduler raises it and delivers it")
    func withoutWorkers() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            try await outbox.addJob("every-second", "cron_pattern = '* * * * * *', time_zone = 'UTC', expect_success_within = '1 second'")
            let transport = FakeTransport()
            let shutdown = ShutdownSignal()
            let scheduler = Task { await Scheduler(pool: outbox.pool).run(until: shutdown) }
            try await outbox.delivering(outbox.loop([.webhook: transport])) {
                // On a busy machine a due time may be told before the scheduler came to it: then it says that there is no execution.
                try await eventually("LATE arrives twice") {
                    transport.messages.count >= 2 && transport.messages.contains { $0.text.plain.contains("ainda não começou") }
                }
            }
            shutdown.request(grace: .seconds(5))
            await scheduler.value
            let told = try #require(transport.messages.first { $0.text.plain.contains("ainda não começou") })
            guard case .single(let delivery) = told.content, case .lateness(let facts) = delivery.subject else {
                throw Unexpected("it is not LATE")
            }
            #expect(delivery.event == .late && facts.job.name == "every-second" && facts.execution?.status == "PENDING")
            let doubles = try await outbox.number(
                "SELECT count(*) FROM (SELECT FROM notification_deliveries GROUP BY job_config_id, channel_id, due_at HAVING count(*) > 1) AS d"
            )
            #expect(doubles == 0)
        }
    }

    @Test("R54: all schedulers down: a worker raises it, for every due time that no scheduler has looked at, and for none twice afterwards")
    func withoutSchedulers() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let job = try await addHourly(outbox, within: "10 minutes", dueSecondsAgo: 1800, looked: 3 * 3600)
            try await LateWatch(pool: outbox.pool).runOnce()
            #expect(try await late(outbox) == [])
            try await watchSince(outbox, hours: 24)
            let transport = FakeTransport()
            try await outbox.delivering(outbox.loop([.webhook: transport])) {
                try await outbox.drain()
                try await eventually("LATE arrives") { transport.messages.count == 3 }
            }
            #expect(try await late(outbox) == ["150", "90", "30"])
            #expect(transport.messages.contains { $0.text.plain.contains("veja se há um scheduler ativo") })
            // The schedulers come back: the same due times get their ticks and are not late again.
            _ = try await Scheduler(pool: outbox.pool).runOnce()
            #expect(try await outbox.number("SELECT count(*) FROM schedule_ticks WHERE job_config_id = \(job)") == 3)
            try await outbox.run("UPDATE job_watches SET next_look_at = '-infinity'")
            try await LateWatch(pool: outbox.pool).runOnce()
            #expect(try await late(outbox).count == 3)
        }
    }

    @Test("LATE comes also for a job that no scheduler has planned as it stands: new, or with another pattern", arguments: [false, true])
    func neverPlanned(wasPlanned: Bool) async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let minute = try await outbox.number("SELECT extract(minute FROM now() - interval '30 minutes')::int")
            let job = try await outbox.addJob(
                "hourly", "cron_pattern = '0 0 1 1 *', time_zone = 'UTC', expect_success_within = '10 minutes'")
            if wasPlanned { _ = try await Scheduler(pool: outbox.pool).runOnce() }
            // As if that had been done three hours ago.
            try await outbox.pool.transaction { transaction in
                try await transaction.script(
                    """
                    SET LOCAL session_replication_role = replica;
                    UPDATE job_configurations SET cron_pattern = '\(minute) * * * *', updated_at = now() - interval '3 hours' WHERE id = \(job)
                    """)
            }
            let watch = LateWatch(pool: outbox.pool)
            try await watch.runOnce()
            try await watchSince(outbox, hours: 24)
            try await watch.runOnce()
            #expect(try await late(outbox) == ["150", "90", "30"])
        }
    }

    @Test("a zone that the server knows no longer keeps no message back: its times are told in the country's own zone")
    func goneZone() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("sync", "cron_pattern = '0 0 1 1 *', expect_success_within = '30 minutes'")
            try await outbox.pool.transaction { transaction in
                try await transaction.script(
                    """
                    SET LOCAL session_replication_role = replica;
                    UPDATE job_configurations SET time_zone = 'Brazil/Gone' WHERE id = \(job);
                    INSERT INTO notification_deliveries (channel_id, job_config_id, event, due_at)
                      VALUES (\(channel), \(job), 'LATE', '2026-11-30 08:10:00Z')
                    """)
            }
            let transport = FakeTransport()
            _ = try await outbox.sender(channel, transport).turn()
            #expect(transport.messages.map { $0.text.plain.contains("05:10") } == [true])
        }
    }

    @Test("a job without a pattern is measured from its last success: late once, and again after the next success")
    func unscheduled() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let job = try await outbox.addJob("by-hand", "expect_success_within = '1 hour'")
            let watch = LateWatch(pool: outbox.pool)
            try await watch.runOnce()
            #expect(try await late(outbox) == [])
            try await outbox.run("UPDATE job_watches SET watched_through = now() - interval '2 hours', next_look_at = '-infinity'")
            #expect(try await watch.runOnce() == 1)
            try await outbox.run("UPDATE job_watches SET next_look_at = '-infinity'")
            #expect(try await watch.runOnce() == 0)
            try await outbox.complete(job)
            try await outbox.run("UPDATE job_watches SET next_look_at = '-infinity'")
            #expect(try await watch.runOnce() == 0)
            #expect(
                try await outbox.text("SELECT abs(extract(epoch FROM next_look_at - (now() + interval '1 hour'))) < 60 FROM job_watches")
                    == "t")
            // An hour and a half later.
            try await outbox.run(
                "UPDATE job_watches SET watched_through = watched_through - interval '90 minutes', next_look_at = '-infinity'")
            try await outbox.plant("UPDATE job_finished SET finished_at = finished_at - interval '90 minutes'")
            #expect(try await watch.runOnce() == 1)
            #expect(try await late(outbox) == ["120", "90"])
        }
    }

    @Test("inactive and deleted jobs are not late, nor are due times from before the expectation")
    func notWatched() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let watch = LateWatch(pool: outbox.pool)
            for change in ["active = false", "deleted_at = now()", "expect_success_within = NULL"] {
                let job = try await outbox.addJob(change, "cron_pattern = '0 0 1 1 *', expect_success_within = '30 minutes'")
                try await watch.runOnce()
                try await addTick(outbox, job, minutesAgo: 60)
                try await watchSince(outbox, hours: 9)
                try await outbox.run("UPDATE job_configurations SET \(spliced(change)) WHERE id = \(job)")
                #expect(try await watch.runOnce() == 0, "\(change)")
            }
            let job = try await outbox.addJob("new", "cron_pattern = '0 0 1 1 *', expect_success_within = '30 minutes'")
            try await addTick(outbox, job, minutesAgo: 40)
            try await watch.runOnce()
            #expect(try await late(outbox) == [])
        }
    }
}
