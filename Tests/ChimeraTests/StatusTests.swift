import Postgres
import Runtime
import TestSupport
import Testing

/// `chimera status`: the state of every store, what mends it, and the exit code that a monitor looks at.
@Suite struct StatusTests {
    /// A campaign of today in a state.
    private func campaign(_ store: Int, _ status: String, execution: String? = nil, in database: TestDatabase) async throws {
        _ = try await database.pool.query(
            """
            INSERT INTO campaigns (execution_id, store_id, name, day, starts_at, ends_at, line_count, status, target_id, content_digest, reason, verified_at)
            SELECT coalesce(\(orNull: execution)::uuid, uuid_v7()), id, 'c', (now() AT TIME ZONE store_time_zone(id, config))::date, now(), now(), 1, \(status), 1, '',
              'because', CASE WHEN \(status) = 'VERIFIED' THEN now() END FROM stores WHERE id = \(store)
            """)
    }

    @Test("no store: 0, and what to do first")
    func empty() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let answer = try await database.done("status")
            #expect(answer.text.contains("chimera store import") && answer.text.contains("chimera worker"))
            #expect(try await database.done("status", "--json").json["stores"] == [])
        }
    }

    @Test("each state is shown with its reason and the command that mends it; 1 while a store has no campaign")
    func states() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "it's sync", "--type", "SYNC_PRODUCTS")
            for number in 1...4 { try await database.done("store", "add", "00\(number)", "--name", "Loja \(number)") }
            try await database.done("store", "add", "009", "--name", "Closed", "--active", "no")
            let stores = try await database.pool.query("SELECT id FROM stores ORDER BY registration").map { try $0.get("id", as: Int.self) }
            try await campaign(stores[0], "VERIFIED", in: database)
            try await campaign(stores[1], "SENT", in: database)
            try await campaign(stores[2], "SKIPPED", in: database)
            let answer = try await database.chimera("status", "--json")
            #expect(answer.exitCode == 1 && answer.errors.isEmpty)
            let rows = try answer.json["stores"]?.arrayValue ?? []
            #expect(rows.map { $0["state"] } == ["MISSING", "SENT", "SKIPPED", "VERIFIED"], "the worst first")
            expect(
                rows[0],
                holds: [
                    "registration": "004", "name": "Loja 4", "campaign_id": nil, "reason": "the job it's sync has no cron pattern",
                    "mend": .string(#"chimera job run 'it'\''s sync' --params '{"store_ids":[\#(stores[3])]}'"#),
                ])
            #expect(rows[3]["mend"] == .some(.null) && rows[3]["since"]?.stringValue?.hasSuffix("Z") == true)
            // The command that is offered is one that a shell and chimera take.
            let mending = try #require(rows[0]["mend"]?.stringValue)
            let shell = try RunningProgram(
                "/bin/sh", ["-c", mending.replacing("chimera", with: builtProgram("chimera"), maxReplacements: 1)],
                environment: ["DATABASE_URL": database.url])
            #expect(try await shell.waitForExit() == .exited(0))
            let params = try await database.pool.query("SELECT params FROM job_executions").first?.get("params", as: JSONValue.self)
            #expect(params == ["store_ids": [.integer(Int64(stores[3]))]])
            try await campaign(stores[3], "VERIFIED", in: database)
            #expect(try await database.done("status").lines.first?.hasPrefix("REGISTRATION") == true)
        }
    }

    @Test("a zone that the server knows no longer, of one store or of the sync, leaves the others to be seen")
    func goneZone() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "sync", "--type", "SYNC_PRODUCTS")
            for number in 1...2 { try await database.done("store", "add", "00\(number)", "--name", "Loja \(number)") }
            try await database.pool.transaction { transaction in
                try await transaction.script(
                    """
                    SET LOCAL session_replication_role = replica;
                    UPDATE stores SET config = '{"time_zone": "Brazil/Gone"}' WHERE registration = '001';
                    UPDATE job_configurations SET time_zone = 'Brazil/Gone'
                    """)
            }
            let rows = try await database.chimera("status", "--json").json["stores"]?.arrayValue ?? []
            #expect(rows.map { $0["registration"] } == ["001", "002"])
        }
    }

    @Test("a partner that is left alone after its failures is named, for how long, and what looks at it; nobody else is")
    func restingPartner() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            for name in ["it's RP", "well"] {
                try await database.done("integration", "add", name, "--type", "RP", "--base-url", "http://rp.example")
            }
            let id = try await database.pool.query("SELECT id FROM integrations ORDER BY id").first?.get("id", as: Int.self) ?? 0
            _ = try await database.pool.query("SELECT record_request_failure(\(id), 1 + n % 2) FROM generate_series(1, 25) AS n")
            #expect(try await !database.done("status").text.contains("partners: "), "two stores are not the partner")
            _ = try await database.pool.query("SELECT record_request_failure(\(id), 3)")
            let line = try #require(try await database.done("status").lines.first { $0.hasPrefix("partners: ") })
            #expect(line.contains("\"it's RP\" failed 26 times in a row and is left alone for 2"), "\(line)")
            #expect(line.hasSuffix(#": chimera integration test 'it'\''s RP'"#) && !line.contains("well"))
            let resting = try await database.done("status", "--json").json["resting"]?.arrayValue ?? []
            #expect(resting.map { $0["name"] } == ["it's RP"] && resting[0]["failures"] == 26)
            _ = try await database.pool.query("SELECT record_request_success(\(id))")
            #expect(try await database.done("status", "--json").json["resting"] == [])
        }
    }

    @Test("a store whose sync is queued needs a worker, or patience when there is one, and never another run")
    func queued() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "sync", "--type", "SYNC_PRODUCTS")
            try await database.done("store", "add", "001", "--name", "Loja 1")
            let id = try #require(try await database.chimera("job", "run", "sync").lines.first)
            func row() async throws -> JSONValue? {
                let answer = try await database.chimera("status", "--json")
                #expect(answer.exitCode == 1)
                return try answer.json["stores"]?.arrayValue?.first
            }
            let alone = try await row()
            #expect(alone?["state"] == "MISSING" && alone?["execution_id"] == .string(id))
            #expect(alone?["reason"] == "the sync waits for a worker" && alone?["mend"] == "chimera worker")
            _ = try await database.pool.query(
                """
                INSERT INTO workers (id, host, pid, version, slots, lease_until) VALUES (uuid_v7(), 'h', 1, 'v', 4, now() + interval '1 hour')
                """)
            let attended = try await row()
            #expect(attended?["mend"] == .string("chimera execution wait \(id)"))
        }
    }

    @Test("a paused job is the reason, the mend and among the schedules; a job that is not paused is taken instead")
    func paused() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "morning sync", "--type", "SYNC_PRODUCTS", "--cron", "0 5 * * *")
            try await database.done("store", "add", "001", "--name", "Loja 1")
            try await database.done("job", "pause", "morning sync")
            func status() async throws -> (store: JSONValue?, schedule: JSONValue?) {
                let answer = try await database.chimera("status", "--json").json
                return (answer["stores"]?.arrayValue?.first, answer["schedules"]?.arrayValue?.first)
            }
            let idle = try await status()
            #expect(idle.store?["state"] == "MISSING" && idle.store?["reason"] == "the job morning sync is paused")
            #expect(idle.store?["mend"] == "chimera job resume 'morning sync' && chimera job run 'morning sync'")
            #expect(idle.schedule?["name"] == "morning sync" && idle.schedule?["state"] == "PAUSED")
            let text = try await database.chimera("status").text
            #expect(text.contains("\"morning sync\" is paused: chimera job resume 'morning sync'"), "\(text)")
            let id = try #require(try await database.chimera("job", "run", "morning sync").lines.first)
            let waiting = try await status().store
            #expect(waiting?["execution_id"] == .string(id) && waiting?["reason"] == "the job morning sync is paused")
            #expect(waiting?["mend"] == "chimera job resume 'morning sync'")
            try await database.done("execution", "cancel", id)
            let cancelled = try await status().store
            #expect(cancelled?["state"] == "FAILED")
            #expect(cancelled?["mend"] == .string("chimera job resume 'morning sync' && chimera execution retry \(id)"))
            try await database.done("job", "add", "other", "--type", "SYNC_PRODUCTS")
            let mended = try await status().store
            #expect(mended?["mend"] == .string("chimera execution retry \(id)"))
        }
    }

    @Test("schedules that cannot be used, that are paused, that nobody looks after and that are late are named")
    func schedules() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            for name in ["unseen", "edited", "late", "broken", "well", "resting", "held", "resumed"] {
                try await database.done(
                    "job", "add", name, "--type", "NOOP", "--cron", "0 5 * * *", "--expect-success-within", "50 minutes",
                    "--active", name == "resting" ? "no" : "yes")
            }
            try await database.pool.transaction { transaction in
                try await transaction.script(
                    """
                    ALTER TABLE job_configurations DISABLE TRIGGER USER;
                    UPDATE job_configurations SET updated_at = now() - interval '5 minutes';
                    ALTER TABLE job_configurations ENABLE TRIGGER USER;
                    UPDATE job_configurations SET problem = 'unreadable' WHERE name = 'broken';
                    UPDATE job_configurations SET paused_at = now() WHERE name = 'held';
                    INSERT INTO schedule_ticks (job_config_id, due_at, outcome)
                      SELECT id, now() - interval '51 minutes', 'ENQUEUED' FROM job_configurations WHERE name IN ('late', 'held')
                      UNION ALL SELECT id, now() - interval '51 minutes', 'SKIPPED_PAUSED' FROM job_configurations WHERE name = 'resumed'
                      UNION ALL SELECT id, now() - interval '49 minutes', 'ENQUEUED' FROM job_configurations WHERE name = 'well';
                    INSERT INTO job_schedules (job_config_id, planned_for, cron_pattern, time_zone, looked_until, next_due_at)
                      SELECT id, updated_at, cron_pattern, time_zone, now(), now() + interval '1 hour' FROM job_configurations
                      WHERE name IN ('late', 'well', 'broken', 'resumed')
                      UNION ALL SELECT id, updated_at - interval '1 day', '0 0 1 1 *', time_zone, now(), now() + interval '1 month'
                      FROM job_configurations WHERE name = 'edited';
                    """)
            }
            let rows = try await database.done("status", "--json").json["schedules"]?.arrayValue ?? []
            #expect(rows.map { $0["name"] } == ["broken", "edited", "held", "late", "resumed", "unseen"])
            #expect(rows.map { $0["state"] } == ["PROBLEM", "WAITING", "PAUSED", "LATE", "LATE", "WAITING"])
            #expect(rows[3]["late_execution_id"] == .some(.null))
            let text = try await database.done("status").text
            let jobs = try await database.done("job", "list", "--json").json.arrayValue ?? []
            func next(_ name: String) -> JSONValue? { jobs.first { $0["name"]?.stringValue == name }?["next_due_at"] }
            #expect(next("edited") == .null && next("well")?.stringValue != nil, "no due time of a pattern that is its own no longer")
            #expect(text.contains("\"late\" is late") && text.contains("\"unseen\" waits for a scheduler") && text.contains("unreadable"))
        }
    }

    @Test("what was late and failed is mended by its retry; slots in use are the runs that stand, not what a worker said of itself")
    func lateRun() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done(
                "job", "add", "nightly", "--type", "NOOP", "--cron", "0 5 * * *", "--expect-success-within", "50 minutes")
            let id = try #require(try await database.done("job", "run", "nightly").lines.first)
            try await database.done("execution", "cancel", id)
            _ = try await database.pool.query(
                "INSERT INTO schedule_ticks (job_config_id, due_at, outcome, execution_id) SELECT id, now() - interval '1 hour', 'ENQUEUED', \(id)::uuid FROM job_configurations"
            )
            _ = try await database.pool.query(
                "INSERT INTO workers (id, host, pid, version, slots, running, lease_until) VALUES (uuid_v7(), 'h', 1, 'v', 4, 3, now() + interval '1 hour')"
            )
            let answer = try await database.done("status")
            #expect(
                answer.text.contains("is late: no success for") && answer.text.contains(": chimera execution retry \(id)"), "\(answer.text)"
            )
            #expect(answer.text.contains("1 alive, 0 of 4 slots in use"), "\(answer.text)")
        }
    }

    @Test("a job with a schedule that nobody hears of is said, until a channel is on")
    func untold() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "nightly", "--type", "NOOP", "--cron", "0 5 * * *")
            try await database.done("job", "add", "by hand", "--type", "NOOP")
            #expect(try await database.done("status").text.contains("nobody is told when \"nightly\" fails"))
            let config = #"{"url": "https://hooks.example.com/x", "secret": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}"#
            for name in ["hook", "other"] {
                _ = try await database.pool.query(
                    "INSERT INTO notification_channels (name, type, config, active) VALUES (\(name), 'WEBHOOK', \(config)::jsonb, \(name == "hook"))"
                )
            }
            #expect(try await database.done("status", "--json").json["untold"] == [])
            let answer = try await database.done("job", "notify", "nightly", "other", "--on", "failure")
            #expect(
                answer.errors.contains { $0.contains("\"other\" is switched off: chimera channel edit other --active yes") },
                "\(answer.errors)")
            #expect(try await database.done("status", "--json").json["untold"] == ["nightly"])
        }
    }

    @Test("a channel whose newest message did not arrive is said with the reason, until one does or somebody changes it")
    func undelivered() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let config = #"{"bot_token": "1:a", "chat_id": "7"}"#
            _ = try await database.pool.query(
                "INSERT INTO notification_channels (name, type, config) VALUES ('plantão', 'TELEGRAM', \(config)::jsonb)")
            func deliver(_ status: String, _ error: String?) async throws -> [JSONValue] {
                _ = try await database.pool.query(
                    """
                    INSERT INTO notification_deliveries (channel_id, event, execution_id, status, attempts, last_error)
                    SELECT id, 'FAILURE', uuid_v7(), \(status), 1, \(orNull: error) FROM notification_channels
                    """)
                return try #require(try await database.done("status", "--json").json["channels"]?.arrayValue)
            }
            #expect(try await database.done("status", "--json").json["channels"] == [])
            let reason = "Telegram: 400 Bad Request: chat not found"
            #expect(try await deliver("FAILED", reason) == [["name": "plantão", "active": true, "problem": .string(reason)]])
            let text = try await database.done("status").text
            #expect(text.contains("channels: \"plantão\" does not deliver: \(reason): chimera channel test 'plantão'"), "\(text)")
            #expect(try await database.done("channel", "list").text.contains(reason))
            #expect(try await deliver("PENDING", nil).first?["problem"]?.stringValue == reason, "the first attempt is under way")
            #expect(try await deliver("SENT", nil).isEmpty)
            #expect(try await deliver("PENDING", "connection refused").first?["problem"] == "connection refused")
            #expect(try await deliver("FAILED", reason).first?["problem"]?.stringValue == reason)
            #expect(try await deliver("FAILED", "overtaken by a newer message about its job").first?["problem"]?.stringValue == reason)
            let refused = "refused for good: b@example.com: 550 no such user"
            #expect(try await deliver("SENT", refused).first?["problem"]?.stringValue == refused)
            let partly = "\"plantão\" does not reach everybody: \(refused): chimera channel test"
            #expect(try await database.done("status").text.contains(partly))
            #expect(try await [deliver("SENT", nil).count, deliver("SENT", refused).count] == [0, 1])
            _ = try await database.pool.query("UPDATE notification_channels SET config = config || '{\"chat_id\": \"8\"}'")
            #expect(try await database.done("status", "--json").json["channels"] == [], "it was changed since")
            _ = try await database.pool.query("UPDATE notification_channels SET active = false, problem = 'Telegram: 401'")
            let off = try await database.done("status").text
            #expect(off.contains("\"plantão\" is switched off: Telegram: 401: chimera channel edit 'plantão' --active yes"), "\(off)")
        }
    }
}
