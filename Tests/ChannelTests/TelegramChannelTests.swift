import Foundation
import Networking
import Runtime
import TestSupport
import Testing

@testable import Notifications

@Suite(.timeLimit(.minutes(3)))
struct TelegramChannelTests {
    private let telegram = TelegramChannel(client: HTTPClient(), requestTimeout: .seconds(20))
    private let hurried = TelegramChannel(client: HTTPClient(), requestTimeout: .seconds(1))

    @Test("A message arrives as HTML that Telegram parses, and reads as it was meant")
    func sent() async throws {
        let sandbox = try await ChannelSandbox()
        #expect(await telegram.deliver(failureMessage(), through: sandbox.telegram()) == .sent())
        let message = try #require(try await sandbox.messages.first)
        #expect(message["chat_id"] == "-4001" && message["parse_mode"] == "HTML" && message["sent"] == true)
        #expect(
            message["shown"]?.stringValue
                == "❌ sync-products falhou\n• 00000000000191 <b>A_B*&: RP: respondeu 503\n\nchimera execution show 019aa000-0000-7000-8000-000000000001"
        )
    }

    @Test("Whatever characters a name has, Telegram parses the message", arguments: 0..<20)
    func anyText(_ seed: UInt64) async throws {
        let sandbox = try await ChannelSandbox()
        var generator = SeededGenerator(seed: seed)
        let alphabet = Array("<>&\"'/abAB_*[]()~`#+-=|{}.!;😀é\u{301}\u{200B} ")
        let lines = (0..<8).map { _ -> MessageText.Line in
            (0..<Int.random(in: 1...3, using: &generator)).map { _ in
                let text = String((0..<Int.random(in: 1...25, using: &generator)).map { _ in alphabet.randomElement(using: &generator)! })
                return .init(text, [.plain, .strong, .code].randomElement(using: &generator)!)
            }
        }
        #expect(await telegram.deliver(failureMessage(lines: lines), through: sandbox.telegram()) == .sent(), "seed \(seed)")
        #expect(try await sandbox.messages.first?["shown"]?.stringValue == MessageText(lines).plain, "seed \(seed)")
    }

    @Test("A text of any length is taken, cut at a line")
    func long() async throws {
        let sandbox = try await ChannelSandbox()
        let lines = (0..<3000).map { [MessageText.Span("• "), .init("Loja <\($0)> & filhos 😀", .strong)] }
        #expect(await telegram.deliver(failureMessage(lines: lines), through: sandbox.telegram()) == .sent())
        let message = try #require(try await sandbox.messages.first)
        #expect(message["text"]?.stringValue.map { (3900...4096).contains($0.utf16.count) } == true)
        #expect(message["shown"]?.stringValue?.hasSuffix("😀\n…\n• Loja <2999> & filhos 😀") == true)
    }

    @Test("R71: text that Telegram cannot parse is sent again as plain text, once")
    func unparsable() async throws {
        let sandbox = try await ChannelSandbox("telegram-cannot-parse")
        #expect(await telegram.deliver(failureMessage(), through: sandbox.telegram()) == .sent())
        let messages = try await sandbox.messages
        #expect(messages.map { $0["parse_mode"] } == ["HTML", ""])
        #expect(messages.map { $0["sent"] } == [false, true])
        #expect(messages.last?["text"]?.stringValue?.contains("<b>A_B*&: RP") == true)
    }

    @Test("R71: a 429 asks for a rest of that chat and says how long; other chats have lanes of their own")
    func tooMany() async throws {
        let sandbox = try await ChannelSandbox("telegram-429:1x@-1", "telegram-429-body:1x@-2", "telegram-429-none:1x@-3")
        let channels = ["-1", "-2", "-3", "-4"].map { sandbox.telegram(chat: $0) }
        var waits: [Duration?] = []
        for channel in channels.dropLast() { waits.append(await telegram.deliver(failureMessage(), through: channel).asksToWait) }
        #expect(waits == [.seconds(2), .seconds(2), .seconds(30)])
        #expect(await telegram.deliver(failureMessage(), through: channels[3]) == .sent())
        #expect(Set(channels.map { telegram.lane(of: $0).key }).count == 4)
    }

    @Test("A message a second to a chat, and to what may be a group 20 a minute; no lane holds a secret")
    func lanes() async throws {
        let sandbox = try await ChannelSandbox()
        for (chat, perMinute) in [("-4001", 20), ("-1001", 20), ("@canal", 20), ("4001", nil)] as [(String, Int?)] {
            let lane = telegram.lane(of: sandbox.telegram(chat: chat))
            #expect(lane == SendingLane(key: "telegram:1000001:\(chat)", spacing: .milliseconds(1_100), perMinute: perMinute))
        }
        #expect(telegram.lane(of: sandbox.telegram(["bot_token": .null])) == SendingLane(key: "channel:7"))
    }

    @Test("R71: a group that became a supergroup gives its new id")
    func migrated() async throws {
        let sandbox = try await ChannelSandbox("telegram-migrated")
        #expect(await telegram.deliver(failureMessage(), through: sandbox.telegram()) == .migrated(from: "-4001", to: "-1004001"))
        #expect(await telegram.deliver(failureMessage(), through: sandbox.telegram(chat: "-1004001")) == .sent())
    }

    @Test("R71: 401, 403 and 404 switch the channel off and say why, without the token", arguments: ["401", "403", "403-kicked", "404"])
    func unusable(_ fault: String) async throws {
        let sandbox = try await ChannelSandbox("telegram-" + fault)
        let outcome = await telegram.deliver(failureMessage(), through: sandbox.telegram())
        #expect(outcome.isSwitchedOff && outcome.reason.contains(fault.prefix(3)), "\(outcome)")
        #expect(!outcome.reason.contains("sandbox-bot-token"))
    }

    @Test(
        "What may pass is tried again, and never tells the token",
        arguments: [
            "500", "500-empty", "502", "503", "ok-false", "html", "not-json", "redirect", "close", "reset", "garbage", "lost-answer",
            "half-json",
        ])
    func passing(_ fault: String) async throws {
        let sandbox = try await ChannelSandbox("telegram-" + fault)
        let outcome = await telegram.deliver(failureMessage(), through: sandbox.telegram())
        #expect(outcome.isRetry && outcome.asksToWait == nil, "\(outcome)")
        #expect(!outcome.reason.contains("sandbox-bot-token") && !outcome.reason.isEmpty)
    }

    @Test("Silence and a slow answer are left after the time limit", arguments: ["silence", "slow"])
    func silence(_ fault: String) async throws {
        let sandbox = try await ChannelSandbox("telegram-" + fault)
        #expect(await hurried.deliver(failureMessage(), through: sandbox.telegram()).isRetry)
    }

    @Test("A chat that is not there refuses the message and leaves the channel on")
    func noChat() async throws {
        let sandbox = try await ChannelSandbox("telegram-400-chat")
        let outcome = await telegram.deliver(failureMessage(), through: sandbox.telegram())
        #expect(outcome.isRefused && outcome.reason.contains("chat not found"))
    }

    @Test(
        "Somebody on the way who says 401, 403 or 404 with words or without, or repeats our URL, neither switches the channel off nor learns us to tell the token"
    )
    func somebodyBetween() async throws {
        let sandbox = try await ChannelSandbox()
        for status in [401, 403, 404, 407] {
            for isEmpty in [false, true] {
                let server = RawServer { request, _ in
                    RawServer.answer(isEmpty ? "" : "<html>\(request.target) is blocked</html>", status: status)
                }
                let outcome = await telegram.deliver(failureMessage(), through: sandbox.telegram(["api_base_url": .string(server.url)]))
                #expect(outcome.isRetry && !outcome.reason.contains("sandbox-bot-token"), "\(status): \(outcome)")
            }
        }
        let busy = RawServer { _, _ in RawServer.answer("", status: 429) }
        let rest = await telegram.deliver(failureMessage(), through: sandbox.telegram(["api_base_url": .string(busy.url)]))
        #expect(rest.asksToWait == .seconds(30), "\(rest)")
        let echo = RawServer { request, _ in
            RawServer.answer(#"{"ok":false,"error_code":400,"description":"bad \#(request.target)"}"#, status: 400)
        }
        let outcome = await telegram.deliver(failureMessage(), through: sandbox.telegram(["api_base_url": .string(echo.url)]))
        #expect(outcome.isRefused && outcome.reason.contains("bad /bot••••/sendMessage"), "\(outcome)")
    }

    @Test(
        "A config that cannot be used refuses the message with the field's name",
        arguments: [
            (["bot_token": .null], "config.bot_token"), (["bot_token": 7], "config.bot_token"),
            (["bot_token": "1:a/b"], "config.bot_token"),
            (["chat_id": .null], "config.chat_id"), (["chat_id": "nobody"], "config.chat_id"), (["chat_id": "@a\r\nb"], "config.chat_id"),
            (["parse_mode": "MarkdownV2"], "config.parse_mode"), (["api_base_url": "ftp://x"], "config.api_base_url"),
            (["api_base_url": "http://a b"], "config.api_base_url"), (["proxy": 1], "config.proxy"),
        ] as [([String: JSONValue], String)])
    func defects(_ changes: [String: JSONValue], _ field: String) async throws {
        let sandbox = try await ChannelSandbox()
        let outcome = await telegram.deliver(failureMessage(), through: sandbox.telegram(changes))
        #expect(outcome.isRefused && outcome.reason.hasPrefix(field), "\(outcome)")
        #expect(try await sandbox.messages.isEmpty)
    }

    @Test("The token may come from an integration, under its name or as token, and its address as base_url; a chat id may be a number")
    func shared() async throws {
        let sandbox = try await ChannelSandbox()
        let token = JSONValue.string(sandbox.fact("credentials", "telegram", "bot_token"))
        let base = JSONValue.string(sandbox.fact("telegram") + "/")
        let channel = sandbox.telegram(["bot_token": .null, "token": token, "api_base_url": .null, "base_url": base, "chat_id": -4001])
        #expect(await telegram.deliver(failureMessage(), through: channel) == .sent())
        #expect(try await sandbox.messages.first?["chat_id"] == "-4001")
    }
}
