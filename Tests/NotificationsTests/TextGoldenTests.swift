import Foundation
import Networking
import Runtime
import TestSupport
import Testing

@testable import Notifications

/// Every text in every channel's final form, as files to be read.
@Suite struct TextGoldenTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens")

    @Test("the texts are those of Goldens; CHIMERA_RECORD=1 records them and fails", arguments: MessageLanguage.allCases)
    func goldens(_ language: MessageLanguage) throws {
        for example in GoldenCase.all { try compare(try Self.shown(example, language), "\(example.name).\(language.rawValue).txt") }
        try compare(Self.words(language), "failure-words.\(language.rawValue).txt")
    }

    @Test("Goldens holds no file that no test writes")
    func files() throws {
        let names = GoldenCase.all.map(\.name) + ["failure-words"]
        let expected = Set(names.flatMap { name in MessageLanguage.allCases.map { "\(name).\($0.rawValue).txt" } })
        #expect(Set(try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)) == expected)
    }

    private func compare(_ text: String, _ name: String) throws {
        let file = Self.folder.appending(path: name)
        if ProcessInfo.processInfo.environment["CHIMERA_RECORD"] != nil {
            try text.write(to: file, atomically: true, encoding: .utf8)
            Issue.record("\(name) was recorded; read it and run again without CHIMERA_RECORD")
        }
        let golden = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        let difference = text.components(separatedBy: "\n").difference(from: golden.components(separatedBy: "\n"))
        #expect(difference.isEmpty, "\(name): CHIMERA_RECORD=1 records it when the change is meant")
    }

    // MARK: What the files show

    private static func shown(_ example: GoldenCase, _ language: MessageLanguage) throws -> String {
        let message = try message(example, language)
        let channel = OpenChannel(
            id: 1, name: "mail", type: .email,
            config: ["smtp_url": "smtp://mail.example", "from": "chimera@example.com", "to": ["plantao@example.com"]])
        let round = MailRound(
            client: MailClient(), configuration: try EmailConfiguration(channel), message: message, patience: .seconds(1))
        let mail = round.mail(to: "plantao@example.com")
        return """
            ==== Telegram, HTML
            \(message.text.telegramHTML(limit: TelegramChannel.mostUnits))

            ==== email
            Subject: \(mail.subject)
            Message-ID: \(mail.messageID)

            ---- text
            \(mail.text)
            ---- HTML
            \(mail.html)
            ==== webhook
            \(pretty(WebhookBody(message).document))

            """
    }

    private static func message(_ example: GoldenCase, _ language: MessageLanguage) throws -> NotificationMessage {
        let writer = MessageWriter(language: language)
        let written =
            switch example.content {
            case .single(let delivery): writer.write(delivery)
            case .folded(let folded): writer.write(folded)
            case .test: writer.test(channel: "plantão <1>")
            }
        return NotificationMessage(
            content: example.content, subject: written.subject, text: written.text, now: Date(timeIntervalSince1970: 1_785_139_460))
    }

    private static func words(_ language: MessageLanguage) -> String {
        FailureExamples.all.map { "\($0.code): \($0.message)\n  \(FailureWords(language: language).of($0))\n" }.joined()
    }

    private static func pretty(_ value: JSONValue, indent: String = "") -> String {
        let inner = indent + "  "
        if let members = value.objectValue, !members.isEmpty {
            let lines = members.sorted { $0.key < $1.key }.map { "\(inner)\"\($0.key)\": \(pretty($0.value, indent: inner))" }
            return "{\n\(lines.joined(separator: ",\n"))\n\(indent)}"
        }
        if let elements = value.arrayValue, !elements.isEmpty {
            return elements.count > 10
                ? "[ \(elements.count) elements, the first: \(elements[0].text) ]"
                : "[\n\(elements.map { inner + $0.text }.joined(separator: ",\n"))\n\(indent)]"
        }
        return value.text
    }
}
