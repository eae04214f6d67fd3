import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// cancel_execution and retry_execution (SPEC §3 Retry by hand, Cancel).
@Suite struct OperationTests {
    @Test("an unknown id is an error that says so; an ended execution is not cancelled again")
    func unknown() async throws {
        try await Queue.withDatabase { queue in
            let nobody = "00000000-0000-7000-8000-000000000001"
            for function in ["cancel_execution", "retry_execution"] {
                let error = try await queue.refusal("SELECT \(spliced(function))(\(nobody)::uuid)")
                #expect(error.message == "there is no execution \(nobody)" && error.hint?.contains("SELECT") == true)
                #expect(try await queue.refusal("SELECT \(spliced(function))(NULL)").message == "there is no execution null")
            }
            let job = try await queue.addJob()
            let id = try await queue.enqueue(job)[0]
            #expect(try await queue.text("SELECT cancel_execution(\(id)::uuid)") == "t")
            #expect(try await queue.text("SELECT cancel_execution(\(id)::uuid)") == "f")
            #expect(try await queue.attempts(id).isEmpty, "it never ran")
        }
    }

    @Test("cancelling a parent ends its children and fences their runs off, in one statement")
    func cancelParent() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.addParent(job, stores: [1, 2, 3], worker: worker)
            let runs = try await queue.claim(worker, batch: 2)
            try await queue.finish([runs[0]])
            #expect(try await queue.text("SELECT cancel_execution(\(id)::uuid)") == "t")
            #expect(
                try await queue.texts("SELECT status FROM job_executions WHERE parent_id = \(id)::uuid ORDER BY 1") == [
                    "CANCELLED", "CANCELLED", "SUCCESS",
                ])
            #expect(try await queue.finish([runs[1]]).isEmpty)
            #expect(try await queue.texts(QueueStatements.lostRuns(runs)).count == 2)
            #expect(try await queue.texts("SELECT outcome FROM job_attempts WHERE execution_id = \(runs[1].id)::uuid") == ["CANCELLED"])
        }
    }

    @Test("a parent is repeated for the stores that did not succeed; its key stays with it")
    func retryParent() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("sync", type: "SYNC_PRODUCTS")
            let worker = try await queue.addWorker()
            let id = try await queue.text(
                """
                INSERT INTO job_executions (job_config_id, params, dedupe_key, priority, scheduled_for)
                VALUES (\(job), '{"store_ids": [1, 2, 3, 4], "confirm_drop": true}', 'k', 4, '2026-05-05') RETURNING id
                """)
            let parent = try await queue.claimOne(worker)
            try await queue.fanOut(
                parent,
                (1...4).map { (store: Int) in PlannedChild(params: ["confirm_drop": true], storeID: store, registration: "r\(store)") })
            #expect(try await queue.refusal("SELECT retry_execution(\(id)::uuid)").message.contains("is RUNNING"))
            let runs = try await queue.claimChildren(worker)
            try await queue.finish([runs[0], runs[2]])
            try await queue.finish([runs[3]], as: "FAILED", error: "{}")
            try await queue.run("SELECT cancel_execution(\(runs[1].id)::uuid)")
            let new = try await queue.text("SELECT retry_execution(\(id)::uuid)")
            let row = try await queue.column(
                "concat_ws(' ', status, trigger, retry_of, params, priority, scheduled_for::date, dedupe_key, attempt, parent_id)", of: new)
            #expect(row == #"PENDING RETRY \#(id) {"store_ids": [2, 4], "confirm_drop": true} 4 2026-05-05 0"#)
            #expect(try await queue.column("dedupe_key", of: id) == "k")
        }
    }

    @Test("a finished child is repeated as a top-level run of its store, with its limits")
    func retryChild() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("sync", type: "SYNC_PRODUCTS")
            let worker = try await queue.addWorker()
            try await queue.addParent(job, stores: [9], worker: worker, target: 5)
            let child = try await queue.claimOne(worker)
            try await queue.finish([child], as: "FAILED", error: "{}")
            let new = try await queue.text("SELECT retry_execution(\(child.id)::uuid)")
            #expect(
                try await queue.column("concat_ws(' ', trigger, parent_id, store_id, registration, target_id, gated, retry_of)", of: new)
                    == "RETRY 9 reg-9 5 t \(child.id)")
            #expect(try await queue.claimOne(worker).storeID == 9)
        }
    }

    @Test("a row that waits becomes due with its own id; running and successful ones are refused; a deleted job's are too")
    func retryOthers() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.enqueue(job)[0]
            let run = try await queue.claimOne(worker)
            #expect(try await queue.refusal("SELECT retry_execution(\(id)::uuid)").message.contains("is RUNNING"))
            try await queue.giveBack([run], delay: .seconds(3600))
            #expect(try await queue.text("SELECT retry_execution(\(id)::uuid)") == id)
            try await queue.finish([try await queue.claimOne(worker)])
            let error = try await queue.refusal("SELECT retry_execution(\(id)::uuid)")
            #expect(error.message.contains("is SUCCESS") && error.message.contains("FAILED and CANCELLED"))
            #expect(try await queue.number("SELECT count(*) FROM job_executions") == 1)

            let failed = try await queue.enqueue(job)[0]
            try await queue.run("SELECT cancel_execution(\(failed)::uuid)")
            #expect(try await queue.text("SELECT retry_execution(\(failed)::uuid)") != failed)
            try await queue.run("UPDATE job_configurations SET deleted_at = now()")
            #expect(try await queue.refusal("SELECT retry_execution(\(failed)::uuid)").message.hasPrefix("job_config_id: "))
        }
    }

    @Test("a parent that failed while it planned is repeated whole")
    func retryUnplanned() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("sync", type: "SYNC_PRODUCTS")
            let worker = try await queue.addWorker()
            let id = try await queue.enqueue(job, params: #"{"store_ids": [4]}"#)[0]
            try await queue.finish([try await queue.claimOne(worker)], as: "FAILED", error: "{}")
            let new = try await queue.text("SELECT retry_execution(\(id)::uuid)")
            #expect(try await queue.column("params", of: new) == #"{"store_ids": [4]}"#)
        }
    }

    @Test("wake-ups: one for many rows, none for rows that are not due, none for a refused one; cancellations have their own channel")
    func notifications() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let heard = Heard()
            let listener = PostgresListener(
                try PostgresConfiguration(url: queue.database.url), channels: ["chimera_jobs", "chimera_cancel"],
                onNotify: { channel, payload in heard.append(channel + payload) }, onConnected: { heard.append("connected") })
            let listening = Task { await listener.run() }
            defer { listening.cancel() }
            try await eventually { heard.all == ["connected"] }
            try await queue.run("INSERT INTO job_executions (job_config_id, run_at) VALUES (\(job), now() + interval '1 hour')")
            _ = try await queue.refusal("INSERT INTO job_executions (job_config_id) VALUES (99)")
            try await queue.enqueue(job, count: 1000)
            let id = try await queue.text("SELECT id FROM job_live WHERE run_at > now()")
            try await queue.run("SELECT cancel_execution(\(id)::uuid)")
            try await eventually { heard.all.count >= 3 }
            #expect(heard.all == ["connected", "chimera_jobs", "chimera_cancel"])
        }
    }
}
