import Foundation
import Testing

extension RunningSandbox {
    func send(_ text: String, chat: String = "-4001", mode: String? = "HTML", token: String? = nil) throws -> HTTPAnswer {
        var members: [String: Any] = ["chat_id": chat, "text": text]
        members["parse_mode"] = mode
        let body = String(decoding: try JSONSerialization.data(withJSONObject: members), as: UTF8.self)
        let token = token ?? announcement["credentials"]["telegram"]["bot_token"].string
        return try HTTPAnswer(
            to: announcement["telegram"].string + "/bot\(token)/sendMessage", "-H", "Content-Type: application/json", "--data-binary", body)
    }

    /// curl's exit code for a mail of these bytes.
    func mail(_ text: String, to recipient: String = "b@example.com", url: String? = nil, arguments: [String] = []) throws -> Int32 {
        let path = FileManager.default.temporaryDirectory.appending(path: "mail-\(UUID().uuidString)").path
        try Data(text.utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let credentials = announcement["credentials"]["smtp"]
        let login = "\(credentials["username"].string):\(credentials["password"].string)"
        let security = arguments.isEmpty ? ["--ssl-reqd", "--cacert", announcement["ca_file"].string, "--user", login] : arguments
        return try HTTPAnswer(
            to: url ?? announcement["smtp"].string,
            arguments: security + ["--mail-from", "a@example.com", "--mail-rcpt", recipient, "--upload-file", path]
        ).exitCode
    }
}

/// The answers are those of the Bot API's documentation, and of its server where the documentation says nothing.
@Suite("Telegram") struct TelegramTests {
    private let sandbox: RunningSandbox

    init() throws { sandbox = try RunningSandbox() }

    @Test("a message is taken as JSON and as a form, and kept as sent and as a reader sees it")
    func messages() throws {
        let answer = try sandbox.send("<b>Loja</b> &lt;1&gt; &amp; <code>a b</code> &nbsp; &#233;")
        #expect(answer.status == 200)
        #expect(try answer.json["ok"].bool == true && answer.json["result"]["chat"]["id"].integer == -4001)
        let token = sandbox.announcement["credentials"]["telegram"]["bot_token"].string
        let form = try HTTPAnswer(
            to: sandbox.announcement["telegram"].string + "/bot\(token)/sendMessage", "--data-urlencode", "chat_id=7", "--data-urlencode",
            "text=Olá & até")
        #expect(form.status == 200)
        let messages = try sandbox.state()["telegram"]["messages"].array
        #expect(messages.map { $0["shown"].string } == ["Loja <1> & a b &nbsp; é", "Olá & até"])
        #expect(messages.map { $0["chat_id"].string } == ["-4001", "7"])
        #expect(messages.allSatisfy { $0["sent"].bool == true })
    }

    @Test(
        "text that is no HTML of Telegram's is refused with 400 can't parse entities",
        arguments: [
            "<b_>x</b_>", "<b>x", "<b>x</i>", "x</b>", "a <3", "<", "<>", "<p>x</p>", "<b class=\"x\">y</b>", "<script>x</script>", "<br>",
            "<b><i>x</b></i>",
        ])
    func entities(_ text: String) throws {
        let answer = try sandbox.send(text)
        #expect(answer.status == 400)
        #expect(try answer.json["description"].string.hasPrefix("Bad Request: can't parse entities: "))
        #expect(try sandbox.send(text, mode: nil).status == 200)
    }

    @Test("the limit is 4,096 UTF-16 units of what a reader sees; nothing to see is refused")
    func lengths() throws {
        #expect(try sandbox.send("<b>" + String(repeating: "😀", count: 2_048) + "</b>", chat: "1").status == 200)
        #expect(try sandbox.send(String(repeating: "&lt;", count: 4_096), chat: "2").status == 200)
        let long = try sandbox.send(String(repeating: "😀", count: 2_048) + "a", chat: "3")
        #expect(try long.status == 400 && long.json["description"].string == "Bad Request: message is too long")
        #expect(try sandbox.send("<b> </b>").json["description"].string == "Bad Request: message text is empty")
    }

    @Test("a wrong token, a chat that is none and an unknown mode are refused")
    func refusals() throws {
        #expect(try sandbox.send("x", token: "1:wrong").status == 401)
        #expect(try sandbox.send("x", chat: "nobody").json["description"].string == "Bad Request: chat not found")
        #expect(try sandbox.send("x", mode: "Pretty").json["description"].string == "Bad Request: unsupported parse_mode")
        let unknown = try HTTPAnswer(to: sandbox.announcement["telegram"].string + "/bot1:geheim/getMe")
        #expect(unknown.status == 404)
        #expect(try sandbox.state()["unknown_requests"].array.map(\.string) == ["GET telegram/bot…/getMe"])
    }

    @Test("faults say no as Telegram does, for one chat alone when told so")
    func faults() throws {
        try sandbox.setFaults("telegram-429:1x@-1", "telegram-403@-2", "telegram-migrated", "telegram-401@-100", "telegram-cannot-parse@5")
        let limited = try sandbox.send("x", chat: "-1")
        #expect(try limited.status == 429 && limited.json["parameters"]["retry_after"].integer == 2)
        #expect(limited.headers["retry-after"] == "2")
        #expect(try sandbox.send("x", chat: "-2").json["description"].string == "Forbidden: bot was blocked by the user")
        let moved = try sandbox.send("x", chat: "-1")
        #expect(try moved.status == 400 && moved.json["parameters"]["migrate_to_chat_id"].integer == -1001)
        #expect(try sandbox.send("x", chat: "-1001").status == 200)
        #expect(try sandbox.send("x", chat: "9").status == 200)
        #expect(try sandbox.send("x", chat: "-100").status == 401)
        #expect(try sandbox.send("x", chat: "5").status == 400)
        #expect(try sandbox.send("x", chat: "5", mode: nil).status == 200)
    }

    @Test("with strict-rate the limits to a chat and to a group hold")
    func rates() throws {
        try sandbox.setFaults("telegram-strict-rate")
        #expect(try sandbox.send("x", chat: "1").status == 200)
        let second = try sandbox.send("x", chat: "1")
        #expect(try second.status == 429 && second.json["parameters"]["retry_after"].integer == 1)
        #expect(try sandbox.send("x", chat: "2").status == 200)
    }
}

@Suite("Webhooks") struct WebhookTests {
    private let sandbox: RunningSandbox

    init() throws { sandbox = try RunningSandbox() }

    /// With OpenSSL's own program, which shares nothing with the sandbox's code.
    private func signature(_ content: String, _ secret: String) throws -> String {
        let key = try #require(Data(base64Encoded: String(secret.dropFirst(6))))
        let (input, output) = (Pipe(), Pipe())
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = [
            "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:" + key.map { String(format: "%02x", $0) }.joined(), "-binary",
        ]
        (process.standardInput, process.standardOutput) = (input, output)
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data(content.utf8))
        try input.fileHandleForWriting.close()
        return try output.fileHandleForReading.readToEnd()?.base64EncodedString() ?? ""
    }

    private func post(_ id: String, at timestamp: Int, _ body: String, signatures: String, path: String = "/a") throws -> HTTPAnswer {
        try HTTPAnswer(
            to: sandbox.announcement["webhook"].string + path, "-H", "Content-Type: application/json", "-H", "webhook-id: \(id)", "-H",
            "webhook-timestamp: \(timestamp)", "-H", "webhook-signature: \(signatures)", "--data-binary", body)
    }

    @Test("a signature of either secret is taken, any other is refused, and so is an old timestamp")
    func signatures() throws {
        let secrets = sandbox.announcement["credentials"]["webhook"]
        let now = Int(Date().timeIntervalSince1970)
        let body = #"{"olá": 1}"#
        let new = try signature("msg_1.\(now).\(body)", secrets["secret"].string)
        let old = try signature("msg_1.\(now).\(body)", secrets["old_secret"].string)
        #expect(try post("msg_1", at: now, body, signatures: "v1,\(new)").status == 204)
        #expect(try post("msg_1", at: now, body, signatures: "v1,nonsense v1,\(old)").status == 204)
        #expect(try post("msg_1", at: now, body, signatures: "v1,\(new) v1,\(old)").status == 204)
        #expect(try post("msg_2", at: now, body, signatures: "v1,\(new)").status == 401)
        #expect(try post("msg_1", at: now, body, signatures: "v2,\(new)").status == 401)
        #expect(try post("msg_1", at: now - 301, body, signatures: "v1,\(new)").status == 400)
        let received = try sandbox.state()["webhook"]["received"].array
        #expect(received.prefix(4).map { $0["signed_with"].array.map(\.string) } == [["new"], ["old"], ["new", "old"], []])
        #expect(received[0]["body"].string == body && received[0]["path"].string == "/webhook/a")
        #expect(received.map { $0["status"].integer } == [204, 204, 204, 401, 401, 400])
    }

    @Test("faults of the receiver, for one path alone when told so")
    func faults() throws {
        try sandbox.setFaults("webhook-410@/webhook/gone", "webhook-redirect@/webhook/moved", "webhook-500:1x@/webhook/ill")
        #expect(try post("m", at: 0, "{}", signatures: "", path: "/gone").status == 410)
        #expect(try post("m", at: 0, "{}", signatures: "", path: "/moved").status == 302)
        #expect(try post("m", at: 0, "{}", signatures: "", path: "/ill").status == 500)
        #expect(try post("m", at: 0, "{}", signatures: "", path: "/ill").status == 400)
    }
}

@Suite("The mail server") struct MailTests {
    private let sandbox: RunningSandbox
    private let text = "Subject: x\r\n\r\n.dot\r\n..dots\r\nend\r\n"

    init() throws { sandbox = try RunningSandbox() }

    private var mails: [JSON] { get throws { try sandbox.state()["smtp"]["mails"].array } }

    @Test("a mail comes in by STARTTLS and by TLS from the start, logged in, dots as they were meant")
    func submission() throws {
        #expect(try sandbox.mail(text) == 0)
        let login = "chimera:\(sandbox.announcement["credentials"]["smtp"]["password"].string)"
        let smtps = sandbox.announcement["smtps"].string
        #expect(
            try sandbox.mail(
                text, to: "c@example.com", url: smtps, arguments: ["--cacert", sandbox.announcement["ca_file"].string, "--user", login])
                == 0)
        #expect(try sandbox.mail("a\nb\u{E9}\r\n", arguments: ["--user", login]) == 0)
        let mails = try mails
        #expect(mails.map { $0["tls"].bool } == [true, true, false])
        #expect(mails.map { $0["to"].array.map(\.string) } == [["b@example.com"], ["c@example.com"], ["b@example.com"]])
        #expect(mails.allSatisfy { $0["kept"].bool == true && $0["username"].string == "chimera" && $0["from"].string == "a@example.com" })
        #expect(mails[0]["data"].string == text)
        #expect(mails.map { $0["bare_line_feeds"].integer } == [0, 0, 1])
        #expect(mails.map { $0["bytes_above_ascii"].integer } == [0, 0, 2])
    }

    @Test("without a login nothing is taken, with a wrong one neither; the authority is nobody's but ours")
    func refusals() throws {
        let trust = ["--ssl-reqd", "--cacert", sandbox.announcement["ca_file"].string]
        #expect(try sandbox.mail(text, arguments: trust) == 55)
        #expect(try sandbox.mail(text, arguments: trust + ["--user", "chimera:wrong"]) == 67)
        #expect(try sandbox.mail(text, arguments: ["--ssl-reqd"]) == 60)
        #expect(try mails.isEmpty)
    }

    @Test(
        "every fault does what its name says, and mail is kept only where it says so",
        arguments: [
            ("greeting-421", [8], nil), ("greeting-554", [8], nil), ("no-starttls", [64], nil), ("starttls-refused", [64], nil),
            ("untrusted-certificate", [60], nil), ("expired-certificate", [60], nil), ("wrong-host-certificate", [60], nil),
            ("auth-535", [67], nil), ("auth-454", [67], nil), ("sender-550", [55], nil), ("recipient-550", [55], nil),
            ("recipient-451", [55], nil), ("data-554", [55], nil), ("drop-in-data", [55, 56], nil), ("message-554", [8], false),
            ("message-452", [8], false), ("drop-after-dot", [56], true),
        ] as [(String, Set<Int32>, Bool?)])
    func faults(_ name: String, _ exitCodes: Set<Int32>, _ isKept: Bool?) throws {
        try sandbox.setFaults("smtp-" + name)
        let code = try sandbox.mail(text)
        #expect(exitCodes.contains(code), "\(code)")
        #expect(try mails.first?["kept"].bool == isKept)
        try sandbox.setFaults("smtp-\(name)@somebody@example.com")
        if ["recipient-550", "message-554", "drop-after-dot"].contains(name) {
            #expect(try sandbox.mail(text) == 0)
            let code = try sandbox.mail(text, to: "somebody@example.com")
            #expect(exitCodes.contains(code), "\(code)")
        }
    }

    @Test("ca_file goes with the sandbox")
    func authorityFile() throws {
        let path = sandbox.announcement["ca_file"].string
        #expect(FileManager.default.fileExists(atPath: path))
        #expect(sandbox.end(with: SIGTERM) == 0)
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}
