import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// What UPDATE, DELETE and TRUNCATE by hand may do (SPEC §2 "By hand", R30).
@Suite struct HandTests {
    private func set(_ change: String, _ id: ExecutionID) -> SQL {
        "UPDATE job_executions SET \(spliced(change)) WHERE id = \(id)::uuid"
    }

    @Test("R30: priority, run_at and params of a PENDING row may change; every other change is refused by the field's name")
    func pending() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "SYNC_PRODUCTS")
            let id = try await queue.enqueue(job)[0]
            try await queue.run(set(#"priority = -5, run_at = now() + interval '1 day', params = '{"store_ids": [3]}'"#, id))
            #expect(try await queue.column("priority || params::text", of: id) == #"-5{"store_ids": [3]}"#)
            let refused = [
                ("status", "status = 'RUNNING'"), ("status", "status = 'SUCCESS'"), ("status", "status = 'FAILED'"),
                ("status", "status = 'BROKEN'"),
                ("status", "status = NULL"), ("attempt", "attempt = 5"), ("max_attempts", "max_attempts = 9"),
                ("dedupe_key", "dedupe_key = 'x'"),
                ("created_by", "created_by = 'me'"), ("token", "token = 9"), ("worker", "worker = gen_random_uuid()"),
                ("rescues", "rescues = 1"),
                ("job_config_id", "job_config_id = 2"), ("priority", "priority = NULL"), ("run_at", "run_at = NULL"),
                ("params", "params = NULL"),
                ("params", "params = '[]'"), ("params", #"params = '{"store_id": 1}'"#),
                ("params.store_ids", #"params = '{"store_ids": 1}'"#),
                ("attempt", "status = 'CANCELLED', attempt = 3"), ("id", "id = uuid_v7()"), ("gated", "gated = true"),
            ]
            for (field, change) in refused {
                let error = try await queue.refusal(set(change, id))
                #expect(error.message.hasPrefix("\(field): "), "\(change): \(error)")
            }
            #expect(try await queue.column("status || attempt", of: id) == "PENDING0")
        }
    }

    @Test("R30: of a RUNNING row nothing changes but its cancellation")
    func running() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let run = try await {
                try await queue.enqueue(job); return try await queue.claimOne(try await queue.addWorker())
            }()
            for (field, change) in [
                ("status", "status = 'PENDING'"), ("status", "status = 'FAILED'"), ("priority", "priority = 1"),
                ("run_at", "run_at = now() + interval '1 day'"),
                ("params", #"params = '{"a": 1}'"#), ("worker", "worker = gen_random_uuid()"), ("progress", "progress = '{}'"),
            ] {
                let error = try await queue.refusal(set(change, run.id))
                #expect(error.message.hasPrefix("\(field): "), "\(change): \(error)")
            }
            #expect(try await queue.refusal("DELETE FROM job_executions WHERE id = \(run.id)::uuid").message.contains("cancel_execution"))
            let refusal = try await queue.refusal("TRUNCATE job_executions")
            #expect(refusal.message.contains("live executions"))
            try await queue.run(set("status = 'CANCELLED'", run.id))
            #expect(
                try await queue.column("status || ' ' || attempt_outcome || ' ' || (finished_at IS NOT NULL)", of: run.id)
                    == "CANCELLED CANCELLED true")
            #expect(try await queue.column("token", of: run.id) != "\(run.token)")
            #expect(try await queue.finish([run]).isEmpty, "its worker is fenced off")
            #expect(try await queue.status(run.id) == "CANCELLED")
        }
    }

    @Test("R30: what has ended keeps its status; its row may go")
    func finished() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.enqueue(job, count: 2)
            let runs = try await queue.claim(worker)
            try await queue.finish([runs[0]])
            try await queue.finish([runs[1]], as: "FAILED", error: "{}")
            for status in ["PENDING", "RUNNING", "CANCELLED", "SUCCESS", "NONSENSE"] {
                let error = try await queue.refusal(set("status = '\(status)'", runs[1].id))
                #expect(error.message.hasPrefix("status: ") && error.message.contains("retry_execution"), "\(error)")
            }
            #expect(try await queue.refusal(set("status = NULL", runs[1].id)).message.hasPrefix("status: "))
            try await queue.run("DELETE FROM job_executions WHERE id = \(runs[1].id)::uuid")
            try await queue.run("TRUNCATE job_executions")
            #expect(try await queue.number("SELECT count(*) FROM job_executions") == 0)
        }
    }

    @Test("R30: TRUNCATE of the jobs, or of what they refer to, is refused while executions are live: nothing would ever end them")
    func truncatedJobs() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            _ = try await queue.addIntegration("rp", type: "RP")
            let id = try await queue.enqueue(job)[0]
            for statement in ["TRUNCATE job_configurations CASCADE", "TRUNCATE integrations CASCADE"] {
                let refusal = try await queue.refusal(spliced(statement))
                #expect(refusal.message.contains("live executions") && refusal.message.contains("deleted_at"), "\(statement): \(refusal)")
            }
            #expect(try await queue.number("SELECT count(*) FROM job_configurations") == 1)
            #expect(try await queue.status(id) == "PENDING")
            // What the refusal says.
            try await queue.run("UPDATE job_configurations SET deleted_at = now()")
            #expect(try await queue.status(id) == "CANCELLED")
            try await queue.run("TRUNCATE integrations CASCADE")
            #expect(try await queue.number("SELECT count(*) FROM job_configurations") == 0)
        }
    }

    @Test("one UPDATE may cancel parents, children and whatever else is live")
    func cancelAll() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let parent = try await queue.addParent(job, stores: [1, 2, 3], worker: worker)
            let child = try await queue.claimOne(worker)
            try await queue.enqueue(job, count: 3)
            let changed = try await queue.pool.query(
                "UPDATE job_executions SET status = 'CANCELLED' WHERE status IN ('PENDING', 'RUNNING')"
            ).affectedRows
            #expect(changed == 7)
            #expect(try await queue.texts("SELECT DISTINCT status FROM job_executions") == ["CANCELLED"])
            #expect(try await queue.number("SELECT count(*) FROM job_executions") == 7)
            #expect(try await queue.attempts(child.id) == ["1 CANCELLED"])
            #expect(try await queue.status(parent) == "CANCELLED")
        }
    }

    @Test("cancelling by hand is cancel_execution: descendants go along, a parent ends with its last child, a run's error does not stay")
    func cancelIsCancel() async throws {
        for isByHand in [true, false] {
            try await Queue.withDatabase { queue in
                let job = try await queue.addJob()
                let worker = try await queue.addWorker()
                func cancel(_ id: ExecutionID) async throws {
                    try await queue.run(isByHand ? set("status = 'CANCELLED'", id) : "SELECT cancel_execution(\(id)::uuid)")
                }
                let first = try await queue.addParent(job, stores: [1, 2], worker: worker)
                let runs = try await queue.claim(worker)
                try await cancel(first)
                #expect(try await queue.texts("SELECT status FROM job_executions") == ["CANCELLED", "CANCELLED", "CANCELLED"])
                #expect(try await queue.finish(runs).isEmpty)

                let second = try await queue.addParent(job, stores: [1, 2], worker: worker)
                let others = try await queue.claim(worker)
                try await queue.finish([others[0]])
                try await cancel(others[1].id)
                #expect(
                    try await queue.column("status || ' ' || (error_details ->> 'message')", of: second)
                        == "FAILED 1 of 2 stores did not succeed")

                let tried = try await queue.enqueue(job)[0]
                try await queue.giveBack(try await queue.claim(worker))
                try await cancel(tried)
                #expect(try await queue.column("concat_ws(' ', status, error_details, attempt_outcome)", of: tried) == "CANCELLED")
                #expect(try await queue.attempts(tried) == ["1 RETRY"])
            }
        }
    }
}
