import Foundation
import TestSupport
import Testing

/// The short pass over every reader of foreign bytes; `scripts/fuzz` looks longer, and where the code has not been yet.
@Suite(.serialized) struct FuzzingTests {
    /// All targets together take ten seconds.
    private static let budget: Duration = .milliseconds(450)

    @Test("whatever a reader is given, it refuses it or keeps the rules, and is soon done", arguments: FuzzTarget.all)
    func holds(target: FuzzTarget) throws {
        var mutator = Mutator(target, generator: SeededGenerator())
        // A trap ends the run before anything else could be said; CHIMERA_SEED brings the same inputs back in the same order.
        print("fuzzing \(target) with CHIMERA_SEED=\(mutator.seed)")
        for input in target.seeds() { try check(target, input, "a seed") }
        let clock = ContinuousClock()
        let end = clock.now + Self.budget
        var count = 0
        while clock.now < end {
            let input = mutator.next()
            count += 1
            try check(target, input, "CHIMERA_SEED=\(mutator.seed), input \(count)")
        }
        #expect(count > 0)
    }

    private func check(_ target: FuzzTarget, _ input: [UInt8], _ origin: String) throws {
        let began = ContinuousClock.now
        do {
            try target.check(input)
        } catch {
            Issue.record("\(target), \(origin): \(error); the input in base64: \(Foundation.Data(input).base64EncodedString())")
            throw error
        }
        // A few kilobytes take microseconds; this is a loop that does not end, on any machine.
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        try #require(seconds < 20, "\(target), \(origin): \(seconds) s for \(Foundation.Data(input).base64EncodedString())")
    }

    @Test("the mutator gives the same inputs for the same seed, and other ones than it was given")
    func mutatorRepeats() throws {
        let seeds = Set(FuzzTarget.json.seeds())
        var one = Mutator(.json, generator: SeededGenerator(seed: 7))
        var other = Mutator(.json, generator: SeededGenerator(seed: 7))
        var fresh = 0
        for _ in 0..<500 {
            let input = one.next()
            #expect(input == other.next())
            if !seeds.contains(input) { fresh += 1 }
        }
        #expect(fresh > 400)
    }

    @Test("a rule that is broken is found")
    func brokenRulesAreFound() throws {
        let target = FuzzTarget("broken", texts: []) { try require($0.isEmpty, "nothing is ever read") }
        try target.check([])
        #expect(throws: Violation.self) { try target.check([0x78]) }
    }
}
