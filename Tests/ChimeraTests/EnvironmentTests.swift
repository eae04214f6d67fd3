import Foundation
import TestSupport
import Testing

/// Where the database is, whether it answers, and whether its schema fits.
@Suite struct EnvironmentTests {
    @Test("a DATABASE_URL that is missing, no connection string, or refused by the server is a configuration error")
    func wrongURL() async throws {
        try await TestDatabase.withDatabase { database in
            let missing = database.url.replacing(database.name, with: "chimera_no_such_database")
            let cases = [
                ("", "DATABASE_URL is not set"), ("postgresql://u@h:notaport/x", "port in DATABASE_URL"),
                ("nonsense", "DATABASE_URL is not a PostgreSQL connection string"),
                (missing, "does not exist"), (database.url + "?options=-cwork_mem%3Dplenty", "mend DATABASE_URL"),
                (database.url + "?options=-cno_such_setting%3D1", "mend DATABASE_URL"),
            ]
            for (url, words) in cases {
                let answer = try await chimera(["store", "list"], environment: ["DATABASE_URL": url])
                expectRefusal(answer, 78, words, of: [url])
            }
        }
    }

    @Test("a database that does not answer is given up within seconds: 69, one sentence, no password")
    func unreachable() async throws {
        let port = try freePort()
        let start = ContinuousClock.now
        let answer = try await chimera(
            ["store", "list"], environment: ["DATABASE_URL": "postgresql://someone:geheim@127.0.0.1:\(port)/shop"])
        expectRefusal(answer, 69, "cannot be reached", of: ["store", "list"])
        #expect(!answer.error.contains("geheim"))
        #expect(start.duration(to: .now) < .seconds(60))
    }

    @Test("a first host that is silent for as long as its turn takes does not keep a command from the second one")
    func silentHost() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let port = try #require(URLComponents(string: database.url)?.port)
            let silent = try TCPProxy(to: port)
            silent.set(.blackHole)
            let url = database.url.replacing("127.0.0.1:\(port)", with: "127.0.0.1:\(silent.port),127.0.0.1:\(port)") + "?connect_timeout=6"
            let answer = try await chimera(["store", "list", "--json"], environment: ["DATABASE_URL": url])
            #expect(answer.exitCode == 0 && answer.errors.isEmpty, "\(answer.errors)")
        }
    }

    @Test("a database that cannot hold every text is refused before anything is made in it")
    func encoding() async throws {
        let name = "latin_\(UInt32.random(in: .min ... .max))"
        let cluster = try TestCluster.shared
        let administrator = cluster.administratorURL(database: "postgres")
        _ = try await withAdministrator(administrator) {
            try await $0.query("CREATE DATABASE \(unsafe: name) ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        }
        let answer = try await chimera(
            ["migrate"], environment: ["DATABASE_URL": cluster.administratorURL(database: name)])
        _ = try await withAdministrator(administrator) { try await $0.query("DROP DATABASE \(unsafe: name)") }
        expectRefusal(answer, 78, "UTF8", of: ["migrate"])
    }

    @Test("wrong settings of the log are configuration errors of every command")
    func wrongLogSettings() async throws {
        for (name, value) in [("CHIMERA_LOG_LEVEL", "loud"), ("CHIMERA_LOG_FORMAT", "xml")] {
            expectRefusal(try await chimera(["store", "list"], environment: [name: value]), 78, name, of: [name])
        }
    }

    @Test("an empty schema, an older one and one that is too new are refused with the way out")
    func schemaVersion() async throws {
        try await TestDatabase.withDatabase { database in
            try await database.refused(78, "chimera migrate up", "store", "list")
            try await database.done("migrate")
            try await database.done("migrate", "down", "--to", "10")
            try await database.refused(78, "the schema has version 10", "store", "list")
            try await database.done("migrate")
            _ = try await database.pool.query(
                "INSERT INTO schema_migrations (number, name) SELECT max(number) + 1, 'next' FROM schema_migrations")
            try await database.done("store", "list")
            _ = try await database.pool.query("UPDATE schema_migrations SET incompatible = true WHERE name = 'next'")
            try await database.refused(78, "incompatible", "store", "list")
            _ = try await database.pool.query("UPDATE schema_migrations SET incompatible = false")
            _ = try await database.pool.query(
                "INSERT INTO schema_migrations (number, name) SELECT max(number) + 1, 'later' FROM schema_migrations")
            try await database.refused(78, "upgrade it", "store", "list")
        }
    }

    @Test("migrate up refuses a schema that is too new, as other commands do, and status lists what this program does not know")
    func migrateTooNew() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let own = try await database.done("migrate", "status", "--json").json.arrayValue?.count ?? 0
            _ = try await database.pool.query("INSERT INTO schema_migrations (number, name) VALUES (\(own + 1), 'of a later program')")
            #expect(try await database.done("migrate", "up").text == "nothing to do: the schema has version \(own) or newer")
            _ = try await database.pool.query("UPDATE schema_migrations SET incompatible = true WHERE number = \(own + 1)")
            for words in [["migrate"], ["migrate", "up"], ["store", "list"]] {
                let answer = try await chimera(words, environment: ["DATABASE_URL": database.url])
                expectRefusal(answer, 78, "version \(own + 1) of the schema is marked incompatible", of: words)
            }
            _ = try await database.pool.query("UPDATE schema_migrations SET incompatible = false")
            _ = try await database.pool.query("INSERT INTO schema_migrations (number, name) VALUES (\(own + 2), 'of one still later')")
            for words in [["migrate"], ["migrate", "up"], ["store", "list"]] {
                let answer = try await chimera(words, environment: ["DATABASE_URL": database.url])
                expectRefusal(answer, 78, "the schema has version \(own + 2), this program knows \(own)", of: words)
            }
            let status = try await database.done("migrate", "status", "--json").json.arrayValue ?? []
            #expect(status.map { $0["number"]?.intValue } == Array(1...own + 2))
            #expect(status.map { $0["known"]?.boolValue } == Array(repeating: true, count: own) + [false, false])
            #expect(status.last?["name"]?.stringValue == "of one still later" && status.last?["applied_at"]?.stringValue != nil)
            let shown = try await database.done("migrate", "status").lines.filter { $0.contains("unknown to this program") }
            #expect(shown.count == 2 && shown[0].contains("\(own + 1)  of a later program"), "\(shown)")
        }
    }

    @Test("a role without rights on the tables is told which it lacks, not that the schema is empty")
    func withoutRights() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let cluster = try TestCluster.shared
            let role = "visitor_\(database.name)"
            _ = try await cluster.pool.query("CREATE ROLE \(unsafe: role) LOGIN")
            let answer = try await chimera(["status"], environment: ["DATABASE_URL": database.url.replacing("chimera@", with: role + "@")])
            #expect(
                answer.exitCode == 78 && answer.error.contains("permission denied") && answer.error.contains("GRANT"), "\(answer.errors)")
            _ = try await cluster.pool.query("DROP ROLE \(unsafe: role)")
        }
    }

    @Test("migrate says what it did, does nothing twice, lists, and goes back")
    func migrate() async throws {
        try await TestDatabase.withDatabase { database in
            let pending = try await database.done("migrate", "status", "--json").json.arrayValue ?? []
            #expect(pending.count >= 11 && pending.allSatisfy { $0["applied_at"] == .some(.null) })
            async let one = database.chimera("migrate", "up")
            async let other = database.chimera("migrate")
            let both = try await [one, other]
            #expect(both.allSatisfy { $0.exitCode == 0 })
            let applied = both.flatMap(\.lines).filter { $0.hasPrefix("up ") }
            #expect(applied.count == pending.count && Set(applied).count == pending.count, "each migration was applied once")
            #expect(try await database.done("migrate").text.hasPrefix("nothing to do"))
            let status = try await database.done("migrate", "status", "--json").json.arrayValue ?? []
            #expect(status.map { $0["number"]?.intValue } == Array(1...pending.count))
            #expect(status.allSatisfy { $0["applied_at"]?.stringValue?.contains(#/^\d{4}-\d\d-\d\dT.*Z$/#) == true })
            #expect(try await database.done("migrate", "status").lines.first?.hasPrefix("NUMBER  NAME") == true)
            #expect(try await database.done("migrate", "down", "--to", "0").lines.count == pending.count)
            #expect(try await database.done("migrate", "down", "--to", "0").text.hasPrefix("nothing to do"))
        }
    }

    @Test("through a pooler, with a server of another zone, times are the same")
    func pooler() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            // A name of this test.
            _ = try await database.pool.query("ALTER DATABASE \(unsafe: database.name) SET TimeZone = 'Asia/Kolkata'")
            try await database.done("store", "add", "001", "--name", "Loja")
            for arguments in [["store", "list", "--json"], ["migrate", "status", "--json"]] {
                let usual = try await chimera(arguments, environment: ["DATABASE_URL": database.url])
                let pooled = try await chimera(arguments, environment: ["DATABASE_URL": database.url, "CHIMERA_LISTEN": "off"])
                #expect(pooled.exitCode == 0 && pooled.lines == usual.lines && pooled.text.contains("Z\""))
            }
        }
    }

    @Test("a schema with somebody else's tables of our names is left alone")
    func foreignTables() async throws {
        try await TestDatabase.withDatabase { database in
            _ = try await database.pool.query("CREATE TABLE stores (id int)")
            try await database.refused(78, "search_path", "migrate")
            #expect(try await database.pool.query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").count == 1)
        }
    }

    @Test("a reader that leaves ends the answer quietly; a full disk is said")
    func closedOutput() async throws {
        let program = builtProgram("chimera")
        let left = try RunningProgram(
            "/bin/bash", ["-c", "\"$0\" cron next '* * * * *' -n 10000 | head -n 1; echo \"${PIPESTATUS[0]}\"", program])
        try await left.waitForExit()
        #expect(left.output.count == 2 && left.output.last == "0" && left.errors.isEmpty, "\(left.output) \(left.errors)")
        // An exit code is an answer, too: nobody reads this one's line.
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("store", "add", "001", "--name", "One")
            let unread = try RunningProgram(
                "/bin/bash", ["-c", "\"$0\" status | exec 0<&-; echo \"${PIPESTATUS[0]}\"", program],
                environment: ["DATABASE_URL": database.url])
            try await unread.waitForExit()
            #expect(unread.output == ["1"], "\(unread.output) \(unread.errors)")
            // The connection to the database does not become the standard output that is closed.
            let closed = try RunningProgram(
                "/bin/sh", ["-c", "exec \"$0\" store list >&-", program], environment: ["DATABASE_URL": database.url])
            #expect(try await closed.waitForExit() == .exited(70))
            #expect(closed.errors == ["chimera: cannot write the answer: Bad file descriptor"], "\(closed.errors)")
        }
        let full = try RunningProgram("/bin/sh", ["-c", "exec \"$0\" help > /dev/full", program])
        #expect(try await full.waitForExit() == .exited(70))
        #expect(full.errors.count == 1 && full.errors[0].contains("cannot write the answer"))
    }

    @Test("a scheduler on a host without time zones refuses to begin: it would take every job for one that cannot be scheduled")
    func noZones() async throws {
        for arguments in [["scheduler"], ["scheduler", "--once"]] {
            let environment = ["DATABASE_URL": "postgresql://localhost:1/none", "TZDIR": "/var/empty/none"]
            let answer = try await chimera(arguments, environment: environment)
            let words = answer.errors.joined()
            #expect(answer.exitCode == 78 && words.contains("install tzdata") && words.contains("/var/empty/none"), "\(words)")
        }
    }
}
