import Postgres
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import Notifications

/// What a partner's failure must not touch, and how the loop ends.
@Suite struct IndependenceTests {
    @Test("R13: told to leave while the database is away, the loop does not wait for it")
    func leavesInAnOutage() async throws {
        // Nobody listens there; a statement alone would wait for 30 s.
        let pool = PostgresPool(try PostgresConfiguration(url: "host=127.0.0.1 port=1 user=nobody dbname=none"), maximumConnections: 3)
        let loop = DeliveryLoop(
            pool: pool, transports: [.webhook: FakeTransport()], directory: ChannelDirectory(pool: pool) { nil }, language: .portuguese)
        let shutdown = ShutdownSignal()
        let running = Task { await loop.run(until: shutdown) }
        try await eventually("both of its looks wait for the database") { pool.load.waiting >= 2 }
        let asked = ContinuousClock.now
        shutdown.request(grace: .milliseconds(100))
        await running.value
        #expect(ContinuousClock.now - asked < .seconds(15))
    }

    /// A loop with a pool of its own, whose database can be taken away.
    private func loop(_ outbox: Outbox, through proxy: TCPProxy, _ transport: FakeTransport) throws -> (DeliveryLoop, PostgresPool) {
        let url = outbox.database.url.replacing(#/:\d+\//#, with: ":\(proxy.port)/")
        let pool = PostgresPool(try PostgresConfiguration(url: url), maximumConnections: 3)
        let loop = DeliveryLoop(
            pool: pool, transports: [.webhook: transport], directory: ChannelDirectory(pool: pool) { nil }, language: .portuguese)
        return (loop, pool)
    }

    @Test("R13: told to leave while the database is away, the loop ends with its grace, whatever it could not record")
    func leavesUnrecorded() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let job = try await outbox.addJob()
            for _ in 1...2 { try await outbox.complete(job, as: "FAILED") }
            let port = try #require(Int(outbox.database.url.firstMatch(of: #/:(\d+)\//#)?.output.1 ?? ""))
            let proxy = try TCPProxy(to: port)
            let shutdown = ShutdownSignal()
            let answers = Answers(.sent(), .retry(reason: "no answer"))
            let entered = Mutex(0)
            let transport = FakeTransport { _, _ in
                entered.withLock { $0 += 1 }
                while entered.withLock({ $0 }) < 2, !Task.isCancelled { _ = await Wakeup().wait(upTo: .milliseconds(20)) }
                proxy.set(.refuse)
                proxy.cutAll()
                shutdown.request(grace: .milliseconds(10))
                return answers.next
            }
            let (loop, pool) = try loop(outbox, through: proxy, transport)
            await loop.run(until: shutdown)
            // It did not stay until others may take the messages.
            let held = try await outbox.number(
                """
                SELECT count(*) FROM notification_deliveries
                WHERE status = 'PENDING' AND attempts = 1 AND next_attempt_at > clock_timestamp()
                """)
            #expect(held == 2)
            proxy.set(.forward)
            await pool.close()
        }
    }

    @Test("R13: what was sent as the grace ended is recorded, for it would be sent again; what was not sent is not")
    func recordsAtTheEnd() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let job = try await outbox.addJob()
            for _ in 1...2 { try await outbox.complete(job, as: "FAILED") }
            let answers = Answers(.sent(), .retry(reason: "no answer"))
            let transport = FakeTransport { _, _ in
                while !Task.isCancelled { _ = await Wakeup().wait(upTo: .milliseconds(20)) }
                return answers.next
            }
            let shutdown = ShutdownSignal()
            let running = Task { await outbox.loop([.webhook: transport]).run(until: shutdown) }
            try await eventually("both are under way") { transport.messages.count == 2 }
            shutdown.request(grace: .milliseconds(10))
            await running.value
            #expect(
                try await outbox.texts("SELECT status || attempts FROM notification_deliveries ORDER BY status") == ["PENDING1", "SENT1"])
        }
    }

    @Test("R74: channels that hang or fail for a day neither delay nor fail a job; their deliveries end FAILED after 24 h")
    func deadChannels() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel("hangs", .webhook)
            try await outbox.addChannel("fails", .telegram, config: #"{"chat_id": "1"}"#)
            let job = try await outbox.addJob("sync", #"config = '{"fail": "permanent"}'"#)
            let healthy = try await outbox.addJob("healthy")
            try await outbox.enqueue(job, count: 8)
            let hanging = FakeTransport { _, _ in
                _ = await Wakeup().wait(upTo: .seconds(3600))
                return .retry(reason: "no answer")
            }
            let failing = FakeTransport(folds: true, spacing: .seconds(1)) { _, _ in .retry(reason: "connection refused") }
            let loop = outbox.loop([.webhook: hanging, .telegram: failing], patience: .seconds(1))
            try await outbox.delivering(loop) { () async throws in
                try await outbox.enqueue(healthy, count: 2_000)
                try await outbox.drain()
                // The worker has left: every execution ended while no channel answered, and none was tried again; on a busy machine some were
                // handed back that waited for a slot for a second.
                #expect(try await outbox.number("SELECT count(*) FROM job_executions WHERE status = 'SUCCESS'") == 2_000)
                #expect(try await outbox.number("SELECT count(*) FROM job_executions WHERE status = 'FAILED'") == 8)
                let others =
                    "SELECT count(*) FROM job_attempts WHERE outcome NOT IN ('SUCCESS', 'FAILED') AND error_details ->> 'code' <> 'NO_SLOT'"
                #expect(try await outbox.number("\(spliced(others))") == 0)
                #expect(try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE status = 'PENDING'") == 16)
                // While a message hangs nothing is open in the database that a job could wait for.
                try await eventually("messages hang, and no transaction and no lock with them") {
                    guard !hanging.messages.isEmpty else { return false }
                    return try await outbox.number(
                        """
                        SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                            AND xact_start IS NOT NULL)
                          + (SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
                             WHERE d.datname = current_database() AND l.pid <> pg_backend_pid())
                        """) == 0
                }
                try await eventually("every delivery was tried") {
                    try await outbox.run("UPDATE delivery_lanes SET paused_until = NULL")
                    return try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE last_error IS NULL") == 0
                }
            }
            #expect(try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE status = 'PENDING'") == 16)
            // A day later by the database's clock.
            try await outbox.run(
                "UPDATE notification_deliveries SET created_at = created_at - interval '24 hours', next_attempt_at = clock_timestamp()")
            #expect(try await outbox.loop([:]).giveUp() == 16)
            #expect(try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE status = 'FAILED'") == 16)
        }
    }

    @Test("one job that cannot be judged for LATE does not keep deliveries from being given up")
    func failingLooks() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob()
            try await outbox.complete(job, as: "FAILED")
            try await outbox.run("UPDATE notification_channels SET active = false WHERE id = \(channel)")
            // No INSERT takes this one.
            try await outbox.run("ALTER TABLE job_configurations DROP CONSTRAINT job_configurations_expect_success_within_check")
            try await outbox.plantPastTriggers(
                "UPDATE job_configurations SET cron_pattern = '* * * * *', expect_success_within = '9999 years', updated_at = now()")
            await #expect(throws: PostgresError.self) { try await LateWatch(pool: outbox.pool).runOnce() }
            try await outbox.delivering(outbox.loop([:])) {
                try await eventually("it is given up") { try await outbox.deliveries() == ["channel FAILURE FAILED"] }
            }
        }
    }

    @Test("a lane that failed three times in a row rests, longer each time; a success ends that")
    func resting() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob()
            for _ in 1...8 { try await outbox.complete(job, as: "FAILED") }
            let answers = Answers(
                .retry(reason: "x"), .retry(reason: "x"), .retry(reason: "x"), .retry(reason: "x"), .retry(reason: "x"),
                .retry(reason: "x"), .sent())
            let sender = outbox.sender(channel, FakeTransport { _, _ in answers.next })
            var pauses: [Double] = []
            for _ in 1...6 {
                try await outbox.run("UPDATE delivery_lanes SET paused_until = NULL")
                _ = try await sender.turn()
                let pause = try await outbox.text(
                    "SELECT coalesce(extract(epoch FROM paused_until - clock_timestamp()), 0) FROM delivery_lanes")
                pauses.append(try #require(Double(pause)))
            }
            #expect(pauses[0] == 0 && pauses[1] == 0, "\(pauses)")
            for (pause, longest) in zip(pauses[2...], [1.0, 2, 4, 8]) { #expect(pause > longest - 1 && pause <= longest, "\(pauses)") }
            try await outbox.run("UPDATE delivery_lanes SET paused_until = NULL")
            _ = try await sender.turn()
            #expect(try await outbox.number("SELECT failures FROM delivery_lanes") == 0)
        }
    }

    @Test("drained: returns when all that is due was tried once, also when it failed or its channel is paused, and not before")
    func drained() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel("good")
            let bad = try await outbox.addChannel("bad", .email)
            let paused = try await outbox.addChannel("paused", .telegram, config: #"{"chat_id": "1"}"#)
            let job = try await outbox.addJob()
            for _ in 1...3 { try await outbox.complete(job, as: "FAILED") }
            try await outbox.run("INSERT INTO delivery_lanes (lane, paused_until) VALUES ('fake:1', clock_timestamp() + interval '1 hour')")
            let good = FakeTransport { _, _ in
                _ = await Wakeup().wait(upTo: .milliseconds(300))
                return .sent()
            }
            let failing = FakeTransport(folds: true) { _, _ in .retry(reason: "no answer") }
            let loop = outbox.loop([.webhook: good, .email: failing, .telegram: FakeTransport(folds: true)])
            try await outbox.delivering(loop) { () async throws in
                await loop.drained(until: ShutdownSignal())
                #expect(try await outbox.deliveries().filter { $0 == "good FAILURE SENT" }.count == 3)
                #expect(
                    try await outbox.number(
                        "SELECT count(*) FROM notification_deliveries WHERE channel_id = \(bad) AND attempts > 0 AND status = 'PENDING'")
                        == 3)
                #expect(
                    try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE channel_id = \(paused) AND attempts = 0")
                        == 3)
            }
        }
    }

    @Test(
        "shutdown: a message under way may end within the grace, and nothing new is begun; after the grace it is cut off and stays PENDING")
    func shutdown() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let job = try await outbox.addJob()
            for _ in 1...10 { try await outbox.complete(job, as: "FAILED") }
            let isReleased = Mutex(false)
            let transport = FakeTransport { _, _ in
                while !Task.isCancelled, !isReleased.withLock({ $0 }) { _ = await Wakeup().wait(upTo: .milliseconds(20)) }
                return Task.isCancelled ? .retry(reason: "interrupted") : .sent()
            }
            let first = ShutdownSignal()
            let running = Task { await outbox.loop([.webhook: transport]).run(until: first) }
            try await eventually("four are under way") { transport.messages.count == 4 }
            first.request(grace: .seconds(30))
            try await eventually("they ended") {
                isReleased.withLock { $0 = true }
                return try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE status = 'SENT'") == 4
            }
            await running.value
            #expect(transport.messages.count == 4)

            isReleased.withLock { $0 = false }
            let second = ShutdownSignal()
            let again = Task { await outbox.loop([.webhook: transport]).run(until: second) }
            try await eventually("four more are under way") { transport.messages.count == 8 }
            second.request(grace: .milliseconds(10))
            await again.value
            #expect(try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE status = 'SENT'") == 4)
            #expect(try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE status = 'PENDING' AND attempts = 1") == 4)
        }
    }

    @Test("a channel whose row somebody keeps locked keeps no worker from claiming: the run begins, and its START is not told")
    func lockedChannel() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("told")
            try await outbox.subscribe(job, channel, to: "on_start")
            try await outbox.enqueue(job)
            let worker = try await outbox.addWorker()
            try await outbox.pool.transaction { transaction in
                _ = try await transaction.query("SELECT FROM notification_channels WHERE id = \(channel) FOR UPDATE")
                let claimed = try await withDeadline(.seconds(20)) { try await outbox.claim(worker) }
                #expect(claimed.count == 1)
            }
            #expect(try await outbox.deliveries() == [])
        }
    }
}
