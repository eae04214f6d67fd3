import Foundation
import Glibc
import Runtime
import Testing

@testable import JobQueue

/// What a CUSTOM job asks for, and which file it gets.
@Suite struct CustomOptionsTests {
    @Test("program, arguments and environment are read; what is left out is empty")
    func read() throws {
        let options = try CustomOptions(["program": "report", "arguments": ["-v", "two words"], "environment": ["A": "1"], "other": 7])
        #expect(options.program == "report" && options.arguments == ["-v", "two words"] && options.environment == ["A": "1"])
        let bare = try CustomOptions(["program": "report", "arguments": nil])
        #expect(bare.arguments == [] && bare.environment == [:])
    }

    @Test(
        "what cannot be used is refused by its field, for good",
        arguments: [
            ([:], "program"), (["program": 7], "program"), (["program": "p", "arguments": "x"], "arguments"),
            (["program": "p", "arguments": [1]], "arguments"), (["program": "p", "arguments": ["a\0b"]], "arguments"),
            (["program": "p", "arguments": ["enc:v1:k1:AAAA"]], "arguments"),
            (["program": "p", "arguments": ["--url=https://u:geheim@host/"]], "arguments"),
            (["program": "p", "arguments": [.string(String(repeating: "x", count: 100_001))]], "arguments"),
            (["program": "p", "environment": "A=1"], "environment"), (["program": "p", "environment": ["A": nil]], "environment.A"),
            (["program": "p", "environment": ["A=B": "1"]], "environment"), (["program": "p", "environment": ["": "1"]], "environment"),
            (["program": "p", "environment": ["CHIMERA_FENCING_TOKEN": "1"]], "environment.CHIMERA_FENCING_TOKEN"),
        ] as [(JSONValue, String)])
    func refused(options: JSONValue, field: String) throws {
        let error = try #require(throws: RunError.self) { try CustomOptions(options) }
        #expect(error.code == "CONFIG" && !error.isRetryable && error.message.hasPrefix("config.\(field): "), "\(error)")
        #expect(!error.message.contains("geheim"))
    }

    @Test("secrets are hidden in what a program says: word for word, each line of them, and what looks like one")
    func secrets() {
        let mask: @Sendable (String) -> String = { $0.replacing(#/password=\S+/#, with: "password=••••") }
        let texts = SecretTexts(
            in: ["KEY": "line one\nline two\nab", "password": "plain", "OTHER": "visible"],
            configured: ["KEY": "enc:v1:k1:AAAA", "password": "plain", "OTHER": "visible"], mask: mask)
        #expect(texts.hide("it is line two, plain, ab, visible, password=x") == "it is ••••, ••••, ab, visible, password=••••")
        #expect(texts.hide("plain\u{301}, line two\u{200D}") == "••••\u{301}, ••••\u{200D}", "a mark behind it makes it no other word")
        let document: JSONValue = ["password": "x", "n": 3, "list": ["password=y", "ab"], "k": nil]
        #expect(SecretTexts.shown(document, mask) == ["password": "••••", "n": 3, "list": ["password=••••", "ab"], "k": nil])
    }

    @Test("secrets are hidden in what a program says as JSON and URLs spell them, and everywhere in its metrics")
    func spelledSecrets() {
        let texts = SecretTexts(
            in: ["KEY": "p\"q/r s", "PIN": "80412237"], configured: ["KEY": "enc:v1:k1:AAAA", "PIN": "enc:v1:k1:AAAB"],
            mask: { $0.replacing(#/(password|token)=\S+/#) { "\($0.output.1)=••••" } })
        #expect(texts.hide(#"{"k":"p\"q\/r s"} {"k":"p\"q/r s"} /?k=p%22q%2Fr%20s&a"#) == #"{"k":"••••"} {"k":"••••"} /?k=••••&a"#)
        let document: JSONValue = [
            "of 80412237": 1, "pin": 80_412_237, "half": 80_412_237.5, "password": 7, "token": ["a": "x"], "n": [true, 3],
        ]
        #expect(
            SecretTexts.shown(document, texts.hide) == [
                "of ••••": 1, "pin": "••••", "half": "••••", "password": 7, "token": "••••", "n": [true, 3],
            ])
        #expect(SecretTexts.shown(["password": nil], texts.hide) == ["password": nil], "nothing is not a secret")
    }

    @Test("a worker and a guard understand each other")
    func messages() {
        let end = ProgramEnd(cause: .itself, status: 256, left: 2, stuck: 1)
        let messages: [GuardMessage] = [
            .hold(milliseconds: 1_500), .stop, .started(77), .refused(SystemError(number: ENOENT)), .ended(end),
        ]
        for message in messages { #expect(GuardMessage(message.text) == message) }
        for text in ["", "hold", "hold x", "stop 1", "ended itself 1 2", "ended nobody 1 2 3", "started"] {
            #expect(GuardMessage(text) == nil)
        }
        let order = ProgramOrder(
            path: "/p", arguments: ["p", "", "a\"b\n"], environment: ["A": "é=1"], workingDirectory: "/", hold: .milliseconds(1_500),
            grace: .seconds(3), graceWithoutLease: .milliseconds(333))
        #expect(ProgramOrder(order.text) == order && ProgramOrder("{}") == nil && ProgramOrder("x") == nil)
        #expect(ProgramEnd(cause: .itself, status: SIGSEGV | 0x80).signalName == "SIGSEGV", "a core was dumped")
        #expect(ProgramEnd(cause: .itself, status: 34).signalName == "signal 34" && end.exitCode == 1 && end.signalName == nil)
    }
}
