import Foundation
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// Lines, limits and metrics, without a program.
@Suite struct ProgramOutputTests {
    private func bytes(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }

    private func output() -> ProgramOutput { ProgramOutput(mask: { $0.replacing("geheim", with: "••••") }) }

    @Test("lines are whole however the bytes come, each stream by itself; the last one needs no end")
    func pieces() {
        var output = output()
        var lines: [String] = []
        func take(_ text: String, _ stream: ProgramOutput.Stream = .output) {
            lines += output.take(bytes(text), from: stream).map { "\($0.level) \($0.text)" }
        }
        take("fi")
        take("oops\n", .error)
        take("rst\r\n\nsec")
        take("ond, geheim\nla")
        lines += output.finish().map { "\($0.level) \($0.text)" }
        #expect(lines == ["warning oops", "info first", "info ", "info second, ••••", "info la"])
        #expect(output.lastWords == "oops" && output.metrics == nil)
    }

    @Test("any text cut in pieces of any size gives the same lines")
    func randomPieces() {
        var generator = SeededGenerator()
        print("seed \(generator.seed)")
        for _ in 0..<50 {
            let all = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                String(repeating: "xé🙂".randomElement(using: &generator) ?? "x", count: Int.random(in: 0...20, using: &generator))
            }
            let text = Array(all.map { $0 + "\n" }.joined().utf8)
            var output = output()
            var lines: [String] = []
            var place = 0
            while place < text.count {
                let end = min(text.count, place + Int.random(in: 1...30, using: &generator))
                lines += output.take(text[place..<end], from: .output).map(\.text)
                place = end
            }
            #expect(lines + output.finish().map(\.text) == all, "seed \(generator.seed)")
        }
    }

    @Test("beyond so many lines the last ones are kept, however they come")
    func manyLines() {
        for piece in [1, 7, 100, 4_096, 1_000_000] {
            var output = output()
            var lines: [ProgramOutput.Line] = []
            let text = Array((1...20_000).map { "\($0)\n" }.joined().utf8)
            for start in stride(from: 0, to: text.count, by: piece) {
                lines += output.take(text[start..<min(start + piece, text.count)], from: .output)
            }
            lines += output.finish()
            #expect(lines.count == ProgramOutput.mostLines + 2 + ProgramOutput.lastLines, "\(piece)")
            #expect(lines[ProgramOutput.mostLines + 1].text == "14980 lines were left out here; the last 20 follow", "\(piece)")
            #expect(lines.suffix(20).map(\.text) == (19_981...20_000).map(String.init), "\(piece)")
        }
    }

    @Test("beyond so many bytes too; a line longer than is held is cut, and is no metrics")
    func manyBytes() {
        var output = output()
        let long = Array(repeating: UInt8(ascii: "x"), count: 100_000) + [UInt8(ascii: "\n")]
        var lines: [ProgramOutput.Line] = []
        for _ in 0..<200 { lines += output.take(long[...], from: .error) }
        #expect(lines.count == ProgramOutput.mostBytes / ExecutionLogWriter.longestMessage + 1)
        #expect(lines.allSatisfy { $0.text.utf8.count <= ProgramOutput.longestLine })
        let last = output.finish()
        #expect(last.count == 21 && last.dropFirst().allSatisfy { $0.text.utf8.count < 1_100 && $0.text.hasSuffix(" …") })
        _ = output.take(bytes(#"{"a": ""# + String(repeating: "y", count: 70_000) + "\"}"), from: .output)
        _ = output.finish()
        #expect(output.metrics == nil)
    }

    @Test(
        "a last line that begins like JSON and is longer than is held is told as a warning, and is no metrics",
        arguments: [("{\"a\": \"", true), (" [1, \"", true), ("x {", false)])
    func longMetrics(beginning: String, isTold: Bool) {
        let told = "the last line of standard output begins like JSON, but is longer than 65536 bytes: it is no metrics"
        let long = beginning + String(repeating: "y", count: 70_000)
        for (text, isLast) in [(long, true), (long + "\n\n", true), (long + "\n{}\n", false)] {
            var output = output()
            _ = output.take(bytes(text), from: .output)
            _ = output.take(bytes(long), from: .error)
            let warnings = output.finish().filter { $0 == ProgramOutput.Line(level: .warning, text: told) }
            #expect(warnings.count == (isTold && isLast ? 1 : 0), "\(text.suffix(4))")
            #expect(output.metrics == (isLast ? nil : [:]))
        }
    }

    @Test("a line between others' limits: the first one left out is told, and kept when it is among the last")
    func oneTooMany() {
        var output = output()
        var lines: [ProgramOutput.Line] = []
        for number in 1...ProgramOutput.mostLines + 1 { lines += output.take(bytes("\(number)\n"), from: .output) }
        lines += output.finish()
        #expect(lines.count == ProgramOutput.mostLines + 2 && lines.last?.text == "\(ProgramOutput.mostLines + 1)")
    }

    @Test(
        "metrics are the last line of standard output that is not blank, when it is JSON and not null",
        arguments: [
            ("{\"a\": 1}\n", #"{"a":1}"#), ("x\n{\"a\": 1}", #"{"a":1}"#), ("{\"a\": 1}\n\n  \n", #"{"a":1}"#), ("{\"a\": 1}\nx\n", nil),
            ("[1, {}]\n", "[1,{}]"), ("7\n", "7"), ("-1.5\n", "-1.5"), ("\"x\"\r\n", "\"x\""), (" false \n", "false"),
            ("[]\n7 of 8\n", nil),
            ("null\n", nil), ("{\"a\": 1e999}\n", nil), ("{\"a\": 1\n", nil), ("", nil),
        ] as [(String, String?)])
    func metrics(text: String, expected: String?) {
        var output = output()
        _ = output.take(bytes(text), from: .output)
        _ = output.take(bytes("later, on standard error\n"), from: .error)
        _ = output.finish()
        #expect(output.metrics?.text == expected)
    }

    @Test("a text is cut between characters")
    func cutting() {
        #expect("abc".cut(toBytes: 3) == "abc" && "abcd".cut(toBytes: 3) == "abc …" && "aé".cut(toBytes: 2) == "a …")
        #expect("🙂🙂".cut(toBytes: 7) == "🙂 …")
    }
}
