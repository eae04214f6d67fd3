import Postgres
import Runtime
import TestSupport
import Testing

/// What `chimera status` offers to mend a store, several at once, and syncs that never come; `execution show` says the same.
@Suite struct StatusMendTests {
    /// An execution of the only job for the only store.
    private func runOfTheStore(in database: TestDatabase) async throws -> (id: String, store: Int) {
        let rows = try await database.pool.query(
            """
            INSERT INTO job_executions (job_config_id, store_id, registration) SELECT j.id, s.id, s.registration FROM job_configurations AS j, stores AS s,
            """ + asTheQueue + " RETURNING id::text AS id, store_id")
        let row = try #require(rows.first)
        return (try row.get("id"), try row.get("store_id"))
    }

    @Test("a store whose run failed is mended by retrying that run")
    func failed() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "sync", "--type", "SYNC_PRODUCTS")
            try await database.done("store", "add", "001", "--name", "Loja 1")
            let execution = try await runOfTheStore(in: database).id
            try await database.done("execution", "cancel", execution)
            let answer = try await database.chimera("status", "--json")
            let row = try #require(try answer.json["stores"]?.arrayValue?.first)
            #expect(answer.exitCode == 1 && row["state"] == "FAILED" && row["mend"] == .string("chimera execution retry \(execution)"))
            let retry = try await database.done("execution", "retry", execution).text
            #expect(try await database.done("status", "--json").json["stores"]?.arrayValue?.first?["state"] == "RUNNING")
            #expect(retry != execution)
        }
    }

    /// Ends executions as FAILED, each with its own `error_details`.
    private func fail(_ executions: [(id: String, code: String, message: String)], in database: TestDatabase) async throws {
        for (id, code, message) in executions {
            let error = JSONValue.object(["code": .string(code), "message": .string(message), "retryable": false]).text
            _ = try await database.pool.query(
                "SELECT archive_executions(ARRAY[\(id)::uuid], NULL, ARRAY['FAILED'], ARRAY['FAILED'], NULL, ARRAY[\(error)::jsonb])")
        }
    }

    @Test("a catalogue that fell too far is read again, never confirmed by what is pasted")
    func dropped() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "it's sync", "--type", "SYNC_PRODUCTS")
            try await database.done("store", "add", "001", "--name", "Loja 1")
            let id = try await runOfTheStore(in: database).id
            let reason = #"half of it is gone; look at the ERP, or confirm with params {"confirm_drop": true}"#
            try await fail([(id, "CATALOGUE_DROPPED", reason)], in: database)
            let row = try await database.chimera("status", "--json").json["stores"]?.arrayValue?.first
            #expect(row?["state"] == "FAILED" && row?["reason"] == .string(reason))
            #expect(row?["mend"] == .string("chimera execution retry \(id)"))
            let next = try await database.done("execution", "show", id).lines.filter { $0.hasPrefix("next") }
            #expect(next.count == 1 && next[0].hasSuffix("chimera execution retry \(id)") && !next[0].contains("confirm_drop"), "\(next)")
        }
    }

    @Test("where a partner's settings are at fault it is tested first; several stores of a parent are mended by one command")
    func settings() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "sync", "--type", "SYNC_PRODUCTS")
            for name in ["RP", "RP South", "the club"] {
                try await database.done("integration", "add", name, "--type", name == "the club" ? "CRESCEVENDAS" : "RP")
            }
            for number in 1...4 { try await database.done("store", "add", "00\(number)", "--name", "Loja \(number)") }
            let parent = try #require(try await database.chimera("job", "run", "sync").lines.first)
            let children = try await database.pool.query(
                """
                INSERT INTO job_executions (job_config_id, parent_id, trigger, store_id, registration)
                SELECT x.job_config_id, x.id, 'PARENT', s.id, s.registration FROM job_executions AS x, stores AS s,
                """ + asTheQueue + " RETURNING id::text AS id, registration"
            ).map { (id: try $0.get("id", as: String.self), store: try $0.get("registration", as: String.self)) }
                .sorted { $0.store < $1.store }.map(\.id)
            // It waits for its children.
            try await database.pool.transaction { transaction in
                try await transaction.script("SET LOCAL session_replication_role = replica")
                _ = try await transaction.query(
                    "UPDATE job_live SET status = 'RUNNING', attempt = 1, started_at = now() WHERE id = \(parent)::uuid")
            }
            let page = String(repeating: "x", count: 400)
            try await fail(
                [
                    (children[0], "TOKEN_REFUSED", "Integration RP South, products of unit 1 after code 0: \(page)"),
                    (children[1], "HTTP_403", "Integration the club, upload: the partner answered 403."),
                    (children[2], "HTTP_503", "Integration RP, login: the partner answered 503."),
                    (children[3], "INTEGRATION", "integration RP is inactive"),
                ], in: database)
            try await database.done("integration", "edit", "RP", "--active", "no")
            func mends() async throws -> (rows: [JSONValue], all: JSONValue?, text: String) {
                let answer = try await database.chimera("status", "--json").json
                let text = try await database.chimera("status").text
                return (answer["stores"]?.arrayValue ?? [], answer["mends"], text)
            }
            let own = [
                "chimera integration test 'RP South' && chimera execution retry \(children[0])",
                "chimera integration test 'the club' && chimera execution retry \(children[1])",
                "chimera execution retry \(children[2])",
                "chimera integration edit RP --active yes && chimera execution retry \(children[3])",
            ]
            let running = try await mends()
            #expect(running.rows.map { $0["mend"]?.stringValue } == own)
            #expect(running.all == [], "a parent that has not ended is not tried again")
            #expect(running.rows[0]["reason"]?.stringValue?.contains(page) == true && !running.text.contains(page))
            #expect(running.text.contains("Integration RP South, products of unit 1 after code 0: xxx") && running.text.contains("xxx…  "))
            try await fail([(parent, "CHILDREN_FAILED", "4 of 4 children did not succeed")], in: database)
            let ended = try await mends()
            let all =
                "chimera integration edit RP --active yes && chimera integration test 'RP South' && chimera integration test 'the club' && "
                + "chimera execution retry \(parent)"
            #expect(ended.rows.map { $0["mend"]?.stringValue } == own)
            #expect(ended.all == [["command": .string(all), "stores": 4]])
            #expect(ended.text.contains("\nall of them: \(all)\n"), "\(ended.text)")
            for (id, mend) in zip(children + [parent], own + [all]) {
                let next = try await database.done("execution", "show", id).lines.filter { $0.hasPrefix("next") }
                #expect(next.count == 1 && next.first?.hasSuffix("  " + mend) == true, "\(next)")
            }
        }
    }

    @Test("several stores without a sync need one run, with those of another kind beside them counted apart")
    func together() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "sync", "--type", "SYNC_PRODUCTS", "--cron", "0 5 * * *")
            for number in 1...3 { try await database.done("store", "add", "00\(number)", "--name", "Loja \(number)") }
            let missing = try await database.chimera("status", "--json").json
            #expect(missing["mends"] == [["command": "chimera job run sync", "stores": 3]])
            #expect(missing["stores"]?.arrayValue?.first?["reason"] == "no sync has run for it today")
            #expect(try await database.chimera("status").text.contains("\nall of them: chimera job run sync\n"))
            let store = try await database.pool.query("SELECT min(id) AS id FROM stores").first?.get("id", as: Int.self) ?? 0
            let id = try await database.chimera("job", "run", "sync", "--params", #"{"store_ids": [\#(store)]}"#).text
            try await database.done("execution", "cancel", id)
            #expect(try await database.chimera("status").text.contains("\n2 of them: chimera job run sync\n"))
        }
    }

    @Test("a sync that is inactive or has no pattern is said, and is the stores' reason, unless another one comes")
    func idleSyncs() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "it's sync", "--type", "SYNC_PRODUCTS", "--cron", "0 5 * * *", "--active", "no")
            try await database.done("job", "add", "compare", "--type", "COMPARE_DATA", "--cron", "0 6 * * *", "--active", "no")
            try await database.done("store", "add", "001", "--name", "Loja 1")
            func status() async throws -> (reason: String?, states: [JSONValue?], text: String) {
                let answer = try await database.chimera("status", "--json").json
                return (
                    answer["stores"]?.arrayValue?.first?["reason"]?.stringValue,
                    answer["schedules"]?.arrayValue?.filter { $0["name"] != "other" }.map { $0["state"] } ?? [],
                    try await database.chimera("status").text
                )
            }
            let inactive = try await status()
            #expect(inactive.states == ["INACTIVE"] && inactive.reason == "the job it's sync is inactive")
            #expect(inactive.text.contains(#""it's sync" is inactive: chimera job edit 'it'\''s sync' --active yes"#), "\(inactive.text)")
            try await database.done("job", "edit", "it's sync", "--no-cron", "--active", "yes")
            let unscheduled = try await status()
            #expect(unscheduled.states == ["UNSCHEDULED"] && unscheduled.reason == "the job it's sync has no cron pattern")
            #expect(
                unscheduled.text.contains(#""it's sync" has no cron pattern: chimera job edit 'it'\''s sync' --cron '10 5 * * *'"#),
                "\(unscheduled.text)")
            try await database.done("job", "add", "other", "--type", "SYNC_PRODUCTS", "--cron", "0 5 * * *")
            let served = try await status()
            #expect(served.states == [] && served.reason == "no sync has run for it today")
        }
    }
}
