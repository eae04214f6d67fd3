import JobQueue
import Postgres
import TestSupport
import Testing

@testable import Notifications

/// What raises which event, for whom, and when not.
@Suite struct EventTests {
    @Test("a job without rows in job_notifications tells every active channel of failure, warning and recovery, and of nothing else")
    func defaults() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel("a")
            try await outbox.addChannel("b", .telegram)
            let off = try await outbox.addChannel("off")
            try await outbox.run("UPDATE notification_channels SET active = false WHERE id = \(off)")
            let gone = try await outbox.addChannel("gone")
            try await outbox.run("UPDATE notification_channels SET deleted_at = now() WHERE id = \(gone)")
            let job = try await outbox.addJob()
            try await outbox.complete(job)
            #expect(try await outbox.deliveries() == [])
            try await outbox.complete(job, metrics: #"{"severity": "ok"}"#)
            #expect(try await outbox.deliveries() == [])
            try await outbox.complete(job, metrics: #"{"severity": "warning"}"#)
            #expect(try await outbox.deliveries() == ["a WARNING PENDING", "b WARNING PENDING"])
            try await outbox.complete(job, as: "FAILED")
            try await outbox.complete(job, as: "FAILED")
            #expect(
                try await outbox.deliveries().suffix(4).map { $0.split(separator: " ")[1] } == ["FAILURE", "FAILURE", "FAILURE", "FAILURE"])
            try await outbox.complete(job)
            #expect(try await outbox.deliveries().suffix(2) == ["a RECOVERY PENDING", "b RECOVERY PENDING"])
            let before = try await outbox.deliveries().count
            try await outbox.complete(job)
            #expect(try await outbox.deliveries().count == before)
        }
    }

    @Test("a channel hears what its row in job_notifications says: start, success, and the most telling of what it asked for")
    func flags() async throws {
        try await Outbox.withDatabase { outbox in
            let job = try await outbox.addJob()
            let other = try await outbox.addJob("other")
            try await outbox.subscribe(
                job, outbox.addChannel("all"), to: "on_start", "on_success", "on_failure", "on_warning", "on_recovery")
            try await outbox.subscribe(job, outbox.addChannel("success"), to: "on_success")
            try await outbox.subscribe(job, outbox.addChannel("warning"), to: "on_warning")
            try await outbox.addChannel("stranger")
            try await outbox.complete(job, metrics: #"{"severity": "critical"}"#)
            #expect(
                try await outbox.deliveries(job) == [
                    "all START PENDING", "all WARNING PENDING", "success SUCCESS PENDING", "warning WARNING PENDING",
                ])
            try await outbox.run("DELETE FROM notification_deliveries")
            try await outbox.complete(job, as: "FAILED")
            try await outbox.complete(job, metrics: #"{"severity": "warning"}"#)
            #expect(
                try await outbox.deliveries(job) == [
                    "all START PENDING", "all FAILURE PENDING", "all START PENDING", "all RECOVERY PENDING", "all WARNING PENDING",
                    "success SUCCESS PENDING", "warning WARNING PENDING",
                ], "it works again, and there is something to look at")
            #expect(try await outbox.deliveries(other) == [])
        }
    }

    @Test("rows of removed channels count as none; a row of a channel that is switched off is the operator's choice and stays silent")
    func removedChannels() async throws {
        try await Outbox.withDatabase { outbox in
            let job = try await outbox.addJob()
            let old = try await outbox.addChannel("old")
            try await outbox.subscribe(job, old, to: "on_success")
            try await outbox.addChannel("new")
            try await outbox.run("UPDATE notification_channels SET active = false WHERE id = \(old)")
            try await outbox.complete(job, as: "FAILED")
            #expect(try await outbox.deliveries() == [])
            try await outbox.run("UPDATE notification_channels SET deleted_at = now() WHERE id = \(old)")
            try await outbox.complete(job, as: "FAILED")
            #expect(try await outbox.deliveries() == ["new FAILURE PENDING"])
        }
    }

    @Test("a wish for START counts, too, that came by replication or was loaded as if it had")
    func replicatedWish() async throws {
        try await Outbox.withDatabase { outbox in
            let job = try await outbox.addJob()
            let channel = try await outbox.addChannel("c")
            try await outbox.pool.transaction { transaction in
                try await transaction.script("SET LOCAL session_replication_role = replica")
                _ = try await transaction.query(
                    "INSERT INTO job_notifications (job_config_id, notification_channel_id, on_start) VALUES (\(job), \(channel), true)")
            }
            try await outbox.enqueue(job)
            _ = try await outbox.claim(try await outbox.addWorker())
            #expect(try await outbox.deliveries() == ["c START PENDING"])
        }
    }

    @Test("START is raised once, by the first claim; interruptions and retries raise nothing, nor does a cancellation")
    func startOnce() async throws {
        try await Outbox.withDatabase { outbox in
            let job = try await outbox.addJob()
            try await outbox.subscribe(job, outbox.addChannel("c"), to: "on_start", "on_failure", "on_success")
            let worker = try await outbox.addWorker()
            let id = try await outbox.enqueue(job)[0]
            for outcome in ["INTERRUPTED", "RETRY"] {
                let runs = try await outbox.claim(worker)
                try await outbox.run(
                    "SELECT return_executions(\(runs.map(\.id))::uuid[], \(runs.map(\.token))::bigint[], \([outcome])::text[], ARRAY['{}']::jsonb[], ARRAY['0 s']::interval[])"
                )
            }
            #expect(try await outbox.claim(worker).map(\.attempt) == [3])
            #expect(try await outbox.deliveries() == ["c START PENDING"])
            #expect(try await outbox.text("SELECT cancel_execution(\(id)::uuid)") == "t")
            #expect(try await outbox.deliveries() == ["c START PENDING"])
            try await outbox.enqueue(job)
            try await outbox.run("UPDATE job_executions SET status = 'CANCELLED' WHERE status = 'PENDING'")
            #expect(try await outbox.deliveries() == ["c START PENDING"])
        }
    }

    @Test("that a run began is told as it was then, though it ended before anybody sent it")
    func startAfterTheEnd() async throws {
        try await Outbox.withDatabase { outbox in
            let job = try await outbox.addJob()
            let channel = try await outbox.addChannel("c")
            try await outbox.subscribe(job, channel, to: "on_start")
            try await outbox.complete(job, metrics: #"{"severity": "critical"}"#)
            let transport = FakeTransport()
            _ = try await outbox.sender(channel, transport).turn()
            guard case .single(let delivery) = try #require(transport.messages.first).content, case .execution(let facts) = delivery.subject
            else { throw Unexpected("it is no message about an execution") }
            #expect(facts.status == "RUNNING" && facts.startedAt != nil && facts.finishedAt == nil && facts.severity == nil)
            #expect(!transport.messages[0].text.plain.contains("durou"))
        }
    }

    @Test("the first child that failed for good raises its parent's FAILURE at once; the end adds no second row, and children raise none")
    func soFar() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel("c")
            let job = try await outbox.addJob()
            let worker = try await outbox.addWorker()
            let (parent, children) = try await outbox.fanOut(job, stores: [1, 2, 3], worker: worker)
            try await outbox.finish([children[0]])
            #expect(try await outbox.deliveries() == [])
            try await outbox.finish([children[1]], as: "FAILED", error: Outbox.error("HTTP_503", "down"))
            #expect(try await outbox.deliveries() == ["c FAILURE PENDING"])
            #expect(try await outbox.text("SELECT execution_id || ' ' || failures FROM notification_deliveries") == "\(parent) 1")
            try await outbox.finish([children[2]], as: "FAILED", error: Outbox.error("HTTP_503", "down"))
            #expect(try await outbox.deliveries() == ["c FAILURE PENDING"])
            #expect(try await outbox.text("SELECT execution_id || ' ' || failures FROM notification_deliveries") == "\(parent) 2")
            #expect(try await outbox.texts("SELECT execution_id FROM job_failures") == [parent])
        }
    }

    @Test("a parent that ends with its only child in one statement is told once; one whose children were cancelled is told at its end")
    func endsOfParents() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel("c")
            let job = try await outbox.addJob()
            let worker = try await outbox.addWorker()
            let (_, children) = try await outbox.fanOut(job, stores: [1], worker: worker)
            try await outbox.finish(children, as: "FAILED", error: Outbox.error("X", "x"))
            #expect(try await outbox.deliveries() == ["c FAILURE PENDING"])
            let (parent, cancelled) = try await outbox.fanOut(job, stores: [1, 2], worker: worker)
            try await outbox.finish([cancelled[0]])
            try await outbox.run("SELECT cancel_execution(\(cancelled[1].id)::uuid)")
            #expect(try await outbox.text("SELECT status FROM job_executions WHERE id = \(parent)::uuid") == "FAILED")
            #expect(try await outbox.deliveries() == ["c FAILURE PENDING", "c FAILURE PENDING"])
        }
    }

    @Test("a quarantined run is a FAILURE")
    func quarantined() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel("c")
            let job = try await outbox.addJob()
            let id = try await outbox.enqueue(job)[0]
            for _ in 1...3 {
                let worker = try await outbox.addWorker()
                #expect(try await outbox.claim(worker).map(\.id) == [id])
                try await outbox.run(
                    "UPDATE workers SET lease = '1 ms', lease_until = clock_timestamp() - interval '1 second' WHERE id = \(worker)::uuid")
                try await outbox.run("SELECT rescue_executions(10)")
            }
            #expect(try await outbox.text("SELECT error_details ->> 'code' FROM job_executions WHERE id = \(id)::uuid") == "QUARANTINED")
            #expect(try await outbox.deliveries() == ["c FAILURE PENDING"])
        }
    }

    @Test("a schedule that cannot be used is a FAILURE of its job without an execution, once for each new problem")
    func scheduleProblem() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel("c")
            let job = try await outbox.addJob("nightly", "cron_pattern = '0 0 31 2 *'")
            let scheduler = Scheduler(pool: outbox.pool)
            _ = try await scheduler.runOnce()
            _ = try await scheduler.runOnce()
            #expect(try await outbox.deliveries(job) == ["c FAILURE PENDING"])
            #expect(try await outbox.text("SELECT execution_id IS NULL FROM notification_deliveries") == "t")
            try await outbox.run("UPDATE job_configurations SET cron_pattern = '0 0 30 2 *'")
            _ = try await scheduler.runOnce()
            #expect(try await outbox.deliveries(job).count == 2)
            try await outbox.run("UPDATE job_configurations SET cron_pattern = '0 0 28 2 *'")
            _ = try await scheduler.runOnce()
            #expect(try await outbox.text("SELECT problem IS NULL FROM job_configurations") == "t")
            #expect(try await outbox.deliveries(job).count == 2)
        }
    }
}
