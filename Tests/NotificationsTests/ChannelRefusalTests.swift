import Postgres
import Secrets
import TestSupport
import Testing

@testable import Notifications

/// A bad channel is refused at INSERT and UPDATE with one sentence that names the field (SPEC §2).
@Suite struct ChannelRefusalTests {
    private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    private static let bad: [(field: String, type: String, config: String)] = [
        ("type", "SMS", "{}"), ("config", "EMAIL", "[]"), ("config", "EMAIL", "null"),
        ("config", "TELEGRAM", #"{"bot_token": "1:a", "chat_id": "2", "chatid": "3"}"#),
        ("config", "EMAIL", #"{"integration": "i", "url": "https://x.example"}"#),
        ("config", "WEBHOOK", #"{"integration": "i", "language": "pt"}"#),
        ("config.bot_token", "TELEGRAM", #"{"chat_id": "2"}"#),
        ("config.bot_token", "TELEGRAM", #"{"chat_id": "2", "bot_token": ""}"#),
        ("config.bot_token", "TELEGRAM", #"{"chat_id": "2", "bot_token": "a b"}"#),
        ("config.bot_token", "TELEGRAM", #"{"chat_id": "2", "bot_token": "1:a/../x"}"#),
        ("config.chat_id", "TELEGRAM", #"{"bot_token": "1:a"}"#),
        ("config.chat_id", "TELEGRAM", #"{"bot_token": "1:a", "chat_id": "plantão"}"#),
        ("config.chat_id", "TELEGRAM", #"{"bot_token": "1:a", "chat_id": ["2"]}"#),
        ("config.chat_id", "TELEGRAM", #"{"bot_token": "1:a", "chat_id": 1.5}"#),
        ("config.chat_id", "TELEGRAM", #"{"bot_token": "1:a", "chat_id": 1e30}"#),
        ("config.parse_mode", "TELEGRAM", #"{"bot_token": "1:a", "chat_id": "2", "parse_mode": "Markdown"}"#),
        ("config.api_base_url", "TELEGRAM", #"{"bot_token": "1:a", "chat_id": "2", "api_base_url": "api.telegram.org"}"#),
        ("config.integration", "TELEGRAM", #"{"bot_token": "1:a", "chat_id": "2", "integration": 7}"#),
        ("config.smtp_url", "EMAIL", #"{"from": "a@b.c", "to": ["a@b.c"]}"#),
        ("config.smtp_url", "EMAIL", #"{"smtp_url": "mail.example:25", "from": "a@b.c", "to": ["a@b.c"]}"#),
        ("config.smtp_url", "EMAIL", #"{"smtp_url": "http://mail.example", "from": "a@b.c", "to": ["a@b.c"]}"#),
        ("config.smtp_url", "EMAIL", #"{"smtp_url": "smtp://são.example", "from": "a@b.c", "to": ["a@b.c"]}"#),
        ("config.from", "EMAIL", #"{"smtp_url": "smtp://m", "to": ["a@b.c"]}"#),
        ("config.from", "EMAIL", #"{"smtp_url": "smtp://m", "to": ["a@b.c"], "from": "Chimera <a@b.c>"}"#),
        ("config.from", "EMAIL", #"{"smtp_url": "smtp://m", "to": ["a@b.c"], "from": "a@b.c\r\nBcc: x@y.z"}"#),
        ("config.to", "EMAIL", #"{"smtp_url": "smtp://m", "from": "a@b.c"}"#),
        ("config.to", "EMAIL", #"{"smtp_url": "smtp://m", "from": "a@b.c", "to": []}"#),
        ("config.to", "EMAIL", #"{"smtp_url": "smtp://m", "from": "a@b.c", "to": ["a@b.c", "d"]}"#),
        ("config.to", "EMAIL", #"{"smtp_url": "smtp://m", "from": "a@b.c", "to": {"a@b.c": 1}}"#),
        ("config.from", "EMAIL", #"{"smtp_url": "smtp://m", "to": ["a@b.c"], "from": "plantão@b.c"}"#),
        ("config.to", "EMAIL", #"{"smtp_url": "smtp://m", "from": "a@b.c", "to": ["a@b.c", "joão@b.c"]}"#),
        ("config.to", "EMAIL", #"{"smtp_url": "smtp://m", "from": "a@b.c", "to": "a@são.example"}"#),
        ("config.starttls", "EMAIL", #"{"smtp_url": "smtp://m", "from": "a@b.c", "to": ["a@b.c"], "starttls": "optional"}"#),
        ("config.starttls", "EMAIL", #"{"smtp_url": "smtp://m", "from": "a@b.c", "to": ["a@b.c"], "starttls": true}"#),
        ("config.password", "EMAIL", #"{"smtp_url": "smtp://m", "from": "a@b.c", "to": ["a@b.c"], "password": 1}"#),
        ("config.url", "WEBHOOK", #"{"secret": "\#(secret)"}"#),
        ("config.url", "WEBHOOK", #"{"url": "ftp://x.example", "secret": "\#(secret)"}"#),
        ("config.url", "WEBHOOK", #"{"url": "https://x y", "secret": "\#(secret)"}"#),
        ("config.url", "WEBHOOK", #"{"url": "https://são.example/x", "secret": "\#(secret)"}"#),
        ("config.secret", "WEBHOOK", #"{"url": "https://x.example"}"#),
        ("config.secret", "WEBHOOK", #"{"url": "https://x.example", "secret": "short"}"#),
        ("config.secret", "WEBHOOK", #"{"url": "https://x.example", "secret": ["\#(secret)", 7]}"#),
        ("config.headers", "WEBHOOK", #"{"url": "https://x.example", "secret": "\#(secret)", "headers": ["X: y"]}"#),
        ("config.headers", "WEBHOOK", #"{"url": "https://x.example", "secret": "\#(secret)", "headers": {"X": "a\nb"}}"#),
        ("config.headers", "WEBHOOK", #"{"url": "https://x.example", "secret": "\#(secret)", "headers": {"X Y": "a"}}"#),
        ("config.headers", "WEBHOOK", #"{"url": "https://x.example", "secret": "\#(secret)", "headers": {"X": "a\u0001b"}}"#),
        ("config.headers", "WEBHOOK", #"{"url": "https://x.example", "secret": "\#(secret)", "headers": {"X": "a\u007fb"}}"#),
        (
            "config.headers.Content-Type", "WEBHOOK",
            #"{"url": "https://x.example", "secret": "\#(secret)", "headers": {"X-A": "b", "Content-Type": "text/plain"}}"#
        ),
        ("config.headers.Trailer", "WEBHOOK", #"{"integration": "i", "headers": {"Trailer": "X-Sum"}}"#),
        ("config.headers.content-encoding", "WEBHOOK", #"{"integration": "i", "headers": {"content-encoding": "gzip"}}"#),
        ("config.headers.webhook-id", "WEBHOOK", #"{"integration": "i", "headers": {"webhook-id": "1"}}"#),
        ("config.proxy", "WEBHOOK", #"{"url": "https://x.example", "secret": "\#(secret)", "proxy": "http://proxy.example:3128"}"#),
        ("config.proxy", "WEBHOOK", #"{"integration": "i", "proxy": "http://proxy.example:3128", "allow_private_network": false}"#),
        (
            "config.allow_private_network", "WEBHOOK",
            #"{"url": "https://x.example", "secret": "\#(secret)", "allow_private_network": "yes"}"#
        ),
        ("config.ca_file", "WEBHOOK", #"{"url": "https://x.example", "secret": "\#(secret)", "ca_file": 1}"#),
    ]

    private static let good: [(type: String, config: String)] = [
        ("TELEGRAM", #"{"bot_token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "chat_id": "-1001234567890", "parse_mode": "HTML"}"#),
        ("TELEGRAM", #"{"bot_token": "enc:v1:abc:def", "chat_id": "@plantao", "api_base_url": "http://127.0.0.1:8081", "proxy": null}"#),
        ("TELEGRAM", #"{"bot_token": "1:a", "chat_id": -5}"#), ("TELEGRAM", #"{"integration": "bot"}"#),
        ("TELEGRAM", #"{"integration": "bot", "chat_id": "9"}"#),
        ("EMAIL", #"{"smtp_url": "smtp://u:p@mail.example:587/host.example", "from": "a+b@c.example", "to": ["o'x@d.example"]}"#),
        (
            "EMAIL",
            #"{"smtp_url": "smtps://[::1]:465", "from": "a@b", "to": "x@y", "starttls": "none", "username": "u", "password": "enc:v1:a:b"}"#
        ),
        (
            "WEBHOOK",
            #"{"url": "http://127.0.0.1:9/a?b=c", "secret": "\#(secret)", "allow_private_network": true, "headers": {"X-A": "é"}}"#
        ),
        (
            "WEBHOOK",
            #"{"url": "https://x.example", "secret": ["enc:v1:a:b", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "ca_file": "/x", "headers": null}"#
        ),
        ("WEBHOOK", #"{"url": "https://x.example", "secret": "\#(secret) \#(secret)"}"#),
        (
            "WEBHOOK",
            #"{"url": "https://x.example", "secret": "\#(secret)", "proxy": "http://proxy.example", "allow_private_network": true}"#
        ),
        ("WEBHOOK", #"{"integration": "hook", "proxy": "http://proxy.example", "headers": {"X-A": "a\tb", "X-B": "enc:v1:a:b"}}"#),
        ("EMAIL", #"{"integration": "mail", "to": ["enc:v1:a:b"], "proxy": "http://proxy.example"}"#),
    ]

    @Test("a bad channel is refused by the field's name when it is written and when it is changed")
    func refused() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            for (field, type, config) in Self.bad {
                for statement: SQL in [
                    "INSERT INTO notification_channels (name, type, config) VALUES ('c', \(type), \(config)::jsonb)",
                    "UPDATE notification_channels SET type = \(type), config = \(config)::jsonb WHERE id = \(channel)",
                ] {
                    let error = await #expect(throws: PostgresError.self, "\(type) \(config)") { try await outbox.run(statement) }
                    let message = error?.message ?? ""
                    #expect(message.hasPrefix(field + (field.contains(".") ? " " : ": ")), "\(config): \(message)")
                    #expect(!message.contains("\n") && Masking.mask(text: message) == message, "\(message)")
                }
            }
            #expect(try await outbox.number("SELECT count(*) FROM notification_channels") == 1)
        }
    }

    @Test("a secret is refused when it is written where the sender would refuse it: no base64, or a key too short or too long")
    func secrets() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            for count in 30...90 {
                for padding in ["", "=", "=="] {
                    let secret = "whsec_" + String(repeating: "A", count: count) + padding
                    let isKey = WebhookSignature.key(of: secret).map { WebhookConfiguration.keyBytes.contains($0.count) } ?? false
                    let change: SQL =
                        "UPDATE notification_channels SET config = config || jsonb_build_object('secret', \(secret)::text) WHERE id = \(channel)"
                    if isKey {
                        try await outbox.run(change)
                    } else {
                        #expect(
                            try await outbox.refusal(change).message
                                == "config.secret must be whsec_ and 24 to 64 bytes in base64, or a list of such secrets",
                            "\(count)\(padding)")
                    }
                }
            }
        }
    }

    @Test("a channel that is refused shows none of its values, whichever one is bad")
    func showsNothing() async throws {
        let config = #"{"bot_token": "1:geheim", "chat_id": "2"}"#
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            try await outbox.run("UPDATE notification_channels SET type = 'TELEGRAM', config = \(config)::jsonb WHERE id = \(channel)")
            let changes: [(field: String, change: String)] = [
                ("name", "name = ' '"), ("name", "name = repeat('x', 201)"), ("name", "name = NULL"), ("type", "type = NULL"),
                ("type", "type = 'SMS'"), ("config", "config = NULL"), ("config", #"config = '["geheim"]'"#), ("active", "active = NULL"),
                ("created_at", "created_at = NULL"), ("id", "id = NULL"),
                ("config", "config = config || jsonb_build_object('proxy', repeat('geheim', 400000))"),
            ]
            for (field, change) in changes {
                let error = await #expect(throws: PostgresError.self, "\(change)") {
                    try await outbox.run("UPDATE notification_channels SET \(spliced(change)) WHERE id = \(channel)")
                }
                let message = error?.message ?? ""
                #expect(message.hasPrefix("\(field): "), "\(change): \(message)")
                #expect(error?.detail == nil && !message.contains("geheim"), "\(change): \(error?.detail ?? "")")
            }
        }
    }

    @Test("an integration that channels use is judged like them, but for what is missing or empty; it shows none of its values")
    func integrations() async throws {
        try await Outbox.withDatabase { outbox in
            for (type, config) in [
                ("TELEGRAM", #"{"bot_token": 5}"#), ("EMAIL", #"{"smtp_url": "http://m"}"#), ("WEBHOOK", #"{"url": "ftp://x"}"#),
                ("WEBHOOK", "[]"), ("EMAIL", "7"), ("TELEGRAM", "null"),
            ] {
                let error = try await outbox.refusal(
                    "INSERT INTO integrations (name, type, config) VALUES ('i', \(type), \(config)::jsonb)")
                #expect(error.message.hasPrefix("config"), "\(config): \(error.message)")
            }
            for config in [#"{"api_base_url": "", "bot_token": "1:a", "parse_mode": "Html"}"#, #"{"of somebody else": [1], "from": null}"#]
            {
                try await outbox.run("INSERT INTO integrations (name, type, config) VALUES (\(config), 'TELEGRAM', \(config)::jsonb)")
            }
        }
    }

    @Test("what the channels take is taken, and a row that was bad before can still be switched off and removed")
    func taken() async throws {
        try await Outbox.withDatabase { outbox in
            for (place, (type, config)) in Self.good.enumerated() {
                try await outbox.run(
                    "INSERT INTO notification_channels (name, type, config) VALUES (\("c\(place)"), \(type), \(config)::jsonb)")
            }
            let channel = try await outbox.addChannel("old")
            try await outbox.run("ALTER TABLE notification_channels DISABLE TRIGGER check_notification_channel")
            try await outbox.run("UPDATE notification_channels SET config = '{}' WHERE id = \(channel)")
            try await outbox.run("ALTER TABLE notification_channels ENABLE TRIGGER check_notification_channel")
            try await outbox.run("UPDATE notification_channels SET active = false, deleted_at = now() WHERE id = \(channel)")
            #expect(try await outbox.number("SELECT count(*) FROM notification_channels WHERE NOT active") == 1)
        }
    }
}
