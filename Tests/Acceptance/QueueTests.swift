import Foundation
import Postgres
import Runtime
import TestRig
import TestSupport
import Testing

/// What SPEC §3 promises, through real workers and NOOP jobs.
@Suite struct QueueTests {
    /// A rig with a NOOP job called `drill`; `columns` and `values` are the test's own text.
    private func withDrill(_ columns: String = "", _ values: String = "", _ body: (Rig) async throws -> Void) async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            try await rig.pool.withConnection {
                try await $0.script("INSERT INTO job_configurations (name, job_type\(columns)) VALUES ('drill', 'NOOP'\(values))")
            }
            try await body(rig)
        }
    }

    private func enqueue(_ count: Int, _ params: JSONValue, _ rig: Rig) async throws {
        _ = try await rig.pool.query(
            """
            INSERT INTO job_executions (job_config_id, params)
            SELECT job_id('drill'), \(params)::jsonb FROM generate_series(1, \(count)::int)
            """)
    }

    private func allEnded(_ rig: Rig, within limit: Duration = .seconds(60)) async throws {
        try await eventually(within: limit, "the end of all executions") {
            try await rig.value("SELECT count(*) = 0 AS value FROM job_live")
        }
    }

    @Test("a parent waits without a slot for its children, ends with the last, and fails with any of them")
    func children() async throws {
        try await withDrill(", max_attempts, retry_delay_seconds", ", 1, 0") { rig in
            _ = try rig.worker(["--slots", "1"])
            let good = try await rig.trigger("drill", params: ["children": 5, "sleep_ms": 50])
            let ended = try await rig.finished(good)
            #expect(ended.status == "SUCCESS" && ended.worker == nil)
            let children = try await rig.executions("WHERE parent_id = '\(good)'")
            #expect(children.count == 5 && children.allSatisfy { $0.status == "SUCCESS" })
            #expect(try #require(ended.finished) >= children.compactMap(\.finished).max() ?? .infinity)
            let progress: JSONValue = try await rig.value("SELECT progress AS value FROM job_executions WHERE id = \(good)::uuid")
            #expect(progress == ["done": 5, "total": 5, "unit": "children"])
            let bad = try await rig.finished(try await rig.trigger("drill", params: ["children": 3, "fail": "always"]))
            #expect(bad.status == "FAILED" && bad.code == "CHILDREN_FAILED" && bad.message.contains("3 of 3") && bad.attempt == 1)
        }
    }

    @Test("max_concurrency holds over all workers, and an integration's too")
    func concurrency() async throws {
        try await withDrill(", max_concurrency", ", 3") { rig in
            _ = try await rig.pool.query("UPDATE integrations SET config = config || '{\"max_concurrency\": 2}' WHERE name = 'rp'")
            _ = try await rig.pool.query(
                "INSERT INTO job_configurations (name, job_type, integration_id) SELECT 'partnered', 'NOOP', id FROM integrations WHERE name = 'rp'"
            )
            // Both are there before there is work.
            for _ in 1...2 { _ = try await rig.worker(["--slots", "8"]).line(containing: "works") }
            try await enqueue(30, ["sleep_ms": 60], rig)
            for _ in 0..<15 { _ = try await rig.trigger("partnered", params: ["sleep_ms": 60]) }
            var most = [0, 0]
            try await eventually(within: .seconds(60), "the end of all executions") {
                let row = try #require(
                    try await rig.pool.query(
                        """
                        SELECT count(*) FILTER (WHERE status = 'RUNNING' AND job_config_id = job_id('drill')) AS drills,
                          count(*) FILTER (WHERE status = 'RUNNING' AND job_config_id = job_id('partnered')) AS partnered, count(*) AS live FROM job_live
                        """
                    ).first)
                most = [max(most[0], try row.get("drills")), max(most[1], try row.get("partnered"))]
                return try row.get("live", as: Int.self) == 0
            }
            #expect(most == [3, 2], "reached, never exceeded")
            let workers: Int = try await rig.value("SELECT count(DISTINCT worker) AS value FROM job_executions")
            #expect(workers == 2)
        }
    }

    @Test("one store, one run: two syncs of the same store take turns, over two workers")
    func storeLock() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 200, sandbox: ["--latency-ms", "100"])) { rig in
            for _ in 1...2 { _ = try rig.worker(["--slots", "4"]) }
            var ids: [String] = []
            for _ in 1...4 { ids.append(try await rig.trigger()) }
            var most = 0
            try await eventually(within: .seconds(60), "the end of all syncs") {
                let row = try #require(
                    try await rig.pool.query(
                        "SELECT count(*) FILTER (WHERE status = 'RUNNING' AND store_id = 1) AS running, count(*) AS live FROM job_live"
                    ).first)
                most = max(most, try row.get("running"))
                return try row.get("live", as: Int.self) == 0
            }
            #expect(most == 1)
            for id in ids { #expect(try await rig.execution(id).status == "SUCCESS") }
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["VERIFIED", "SKIPPED", "SKIPPED", "SKIPPED"])
            #expect(try await rig.sandbox.state().uploads.count == 1)
        }
    }

    @Test("a failed attempt is tried again, each leaves its row, and delays double")
    func retries() async throws {
        try await withDrill(", retry_delay_seconds", ", 1") { rig in
            let worker = try rig.worker()
            let once = try await rig.trigger("drill", params: ["fail": "once"])
            let always = try await rig.trigger("drill", params: ["fail": "always"])
            let permanent = try await rig.trigger("drill", params: ["fail": "permanent"])
            #expect(try await rig.finished(once).status == "SUCCESS")
            #expect(try await rig.attempts(of: once) == ["RETRY", "SUCCESS"])
            let failed = try await rig.finished(always)
            #expect(failed.status == "FAILED" && failed.code == "NOOP_FAILED" && failed.attempt == 3 && failed.error?["retryable"] == true)
            #expect(try await rig.attempts(of: always) == ["RETRY", "RETRY", "FAILED"])
            #expect(try await rig.finished(permanent).attempt == 1)
            #expect(try await rig.attempts(of: permanent) == ["FAILED"])
            // Who looks at the worker's own log finds them, too.
            let inTheLog = try await worker.line(containing: "execution=\(permanent)", within: .seconds(5))
            #expect(inTheLog.contains("ERROR run: a run failed for good") && inTheLog.contains("job=drill"), "\(inTheLog)")
            let again = try await worker.line(containing: "execution=\(once)", within: .seconds(5))
            #expect(again.contains("WARNING run: a run failed and is tried again"), "\(again)")
            let gaps = try await rig.pool.query(
                """
                SELECT extract(epoch FROM started_at - lag(finished_at) OVER (ORDER BY attempt))::float8 AS gap FROM job_attempts
                WHERE execution_id = \(always)::uuid ORDER BY attempt OFFSET 1
                """
            ).map { try $0.get("gap", as: Double.self) }
            #expect(gaps.count == 2 && gaps[0] >= 0.8 && gaps[1] >= 1.6, "\(gaps)")
            let recorded: Int = try await rig.value(
                "SELECT count(*) AS value FROM job_attempts WHERE execution_id = \(always)::uuid AND error_details ->> 'code' = 'NOOP_FAILED' AND worker IS NOT NULL"
            )
            #expect(recorded == 3)
        }
    }

    @Test("a run that takes too long is stopped, told as a timeout, and frees its slot")
    func timeouts() async throws {
        try await withDrill(", timeout_seconds, max_attempts, retry_delay_seconds", ", 1, 2, 0") { rig in
            _ = try rig.worker(["--slots", "1"])
            let slow = try await rig.trigger("drill", params: ["sleep_ms": 600_000])
            let ended = try await rig.finished(slow)
            #expect(ended.status == "FAILED" && ended.code == "TIMEOUT" && ended.message.contains("timeout_seconds"))
            #expect(try await rig.attempts(of: slow) == ["TIMED_OUT", "TIMED_OUT"])
            #expect(try #require(ended.finished) - (try #require(ended.started)) < 10)
            #expect(try await rig.finished(try await rig.trigger("drill")).status == "SUCCESS")
        }
    }

    @Test("a cancellation ends the row at once and the code within seconds; a pending one never starts")
    func cancellation() async throws {
        try await withDrill { rig in
            _ = try rig.worker(["--slots", "1"])
            let running = try await rig.trigger("drill", params: ["sleep_ms": 600_000])
            try await rig.waitFor("RUNNING", running)
            let waiting = try await rig.trigger("drill", params: ["sleep_ms": 600_000])
            let next = try await rig.trigger("drill")
            let byHand = try await rig.pool.query("UPDATE job_executions SET status = 'CANCELLED' WHERE id = \(waiting)::uuid")
            #expect(byHand.affectedRows == 1)
            let cancelled: Bool = try await rig.value("SELECT cancel_execution(\(running)::uuid) AS value")
            #expect(cancelled)
            let at = try #require(try await rig.execution(running).finished)
            #expect(try await rig.attempts(of: running) == ["CANCELLED"])
            // The only slot is free as soon as the code stopped.
            let started = try #require(try await rig.finished(next).started)
            #expect(started - at < 3, "\(started - at) s until the slot was free")
            #expect(try await rig.attempts(of: waiting) == [])
            let again: Bool = try await rig.value("SELECT cancel_execution(\(running)::uuid) AS value")
            #expect(!again)
        }
    }

    @Test("smaller priorities go first, then the order of run_at; what lies ahead waits")
    func order() async throws {
        try await withDrill { rig in
            var ids: [Int: String] = [:]
            for (place, (priority, ahead)) in [(2, -1.0), (0, -1), (-3, -1), (0, -5), (-9, 3)].enumerated() {
                ids[place] = try await rig.value(
                    """
                    INSERT INTO job_executions (job_config_id, priority, run_at, params)
                    SELECT job_id('drill'), \(priority), now() + make_interval(secs => \(ahead)), '{"sleep_ms": 30}' RETURNING id::text AS value
                    """)
            }
            _ = try rig.worker(["--slots", "1"])
            try await allEnded(rig)
            let started = try await rig.executions("ORDER BY started_at").map(\.id)
            #expect(started == [2, 3, 1, 0, 4].compactMap { ids[$0] })
            let early: Int = try await rig.value("SELECT count(*) AS value FROM job_executions WHERE started_at < run_at")
            #expect(early == 0)
        }
    }

    @Test("a dedupe_key is good for one live execution, and for another once that ended")
    func dedupe() async throws {
        try await withDrill { rig in
            let first = try await rig.value("SELECT enqueue_job('drill', dedupe_key => 'x')::text AS value", as: String.self)
            let second = try await rig.value("SELECT enqueue_job('drill', dedupe_key => 'x')::text AS value", as: String.self)
            #expect(first == second)
            await #expect(throws: PostgresError.self) {
                try await rig.pool.query("INSERT INTO job_executions (job_config_id, dedupe_key) VALUES (job_id('drill'), 'x')")
            }
            _ = try rig.worker()
            try await rig.finished(first)
            let third = try await rig.value("SELECT enqueue_job('drill', dedupe_key => 'x')::text AS value", as: String.self)
            #expect(third != first)
            #expect(try await rig.finished(third).status == "SUCCESS")
        }
    }

    @Test("a paused job waits, delays nobody and goes on when it is resumed; a draining worker leaves it")
    func pauseAndDrain() async throws {
        try await withDrill { rig in
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type) VALUES ('other', 'NOOP')")
            _ = try await rig.pool.query("SELECT pause_job('drill')")
            let paused = try await rig.trigger("drill")
            let other = try await rig.trigger("other", params: ["fail": "permanent"])
            let future: String = try await rig.value("SELECT enqueue_job('other', run_at => now() + interval '1 hour')::text AS value")
            try await rig.drain()
            #expect(try await rig.execution(other).status == "FAILED", "a failed execution does not change the exit code")
            #expect(try await rig.execution(paused).status == "PENDING")
            #expect(try await rig.execution(future).status == "PENDING")
            let worker = try rig.worker()
            _ = try await worker.line(containing: "works")
            _ = try await rig.pool.query("SELECT resume_job('drill')")
            let resumed = try await rig.finished(paused, within: .seconds(20))
            #expect(resumed.status == "SUCCESS")
        }
    }

    @Test("a thousand short jobs on two workers: each runs once")
    func manyJobs() async throws {
        try await withDrill { rig in
            for _ in 1...2 { _ = try rig.worker() }
            try await enqueue(1_000, .object([:]), rig)
            try await allEnded(rig)
            let row = try #require(
                try await rig.pool.query(
                    """
                    SELECT count(*) FILTER (WHERE status = 'SUCCESS' AND attempt = 1) AS ended, count(DISTINCT worker) AS workers,
                      (SELECT count(*) FROM job_attempts) AS attempts FROM job_executions
                    """
                ).first)
            #expect(try row.get("ended", as: Int.self) == 1_000 && (try row.get("attempts", as: Int.self)) == 1_000)
        }
    }

    @Test("R27: paused, limited and unknown jobs at the head of the queue delay nobody behind them")
    func headOfTheQueue() async throws {
        try await withDrill { rig in
            try await rig.pool.withConnection {
                try await $0.script(
                    """
                    ALTER TABLE job_configurations DROP CONSTRAINT job_configurations_job_type_check;
                    ALTER TABLE job_configurations DISABLE TRIGGER check_job_configuration;
                    INSERT INTO job_configurations (name, job_type, priority, max_concurrency) VALUES
                      ('paused', 'NOOP', -10, NULL), ('limited', 'NOOP', -10, 1), ('unknown', 'OF_A_LATER_VERSION', -10, NULL);
                    INSERT INTO job_executions (job_config_id, params) SELECT j.id, '{"sleep_ms": 600000}'
                      FROM job_configurations AS j, generate_series(1, 500) WHERE j.name IN ('paused', 'limited');
                    INSERT INTO job_executions (job_config_id) SELECT job_id('unknown') FROM generate_series(1, 500);
                    SELECT pause_job('paused')
                    """)
            }
            let behind = try await rig.trigger("drill")
            let worker = try rig.worker(["--slots", "2"])
            #expect(try await rig.finished(behind).status == "SUCCESS")
            let counts = try await rig.pool.query(
                """
                SELECT j.name || ' ' || e.status || coalesce(' ' || (e.error_details ->> 'code'), '') AS state, count(*) AS n
                FROM job_executions AS e JOIN job_configurations AS j ON j.id = e.job_config_id WHERE j.name <> 'drill' GROUP BY 1
                """
            ).reduce(into: [String: Int]()) { $0[try $1.get("state")] = try $1.get("n") }
            #expect(counts["paused PENDING"] == 500)
            #expect(counts["limited PENDING", default: 0] >= 499 && counts["limited RUNNING", default: 0] <= 1)
            #expect(counts["unknown FAILED UNSUPPORTED", default: 0] > 0, "an unknown job says so, and costs its place for a moment only")
            #expect(worker.end == nil)
        }
    }
}
