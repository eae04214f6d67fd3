import Postgres
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import JobQueue

/// Many workers on one queue: what brings them to one point does not keep them there (R42), and what one cannot take others hear of.
@Suite struct ClaimSpreadTests {
    /// The turns of a claimer's loop.
    private final class Turns: Sendable {
        private let moments = Mutex<[Duration]>([])
        func note() { moments.withLock { $0.append(MonotonicClock.now()) } }
        var all: [Duration] { moments.withLock { $0 } }
    }

    @Test("R42: workers that began at one moment, and heard one notification, poll at any point of the interval", arguments: [false, true])
    func commonStart(areWoken: Bool) async throws {
        try await Queue.withDatabase { queue in
            let worker = try await queue.addWorker()
            let lease = Lease(length: .seconds(900))
            lease.renewed(askedAt: MonotonicClock.now())
            let crowd = (0..<24).map { _ in (turns: Turns(), signals: ClaimSignals()) }
            let claiming = crowd.map { turns, signals in
                let slots = Slots(
                    count: 4, onRoom: {}, execute: { _, _ in .succeeded(metrics: nil) }, onSettled: { _, _ in })
                let claimer = Claimer(
                    identity: .sample(worker), pool: queue.pool, slots: slots, lease: lease, signals: signals,
                    hearsNotifications: true, leaveWhenDrained: false, onProgress: turns.note)
                return Task { await claimer.run(until: ShutdownSignal(), isIdle: { true }) }
            }
            try await eventually("their first looks") { crowd.allSatisfy { !$0.turns.all.isEmpty } }
            if areWoken { for (_, signals) in crowd { signals.notified() } }
            // The looks that follow a start or a notification are over then.
            let calm = MonotonicClock.now() + .milliseconds(300)
            try await eventually("their polls") { crowd.allSatisfy { ($0.turns.all.last ?? .zero) > calm } }
            let waits = crowd.compactMap { $0.turns.all.first { $0 > calm } }.map { $0 - calm }.sorted()
            // Of 24 that are anywhere in the second it is one in 10 million that none comes in the first half, or none in the second.
            #expect(waits[0] < .milliseconds(500), "the polls: \(waits)")
            #expect(waits[23] > .milliseconds(400), "the polls: \(waits)")
            for task in claiming { task.cancel() }
            for task in claiming { await task.value }
        }
    }

    @Test("a worker without room for all that its ended runs let through wakes the others", arguments: [1, 4])
    func placesForOthers(slots count: Int) async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("limited", "max_concurrency = 3")
            try await queue.enqueue(job, count: 2)
            let worker = try await queue.addWorker()
            let lease = Lease(length: .seconds(900))
            lease.renewed(askedAt: MonotonicClock.now())
            let slots = Slots.patient(count) { _, _ in }
            let signals = ClaimSignals()
            try await queue.run("SELECT setval('last_wake', 1)")
            signals.freedPlaces()
            let claimer = Claimer(
                identity: .sample(worker), pool: queue.pool, slots: slots, lease: lease, signals: signals,
                hearsNotifications: true, leaveWhenDrained: false, onProgress: {})
            let claiming = Task { await claimer.run(until: ShutdownSignal(), isIdle: { false }) }
            try await eventually("what it has room for") { slots.heldCount == min(count, 2) }
            if count == 1 {
                try await eventually("the others are woken") { try await queue.number("SELECT last_value FROM last_wake") > 1 }
            }
            claiming.cancel()
            await claiming.value
            #expect(try await (queue.number("SELECT last_value FROM last_wake") > 1) == (count == 1))
        }
    }
}
