import Foundation
import Postgres
import TestRig
import TestSupport

/// R30: SQL by hand.
extension Catalogue {
    /// INSERTs that are accepted, by what stands in them; each must end, whatever it says, and cost nobody else anything.
    static let oddInserts: [(what: String, columns: String, values: String)] = [
        ("nothing but the job", "params", "'{}'"),
        ("a run_at before all times", "run_at", "'-infinity'"),
        ("a run_at before Christ", "run_at", "'4713-02-01 00:00:00+00 BC'"),
        ("a run_at 60 years ago", "run_at", "now() - interval '60 years'"),
        ("a due time before all times", "scheduled_for", "'-infinity'"),
        ("a due time before Christ", "scheduled_for", "'4713-02-01 00:00:00+00 BC'"),
        ("a due time after all times", "scheduled_for", "'infinity'"),
        ("a due time in the year 290000", "scheduled_for", "'290000-12-31 23:59:59.999999+00'"),
        ("the smallest priority", "priority", "-32768"),
        ("the largest priority", "priority", "32767"),
        ("as many attempts as there are numbers", "max_attempts, params", "2147483647, '{\"fail\": \"permanent\"}'"),
        ("a sleep longer than a number", "params", "'{\"sleep_ms\": 1e300}'"),
        ("a sleep of less than nothing", "params", "'{\"sleep_ms\": -9223372036854775808}'"),
        ("a sleep that is no number", "params", "'{\"sleep_ms\": \"long\"}'"),
        ("a failure that is none", "params", "'{\"fail\": [5]}'"),
        ("fewer children than none", "params", "'{\"children\": -5}'"),
        ("numbers of every kind", "params", "'{\"a\": 1e300, \"b\": 9223372036854775809, \"c\": -0.0}'"),
        ("params nested 31 deep", "params", "('{\"a\": ' || repeat('[', 31) || repeat(']', 31) || '}')::jsonb"),
        ("params of a megabyte", "params", "jsonb_build_object('a', repeat('x', 1000000))"),
        ("params with every letter", "params", "'{\"\\\\u0001\\\\n\": \"\\\\ud83d\\\\ude00\"}'"),
        ("a trigger of its own", "trigger", "'SCHEDULE'"),
        ("an execution that never was to be retried", "retry_of", "gen_random_uuid()"),
        ("a dedupe key of 500 letters", "dedupe_key", "repeat('k', 500)"),
    ]

    /// Statements that are refused, or change nothing that is not theirs to change.
    static let refusedByHand: [String] = [
        "INSERT INTO job_executions (job_config_id) VALUES (NULL)", "INSERT INTO job_executions (job_config_id) VALUES (424242)",
        "INSERT INTO job_executions (job_config_id, status) VALUES (1, 'RUNNING')",
        "INSERT INTO job_executions (job_config_id, status) VALUES (1, 'SUCCESS')",
        "INSERT INTO job_executions (job_config_id, status) VALUES (1, 'DONE')",
        "INSERT INTO job_executions (job_config_id, attempt) VALUES (1, 5)",
        "INSERT INTO job_executions (job_config_id, token) VALUES (1, 5)",
        "INSERT INTO job_executions (job_config_id, worker) VALUES (1, gen_random_uuid())",
        "INSERT INTO job_executions (job_config_id, store_id) VALUES (1, 1)",
        "INSERT INTO job_executions (job_config_id, store_id, target_id, registration) VALUES (1, -1, 999999, repeat('r', 100000))",
        "INSERT INTO job_executions (job_config_id, metrics, progress, error_details) VALUES (1, '\"total\"', '[\"total\"]', '7')",
        "INSERT INTO job_executions (job_config_id, created_at) VALUES (1, '-infinity')",
        "INSERT INTO job_executions (job_config_id, created_at) VALUES (1, '290000-01-01')",
        "INSERT INTO job_executions (job_config_id, params) VALUES (1, '[]')",
        "INSERT INTO job_executions (job_config_id, params) VALUES (1, 'null')",
        "INSERT INTO job_executions (job_config_id, params) VALUES (1, NULL)",
        "INSERT INTO job_executions (job_config_id, params) VALUES (1, '{')",
        "INSERT INTO job_executions (job_config_id, params) VALUES (1, '{\"a\": 1e400}')",
        "INSERT INTO job_executions (job_config_id, params) VALUES (1, ('{\"a\": ' || repeat('[', 5000) || repeat(']', 5000) || '}')::jsonb)",
        "INSERT INTO job_executions (job_config_id, params) VALUES (1, '{\"a\": \"\\u0000\"}')",
        "INSERT INTO job_executions (job_config_id, params) VALUES (1, '{\"store_id\": [7]}')",
        "INSERT INTO job_executions (job_config_id, params) VALUES (1, '{\"store_ids\": \"all\"}')",
        "INSERT INTO job_executions (job_config_id, params) VALUES (1, '{\"store_ids\": [1.5]}')",
        "INSERT INTO job_executions (job_config_id, params) VALUES (1, '{\"dry_run\": \"yes\"}')",
        "INSERT INTO job_executions (job_config_id, run_at) VALUES (1, NULL)",
        "INSERT INTO job_executions (job_config_id, max_attempts) VALUES (1, 0)",
        "INSERT INTO job_executions (job_config_id, parent_id) SELECT 1, id FROM job_live LIMIT 1",
        "UPDATE job_executions SET status = 'SUCCESS' WHERE status = 'RUNNING'",
        "UPDATE job_executions SET status = 'PENDING' WHERE status = 'RUNNING'",
        "UPDATE job_executions SET status = NULL WHERE status = 'RUNNING'",
        "UPDATE job_executions SET worker = gen_random_uuid() WHERE status = 'RUNNING'",
        "UPDATE job_executions SET token = token + 1 WHERE status = 'RUNNING'",
        "UPDATE job_executions SET attempt = 0 WHERE status = 'RUNNING'",
        "UPDATE job_executions SET run_at = now() WHERE status = 'RUNNING'",
        "UPDATE job_executions SET params = '{}' WHERE status = 'RUNNING'",
        "UPDATE job_executions SET id = gen_random_uuid() WHERE status = 'RUNNING'",
        "DELETE FROM job_executions WHERE status = 'RUNNING'", "DELETE FROM job_executions WHERE status = 'PENDING'",
        "DELETE FROM job_live", "TRUNCATE job_executions", "TRUNCATE job_live", "DELETE FROM job_configurations",
        "TRUNCATE job_configurations CASCADE", "TRUNCATE integrations CASCADE",
    ]

    /// Two workers and a scheduler at work while an operator types whatever comes to mind.
    static let byHand = Scenario(
        number: "R30",
        injected: "SQL by hand under running workers: odd INSERTs, refused ones, late commits, UPDATE, DELETE, TRUNCATE, locks",
        limit: .seconds(240)
    ) { trial in
        try await Rig.with(RigSettings(stores: 2, products: 100, sandbox: ["--latency-ms", "50"])) { rig in
            let hand = Hand(rig: rig, drills: Drills(rig: rig))
            try await hand.drills.addJob(sleepMilliseconds: 200)
            try await hand.drills.addJob("beat", pattern: "* * * * * *")
            let fleet = try await Fleet(rig, count: 2, ["--lease", "6", "--slots", "8"])
            let scheduler = try rig.scheduler()
            let late = try await hand.lateCommit(after: .seconds(trial.random(6...10)))
            let odd = try await hand.insertOddities()
            let refused = try await hand.typeRefused()
            try await hand.expectOdditiesEnded(odd)
            let latency = try await late.value
            let survived = try await hand.typeHarm(trial)
            for worker in fleet.all { try worker.requireAlive("worker") }
            try scheduler.requireAlive("scheduler")
            try await scheduler.leave("scheduler")
            try await hand.drills.cancelWaiting()
            try await Oracle(rig: rig, ambiguousCuts: 2).drainAndJudge()
            try await fleet.leave()
            trial.figure(
                """
                \(odd.count) odd INSERTs ended, \(refused) statements refused, \(survived) survived; a late commit started \
                \(Int(latency * 1000)) ms after it
                """)
        }
    }
}

/// What an operator types.
private struct Hand: Sendable {
    let rig: Rig
    let drills: Drills

    /// An INSERT that is committed long after it was made; gives the seconds from there to its start.
    func lateCommit(after time: Duration) async throws -> Task<Double, any Error> {
        Task { [rig] in
            let (id, committedAt) = try await rig.pool.withConnection { connection in
                let id = try await connection.transaction { transaction in
                    let id = try await transaction.query("SELECT enqueue_job('drill')::text AS id").first?["id"] ?? ""
                    try await Task.sleep(for: time)
                    return id
                }
                return (id, Date())
            }
            try await eventually("the late one's start") {
                try await rig.value("SELECT started_at IS NOT NULL AS value FROM job_executions WHERE id = \(id)::uuid")
            }
            let started: Double = try await rig.value(
                "SELECT extract(epoch FROM started_at)::float8 AS value FROM job_executions WHERE id = \(id)::uuid")
            let latency = started - committedAt.timeIntervalSince1970
            // A poll, and what a busy machine needs.
            try require(latency < 5, "what was committed late started only \(Drills.text(latency)) s after it")
            return max(0, latency)
        }
    }

    func insertOddities() async throws -> [String: String] {
        var ids: [String: String] = [:]
        for odd in Catalogue.oddInserts {
            let row = try await rig.pool.query(
                """
                INSERT INTO job_executions (job_config_id, \(unsafe: odd.columns))
                SELECT id, \(unsafe: odd.values) FROM job_configurations WHERE name = 'drill' RETURNING id::text AS id
                """
            ).first
            ids[odd.what] = row?["id"]
        }
        // It lies ahead for ever, and nobody stumbles over it.
        for never in ["infinity", "290000-01-01"] {
            _ = try await rig.pool.query(
                "INSERT INTO job_executions (job_config_id, run_at) SELECT id, \(never)::timestamptz FROM job_configurations WHERE name = 'drill'"
            )
        }
        return ids
    }

    func typeRefused() async throws -> Int {
        try await drills.enqueue(50)
        // One that is RUNNING all the time, for the statements that are about such a row.
        let lasting = try await rig.trigger("drill", params: ["sleep_ms": 600_000])
        try await eventually("a running one") { try await rig.execution(lasting).status == "RUNNING" }
        for statement in Catalogue.refusedByHand {
            if statement.contains("DELETE") { try await drills.enqueue(20) }
            var refusal: PostgresError?
            do {
                _ = try await rig.pool.query("\(unsafe: statement)")
            } catch {
                refusal = error
            }
            try require(refusal != nil, "accepted: \(statement)")
        }
        let isCancelled: Bool = try await rig.value("SELECT cancel_execution(\(lasting)::uuid) AS value")
        try require(isCancelled, "the one that was running meanwhile is not to be cancelled")
        return Catalogue.refusedByHand.count
    }

    func expectOdditiesEnded(_ ids: [String: String]) async throws {
        for (what, id) in ids {
            let end = try? await rig.finished(id)
            try require(end != nil, "\(what): it does not end")
        }
        // Whoever lists them must be able to read them.
        let list = try RunningProgram(
            "chimera", ["execution", "list", "--json"], environment: ["DATABASE_URL": rig.url, "CHIMERA_KEY_FILE": ""])
        let end = try await list.waitForExit(within: .seconds(60))
        try require(end == .exited(0), "execution list --json: \(list.errors.suffix(3))")
    }

    /// Statements that are accepted and take something away from under the programs; gives how many.
    func typeHarm(_ trial: Trial) async throws -> Int {
        let harm: [SQL] = [
            "DELETE FROM workers", "TRUNCATE workers", "UPDATE workers SET lease_until = 'infinity'",
            "UPDATE workers SET lease_until = '-infinity'",
            "TRUNCATE execution_logs", "TRUNCATE schedule_ticks", "TRUNCATE job_schedules",
            "DELETE FROM job_executions WHERE status = 'SUCCESS' AND trigger <> 'SCHEDULE'",
            "DELETE FROM job_attempts_past", "UPDATE job_executions SET status = 'CANCELLED' WHERE status = 'RUNNING'",
            "UPDATE job_executions SET status = 'CANCELLED' WHERE status IN ('PENDING', 'RUNNING')",
            "UPDATE job_executions SET run_at = run_at - interval '1 hour', priority = -3 WHERE status = 'PENDING'",
            "UPDATE job_configurations SET max_concurrency = 1 WHERE name = 'drill'",
            "UPDATE job_configurations SET max_concurrency = NULL WHERE name = 'drill'", "DISCARD ALL", "VACUUM FULL job_live",
            "REINDEX TABLE job_live",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database() AND application_name LIKE 'chimera %'",
            "SELECT setval('lease_token', nextval('lease_token') + 1000000)", "ALTER TABLE job_configurations ADD COLUMN note text",
        ]
        for statement in harm.shuffled(using: trial) {
            try await drills.enqueue(60)
            _ = try await rig.trigger()
            try await trial.pause(50...400)
            // Many rows at once may meet a worker that holds one of them: then one of the two is told to try again.
            try await retrying { _ = try await rig.pool.query(statement, deadline: .seconds(60)) }
            // Ticks and schedules remember the due times for each other: whoever takes away both at once asks for them again.
            try await eventually("a tick and a schedule") {
                try await rig.value("SELECT EXISTS (SELECT FROM schedule_ticks) AND EXISTS (SELECT FROM job_schedules) AS value")
            }
        }
        let locked = Task {
            try await rig.pool.transaction { transaction in
                _ = try await transaction.query("LOCK TABLE job_live IN ACCESS EXCLUSIVE MODE")
                try await Task.sleep(for: .seconds(3))
            }
        }
        try await locked.value
        return harm.count + 1
    }

    private func retrying(_ body: () async throws -> Void) async throws {
        for _ in 0..<10 {
            do {
                return try await body()
            } catch let error as PostgresError where error.kind == .serialization || error.kind == .connectionLost {
                continue
            }
        }
        throw Failed("the operator's statement met a deadlock ten times in a row")
    }
}

extension Array {
    /// In an order that chance gave.
    fileprivate func shuffled(using trial: Trial) -> [Element] {
        var rest = self
        var shuffled: [Element] = []
        while !rest.isEmpty { shuffled.append(rest.remove(at: trial.random(0...rest.count - 1))) }
        return shuffled
    }
}
