import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// How executions end, and their parents with them (SPEC §3 Children, R04).
@Suite struct EndTests {
    @Test("only the current token ends a run; the answer says which did")
    func fencing() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let (one, two) = (try await queue.addWorker(), try await queue.addWorker())
            try await queue.enqueue(job, count: 2)
            let stale = try await queue.claim(one, batch: 1)[0]
            let good = try await queue.claim(one, batch: 1)[0]
            try await queue.kill(one)
            try await queue.run("UPDATE workers SET lease_until = now() + interval '1 hour' WHERE id = \(two)::uuid")
            try await queue.giveBack([stale], as: "INTERRUPTED", delay: nil)
            let current = try await queue.claimOne(two)
            #expect(current.id == stale.id && current.token > stale.token && current.attempt == 2)
            #expect(try await queue.finish([stale, good], metrics: #"{"by": "one"}"#) == [good.id])
            #expect(try await queue.giveBack([stale]).isEmpty)
            #expect(try await queue.fanOut(stale, [PlannedChild(params: [:])]) == false)
            try await queue.run(QueueStatements.progress(id: stale.id, token: stale.token, progress: ["done": 1]))
            #expect(try await queue.column("progress IS NULL", of: stale.id) == "true")
            #expect(try await queue.finish([current], metrics: #"{"by": "two"}"#) == [current.id])
            #expect(try await queue.column("metrics ->> 'by'", of: current.id) == "two")
            #expect(try await queue.finish([current]).isEmpty, "an end is recorded once")
            #expect(try await queue.attempts(current.id) == ["1 INTERRUPTED", "2 SUCCESS"])
        }
    }

    @Test("a finished row keeps what it had and says how it ended")
    func finishedRow() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.text(
                """
                INSERT INTO job_executions (job_config_id, params, priority, dedupe_key, scheduled_for, created_by)
                VALUES (\(job), '{"a": 1}', 5, 'k', '2026-01-02', 'me') RETURNING id
                """)
            let run = try await queue.claimOne(worker)
            try await queue.finish([run], as: "FAILED", metrics: #"{"n": 1}"#, error: #"{"code": "X"}"#)
            let row = try await queue.column(
                """
                concat_ws(' ', status, trigger, priority, params, dedupe_key, scheduled_for::date, attempt, created_by, worker, metrics, error_details,
                  started_at <= finished_at, created_at <= started_at)
                """, of: id)
            #expect(row == #"FAILED MANUAL 5 {"a": 1} k 2026-01-02 1 me \#(worker) {"n": 1} {"code": "X"} t t"#)
            #expect(try await queue.attempts(id) == ["1 FAILED"])
        }
    }

    @Test("a waiting parent holds no place, shows its progress, and ends with its last child")
    func parentEnds() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.addParent(job, stores: [1, 2, 3], worker: worker)
            #expect(
                try await queue.column("concat_ws(' ', status, worker, progress)", of: id)
                    == #"RUNNING {"done": 0, "unit": "stores", "total": 3}"#)
            let children = try await queue.claimChildren(worker)
            #expect(children.map(\.storeID) == [1, 2, 3] && children.allSatisfy { $0.parentID == id })
            try await queue.finish([children[0]])
            #expect(try await queue.column("status || (progress ->> 'done')", of: id) == "RUNNING1")
            try await queue.giveBack([children[1]])
            try await queue.finish([children[2]])
            #expect(try await queue.column("status || (progress ->> 'done')", of: id) == "RUNNING2")
            try await queue.finish(try await queue.claim(worker))
            #expect(try await queue.column("status || (progress ->> 'done')", of: id) == "SUCCESS3")
            #expect(try await queue.attempts(id) == ["1 SUCCESS"])
            #expect(try await queue.column("error_details IS NULL AND finished_at >= started_at", of: id) == "true")
        }
    }

    @Test("metrics add up: numbers, nested counts, the worse severity; a store that failed without any counts as one that failed")
    func metrics() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.addParent(job, stores: [1, 2, 3, 4], worker: worker)
            let runs = try await queue.claim(worker)
            func document(_ severity: String, succeeded: Int, skipped: Int, fetched: Int, rejected: String) -> String {
                """
                {"severity": "\(severity)", "stores": {"total": 1, "succeeded": \(succeeded), "skipped": \(skipped), "failed": 0},
                 "products": {"fetched": \(fetched), "accepted": 1, "rejected": \(rejected)}, "duration_ms": 7000000}
                """
            }
            try await queue.finish([runs[0]], metrics: document("ok", succeeded: 1, skipped: 0, fetched: 10, rejected: #"{"CODE": 2}"#))
            try await queue.finish(
                [runs[1]], metrics: document("warning", succeeded: 0, skipped: 1, fetched: 5, rejected: #"{"CODE": 1, "STATUS": 4}"#))
            try await queue.finish([runs[2]], as: "FAILED", error: #"{"message": "no"}"#)
            try await queue.finish([runs[3]])
            let metrics = try JSONValue(parsing: try await queue.column("metrics", of: id))
            #expect(metrics["severity"] == "critical")
            #expect(metrics["stores"] == ["total": 4, "succeeded": 2, "skipped": 1, "failed": 1])
            #expect(metrics["products"] == ["fetched": 15, "accepted": 2, "rejected": ["CODE": 3, "STATUS": 4]])
            #expect(try #require(metrics["duration_ms"]?.intValue) < 60_000, "the parent's own time, not the sum")
        }
    }

    @Test(
        "metrics that are no object add up and are weighed without an error, and their execution succeeds",
        arguments: ["[1, 2]", "[]", "42", "\"severity\"", "true"])
    func oddMetrics(metrics: String) async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.enqueue(job)[0]
            try await queue.finish(try await queue.claim(worker), metrics: metrics)
            #expect(try await queue.column("status || ' ' || metrics", of: id) == "SUCCESS \(metrics)")
            let pair = [#"{"severity": "warning"}"#, metrics]
            for order in [pair, pair.reversed()] {
                _ = try await queue.text("SELECT sum_metrics(m) FROM unnest(\(order)::text[]::jsonb[]) AS m")
            }
            #expect(try await queue.text("SELECT weigh_differences(\(metrics)::text::jsonb, '{}')") == metrics)
        }
    }

    @Test("severity and sums do not depend on the order of the children")
    func sums() async throws {
        try await Queue.withDatabase { queue in
            for order in [["ok", "warning", "critical"], ["critical", "ok", "warning"], ["warning", "critical", "ok"]] {
                let documents = order.map { #"{"severity": "\#($0)", "n": 1.5}"# }
                let sum = try await queue.text("SELECT sum_metrics(d::jsonb) FROM unnest(\(documents)::text[]) AS u(d)")
                #expect(sum == #"{"n": 4.5, "severity": "critical"}"#)
            }
            #expect(try await queue.text("SELECT coalesce(sum_metrics(NULL), 'null')") == "null")
            #expect(try await queue.text("SELECT add_metrics('{\"a\": 1}', '{\"a\": \"x\", \"b\": [1]}')") == #"{"a": 1, "b": [1]}"#)
        }
    }

    @Test("error_details name every store that failed, a hundred at most, and how many more there are")
    func manyFailures() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.addParent(job, stores: Array(1...150), worker: worker)
            let runs = try await queue.claimChildren(worker)
            try await queue.finish(Array(runs.prefix(20)))
            try await queue.finish(Array(runs.suffix(130)), as: "FAILED", error: #"{"message": "it broke"}"#)
            let details = try JSONValue(parsing: try await queue.column("error_details", of: id))
            #expect(details["code"] == "CHILDREN_FAILED" && details["retryable"] == false && details["more"] == 30)
            #expect(details["message"] == "130 of 150 stores did not succeed")
            let stores = try #require(details["stores"]?.arrayValue)
            #expect(stores.count == 100 && stores[0] == ["store_id": 21, "registration": "reg-21", "message": "it broke"])
            #expect(
                try await queue.column("metrics -> 'stores'", of: id) == #"{"total": 150, "failed": 130, "skipped": 0, "succeeded": 20}"#)
        }
    }

    @Test("children without stores: the parent says how many did not succeed, and names no store")
    func plainChildren() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.enqueue(job)
            let run = try await queue.claimOne(worker)
            try await queue.fanOut(run, Array(repeating: PlannedChild(params: [:]), count: 120))
            try await queue.finish(try await queue.claim(worker, batch: 500), as: "FAILED", error: "{}")
            let details = try await queue.column(
                "(error_details ->> 'message') || (error_details -> 'stores')::text || (error_details -> 'more')::text", of: run.id)
            #expect(details == "120 of 120 stores did not succeed[]0")
        }
    }

    @Test("a child that was cancelled makes its parent FAILED and is named")
    func cancelledChild() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.addParent(job, stores: [5, 6], worker: worker)
            let runs = try await queue.claim(worker, batch: 1)
            let pending = try await queue.text("SELECT id FROM job_live WHERE parent_id = \(id)::uuid AND status = 'PENDING'")
            let store = try #require(runs[0].storeID) == 5 ? 6 : 5
            #expect(try await queue.text("SELECT cancel_execution(\(pending)::uuid)") == "t")
            try await queue.finish(runs)
            #expect(try await queue.status(id) == "FAILED")
            #expect(
                try await queue.column("error_details -> 'stores'", of: id)
                    == #"[{"message": "cancelled", "store_id": \#(store), "registration": "reg-\#(store)"}]"#)
        }
    }

    @Test("two sessions that end the last two children at once end the parent once, whoever comes first")
    func lastTwoAtOnce() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            for round in 0..<30 {
                let id = try await queue.addParent(job, stores: [1, 2], worker: worker)
                let runs = try await queue.claim(worker)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for run in runs {
                        group.addTask {
                            if round % 3 == 0, run.storeID == 1 {
                                try await queue.run("SELECT cancel_execution(\(run.id)::uuid)")
                            } else {
                                try await queue.finish([run], metrics: #"{"n": 1, "stores": {"total": 1}}"#)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(try await queue.status(id) == (round % 3 == 0 ? "FAILED" : "SUCCESS"))
                #expect(try await queue.number("SELECT count(*) FROM job_finished WHERE id = \(id)::uuid") == 1)
            }
            #expect(try await queue.number("SELECT count(*) FROM job_live") == 0)
        }
    }

    @Test("a parent that its last child left waiting is swept up")
    func sweep() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.addParent(job, stores: [1], worker: worker)
            let child = try await queue.claimOne(worker)
            try await queue.pool.transaction { transaction in
                _ = try await transaction.query("SELECT FROM job_live WHERE id = \(id)::uuid FOR UPDATE")
                try await queue.run("UPDATE job_executions SET status = 'CANCELLED' WHERE id = \(child.id)::uuid")
                #expect(try await queue.status(id) == "RUNNING", "its row is held: nobody waits for it")
            }
            try await Maintenance(pool: queue.pool, interval: .seconds(1)).runOnce(withHousekeeping: true)
            #expect(try await queue.status(id) == "FAILED")
        }
    }

    @Test("R29: a run of a day whose partition is missing ends once the partition was made")
    func missingPartition() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let ids = try await queue.enqueue(job, count: 3)
            for (place, id) in ids.enumerated() {
                try await queue.plant(
                    """
                    UPDATE job_live SET id = overlay(uuid_v7_floor(timestamptz '2025-03-01' + \(place) * interval '1 day')::text PLACING '7' FROM 15 FOR 1)::uuid
                    WHERE id = \(id)::uuid
                    """)
            }
            let runs = try await queue.claim(worker)
            let error = await #expect(throws: PostgresError.self) { try await queue.finish([runs[0]]) }
            #expect(error?.sqlState == "23514" && error?.message.contains("no partition") == true)
            let logs = ExecutionLogWriter(wakeup: Wakeup())
            let writer = OutcomeWriter(pool: queue.pool, logs: logs, wakeup: Wakeup(), onWritten: { _ in })
            writer.submit(runs[0], .succeeded(metrics: nil))
            try await writer.writeOnce()
            #expect(try await queue.status(runs[0].id) == "SUCCESS")
            try await queue.run("SELECT cancel_execution(\(runs[1].id)::uuid)")
            #expect(try await queue.status(runs[1].id) == "CANCELLED")
            try await queue.kill(worker)
            #expect(try await queue.rescue() == 1)
            #expect(try await queue.attempts(runs[2].id) == ["1 RESCUED"])
        }
    }
}
