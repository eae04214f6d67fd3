import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// A comparison waits for its store's live sync, up to its timeout, and is weighed over all its stores (SPEC §5).
@Suite struct WaitTests {
    /// A sync and a comparison with a timeout of a minute, a target, and a worker.
    private func withJobs(_ body: (Queue, _ sync: Int, _ compare: Int, _ club: Int, _ worker: String) async throws -> Void) async throws {
        try await Queue.withDatabase { queue in
            let sync = try await queue.addJob("sync", type: "SYNC_PRODUCTS")
            let compare = try await queue.addJob("compare", type: "COMPARE_DATA", "timeout_seconds = 60")
            let club = try await queue.addIntegration("club", type: "CRESCEVENDAS")
            try await body(queue, sync, compare, club, try await queue.addWorker())
        }
    }

    @Test("a comparison waits while a sync of its store is live, running or between two attempts; its neighbours do not")
    func waits() async throws {
        try await withJobs { queue, sync, compare, club, worker in
            let other = try await queue.addIntegration("other", type: "CRESCEVENDAS")
            let first = try await queue.enqueue(sync, store: 7, target: club)
            let waiting = try await queue.enqueue(compare, store: 7, target: club)
            try await queue.run("UPDATE job_executions SET priority = -5 WHERE id = \(waiting)::uuid")
            let free = [
                try await queue.enqueue(compare, store: 8, target: club), try await queue.enqueue(compare, store: 7, target: other),
            ]
            let runs = try await queue.claim(worker)
            #expect(Set(runs.map(\.id)) == Set(free + [first]), "whatever its priority, the comparison comes after the sync")
            let running = runs.filter { $0.id == first }
            try await queue.giveBack(running, delay: .seconds(600))
            #expect(try await queue.claim(worker).isEmpty, "the sync waits for its next attempt, and the comparison for the sync")
            #expect(try await queue.text("SELECT cancel_execution(\(first)::uuid)") == "t")
            #expect(try await queue.claim(worker).map(\.id) == [waiting])
            #expect(try await queue.attempts(waiting) == ["1 under way"], "waiting uses no attempt")
            let late = try await queue.enqueue(sync, store: 7, target: club)
            #expect(try await queue.claim(worker).isEmpty, "one store, one run: now the sync waits")
            try await queue.finish(try await queue.runs([waiting]))
            #expect(try await queue.claim(worker).map(\.id) == [late])
        }
    }

    @Test("comparisons do not wait for each other's turn, nor for other jobs of the store")
    func waitsForSyncsAlone() async throws {
        try await withJobs { queue, _, compare, club, worker in
            let other = try await queue.addJob("other", type: "NOOP")
            try await queue.run("UPDATE job_configurations SET max_concurrency = 1 WHERE id = \(other)")
            try await queue.enqueue(other, store: 1, target: club)
            let blocked = try await queue.enqueue(other, store: 2, target: club)
            let ours = [try await queue.enqueue(compare, store: 2, target: club), try await queue.enqueue(compare, store: 3, target: club)]
            let claimed = try await queue.claim(worker).map(\.id)
            #expect(Set(ours).isSubset(of: claimed) && !claimed.contains(blocked))
        }
    }

    @Test("a comparison that somebody has locked holds up no other's end")
    func lockedWait() async throws {
        try await withJobs { queue, sync, compare, club, worker in
            let parent = try await queue.addParent(compare, stores: [7, 8], worker: worker, target: club)
            for store in [7, 8] { try await queue.enqueue(sync, store: store, target: club) }
            try await queue.plant(
                "UPDATE job_live SET run_at = run_at - interval '2 minutes', created_at = created_at - interval '2 minutes'")
            try await queue.pool.transaction { transaction in
                _ = try await transaction.query("SELECT FROM job_live WHERE store_id = 7 AND parent_id = \(parent)::uuid FOR UPDATE")
                _ = try await queue.pool.query(QueueStatements.expireWaits, deadline: .seconds(5))
            }
            func states() async throws -> [String] {
                try await queue.texts(
                    "SELECT store_id || ' ' || status FROM job_executions WHERE parent_id = \(parent)::uuid ORDER BY store_id")
            }
            #expect(try await states() == ["7 PENDING", "8 FAILED"])
            try await queue.run(QueueStatements.expireWaits)
            #expect(try await states() == ["7 FAILED", "8 FAILED"])
            #expect(try await queue.status(parent) == "FAILED")
        }
    }

    @Test("one that waited for a live sync longer than its timeout ends FAILED by name, and its parent with it")
    func expires() async throws {
        try await withJobs { queue, sync, compare, club, worker in
            let parent = try await queue.addParent(compare, stores: [7, 8, 9], worker: worker, target: club)
            let blocker = try await queue.enqueue(sync, store: 7, target: club)
            let fresh = try await queue.enqueue(sync, store: 8, target: club)
            try await queue.run(QueueStatements.expireWaits)
            func states() async throws -> [String] {
                try await queue.texts(
                    "SELECT store_id || ' ' || status FROM job_executions WHERE parent_id = \(parent)::uuid ORDER BY store_id")
            }
            #expect(try await states() == ["7 PENDING", "8 PENDING", "9 PENDING"], "nobody has waited for long")
            try await queue.plant("UPDATE job_live SET run_at = run_at - interval '2 minutes' WHERE parent_id = \(parent)::uuid")
            try await queue.run(QueueStatements.expireWaits)
            #expect(try await states() == ["7 PENDING", "8 PENDING", "9 PENDING"], "their syncs are young")
            try await queue.plant("UPDATE job_live SET created_at = created_at - interval '2 minutes' WHERE id = \(blocker)::uuid")
            try await queue.run("UPDATE job_configurations SET paused_at = now() WHERE id = \(compare)")
            try await queue.run(QueueStatements.expireWaits)
            #expect(try await states() == ["7 PENDING", "8 PENDING", "9 PENDING"], "a paused job waits for its operator")
            try await queue.run("UPDATE job_configurations SET paused_at = NULL WHERE id = \(compare)")
            try await queue.run(QueueStatements.expireWaits)
            #expect(try await states() == ["7 FAILED", "8 PENDING", "9 PENDING"])
            #expect(try await [queue.status(blocker), queue.status(fresh)] == ["PENDING", "PENDING"])
            let child = try await queue.text("SELECT id FROM job_executions WHERE store_id = 7 AND parent_id = \(parent)::uuid")
            #expect(try await queue.column("error_details ->> 'code'", of: child) == "SYNC_LIVE")
            #expect(try await queue.column("error_details #>> '{stores,0,registration}'", of: child) == "reg-7")
            #expect(try await queue.attempts(child) == [])

            let others = try await queue.claim(worker).filter { $0.storeID == 9 }
            try await queue.finish(others, metrics: Self.metrics(store: 9, differences: 0))
            try await queue.run("SELECT cancel_execution(\(fresh)::uuid)")
            try await queue.finish(
                try await queue.claim(worker).filter { $0.storeID == 8 && $0.parentID == parent },
                metrics: Self.metrics(store: 8, differences: 0))
            #expect(try await [queue.status(parent), queue.column("metrics ->> 'severity'", of: parent)] == ["FAILED", "critical"])
            #expect(
                try await queue.column(
                    "metrics -> 'stores' = '{\"total\": 3, \"succeeded\": 2, \"skipped\": 0, \"failed\": 1}'", of: parent) == "true")
            #expect(try await queue.column("error_details #>> '{stores,0,message}'", of: parent).contains("60 s"))
        }
    }

    @Test(
        "thresholds count the differences of all stores together",
        arguments: [
            ([1, 1, 2], "{}", "ok"), ([1, 2, 2], "{}", "warning"), ([0, 0, 5], "{}", "warning"), ([20, 20, 9], "{}", "warning"),
            ([20, 20, 10], "{}", "critical"), ([50, 0, 0], "{}", "critical"), ([0, 0, 0], "{}", "ok"),
            ([1, 0, 0], #"{"notification_threshold": {"min_differences": 1}}"#, "warning"),
            ([4, 4, 1], #"{"notification_threshold": {"min_differences": 10, "critical_differences": 9}}"#, "critical"),
            ([30, 30, 30], #"{"notification_threshold": {"critical_differences": 1000}}"#, "warning"),
            ([30, 30, 30], #"{"notification_threshold": null}"#, "critical"),
        ] as [([Int], String, String)])
    func thresholds(differences: [Int], config: String, severity: String) async throws {
        try await withJobs { queue, _, compare, club, worker in
            try await queue.run("UPDATE job_configurations SET config = \(config)::jsonb WHERE id = \(compare)")
            let parent = try await queue.addParent(compare, stores: [1, 2, 3], worker: worker, target: club)
            for run in try await queue.claimChildren(worker) {
                let store = try #require(run.storeID)
                try await queue.finish([run], metrics: Self.metrics(store: store, differences: differences[store - 1]))
            }
            #expect(try await queue.status(parent) == "SUCCESS")
            #expect(try await queue.column("metrics ->> 'severity'", of: parent) == severity)
            let total = differences.reduce(0, +)
            let sum = "SELECT coalesce(sum(value::int), 0) FROM jsonb_each_text(metrics -> 'differences')"
            #expect(try await queue.column(sum, of: parent) == "\(total)")
        }
    }

    @Test("a store that was skipped or failed weighs as before; other jobs' metrics are left alone")
    func otherSeverities() async throws {
        try await Queue.withDatabase { queue in
            let cases = [
                (#"{"severity": "warning", "differences": {}}"#, "warning"), (#"{"severity": "ok", "n": 99}"#, "ok"),
                (#"{"severity": "critical", "differences": {"PRICE": 1}}"#, "critical"),
                (#"{"severity": "ok", "differences": {"PRICE": 4, "LIMIT": "9"}}"#, "ok"),
            ]
            for (metrics, severity) in cases {
                let weighed = try await queue.text("SELECT weigh_differences(\(metrics)::jsonb, '{}') ->> 'severity'")
                #expect(weighed == severity, "\(metrics)")
            }
            #expect(try await queue.text("SELECT weigh_differences('{\"n\": 1}', '{}')") == #"{"n": 1}"#)
            #expect(try await queue.text("SELECT coalesce(weigh_differences(NULL, '{}')::text, 'null')") == "null")
        }
    }

    /// Of one store; the differences are of two kinds where there is more than one.
    private static func metrics(store: Int, differences: Int) -> String {
        let kinds = differences > 1 ? #""PRICE": \#(differences - 1), "LIMIT": 1"# : differences == 1 ? #""LIMIT": 1"# : ""
        return #"{"severity": "ok", "stores": {"total": 1, "succeeded": 1, "skipped": 0, "failed": 0}, "differences": {\#(kinds)}}"#
    }
}

extension Queue {
    /// Claimed runs as their rows say they are now.
    fileprivate func runs(_ ids: [ExecutionID]) async throws -> [ClaimedRun] {
        try await pool.query(
            """
            SELECT id, token, job_config_id, attempt, max_attempts, params::text AS params, parent_id, store_id, registration, source_id, target_id,
              scheduled_for, priority, run_at, retry_of, gated, failures FROM job_live WHERE id = ANY (\(ids)::uuid[])
            """
        ).map(ClaimedRun.init)
    }
}
