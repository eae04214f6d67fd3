import Foundation
import Runtime
import Synchronization
import TestRig
import TestSupport

/// One failure, injected into real programs around a real PostgreSQL and judged afterwards.
struct Scenario: Sendable {
    /// `R02`, as the README's table names it.
    let number: String
    /// What is injected, in one line.
    let injected: String
    /// Belongs to the quick pass of `scripts/test`.
    var isQuick = false
    /// After this long it has failed.
    var limit: Duration = .seconds(240)
    /// Injects, waits, drains and judges; throws `Failed` (or anything else) when what was promised did not hold.
    let run: @Sendable (Trial) async throws -> Void
}

/// One run of a scenario: its chance and what it found out.
final class Trial: Sendable {
    /// Where its numbers come from.
    let seed: UInt64
    private let state: Mutex<(figures: [String], generator: SeededGenerator)>

    init(seed: UInt64) {
        self.seed = seed
        state = Mutex(([], SeededGenerator(seed: seed)))
    }

    /// Notes a figure for the report: `"8 pauses, 24 executions"`.
    func figure(_ text: String) { state.withLock { $0.figures.append(text) } }

    var figures: [String] { state.withLock { $0.figures } }

    func random(_ range: ClosedRange<Int>) -> Int { state.withLock { Int.random(in: range, using: &$0.generator) } }

    func choose<T>(_ values: [T]) -> T { values[random(0...values.count - 1)] }

    /// Lets a time go by that chance chose, in milliseconds: what is injected then meets the program anywhere.
    func pause(_ milliseconds: ClosedRange<Int>) async throws {
        try await Task.sleep(for: .milliseconds(random(milliseconds)))
    }
}

/// What was promised and did not hold.
struct Failed: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Throws `Failed` with the sentence unless the condition holds.
func require(_ condition: Bool, _ sentence: @autoclosure () -> String) throws {
    guard condition else { throw Failed(sentence()) }
}
