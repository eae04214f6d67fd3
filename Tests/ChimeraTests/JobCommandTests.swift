import Postgres
import Runtime
import TestSupport
import Testing

/// `chimera job`: rows of job_configurations from the command line.
@Suite struct JobCommandTests {
    @Test("every column that may be written can be set, changed and, where it may be null, emptied")
    func columns() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("integration", "add", "Till", "--type", "RP")
            let added = try await database.done(
                "job", "add", "nightly", "--type", "NOOP", "--cron", "10 5 * * *", "--zone", "America/Manaus", "--config",
                #"{"sleep_ms": 1}"#,
                "--integration", "Till", "--description", "a drill", "--active", "no", "--priority", "-3", "--max-attempts", "5",
                "--retry-delay", "7", "--timeout", "60", "--max-concurrency", "2", "--overlap", "QUEUE", "--misfire", "SKIP",
                "--expect-success-within", "50 minutes", "--json"
            ).json
            let expected: JSONValue = [
                "name": "nightly", "job_type": "NOOP", "cron_pattern": "10 5 * * *", "time_zone": "America/Manaus",
                "config": ["sleep_ms": 1],
                "integration": "Till", "description": "a drill", "active": false, "priority": -3, "max_attempts": 5,
                "retry_delay_seconds": 7,
                "timeout_seconds": 60, "max_concurrency": 2, "overlap_policy": "QUEUE", "misfire_policy": "SKIP",
                "expect_success_within": "00:50:00",
            ]
            expect(added, holds: expected)
            let edited = try await database.done("job", "edit", "nightly", "--no-cron", "--priority", "4", "--name", "daily", "--json").json
            expect(edited, holds: ["name": "daily", "cron_pattern": nil, "priority": 4, "max_attempts": 5, "time_zone": "America/Manaus"])
            let emptied = try await database.done(
                "job", "edit", "daily", "--no-integration", "--no-description", "--no-max-concurrency", "--no-expect-success-within",
                "--json"
            ).json
            expect(
                emptied,
                holds: ["integration_id": nil, "description": nil, "max_concurrency": nil, "expect_success_within": nil, "priority": 4])
            #expect(try await database.done("job", "show", "daily", "--json").json == emptied)
        }
    }

    @Test("a job is found by name and by id; one that is not there is refused with the nearest name")
    func identity() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let id = try await database.done("job", "add", "sync-products", "--type", "NOOP", "--json").json["id"]?.intValue ?? 0
            #expect(try await database.done("job", "show", "\(id)", "--json").json["name"] == "sync-products")
            try await database.refused(65, "did you mean \"sync-products\"?", "job", "show", "sync-product")
            try await database.refused(
                65, "there is no job \"\(id + 1)\"; `chimera job list`", "job", "edit", "\(id + 1)", "--priority", "1")
            // Who is called like an id is meant before the one that has it.
            try await database.done("job", "add", "\(id)", "--type", "NOOP")
            #expect(try await database.done("job", "show", "\(id)", "--json").json["name"] == .string("\(id)"))
            try await database.done("job", "remove", "\(id)")
            #expect(try await database.done("job", "remove", "\(id)").text == "job \"sync-products\" removed")
            try await database.refused(65, "there is no job", "job", "remove", "sync-products")
            #expect(try await database.done("job", "list", "--json").json == [])
        }
    }

    @Test("bad values are refused with the field's name and leave nothing behind")
    func badValues() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "taken", "--type", "NOOP")
            let cases: [([String], String)] = [
                (["taken"], "name: another job has this name"), ([""], "name: "), ([" "], "name: "),
                ([String(repeating: "n", count: 201)], "name: "), (["bad", "--type", "DANCE"], "job_type: it must be SYNC_PRODUCTS"),
                (["bad", "--cron", "99 * * * *"], "minute"), (["bad", "--cron", ""], "number of fields"),
                (["bad", "--cron", "10 5 30 2 *"], "cron_pattern: \"10 5 30 2 *\" never comes"),
                (["bad", "--cron", "0 0 L-99 * *"], "day of month"),
                (["bad", "--zone", "america/sao_paulo"], "time_zone: "), (["bad", "--zone", "../../etc/passwd"], "time_zone: "),
                (["bad", "--config", "{"], "--config: "), (["bad", "--config", "[1]"], "--config: it must be a JSON object"),
                (["bad", "--config", #"{"sleep_ms": -1}"#], "config.sleep_ms: "),
                (["bad", "--config", #"{"a": "\u0000"}"#], "a character that the database cannot keep"),
                (["bad", "--config", "@/no/such/file"], "cannot be read"), (["bad", "--config", ""], "--config: "),
                (["bad", "--config", String(repeating: "[", count: 100_000)], "--config: "),
                (["bad", "--integration", "nobody"], "there is no integration \"nobody\""),
                (["bad", "--max-attempts", "0"], "max_attempts: it must be 1 to 1000"),
                (["bad", "--retry-delay", "3601"], "retry_delay_seconds: "),
                (["bad", "--timeout", "0"], "timeout_seconds: "), (["bad", "--max-concurrency", "0"], "max_concurrency: "),
                (["bad", "--overlap", "MAYBE"], "overlap_policy: it must be SKIP"), (["bad", "--misfire", "MAYBE"], "misfire_policy: "),
                (["bad", "--expect-success-within", "soon"], "expect_success_within: \"soon\" is no interval"),
                (["bad", "--expect-success-within", "-1 hour"], "expect_success_within: "),
                (
                    ["bad", "--expect-success-within", "9999 years"],
                    "expect_success_within: it must be longer than nothing and at most 10 years"
                ),
                (["bad'; DROP TABLE job_configurations; --", "--overlap", "'"], "overlap_policy: "),
            ]
            for (arguments, words) in cases {
                let type = arguments.contains("--type") ? [] : ["--type", "NOOP"]
                let all = ["job", "add"] + arguments + type
                expectRefusal(try await chimera(all, environment: ["DATABASE_URL": database.url]), 65, words, of: all)
            }
            #expect(try await database.pool.query("SELECT 1 FROM job_configurations").count == 1)
            try await database.refused(65, "never comes: no date matches it", "job", "edit", "taken", "--cron", "10 5 30 2 *")
            // It comes, though seldom.
            try await database.done("job", "edit", "taken", "--cron", "10 5 29 2 *")
        }
    }

    @Test("hostile names are kept as they are and shown in one harmless line")
    func hostileNames() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let name = "a\u{1B}]0;x\u{7}\nb\u{202E}'; DROP TABLE stores; --"
            try await database.done("job", "add", "--type", "NOOP", "--", name)
            let table = try await database.done("job", "list")
            #expect(table.lines.count == 2 && !table.text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || $0.value == 0x202E })
            #expect(try await database.done("job", "list", "--json").json.arrayValue?.first?["name"] == .string(name))
            try await database.done("job", "remove", "--", name)
        }
    }

    @Test("pause and resume take one job or all; --all says which")
    func pausing() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            for name in ["one", "two"] { try await database.done("job", "add", name, "--type", "NOOP") }
            #expect(try await database.done("job", "pause", "one").text == "job \"one\" paused")
            let pausedAt = try await database.done("job", "show", "one", "--json").json["paused_at"]
            #expect(pausedAt?.stringValue?.hasSuffix("Z") == true)
            try await database.done("job", "pause", "one")
            #expect(
                try await database.done("job", "show", "one", "--json").json["paused_at"] == pausedAt,
                "pausing twice keeps the first moment")
            #expect(try await database.done("job", "pause", "--all").lines == ["job \"two\" paused"])
            #expect(try await database.done("job", "list").text.matches(of: #/paused/#).count == 2)
            #expect(try await database.done("job", "resume", "--all").lines.count == 2)
            let nothing = try await database.chimera("job", "resume", "--all")
            #expect(nothing.exitCode == 0 && nothing.lines.isEmpty && nothing.error.contains("no job"))
        }
    }

    @Test("preview prints due times of the job's zone from now on, and never where none comes")
    func preview() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "daily", "--type", "NOOP", "--cron", "10 5 * * *", "--zone", "America/Sao_Paulo")
            let lines = try await database.done("job", "preview", "daily", "-n", "3").lines
            #expect(lines.count == 3 && lines.allSatisfy { $0.contains(#/^\d{4}-\d\d-\d\dT05:10:00-0[23]:00$/#) })
            let json = try await database.done("job", "preview", "daily", "-n", "3", "--json").json
            #expect(json["times"]?.arrayValue?.compactMap(\.stringValue) == lines && json["never"] == false)
            // The command line refuses it; SQL cannot see it.
            _ = try await database.pool.query("UPDATE job_configurations SET cron_pattern = '0 0 31 2 *'")
            #expect(try await database.done("job", "preview", "daily").lines == ["never"])
            try await database.done("job", "edit", "daily", "--no-cron")
            let byHand = try await database.chimera("job", "preview", "daily")
            #expect(byHand.lines == ["never"] && byHand.error.contains("only by hand"))
        }
    }

    @Test("who changed a job stands in the audit log, and a failed command leaves no line there")
    func audit() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "watched", "--type", "NOOP")
            _ = try await database.chimera("job", "edit", "watched", "--priority", "1", environment: ["SUDO_USER": ""])
            try await database.refused(65, "max_attempts", "job", "edit", "watched", "--max-attempts", "0")
            let rows = try await database.pool.query(
                "SELECT actor, action, after FROM audit_log WHERE table_name = 'job_configurations' ORDER BY id")
            #expect(rows.map { $0["action"] } == ["INSERT", "UPDATE"])
            let user = try RunningProgram("/usr/bin/id", ["-un"])
            try await user.waitForExit()
            #expect(rows.allSatisfy { $0["actor"] == user.output.first })
        }
    }

    @Test("a time in digits that are not ASCII is refused; a name that is another job's id is a name; a name steers no terminal")
    func oddNames() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            for name in ["2", "other", "c\u{202E}\u{9B}31m"] {
                try await database.done("job", "add", name, "--type", "NOOP", "--cron", "0 5 * * *")
            }
            try await database.refused(65, "cannot be read", "job", "run", "other", "--at", "+\u{0661}\u{0660}m")
            for name in ["2", "other"] { try await database.done("job", "run", name) }
            #expect(try await database.done("execution", "list", "--job", "2", "--json").json.arrayValue?.map { $0["job"] } == ["2"])
            try await database.done("job", "pause", "c\u{202E}\u{9B}31m")
            let text = try await database.done("status").text
            #expect(text.contains("is paused") && !text.unicodeScalars.contains { $0.value == 0x202E || $0.value == 0x9B }, "\(text)")
        }
    }
}

/// Every member of `expected` stands in `document`.
func expect(_ document: JSONValue, holds expected: JSONValue, sourceLocation: SourceLocation = #_sourceLocation) {
    for (key, value) in expected.objectValue ?? [:] {
        #expect(document[key] == value, "\(key)", sourceLocation: sourceLocation)
    }
}
