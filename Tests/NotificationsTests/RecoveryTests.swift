import Postgres
import TestSupport
import Testing

@testable import JobQueue
@testable import Notifications

/// What ends a failure, and what does not.
@Suite struct RecoveryTests {
    private static let failure = Outbox.error("HTTP_503", "down")

    /// One execution with a child for each store, of which some fail; gives its id.
    @discardableResult
    private func sync(
        _ outbox: Outbox, _ job: Int, _ stores: [Int], failing: [Int] = [], params: String = "{}"
    ) async throws -> ExecutionID {
        let worker = try await outbox.addWorker()
        let (parent, children) = try await outbox.fanOut(job, stores: stores, worker: worker, params: params)
        for child in children {
            let fails = failing.contains(child.storeID ?? 0)
            try await outbox.finish([child], as: fails ? "FAILED" : "SUCCESS", error: fails ? Self.failure : nil)
        }
        return parent
    }

    /// The retry of an execution, from its INSERT to its end.
    private func retry(_ outbox: Outbox, _ execution: ExecutionID, stores: [Int] = []) async throws {
        let made = try await outbox.text("SELECT retry_execution(\(execution)::uuid)")
        let worker = try await outbox.addWorker()
        let run = try #require(try await outbox.claim(worker).first { $0.id == made })
        guard !stores.isEmpty else {
            try await outbox.finish([run])
            return
        }
        let children = stores.map { PlannedChild(params: [:], storeID: $0, registration: "reg-\($0)") }
        _ = try await outbox.text(QueueStatements.fanOut(run, children: children, unit: "stores"))
        try await outbox.finish(try await outbox.claim(worker))
    }

    private func recoveries(_ outbox: Outbox) async throws -> Int {
        try await outbox.number("SELECT count(*) FROM notification_deliveries WHERE event = 'RECOVERY'")
    }

    private func addSync(_ outbox: Outbox, config: String = "{}") async throws -> Int {
        try await outbox.addChannel()
        return try await outbox.addJob("sync", "job_type = 'SYNC_PRODUCTS'", "config = '\(config)'")
    }

    @Test("a dry run neither raises a failure nor ends one, by its params or by its job's config; the next whole run does")
    func dryRun() async throws {
        try await Outbox.withDatabase { outbox in
            let job = try await addSync(outbox)
            try await sync(outbox, job, [1, 2], failing: [1], params: #"{"dry_run": true}"#)
            try await sync(outbox, job, [1, 2])
            #expect(try await recoveries(outbox) == 0)
            try await sync(outbox, job, [1, 2], failing: [1])
            try await sync(outbox, job, [1, 2], params: #"{"dry_run": true}"#)
            try await outbox.run("UPDATE job_configurations SET config = '{\"dry_run\": true}'")
            try await sync(outbox, job, [1, 2])
            #expect(try await recoveries(outbox) == 0)
            try await outbox.run("UPDATE job_configurations SET config = '{}'")
            try await sync(outbox, job, [1, 2])
            #expect(try await recoveries(outbox) == 1)
        }
    }

    @Test("the message of a dry run says that it is one")
    func headline() async throws {
        try await Outbox.withDatabase { outbox in
            let job = try await addSync(outbox)
            let channel = try await outbox.number("SELECT id FROM notification_channels")
            try await sync(outbox, job, [1, 2], failing: [1], params: #"{"dry_run": true}"#)
            try await sync(outbox, job, [1, 2], failing: [2])
            let transport = FakeTransport()
            for _ in 1...2 { _ = try await outbox.sender(channel, transport).turn() }
            #expect(transport.messages.map(\.subject) == ["sync falhou em 1 de 2 lojas (dry_run)", "sync falhou em 1 de 2 lojas"])
            #expect(transport.messages.first?.text.plain.hasPrefix("❌ sync falhou em 1 de 2 lojas (dry_run)\n") == true)
        }
    }

    @Test("any value may stand for dry_run in a custom job's params: it says nothing here")
    func customParams() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let job = try await outbox.addJob()
            for status in ["FAILED", "SUCCESS"] {
                let worker = try await outbox.addWorker()
                try await outbox.enqueue(job, params: #"{"dry_run": "perhaps", "store_ids": "all"}"#)
                try await outbox.finish(try await outbox.claim(worker), as: status, error: status == "FAILED" ? Self.failure : nil)
            }
            #expect(try await recoveries(outbox) == 1)
        }
    }

    @Test("the retry of one store ends no failure while another store of the failed run has no success; the last one does")
    func storeByStore() async throws {
        try await Outbox.withDatabase { outbox in
            let job = try await addSync(outbox)
            let parent = try await sync(outbox, job, [1, 2, 3], failing: [1, 2])
            let children = try await outbox.texts(
                "SELECT id FROM job_finished WHERE parent_id = \(parent)::uuid AND status = 'FAILED' ORDER BY store_id")
            try await retry(outbox, children[0])
            #expect(try await recoveries(outbox) == 0)
            try await retry(outbox, children[1])
            #expect(try await recoveries(outbox) == 1)
            #expect(try await outbox.number("SELECT count(*) FROM job_failures") == 0)
        }
    }

    @Test("a run of the stores that failed ends the failure, one of other stores does not, and the housekeeping keeps them apart")
    func someStores() async throws {
        try await Outbox.withDatabase { outbox in
            let job = try await addSync(outbox)
            let parent = try await sync(outbox, job, [1, 2, 3], failing: [1, 2])
            try await sync(outbox, job, [3], params: #"{"store_ids": [3]}"#)
            #expect(try await recoveries(outbox) == 0)
            // A newer failure of one store alone: its success is not that of the others.
            try await sync(outbox, job, [3], failing: [3], params: #"{"store_ids": [3]}"#)
            try await outbox.run(DeliveryStatements.forgetFailures)
            try await sync(outbox, job, [3], params: #"{"store_ids": [3]}"#)
            #expect(try await recoveries(outbox) == 0)
            try await retry(outbox, parent, stores: [1, 2])
            #expect(try await recoveries(outbox) == 1)
        }
    }

    @Test("a run that failed before it had stores is ended by a whole run, or by one of the same stores")
    func withoutStores() async throws {
        try await Outbox.withDatabase { outbox in
            let job = try await addSync(outbox)
            try await outbox.complete(job, as: "FAILED")
            try await sync(outbox, job, [1], params: #"{"store_ids": [1]}"#)
            #expect(try await recoveries(outbox) == 0)
            try await sync(outbox, job, [1, 2])
            #expect(try await recoveries(outbox) == 1)
            let worker = try await outbox.addWorker()
            try await outbox.enqueue(job, params: #"{"store_ids": [1, 2]}"#)
            try await outbox.finish(try await outbox.claim(worker), as: "FAILED", error: Self.failure)
            try await sync(outbox, job, [1], params: #"{"store_ids": [1]}"#)
            #expect(try await recoveries(outbox) == 1)
            try await sync(outbox, job, [2], params: #"{"store_ids": [2]}"#)
            #expect(try await recoveries(outbox) == 2)
        }
    }

    @Test("a run that failed so far and was cancelled then is a failure that the next success ends, and its message says both")
    func cancelled() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("sync")
            let worker = try await outbox.addWorker()
            let (parent, children) = try await outbox.fanOut(job, stores: [1, 2, 3], worker: worker)
            try await outbox.finish([children[0]], as: "FAILED", error: Self.failure)
            #expect(try await outbox.texts("SELECT execution_id FROM job_failures") == [parent])
            #expect(try await outbox.text("SELECT cancel_execution(\(parent)::uuid)") == "t")
            let transport = FakeTransport()
            let sender = outbox.sender(channel, transport)
            _ = try await sender.turn()
            #expect(transport.messages.map(\.subject) == ["sync falhou em 1 de 3 lojas e depois foi cancelado"])
            try await outbox.complete(job)
            _ = try await sender.turn()
            #expect(transport.messages.map(\.subject).last == "sync voltou a funcionar")
        }
    }

    @Test("a run that failed so far is noted once, also when it ends FAILED")
    func notedOnce() async throws {
        try await Outbox.withDatabase { outbox in
            let job = try await outbox.addJob()
            let parent = try await sync(outbox, job, [1, 2], failing: [1, 2])
            #expect(try await outbox.texts("SELECT execution_id FROM job_failures") == [parent])
        }
    }
}
