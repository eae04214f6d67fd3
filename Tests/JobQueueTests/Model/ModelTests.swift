import Foundation
import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// Random histories of two workers, operators, maintenance and faults, taken by a model of the queue and by the real one, compared after each
/// step. It prints its seed, which `CHIMERA_SEED` repeats; `CHIMERA_MODEL_STEPS` says how many steps are taken (3,000). One that comes
/// apart is reduced, and what is left is printed as Swift source: it belongs into `regressions`.
@Suite struct ModelTests {
    private static let length = 100

    @Test("R28: a model of the queue and the real one agree after each of thousands of random steps with faults in between")
    func randomHistories() async throws {
        let seed = SeededGenerator().seed
        let steps = ProcessInfo.processInfo.environment["CHIMERA_MODEL_STEPS"].flatMap { Int($0) } ?? 3_000
        print("R28: \(steps) steps of the model's histories, CHIMERA_SEED=\(seed)")
        try await ModelRig.with { rig in
            let (found, seen) = try await rig.search(seed: seed, histories: (steps + Self.length - 1) / Self.length, length: Self.length)
            if let found {
                Issue.record("seed \(seed): \(try await rig.report(found))")
                return
            }
            // What a history is for must have happened, or its agreement says little.
            let expected = [
                "MANUAL SUCCESS", "PARENT SUCCESS", "FAILED QUARANTINED in RESCUED", "CANCELLED in CANCELLED", "attempt INTERRUPTED",
                "attempt RESCUED",
                "attempt RETRY", "claim held back", "gated claim", "late commit", "late end", "write", "write fenced off",
            ]
            if steps >= 3_000 { #expect(expected.filter { seen[$0] == nil } == [], "seed \(seed): \(seen)") }
        }
    }

    /// A history that once came apart.
    struct Regression: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let steps: [ModelStep]
    }

    static let regressions = [
        Regression(
            testDescription: "a row with a limit, inserted by a transaction that did not see its job's deletion, is not claimed",
            steps: [
                ModelStep(.leaveInsertOpen(job: 2, store: nil)), ModelStep(.delete(job: 2)), ModelStep(.commitInsert),
                ModelStep(.claim(worker: 1, batch: 1)),
            ]),
        Regression(
            testDescription: "such a row is cancelled by the next round of maintenance",
            steps: [
                ModelStep(.leaveInsertOpen(job: 3, store: nil)), ModelStep(.delete(job: 3)), ModelStep(.commitInsert),
                ModelStep(.maintain(housekeeping: true)),
            ]),
        Regression(
            testDescription: "a lease that was renewed is as long as the renewal says",
            steps: [
                ModelStep(.lapse(worker: 1)), ModelStep(.renew(worker: 1)), ModelStep(.insert(job: 3, store: nil, key: nil)),
                ModelStep(.maintain(housekeeping: false)), ModelStep(.claim(worker: 1, batch: 1)),
            ]),
    ]

    @Test("R28: histories that once came apart", arguments: regressions)
    func regression(regression: Regression) async throws {
        try await ModelRig.with { rig in
            let end = try await rig.run(regression.steps).end
            #expect(end == nil, "\(end.map { "\(regression.steps[$0.step]): \($0.divergence)" } ?? "")")
        }
    }

    /// Statements of the product made wrong, each as somebody once wrote them or might.
    struct Mistake: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let function: String
        let right: String
        let wrong: String
    }

    static let mistakes = [
        Mistake(
            testDescription: "a deleted job's row with a limit is claimed", function: "admit_gated", right: " AND j.deleted_at IS NULL",
            wrong: ""),
        Mistake(
            testDescription: "an end needs no current token", function: "move_to_finished",
            right: "l.token = f.token AND l.status = 'RUNNING'",
            wrong: "l.status = 'RUNNING'"),
        Mistake(
            testDescription: "a rescue uses an attempt", function: "move_to_pending", right: "('INTERRUPTED', 'RESCUED') THEN least",
            wrong: "('INTERRUPTED') THEN least"),
        Mistake(
            testDescription: "a parent ends before its last child", function: "end_parents", right: "IF live > 0", wrong: "IF live > 1"),
        Mistake(
            testDescription: "what comes back forgets that its job was limited", function: "move_to_pending",
            right: "OR EXISTS (SELECT FROM job_configurations", wrong: "AND EXISTS (SELECT FROM job_configurations"),
        Mistake(
            testDescription: "runs that may be what kills their workers go side by side", function: "admit_gated",
            right: "IF has_suspect THEN", wrong: "IF false THEN"),
    ]

    @Test("R28: the model finds a mistake in the queue's statements and reduces it to a few steps", arguments: mistakes)
    func findsMistakes(mistake: Mistake) async throws {
        try await ModelRig.with { rig in
            let definition = try await rig.queue.text("SELECT pg_get_functiondef(\(mistake.function)::regproc)")
            #expect(definition.contains(mistake.right))
            try await rig.queue.pool.withConnection { connection in
                try await connection.script(definition.replacing(mistake.right, with: mistake.wrong))
            }
            let (search, _) = try await rig.search(seed: 1, histories: 100, length: Self.length)
            let found = try #require(search, "100 histories agree with a queue in which \(mistake.testDescription)")
            let reduced = try #require(try await rig.reduce(found, budget: 60))
            #expect(reduced.steps.count <= found.count / 2 || reduced.steps.count < 20, "\(reduced.steps)")
        }
    }
}

/// A database and a proxy for histories.
struct ModelRig {
    let queue: Queue
    private let cuts: ModelCuts

    nonisolated(nonsending) static func with(_ body: (ModelRig) async throws -> Void) async throws {
        try await Queue.withDatabase(template: .complete) { queue in
            let cuts = try ModelCuts(queue.database)
            do {
                try await body(ModelRig(queue: queue, cuts: cuts))
            } catch {
                await cuts.close()
                throw error
            }
            await cuts.close()
        }
    }

    func run(_ steps: [ModelStep]) async throws -> ModelHistory { try await ModelSession.run(steps, on: queue, cuts) }

    /// The steps of the first history that comes apart, up to where it does, and what happened in all of them.
    func search(seed: UInt64, histories: Int, length: Int) async throws -> (found: [ModelStep]?, seen: [String: Int]) {
        var seen: [String: Int] = [:]
        for number in 0..<histories {
            var generator = SeededGenerator(seed: seed &+ UInt64(number))
            let steps = ModelStep.history(length: length, using: &generator)
            let history = try await run(steps)
            seen.merge(history.seen, uniquingKeysWith: +)
            if let end = history.end { return (Array(steps[...end.step]), seen) }
        }
        return (nil, seen)
    }

    func reduce(_ steps: [ModelStep], budget: Int) async throws -> (steps: [ModelStep], divergence: ModelDivergence)? {
        var reduction = ModelReduction(replay: run, budget: budget)
        return try await reduction.reduce(steps)
    }

    /// What came apart, for whoever has to mend it.
    func report(_ steps: [ModelStep]) async throws -> String {
        guard let reduced = try await reduce(steps, budget: 400) else {
            return "it came apart once and not again:\n" + Self.source(steps)
        }
        return "\(reduced.divergence)\nreduced to \(reduced.steps.count) of \(steps.count) steps:\n" + Self.source(reduced.steps)
    }

    private static func source(_ steps: [ModelStep]) -> String { steps.map { "    \($0)," }.joined(separator: "\n") }
}
