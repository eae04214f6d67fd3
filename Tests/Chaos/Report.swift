import Foundation
import Runtime

/// What one scenario, or the tests of one number, gave.
struct Finding: Sendable {
    let number: String
    let injected: String
    let figures: String
    let seconds: Double
    /// Nil when everything held.
    let failure: String?

    var line: String {
        let verdict = failure == nil ? "✓" : "✗"
        let time = String(format: "%5.1f s", seconds)
        let figures = figures.isEmpty ? "" : " · \(figures)"
        return "\(verdict) \(number)  \(time)  \(injected)\(figures)" + (failure.map { "\n      \($0)" } ?? "")
    }

    var json: JSONValue {
        [
            "number": .string(number), "injected": .string(injected), "figures": .string(figures), "seconds": .number(seconds),
            "passed": .bool(failure == nil), "failure": failure.map { .string($0) } ?? .null,
        ]
    }
}

/// Everything that was found, as a table for people and a document for machines.
struct Report: Sendable {
    let seed: UInt64
    let begun = Date()
    private(set) var findings: [Finding] = []

    init(seed: UInt64) { self.seed = seed }

    mutating func add(_ finding: Finding) {
        findings.append(finding)
        print(finding.line)
        // Whoever follows a pipe wants each line when it is there.
        fflush(nil)
    }

    var passed: Bool { findings.allSatisfy { $0.failure == nil } }

    /// One row a number.
    func printSummary() {
        print("\nnumber  passed  failed  seconds")
        for number in Set(findings.map(\.number)).sorted() {
            let those = findings.filter { $0.number == number }
            let failed = those.count { $0.failure != nil }
            let seconds = those.reduce(0) { $0 + $1.seconds }
            print(
                String(format: "%@     %6ld  %6ld  %7.1f", number as NSString, those.count - failed, failed, seconds)
                    + (failed > 0 ? "  ✗" : ""))
        }
        let failed = findings.count { $0.failure != nil }
        let seconds = findings.reduce(0) { $0 + $1.seconds }
        print("\nseed \(seed): \(findings.count - failed) held, \(failed) did not, in \(String(format: "%.0f", seconds)) s")
    }

    func write(to path: String) throws {
        let document: JSONValue = [
            "seed": .string(String(seed)), "begun": .string(ISO8601DateFormatter().string(from: begun)), "passed": .bool(passed),
            "findings": .array(findings.map(\.json)),
        ]
        try document.text.write(toFile: path, atomically: true, encoding: .utf8)
    }
}
