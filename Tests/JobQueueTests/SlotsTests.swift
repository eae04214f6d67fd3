import Runtime
import Synchronization
import TestSupport
import Testing

@testable import JobQueue

/// The runs of a worker: so many at once, in order, each settled exactly once (R12).
@Suite struct SlotsTests {
    /// Jobs that wait until they are told to end, and do not care whether they are cancelled.
    private final class Stage: Sendable {
        private let gates = Mutex<[String: Suspension<Void>]>([:])
        private let state = Mutex<(started: [ExecutionID], settled: [(ExecutionID, String)], cancelled: Set<ExecutionID>)>(([], [], []))

        var started: [ExecutionID] { state.withLock { $0.started } }
        var settled: [(id: ExecutionID, outcome: String)] { state.withLock { $0.settled } }
        var cancelled: Set<ExecutionID> { state.withLock { $0.cancelled } }

        private func gate(_ run: ClaimedRun) -> Suspension<Void> {
            gates.withLock { gates in
                let key = "\(run.id) \(run.token)"
                if let gate = gates[key] { return gate }
                let gate = Suspension<Void>()
                gates[key] = gate
                return gate
            }
        }

        func end(_ run: ClaimedRun) { gate(run).resume(with: ()) }

        @Sendable func execute(_ assignment: Assignment, _ pause: SlotPause) async -> RunOutcome {
            let id = assignment.run.id
            state.withLock { $0.started.append(id) }
            await gate(assignment.run).wait(onCancel: { self.state.withLock { _ = $0.cancelled.insert(id) } })
            return .succeeded(metrics: nil)
        }

        @Sendable func settle(_ run: ClaimedRun, _ outcome: RunOutcome) {
            let name: String =
                switch outcome {
                case .succeeded: "succeeded"
                case .interrupted: "interrupted"
                case .fencedOff: "fenced off"
                case .failed, .retried, .fannedOut: "other"
                }
            state.withLock { $0.settled.append((run.id, name)) }
        }

        func slots(_ count: Int) -> Slots {
            Slots(count: count, onRoom: {}, execute: execute, onSettled: settle)
        }
    }

    private func assignment(_ number: Int, token: Int64 = 1, timeout: Duration = .seconds(900)) -> Assignment {
        Assignment(run: .sample(number, token: token), configuration: .sample(timeout: timeout), term: Lease.Term(number: 1))
    }

    @Test("so many run at once, the others wait their turn in order; room counts both")
    func order() async throws {
        let stage = Stage()
        let slots = stage.slots(2)
        let assignments = (1...4).map { assignment($0) }
        #expect(slots.room == 2)
        slots.submit(assignments)
        #expect(slots.room == 0 && slots.heldCount == 4 && slots.activeCount == 2)
        try await eventually { stage.started.count == 2 }
        #expect(Set(stage.started) == Set(assignments.prefix(2).map(\.run.id)))
        stage.end(assignments[1].run)
        try await eventually { stage.started.count == 3 }
        #expect(stage.started.last == assignments[2].run.id)
        #expect(slots.held().filter { $0.runningFor == nil }.map(\.run.id) == [assignments[3].run.id])
        for other in assignments { stage.end(other.run) }
        try await eventually { stage.settled.count == 4 }
        #expect(stage.settled.allSatisfy { $0.outcome == "succeeded" } && slots.heldCount == 0)
    }

    @Test("a run that ignores its cancellation gives its slot free at once and is settled once, by whoever stopped it")
    func ignoresCancellation() async throws {
        let stage = Stage()
        let slots = stage.slots(1)
        let (stubborn, next) = (assignment(1), assignment(2))
        slots.submit([stubborn, next])
        try await eventually { stage.started.count == 1 }
        slots.stop([stubborn.run.id: 99]) { _, _ in .fencedOff }
        #expect(stage.settled.isEmpty, "another token is another run")
        slots.stop([stubborn.run.id: 1]) { _, _ in .fencedOff }
        #expect(stage.settled.map(\.outcome) == ["fenced off"])
        try await eventually { stage.started.count == 2 && stage.cancelled == [stubborn.run.id] }
        stage.end(stubborn.run)
        stage.end(next.run)
        try await eventually { stage.settled.count == 2 }
        #expect(stage.settled.map(\.id) == [stubborn.run.id, next.run.id] && stage.settled[1].outcome == "succeeded")
    }

    @Test("the same execution, claimed again, is not settled by its first run's end")
    func secondClaim() async throws {
        let stage = Stage()
        let slots = stage.slots(2)
        slots.submit([assignment(1, token: 1)])
        try await eventually { stage.started.count == 1 }
        slots.interrupt()
        slots.submit([assignment(1, token: 2)])
        #expect(slots.activeCount == 1)
        try await eventually { stage.started.count == 2 }
        stage.end(.sample(1, token: 1))
        stage.end(.sample(1, token: 2))
        try await eventually { stage.settled.count == 2 }
        #expect(stage.settled.map(\.outcome) == ["interrupted", "succeeded"] && slots.heldCount == 0)
    }

    @Test("stopping everything hands back what runs and what waits; a closed worker takes nothing more")
    func stopAll() async throws {
        let stage = Stage()
        let slots = stage.slots(1)
        slots.submit((1...3).map { assignment($0) })
        #expect(slots.close().map(\.id) == (2...3).map { ClaimedRun.sample($0).id })
        #expect(slots.room == 0 && slots.heldCount == 1)
        slots.interrupt()
        #expect(stage.settled.map(\.outcome) == ["interrupted"] && slots.heldCount == 0)
        slots.refuse([.sample(9)])
        #expect(stage.settled.count == 2)
    }

    @Test("overdue are those whose timeout passed, not those that wait")
    func overdue() async throws {
        let stage = Stage()
        let slots = stage.slots(2)
        slots.submit([assignment(1, timeout: .zero), assignment(2), assignment(3, timeout: .zero)])
        #expect(slots.overdue() == [ClaimedRun.sample(1).id: 1])
    }

    @Test("a run that waits beside its slot leaves it to others and takes one again; its stop ends the wait")
    func pause() async throws {
        let stage = Stage()
        let outcomes = Mutex<[String]>([])
        let slots = Slots(
            count: 1, onRoom: {},
            execute: { assignment, pause in
                guard assignment.run.id != ClaimedRun.sample(2).id else { return await stage.execute(assignment, pause) }
                do {
                    try await pause.wait(assignment.run.id == ClaimedRun.sample(1).id ? .milliseconds(50) : .seconds(600))
                    return .succeeded(metrics: nil)
                } catch {
                    outcomes.withLock { $0.append("woken") }
                    return .fencedOff
                }
            },
            onSettled: { run, outcome in stage.settle(run, outcome) })
        slots.submit([assignment(1), assignment(2)])
        try await eventually { stage.started.count == 1 }
        stage.end(.sample(2))
        try await eventually { stage.settled.count == 2 }
        #expect(stage.settled.allSatisfy { $0.outcome == "succeeded" } && slots.activeCount == 0 && slots.room >= 1)
        slots.submit([assignment(3)])
        try await eventually { slots.room >= 1 }
        #expect(slots.heldCount == 1, "it still belongs to this worker")
        slots.interrupt()
        try await eventually { outcomes.withLock { $0 } == ["woken"] }
        #expect(stage.settled.map(\.outcome) == ["succeeded", "succeeded", "interrupted"])
    }

    @Test("ends that race with stops settle every run exactly once, and none goes on uncancelled")
    func race() async throws {
        let settled = Mutex<[ExecutionID: Int]>([:])
        let slots = Slots(
            count: 8, onRoom: {},
            execute: { _, _ in
                await Task.yield()
                return .succeeded(metrics: nil)
            },
            onSettled: { run, _ in settled.withLock { $0[run.id, default: 0] += 1 } })
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for number in 0..<2000 { slots.submit([assignment(number)]) } }
            group.addTask {
                for number in 0..<2000 {
                    slots.stop([ClaimedRun.sample(number).id: 1]) { _, _ in .fencedOff }
                    if number % 50 == 0 { await Task.yield() }
                }
            }
        }
        try await eventually { slots.heldCount == 0 }
        try await eventually { settled.withLock { $0.count } == 2000 }
        #expect(settled.withLock { $0.values.allSatisfy { $0 == 1 } })
    }

    @Test("what was claimed ahead of quick runs and would wait long behind long ones is handed back, the last in the queue's order first")
    func longRunsAreNotHoarded() async throws {
        let stage = Stage()
        let slots = stage.slots(4)
        let long: Duration = .milliseconds(200)
        let assignments = (1...44).map { assignment($0) }
        slots.submit(assignments)
        try await eventually { slots.held().compactMap(\.runningFor).min().map { $0 >= long } ?? false }
        // Slots come free all the time, so nothing is stuck: at this pace one in each slot still has its turn soon.
        stage.end(assignments[0].run)
        try await eventually { stage.settled.count == 1 }
        let handedBack = slots.handBackWaiting(after: long)
        let waiting = slots.held().filter { $0.runningFor == nil }.map(\.run.id)
        #expect(handedBack >= 35 && handedBack + waiting.count == 39)
        #expect(waiting == assignments[5..<5 + waiting.count].map(\.run.id), "the first ones stay")
        #expect(stage.settled.filter { $0.outcome == "interrupted" }.count == handedBack)
        #expect(slots.room == 0, "nothing is claimed in their place")
        for assignment in assignments { stage.end(assignment.run) }
        try await eventually { stage.settled.count == 44 && slots.heldCount == 0 }
    }

    @Test("a run that is stopped while it starts is cancelled")
    func stoppedAtItsStart() async throws {
        let stage = Stage()
        let slots = stage.slots(4)
        for number in 0..<500 {
            slots.submit([assignment(number)])
            slots.interrupt()
        }
        try await eventually { stage.started.count == 500 && stage.cancelled.count == 500 }
        #expect(stage.settled.count == 500)
        for number in 0..<500 { stage.end(.sample(number)) }
    }
}
