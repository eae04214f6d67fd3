import Foundation
import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// Every order in which two sessions' operations and commits can come (R28), run by PostgreSQL's isolation tester: exact, but blind to what
/// happens in the midst of a statement. That is for the threes here and for `InterleavingTests`, whose sessions really run side by side.
///
/// `CHIMERA_PERMUTATIONS=all` takes also the operations that are much like others, and lets the threes wait for every row.
@Suite struct PermutationTests {
    typealias Permutation = IsolationTester.Permutation
    typealias Pair = (first: InterleavingOperation, second: InterleavingOperation)
    private let takesAll = ProcessInfo.processInfo.environment["CHIMERA_PERMUTATIONS"] == "all"

    @Test(
        "R28: every permutation of two sessions, for each pair of operations: no deadlock, no error but the promised ones, one end an attempt"
    )
    func pairs() async throws {
        let world = InterleavingWorld()
        let operations = InterleavingOperation.all(world).filter { takesAll || !$0.isSpare }
        let pairs: [Pair] = operations.indices.flatMap { first in (first..<operations.count).map { (operations[first], operations[$0]) } }
        let count = try await inHalves(pairs) { pairs in
            try await InterleavingRound.run(world, operations) { round in
                let first = try await round.judge(
                    pairs.flatMap { pair in
                        let (a, b) = ("a_\(pair.first.name)", "b_\(pair.second.name)")
                        return [
                            ["begin_a", a, "a_commit", "begin_b", b, "b_commit"], ["begin_b", b, "b_commit", "begin_a", a, "a_commit"],
                            ["begin_a", "begin_b", a, b, "a_commit", "b_commit"], ["begin_a", "begin_b", b, a, "b_commit", "a_commit"],
                        ]
                    })
                // Who did not wait for the other one may also commit first.
                let second = first.filter { $0.steps[1].hasPrefix("begin") && !$0.waiting.contains($0.steps[3]) }
                return try await first.count + round.judge(second.map { Array($0.steps[..<4]) + [$0.steps[5], $0.steps[4]] }).count
            }
        }
        #expect(count > pairs.count * 4)
    }

    @Test("R28: an operation that waits in its midst for a row while another one comes along: no deadlock, whichever row it is")
    func threes() async throws {
        let world = InterleavingWorld()
        let operations = InterleavingOperation.all(world)
        let rows = takesAll ? InterleavingWorld.Row.live : [.goneParent, .otherParent, .child, .run, .limitedRun]
        let count = try await inHalves(rows) { rows in
            try await InterleavingRound.run(world, operations) { round in
                let first = try await round.judge(
                    rows.flatMap { row in operations.map { ["hold_\(row)", "a_\($0.name)", "hold_commit"] } })
                // Only who waits for others can be part of a deadlock.
                let waited = first.filter { $0.waiting.contains($0.steps[1]) }
                let others = Set(waited.map { "b" + $0.steps[1].dropFirst() }).sorted()
                let second = waited.flatMap { alone in others.map { [alone.steps[0], alone.steps[1], $0, "hold_commit"] } }
                return try await round.judge(second).count
            }
        }
        #expect(count > operations.count)
    }

    /// Half of the items at a time on each of two databases; gives the sum.
    private func inHalves<Item: Sendable>(_ items: [Item], _ body: @escaping @Sendable ([Item]) async throws -> Int) async throws -> Int {
        try await withThrowingTaskGroup(of: Int.self) { group in
            for half in 0..<2 {
                let items = items.enumerated().filter { $0.offset % 2 == half }.map(\.element)
                group.addTask { try await body(items) }
            }
            return try await group.reduce(0, +)
        }
    }
}

/// A database with the oracle in it, on which permutations run.
private struct InterleavingRound {
    let url: String
    let world: InterleavingWorld
    let operations: [InterleavingOperation]
    let byStep: [String: InterleavingOperation]
    let tester: IsolationTester

    static func run(
        _ world: InterleavingWorld, _ operations: [InterleavingOperation], _ body: @Sendable (InterleavingRound) async throws -> Int
    ) async throws -> Int {
        try await Queue.withDatabase(template: .complete) { queue in
            try await queue.pool.withConnection { try await $0.script(InterleavingWorld.oracle) }
            let byStep = Dictionary(uniqueKeysWithValues: operations.flatMap { [("a_\($0.name)", $0), ("b_\($0.name)", $0)] })
            return try await body(
                InterleavingRound(url: queue.database.url, world: world, operations: operations, byStep: byStep, tester: IsolationTester()))
        }
    }

    /// Runs the permutations and records an issue for each that breaks a promise.
    func judge(_ orders: [[String]]) async throws -> [IsolationTester.Permutation] {
        let seen = try await tester.run(specification(orders), on: url, within: .seconds(300))
        #expect(seen.map(\.steps) == orders)
        for permutation in seen {
            let problems = problems(permutation)
            if !problems.isEmpty { Issue.record("\(problems.joined(separator: "; "))\n\(permutation.description)") }
        }
        return seen
    }

    private func specification(_ orders: [[String]]) -> String {
        func session(_ name: String) -> String {
            let steps = operations.map { "step \(name)_\($0.name) { \($0.sql); }" }
            return (["session \(name)", "step begin_\(name) { BEGIN; }"] + steps + ["step \(name)_commit { COMMIT; }"]).joined(
                separator: "\n")
        }
        let holds = InterleavingWorld.Row.live.map {
            "step hold_\($0) { BEGIN; SELECT 1 AS held FROM job_live WHERE id = '\(world.id($0))' FOR UPDATE; }"
        }
        return """
            setup { \(world.setup) }
            teardown { SELECT settle('\(InterleavingWorld.lastWorker)') AS violation; }
            \(session("a"))
            \(session("b"))
            session hold
            \(holds.joined(separator: "\n"))
            step hold_commit { COMMIT; }
            \(orders.map { "permutation " + $0.joined(separator: " ") }.joined(separator: "\n"))
            """
    }

    private func problems(_ permutation: IsolationTester.Permutation) -> [String] {
        let taking = permutation.steps.compactMap { byStep[$0] }
        var problems = permutation.lines.filter { $0.contains("VIOLATION") }.map { String($0.trimmingPrefix(while: \.isWhitespace)) }
        for (step, message) in permutation.errors {
            let isRefusal = byStep[step]?.refusals.contains(where: message.hasPrefix) == true
            let isMoved =
                message.contains(InterleavingOperation.moved) && taking.contains(where: \.isByHand)
                && (byStep[step]?.isRepeated == true || taking.allSatisfy(\.isByHand))
            if !isRefusal && !isMoved { problems.append("\(step): \(message)") }
        }
        return problems
    }
}
