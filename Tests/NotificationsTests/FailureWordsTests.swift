import Foundation
import Testing

@testable import Notifications

@Suite struct FailureWordsTests {
    private static let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Sources")

    /// The codes that the product's code and SQL give to errors, by the places where they stand.
    private static func codes() throws -> Set<String> {
        let places = [
            #/code: "([A-Z_]{3,})"/#, #/(?:unusable|failure|refused)\("([A-Z][A-Z_]+)",/#, #/: \("([A-Z_]+)", (?:true|false|")/#,
            #/['"]code['"][:,] ['"]([A-Z_]+)['"]/#, #/run_error\('([A-Z_]+)'/#,
        ]
        var codes: Set<String> = []
        for target in ["JobQueue", "Partners", "Retail", "chimera"] {
            let folder = sources.appending(path: target)
            for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path) where path.hasSuffix(".swift") {
                let text = try String(contentsOf: folder.appending(path: path), encoding: .utf8)
                for place in places { codes.formUnion(text.matches(of: place).map { String($0.output.1) }) }
            }
        }
        return codes
    }

    @Test("every code that an execution can fail with has words in both languages, and stands among the goldens")
    func everyCode() throws {
        let codes = try Self.codes()
        #expect(codes.isSuperset(of: ["LOGIN_REFUSED", "WRONG_SHAPE", "UNREACHABLE", "QUARANTINED", "CURSOR_STUCK", "PROGRAM_NOT_FOUND"]))
        for code in codes.sorted() {
            #expect(FailureWords.knows(code), "\(code) has no words")
            #expect(FailureExamples.all.contains { $0.code == code }, "\(code) has no golden")
        }
        for example in FailureExamples.all { #expect(FailureWords.knows(example.code), "\(example.code)") }
    }

    @Test("no words hold an SQLSTATE, a Swift type or libcurl's English, and the Portuguese ones none of our English sentences")
    func nothingForeign() {
        for example in FailureExamples.all {
            let english = FailureWords(language: .english).of(example)
            let portuguese = FailureWords(language: .portuguese).of(example)
            for words in [english, portuguese] {
                #expect(
                    words.firstMatch(of: #/\b[0-9][0-9A-Z]{4}\b|Error\.|CodingKeys|SSL|curl|milliseconds|http:/#) == nil,
                    "\(words)")
                #expect(!words.isEmpty && words.count <= FailureWords.mostCharacters)
            }
            #expect(portuguese.firstMatch(of: #/\b(?:the|is|not|of|with|was|its|answer|partner)\b/#) == nil, "\(portuguese)")
            #expect(portuguese != example.message, "\(portuguese)")
        }
    }

    @Test("a store's reason of any length is one line of 180 characters at most")
    func long() {
        let words = FailureWords(language: .portuguese).of(
            FailureReason(
                code: "HTTP_503", message: "Integration RP, login: the partner answered 503: " + String(repeating: "ã", count: 5000) + "\nx"
            ))
        #expect(words.count == FailureWords.mostCharacters && words.hasSuffix("…") && !words.contains("\n"))
    }
}
