import Foundation
import TestSupport

/// Runs the tests that show a failure, through `swift test`.
struct TestEvidence {
    private let failure: Catalogue.Failure

    init(_ failure: Catalogue.Failure) { self.failure = failure }

    func run() async -> Finding {
        let began = ContinuousClock.now
        var problem: String?
        var passed = 0
        do {
            let output = try await swiftTest()
            passed = output.compactMap { $0.firstMatch(of: #/Test run with (\d+) tests?.* passed/#).flatMap { Int($0.output.1) } }.last ?? 0
            if passed < failure.tests.count {
                // What failed, and below each what was recorded of it: a seed, a history.
                problem = output.filter { $0.contains("✘") || $0.contains("↳") }.prefix(40).joined(separator: "\n")
                if problem == "" { problem = "\(passed) of \(failure.tests.count) tests ran: \(output.suffix(3).joined(separator: " "))" }
            }
        } catch {
            problem = "\(error)"
        }
        let seconds = Double((ContinuousClock.now - began) / .milliseconds(1)) / 1000
        return Finding(
            number: failure.number, injected: "tests: \(failure.name)", figures: "\(passed) tests", seconds: seconds, failure: problem)
    }

    private func swiftTest() async throws -> [String] {
        let environment = ProcessInfo.processInfo.environment
        guard let root = environment["CHIMERA_ROOT"], let scratch = environment["CHIMERA_SCRATCH_PATH"] else {
            throw Failed("run it through scripts/chaos, which says where the tests are built")
        }
        let pattern = failure.tests.map { NSRegularExpression.escapedPattern(for: $0) + #"($|\(|/)"# }.joined(separator: "|")
        let program = try RunningProgram(
            "/usr/bin/env",
            [
                "swift", "test", "--skip-build", "--package-path", root, "--scratch-path", scratch, "--disable-xctest",
                "--experimental-maximum-parallelization-width", "4", "--filter", pattern,
            ])
        try await program.waitForExit(within: .seconds(900))
        return program.output + program.errors
    }
}
