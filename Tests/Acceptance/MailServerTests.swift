import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// From an INSERT to mailboxes, through a real worker and a mail server that is not ours, read by a parser that is not ours.
@Suite struct MailServerTests {
    private func config(_ server: EximServer, _ changes: [String: JSONValue] = [:]) -> JSONValue {
        let usual: [String: JSONValue] = [
            "smtp_url": .string(server.url), "username": .string(EximServer.username), "password": .string(EximServer.password),
            "ca_file": .string(server.caFile), "from": "chimera@example.com", "to": ["a@example.com"],
        ]
        return .object(usual.merging(changes) { $1 })
    }

    private func addChannel(_ rig: Rig, _ name: String, _ config: JSONValue, type: String = "EMAIL") async throws {
        _ = try await rig.pool.query("INSERT INTO notification_channels (name, type, config) VALUES (\(name), \(type), \(config))")
    }

    private func addDrill(_ rig: Rig) async throws {
        _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type, max_attempts) VALUES ('drill', 'NOOP', 1)")
    }

    private func addTelegram(_ rig: Rig) async throws {
        let sandbox = rig.sandbox.announced
        try await addChannel(
            rig, "group",
            [
                "bot_token": .string(sandbox.credentials.telegram.botToken), "chat_id": "-4001", "api_base_url": .string(sandbox.telegram),
            ], type: "TELEGRAM")
    }

    /// Makes every delivery due at once, whatever its backoff.
    private func hurry(_ rig: Rig) async throws {
        _ = try await rig.pool.query("UPDATE delivery_lanes SET paused_until = NULL")
        _ = try await rig.pool.query("UPDATE notification_deliveries SET next_attempt_at = clock_timestamp() WHERE status = 'PENDING'")
    }

    // MARK: What arrives

    private static let store = "Loja São João <b>A_B*&"
    private static let job = "sincronização <b>A_B*& de \(String(repeating: "preços, ", count: 15))e mais"

    @Test(
        "a failure, the recovery and a late job reach every mailbox whole; a recipient who is refused, or not served yet, costs the others nothing"
    )
    func arrived() async throws {
        let server = try await EximServer.start()
        try await Rig.with(RigSettings(stores: 1, products: 5, sandbox: ["--fault", "rp-401-always"], maxAttempts: 1)) { rig in
            _ = try await rig.pool.query("UPDATE stores SET name = \(Self.store)")
            _ = try await rig.pool.query("UPDATE job_configurations SET name = \(Self.job)")
            let recipients: JSONValue = ["a@example.com", "refused@example.com", "b@example.com", "later@example.com"]
            try await addChannel(rig, "mail", config(server, ["to": recipients]))
            try await addTelegram(rig)
            try server.set(.later, true)
            _ = try rig.worker()

            let failed = try await rig.finished(try await rig.trigger(Self.job))
            #expect(failed.status == "FAILED")
            try await eventually("the failure in two mailboxes") { server.count("a") == 1 && server.count("b") == 1 }
            try await eventually("what is known of the others") {
                try await rig.value("SELECT coalesce(max(last_error), '') LIKE '%later@%451%' AS value FROM notification_deliveries")
            }
            try server.set(.later, false)
            try await hurry(rig)
            try await eventually("the failure in the third mailbox") { server.count("later") == 1 }
            try await rig.sandbox.setFaults([])
            #expect(try await rig.finished(try await rig.trigger(Self.job)).status == "SUCCESS")
            try await expectCount(server, 2)
            _ = try await rig.pool.query(
                """
                INSERT INTO job_configurations (name, job_type, expect_success_within) VALUES ('relatório', 'NOOP', interval '1 second')
                """)
            try await expectCount(server, 3)
            try await eventually("every mark") {
                try await rig.value("SELECT count(*) = 6 AS value FROM notification_deliveries WHERE status = 'SENT'")
            }
            let notes: String = try await rig.value(
                """
                SELECT string_agg(DISTINCT d.last_error, '|') AS value FROM notification_deliveries AS d
                JOIN notification_channels AS c ON c.id = d.channel_id WHERE c.name = 'mail'
                """)
            #expect(notes.hasPrefix("refused for good: refused@example.com: ") && notes.contains("550") && !notes.contains("|"), "\(notes)")
            try await expectMails(server, shown: try await rig.sandbox.received("telegram", "messages"))
        }
    }

    private func expectCount(_ server: EximServer, _ count: Int) async throws {
        try await eventually("message \(count) in three mailboxes") { ["a", "b", "later"].allSatisfy { server.count($0) >= count } }
    }

    /// The stand-in of Telegram was told the same, and shows it as a reader sees it.
    private func expectMails(_ server: EximServer, shown messages: [JSONValue]) async throws {
        let shown = messages.compactMap { $0["shown"]?.stringValue }
        #expect(shown.count == 3)
        let subjects = ["\(Self.job) falhou em 1 loja", "\(Self.job) voltou a funcionar", "relatório está atrasado"]
        var ids: [String: [String]] = [:]
        for recipient in ["a", "b", "later"] {
            let mails = try await server.mails(recipient)
            #expect(mails.map { $0["subject"]?.stringValue } == subjects)
            for (mail, text) in zip(mails, shown) { expectWhole(mail, to: recipient, text: text) }
            ids[recipient] = mails.compactMap { $0["message_id"]?.stringValue }
        }
        #expect(shown.first?.contains(Self.store) == true, "\(shown)")
        #expect(ids["a"]?.count == 3 && Set(ids["a"] ?? []).count == 3 && ids["a"] == ids["b"] && ids["a"] == ids["later"], "\(ids)")
        // The server's own account: who it took mail for.
        let taken = server.log.filter { $0.contains(" <= ") }.map { $0.components(separatedBy: "> for ").last ?? "" }
        #expect(taken.count == 9 && Set(taken) == ["a@example.com", "b@example.com", "later@example.com"], "\(taken)")
        #expect(server.log.filter { $0.contains(" <= ") }.allSatisfy { $0.contains(" P=esmtpsa ") && $0.contains(" A=plain:chimera ") })
    }

    private func expectWhole(_ mail: JSONValue, to recipient: String, text: String) {
        #expect(mail["defects"] == [], "\(mail)")
        #expect(mail["from"] == ["chimera@example.com"] && mail["return_path"] == "<chimera@example.com>")
        #expect(mail["to"] == [.string("\(recipient)@example.com")] && mail["envelope_to"] == .string("\(recipient)@example.com"))
        let age = Date().timeIntervalSince1970 - (mail["date"]?.doubleValue ?? 0)
        #expect(age > -2 && age < 600, "\(mail)")
        #expect(mail["mime_version"] == "1.0" && mail["auto_submitted"] == "auto-generated" && mail["type"] == "multipart/alternative")
        let once = Set(mail["once"]?.arrayValue?.compactMap(\.stringValue) ?? [])
        #expect(
            once.isSuperset(of: [
                "date", "message-id", "from", "to", "subject", "mime-version", "content-type", "auto-submitted",
            ]))
        #expect(mail["subject_lines"]?.intValue == (text.hasPrefix("⏰") ? 1 : 5), "\(mail)")
        #expect(mail["is_ascii"] == true && (mail["longest_line"]?.intValue ?? 0) <= 998, "\(mail)")
        let parts = mail["parts"]?.arrayValue ?? []
        #expect(parts.map { $0["type"] } == ["text/plain", "text/html"])
        #expect(parts.allSatisfy { $0["charset"] == "utf-8" && $0["encoding"] == "quoted-printable" })
        func words(_ text: String?) -> [Substring] { (text ?? "").split(whereSeparator: \.isWhitespace) }
        #expect(parts.first?["text"]?.stringValue?.trimmingCharacters(in: .newlines) == text)
        #expect(words(parts.last?["shown"]?.stringValue) == words(text))
        // No tag that came from a name.
        #expect(parts.last?["tags"]?.arrayValue?.contains("b") == false)
    }

    @Test(
        "R73: every line of a mail goes over the wire with CRLF at its end, in ASCII and short, to a server without TLS where the channel says so"
    )
    func wire() async throws {
        let server = try await EximServer.start()
        let proxy = try TCPProxy(to: server.plainPort)
        proxy.record()
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            try await addChannel(rig, "mail", config(server, ["smtp_url": .string("smtp://127.0.0.1:\(proxy.port)"), "starttls": "none"]))
            try await addDrill(rig)
            _ = try rig.worker()
            _ = try await rig.finished(try await rig.trigger("drill", params: ["fail": "permanent"]))
            try await eventually("the mail") { server.count("a") == 1 }
            let lines = proxy.sent.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
            #expect(lines.count > 20)
            #expect(lines.allSatisfy { $0.last == UInt8(ascii: "\r") && !$0.dropLast().contains(UInt8(ascii: "\r")) && $0.count <= 999 })
            #expect(proxy.sent.allSatisfy { $0 < 0x80 })
            #expect(try await server.mails("a").first?["defects"] == [])
        }
    }

    @Test(
        "R73: a connection lost between the server's answer to the final dot and us: the mail comes a second time, under the same Message-ID"
    )
    func lostAfterDot() async throws {
        let server = try await EximServer.start()
        let proxy = try TCPProxy(to: server.plainPort)
        // The final dot may come in a piece of its own. From the mail's first byte on, the server's next answer is the one to that dot.
        proxy.cutOnce(.after(".\r\n"))
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            try await addChannel(rig, "mail", config(server, ["smtp_url": .string("smtp://127.0.0.1:\(proxy.port)"), "starttls": "none"]))
            try await addDrill(rig)
            _ = try rig.worker()
            _ = try await rig.finished(try await rig.trigger("drill", params: ["fail": "permanent"]))
            try await eventually("the mark") {
                try await rig.value("SELECT count(*) = 1 AS value FROM notification_deliveries WHERE status = 'SENT' AND attempts = 2")
            }
            #expect(proxy.cutsMade == 1)
            try await eventually("the mail and its repetition") { server.count("a") == 2 }
            let ids = try await server.mails("a").compactMap { $0["message_id"]?.stringValue }
            #expect(ids.count == 2 && Set(ids).count == 1, "\(ids)")
        }
    }

    // MARK: What does not

    @Test(
        "R73: without trust or STARTTLS nothing is sent, and the delivery says why; a refused password switches the channel off, and the others tell"
    )
    func refused() async throws {
        let server = try await EximServer.start()
        let plain: JSONValue = .string("smtp://127.0.0.1:\(server.plainPort)")
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            try await addChannel(rig, "foreign", config(server, ["ca_file": .string(server.foreignCAFile), "to": ["b@example.com"]]))
            try await addChannel(rig, "system", config(server, ["ca_file": .null, "to": ["b@example.com"]]))
            try await addChannel(
                rig, "host", config(server, ["smtp_url": .string("smtp://localhost:\(server.port)"), "to": ["b@example.com"]]))
            try await addChannel(rig, "plain", config(server, ["smtp_url": plain, "to": ["b@example.com"]]))
            try await addChannel(rig, "password", config(server, ["password": "errada", "to": ["b@example.com"]]))
            try await addChannel(rig, "good", config(server))
            try await addDrill(rig)
            _ = try rig.worker()
            _ = try await rig.finished(try await rig.trigger("drill", params: ["fail": "permanent"]))
            try await eventually("an answer to every channel") {
                try await rig.value(
                    "SELECT count(last_error) = 5 AS value FROM notification_deliveries AS d WHERE d.event = 'FAILURE' AND d.about_channel_id IS NULL"
                )
            }
            let (reasons, problem) = try await (reasons(rig), problem(rig))
            for name in ["foreign", "system", "host"] {
                #expect(reasons[name]?.contains("certificate") == true, "\(reasons)")
                #expect(reasons[name]?.hasPrefix("PENDING b@example.com: mail server smtp://") == true, "\(reasons)")
            }
            #expect(reasons["plain"]?.contains("does not offer STARTTLS, which is required; nothing was sent") == true, "\(reasons)")
            #expect(reasons["password"]?.hasPrefix("FAILED ") == true && problem.contains("535"), "\(reasons) \(problem)")
            #expect(!reasons.values.contains { $0.contains("errada") || $0.contains(EximServer.password) } && !problem.contains("errada"))
            try await eventually("both mails") { server.count("a") == 2 }
            let subjects = try await server.mails("a").compactMap { $0["subject"]?.stringValue }
            #expect(Set(subjects) == ["drill falhou", "o canal password foi desligado"])
            #expect(server.count("b") == 0)
            #expect(server.log.count { $0.contains(" <= ") } == 2)
            #expect(server.log.count { $0.contains("authenticator failed") } == 1, "\(server.log)")
        }
    }

    private func reasons(_ rig: Rig) async throws -> [String: String] {
        let rows = try await rig.pool.query(
            """
            SELECT c.name, d.status || ' ' || coalesce(d.last_error, '') AS reason FROM notification_deliveries AS d
            JOIN notification_channels AS c ON c.id = d.channel_id WHERE d.about_channel_id IS NULL
            """)
        return Dictionary(try rows.map { (try $0.get("name"), try $0.get("reason")) }) { first, _ in first }
    }

    private func problem(_ rig: Rig) async throws -> String {
        try await rig.value("SELECT coalesce(string_agg(problem, '|'), '') AS value FROM notification_channels WHERE NOT active")
    }

    // MARK: Leaving half-way

    @Test(
        "a worker that is stopped or killed between two recipients: the next one sends to those who do not have the mail, and to nobody twice",
        arguments: [SIGTERM, SIGKILL])
    func halfWay(_ signal: Int32) async throws {
        let server = try await EximServer.start()
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            try await addChannel(rig, "mail", config(server, ["to": ["a@example.com", "b@example.com", "slow@example.com"]]))
            try await addDrill(rig)
            try server.set(.slow, true)
            let first = try rig.worker(["--grace", "1", "--lease", "2"])
            _ = try await rig.finished(try await rig.trigger("drill", params: ["fail": "permanent"]))
            try await eventually("two of three mails") { server.count("a") == 1 && server.count("b") == 1 }
            if signal == SIGKILL {
                try await eventually("a record of both") {
                    try await rig.value("SELECT max(cardinality(reached)) = 2 AS value FROM notification_deliveries")
                }
                #expect(try await rig.value("SELECT last_error IS NULL AS value FROM notification_deliveries"), "the attempt has ended")
            }
            first.signal(signal)
            #expect(try await first.waitForExit(within: .seconds(60)) == (signal == SIGKILL ? .signalled(signal) : .exited(0)))
            #expect(try await rig.value("SELECT status = 'PENDING' AS value FROM notification_deliveries"))
            try server.set(.slow, false)
            try await hurry(rig)
            _ = try rig.worker(["--lease", "2"])
            try await eventually(within: .seconds(120), "the mark") {
                try await rig.value("SELECT status = 'SENT' AS value FROM notification_deliveries")
            }
            try await eventually("the third mail") { server.count("slow") == 1 }
            #expect(server.log.count { $0.contains(" <= ") } == 3 && server.count("a") == 1 && server.count("b") == 1, "\(server.log)")
        }
    }
}
