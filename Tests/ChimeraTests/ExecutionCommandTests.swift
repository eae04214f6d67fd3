import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

/// `chimera execution` and `job run`, with a real worker where one is needed.
@Suite struct ExecutionCommandTests {
    /// A database with a job of each kind of end, and a worker.
    private func withWorker(_ body: (TestDatabase) async throws -> Void) async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "quick", "--type", "NOOP")
            try await database.done("job", "add", "endless", "--type", "NOOP", "--config", #"{"sleep_ms": 600000}"#)
            try await database.done("job", "add", "broken", "--type", "NOOP", "--config", #"{"fail": "permanent"}"#)
            try await database.done("job", "add", "fan", "--type", "NOOP", "--config", #"{"children": 3}"#)
            let worker = try RunningProgram(
                "chimera", ["worker", "--slots", "4", "--grace", "0"], environment: ["DATABASE_URL": database.url])
            _ = try await worker.line(containing: "works")
            try await body(database)
            worker.signal(SIGTERM)
            #expect(try await worker.waitForExit() == .exited(0))
        }
    }

    @Test("what waits for its next attempt takes no time")
    func noTimeWhileItWaits() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "nightly", "--type", "NOOP")
            let id = try #require(try await database.done("job", "run", "nightly", "--at", "+1h").lines.first)
            try await database.pool.transaction { transaction in
                try await transaction.script("SET LOCAL session_replication_role = replica")
                _ = try await transaction.query("UPDATE job_live SET attempt = 1, started_at = now() - interval '1 minute'")
            }
            #expect(try await database.done("execution", "show", id, "--json").json["seconds"] == .some(.null))
            try await database.pool.transaction { transaction in
                try await transaction.script("SET LOCAL session_replication_role = replica")
                _ = try await transaction.query("UPDATE job_live SET status = 'RUNNING', worker = uuid_v7()")
            }
            #expect(try await database.done("execution", "show", id, "--json").json["seconds"]?.doubleValue ?? 0 >= 60)
        }
    }

    @Test("metrics that are no object are shown as they are")
    func oddMetrics() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "nightly", "--type", "NOOP")
            let id = try #require(try await database.done("job", "run", "nightly", "--at", "+1h").lines.first)
            for (metrics, shown) in [(#"[1,{"a":2}]"#, #"[1,{"a":2}]"#), ("42", "42"), ("\"severity\"", "severity"), ("true", "yes")] {
                try await database.pool.transaction { transaction in
                    try await transaction.script("SET LOCAL session_replication_role = replica")
                    _ = try await transaction.query("UPDATE job_live SET metrics = \(metrics)::text::jsonb")
                }
                #expect(try await database.done("execution", "show", id, "--json").json["metrics"]?.text == metrics)
                #expect(try await database.done("execution", "show", id).lines.contains { $0.hasPrefix("metrics") && $0.hasSuffix(shown) })
                #expect(try await database.done("execution", "list").text.contains(id))
            }
        }
    }

    @Test("run --wait and wait tell the end: 0 for SUCCESS, 1 for any other, 75 when the time is over")
    func ends() async throws {
        try await withWorker { database in
            let good = try await database.done("job", "run", "quick", "--wait")
            #expect(good.lines.count == 2 && good.lines[1] == "SUCCESS" && UUID(uuidString: good.lines[0]) != nil)
            #expect(try await database.done("execution", "wait", good.lines[0]).lines == ["SUCCESS"])
            let bad = try await database.chimera("job", "run", "broken", "--wait", "--json")
            #expect(bad.exitCode == 1 && bad.errors.isEmpty)
            let row = try bad.json
            #expect(row["status"] == "FAILED" && row["error_details"]?["code"]?.stringValue != nil && row["job"] == "broken")
            #expect(row["finished_at"]?.stringValue?.hasSuffix("Z") == true)
            let slow = try await database.chimera("job", "run", "endless", "--wait", "--timeout", "1")
            #expect(slow.exitCode == 75 && slow.error.contains("chimera execution wait \(slow.lines.first ?? "-")"))
            let id = try #require(slow.lines.first)
            #expect(try await database.chimera("execution", "wait", id, "--timeout", "0").exitCode == 75)
            #expect(try await database.done("execution", "cancel", id).text == "execution \(id) cancelled")
            let cancelled = try await database.chimera("execution", "wait", id)
            #expect(cancelled.exitCode == 1 && cancelled.lines == ["CANCELLED"])
            #expect(try await database.chimera("execution", "cancel", id).exitCode == 0, "cancelled twice is cancelled")
            let ended = try await database.chimera("execution", "cancel", good.lines[0])
            #expect(ended.exitCode == 1 && ended.text.contains("had ended before: SUCCESS"))
        }
    }

    @Test("a wait that began before the end sees it, and progress stands in no pipe")
    func waiting() async throws {
        try await withWorker { database in
            let id = try await database.done("job", "run", "endless").text
            let wait = try RunningProgram("chimera", ["execution", "wait", id], environment: ["DATABASE_URL": database.url])
            let follow = try RunningProgram("chimera", ["execution", "logs", id, "--follow"], environment: ["DATABASE_URL": database.url])
            _ = try await follow.line(containing: "sleeps")
            #expect(wait.end == nil && wait.errors.isEmpty)
            try await database.done("execution", "cancel", id)
            #expect(try await wait.waitForExit() == .exited(1))
            #expect(wait.output == ["CANCELLED"] && wait.errors.isEmpty)
            #expect(try await follow.waitForExit() == .exited(0))
            #expect(follow.errors.isEmpty)
        }
    }

    @Test("following ends when the reader has left, though the job is silent")
    func closedReader() async throws {
        try await withWorker { database in
            let id = try await database.done("job", "run", "endless").text
            // The job says one line and sleeps.
            let pipe = try RunningProgram(
                "/bin/bash", ["-c", "\"$0\" execution logs \"$1\" --follow | head -1", builtProgram("chimera"), id],
                environment: ["DATABASE_URL": database.url])
            #expect(try await pipe.waitForExit(within: .seconds(30)) == .exited(0))
            #expect(pipe.output.count == 1 && pipe.errors.isEmpty, "\(pipe.errors)")
            try await database.done("execution", "cancel", id)
        }
    }

    @Test("a wait outlives a restart of the database")
    func restart() async throws {
        let server = try await RestartableServer.start()
        let environment = ["DATABASE_URL": server.url()]
        try #require(try await chimera(["migrate"], environment: environment).exitCode == 0)
        try #require(try await chimera(["job", "add", "drill", "--type", "NOOP"], environment: environment).exitCode == 0)
        let id = try await chimera(["job", "run", "drill"], environment: environment).text
        let wait = try RunningProgram("chimera", ["execution", "wait", id], environment: environment)
        let pool = PostgresPool(try PostgresConfiguration(url: server.url()), maximumConnections: 1)
        try await eventually(within: .seconds(15), "the wait has looked once") {
            // The first COMMIT ends the first look.
            let sessions = try await pool.query(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'chimera execution wait' AND query ILIKE 'COMMIT%'")
            return !sessions.isEmpty
        }
        await pool.close()
        try await server.restart(.immediate)
        #expect(wait.end == nil && wait.errors.isEmpty, "\(wait.errors)")
        #expect(try await chimera(["execution", "cancel", id], environment: environment).exitCode == 0)
        #expect(try await wait.waitForExit(within: .seconds(30)) == .exited(1))
        #expect(wait.output == ["CANCELLED"] && wait.errors.isEmpty)
    }

    @Test("show tells a parent's children and every attempt; logs of a parent hold its children's")
    func showing() async throws {
        try await withWorker { database in
            let id = try await database.done("job", "run", "fan", "--wait").lines[0]
            let row = try await database.done("execution", "show", id, "--json").json
            #expect(row["children"] == ["SUCCESS": 3] && row["attempts"]?.arrayValue?.count == 1)
            expect(
                row,
                holds: [
                    "id": .string(id), "status": "SUCCESS", "trigger": "MANUAL", "params": [:], "parent_id": nil, "error_details": nil,
                    "progress": ["done": 3, "total": 3, "unit": "children"],
                ])
            #expect(try await database.done("execution", "show", id).text.contains("3 SUCCESS"))
            let children = try await database.done("execution", "list", "--parent", id, "--json").json.arrayValue ?? []
            #expect(children.count == 3 && children.allSatisfy { $0["parent_id"] == .string(id) && $0["trigger"] == "PARENT" })
            let broken = try await database.chimera("job", "run", "broken", "--wait").lines[0]
            let page = try await database.done("execution", "show", broken).text
            #expect(page.contains("FAILED") && page.contains("chimera execution retry \(broken)"))
            let logs = try await database.done("execution", "logs", broken, "--json").json.arrayValue ?? []
            #expect(logs.allSatisfy { $0["logged_at"]?.stringValue?.hasSuffix("Z") == true && $0["message"]?.stringValue != nil })
        }
    }

    @Test("retry makes a new execution of a failed one, and refuses one that succeeded")
    func retrying() async throws {
        try await withWorker { database in
            let failed = try await database.chimera("job", "run", "broken", "--wait").lines[0]
            let again = try await database.done("execution", "retry", failed, "--json").json
            expect(again, holds: ["retry_of": .string(failed), "trigger": "RETRY"])
            let good = try await database.done("job", "run", "quick", "--wait").lines[0]
            try await database.refused(65, "only FAILED and CANCELLED ones are retried", "execution", "retry", good)
        }
    }

    @Test("listing filters by job and status, and pages by id without a gap")
    func listing() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            for name in ["a", "b"] { try await database.done("job", "add", name, "--type", "NOOP") }
            _ = try await database.pool.query(
                "INSERT INTO job_executions (job_config_id) SELECT j.id FROM job_configurations AS j, generate_series(1, 25)")
            var seen: [String] = []
            var page = ["execution", "list", "--json", "--limit", "7", "--job", "a"]
            while true {
                let rows = try await chimera(page, environment: ["DATABASE_URL": database.url]).json.arrayValue ?? []
                guard let last = rows.last?["id"]?.stringValue else { break }
                #expect(rows.allSatisfy { $0["job"] == "a" && $0["status"] == "PENDING" })
                seen += rows.compactMap { $0["id"]?.stringValue }
                page = ["execution", "list", "--json", "--limit", "7", "--job", "a", "--before", last]
            }
            #expect(seen.count == 25 && Set(seen).count == 25 && seen == seen.sorted(by: >))
            #expect(try await database.done("execution", "list").lines.count == 21)
            #expect(try await database.done("execution", "list", "--status", "FAILED", "--json").json == [])
            try await database.refused(65, "there is no job \"c\"", "execution", "list", "--job", "c")
            // What a removed job did can still be looked at.
            try await database.done("job", "remove", "b")
            let history = try await database.done("execution", "list", "--job", "b", "--limit", "100", "--json").json.arrayValue ?? []
            #expect(history.count == 25 && history.allSatisfy { $0["status"] == "CANCELLED" })
        }
    }

    @Test("ids that are none, and ids of nothing, are bad data", arguments: ["show", "logs", "cancel", "retry", "wait"])
    func unknownIDs(verb: String) async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            for id in ["", "7", "not-an-id", "'; DROP TABLE stores; --", "01a1fbfe-6fc2-7e21-ad6d-239108b9b3b1x"] {
                try await database.refused(65, "is no execution's id", "execution", verb, id)
            }
            try await database.refused(65, "there is no execution", "execution", verb, "01A1FBFE-6fc2-7e21-ad6d-239108b9b3b1")
        }
    }

    @Test("params and times of a run: taken as written, refused when they are not right")
    func runArguments() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "sync", "--type", "SYNC_PRODUCTS", "--zone", "America/Manaus")
            try await database.done("job", "add", "drill", "--type", "NOOP", "--zone", "America/Manaus")
            func run(_ arguments: String...) async throws -> JSONValue {
                try await chimera(["job", "run", "drill", "--json"] + arguments, environment: ["DATABASE_URL": database.url]).json
            }
            #expect(try await run("--params", #"{"a": [1, "x"]}"#)["params"] == ["a": [1, "x"]])
            #expect(try await run("--at", "2031-05-06T07:08")["run_at"] == "2031-05-06T11:08:00Z", "the job's own clock")
            #expect(try await run("--at", "2031-05-06T07:08:09-03:00")["run_at"] == "2031-05-06T10:08:09Z")
            let later = try await run("--at", "+1h30m")
            let created = try #require(later["created_at"]?.stringValue), due = try #require(later["run_at"]?.stringValue)
            let apart = try await database.pool.query(
                "SELECT extract(epoch FROM \(due)::timestamptz - \(created)::timestamptz)::int AS seconds")
            #expect(try apart.first?.get("seconds", as: Int.self) == 5_400)
            for time in ["soon", "+", "+10", "+10x", "+99999999d", "2031-02-30", "05:10", ""] {
                try await database.refused(65, "cannot be read", "job", "run", "drill", "--at", time)
            }
            try await database.refused(65, "params: \"store_id\" is not known", "job", "run", "sync", "--params", #"{"store_id": [7]}"#)
            try await database.refused(65, "params.store_ids: ", "job", "run", "sync", "--params", #"{"store_ids": "7"}"#)
            try await database.refused(65, "--params: ", "job", "run", "sync", "--params", "7")
            try await database.refused(65, "there is no job", "job", "run", "snyc-all-of-it")
            #expect(try await database.pool.query("SELECT 1 FROM job_executions").count == 4)
        }
    }

    @Test("a run that nobody will pick up says so on standard error, and still answers with its id")
    func notes() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "drill", "--type", "NOOP")
            let alone = try await database.chimera("job", "run", "drill")
            #expect(alone.exitCode == 0 && alone.error.contains("no worker is alive") && UUID(uuidString: alone.text) != nil)
            try await database.done("job", "pause", "drill")
            #expect(try await database.chimera("job", "run", "drill").error.contains("chimera job resume drill"))
        }
    }

    @Test("worker --drain leaves with 0 when nothing is due, whatever became of the executions")
    func draining() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "broken", "--type", "NOOP", "--config", #"{"fail": "permanent"}"#)
            let id = try await database.chimera("job", "run", "broken").text
            let later = try await database.chimera("job", "run", "broken", "--at", "+1h").text
            #expect(try await database.chimera("worker", "--drain", "--slots", "2").exitCode == 0)
            #expect(try await database.done("execution", "show", id, "--json").json["status"] == "FAILED")
            #expect(try await database.done("execution", "show", later, "--json").json["status"] == "PENDING")
        }
    }

    @Test("scheduler --once enqueues what is due and leaves with 0")
    func schedulerOnce() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "often", "--type", "NOOP", "--cron", "* * * * * *")
            try await eventually(within: .seconds(20), "a due time is enqueued") {
                try await database.done("scheduler", "--once")
                return try await !database.pool.query("SELECT 1 FROM job_executions WHERE trigger = 'SCHEDULE'").isEmpty
            }
            #expect(
                try await database.done("job", "list", "--json").json.arrayValue?.first?["next_due_at"]?.stringValue?.hasSuffix("Z") == true
            )
        }
    }
}
