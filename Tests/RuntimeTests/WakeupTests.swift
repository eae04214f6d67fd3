import Synchronization
import Testing

@testable import Runtime

@Suite("Wake-up")
struct WakeupTests {
    @Test("a signal raised before the wait is not lost")
    func signalFirst() async {
        let wakeup = Wakeup()
        wakeup.signal()
        #expect(await wakeup.wait(upTo: .seconds(600)))
    }

    @Test("several signals count as one")
    func coalescing() async {
        let wakeup = Wakeup()
        for _ in 0..<10 { wakeup.signal() }
        #expect(await wakeup.wait(upTo: .seconds(600)))
        #expect(await wakeup.wait(upTo: .milliseconds(5)) == false)
    }

    @Test("a signal wakes all who wait")
    func wakesAll() async {
        let wakeup = Wakeup()
        let woken = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 { group.addTask { await wakeup.wait(upTo: .seconds(600)) } }
            while wakeup.waiterCount < 8 { await Task.yield() }
            wakeup.signal()
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(woken == 8)
        #expect(await wakeup.wait(upTo: .zero) == false, "the signal was taken")
    }

    @Test("without a signal the wait ends with false, not before its time")
    func timeOver() async {
        let wakeup = Wakeup()
        let start = MonotonicClock.now()
        #expect(await wakeup.wait(upTo: .milliseconds(30)) == false)
        #expect(MonotonicClock.now() - start >= .milliseconds(29))
        #expect(wakeup.waiterCount == 0)
    }

    @Test("a wait of no time only looks")
    func noTime() async {
        let wakeup = Wakeup()
        #expect(await wakeup.wait(upTo: .zero) == false)
        #expect(await wakeup.wait(upTo: .seconds(-1)) == false)
        wakeup.signal()
        #expect(await wakeup.wait(upTo: .zero))
    }

    @Test("a cancelled wait returns at once and takes no signal")
    func cancellation() async {
        let wakeup = Wakeup()
        let start = MonotonicClock.now()
        let waiting = Task { await wakeup.wait(upTo: .seconds(600)) }
        while wakeup.waiterCount == 0 { await Task.yield() }
        waiting.cancel()
        #expect(await waiting.value == false)
        #expect(wakeup.waiterCount == 0)

        let cancelledBefore = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            wakeup.signal()
            return await wakeup.wait(upTo: .seconds(600))
        }
        #expect(await cancelledBefore.value == false)
        #expect(await wakeup.wait(upTo: .zero), "the signal is still there")
        #expect(MonotonicClock.now() - start < .seconds(300))
    }

    @Test("a signal that meets the end of a wait is never lost")
    func signalMeetsTimer() async {
        for round in 0..<2_000 {
            let wakeup = Wakeup()
            async let woken = wakeup.wait(upTo: .microseconds(round % 200))
            async let signalled: Void = { wakeup.signal() }()
            await signalled
            let wasWoken = await woken
            let isLeft = await wakeup.wait(upTo: .zero)
            #expect(wasWoken != isLeft, "round \(round)")
        }
    }

    @Test("what a producer put before its signal is seen, under many producers")
    func producers() async {
        let wakeup = Wakeup()
        let produced = Count()
        let total = 4 * 2_000
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<2_000 {
                        produced.value.withLock { $0 += 1 }
                        wakeup.signal()
                    }
                }
            }
            group.addTask {
                while produced.value.withLock({ $0 }) < total {
                    guard await wakeup.wait(upTo: .seconds(30)) else {
                        Issue.record("a signal was lost")
                        return
                    }
                }
            }
        }
    }

    @Test("a wake-up that is over holds nothing")
    func nothingLeaks() async {
        weak var weakWakeup: Wakeup?
        do {
            let wakeup = Wakeup()
            weakWakeup = wakeup
            wakeup.signal()
            _ = await wakeup.wait(upTo: .seconds(3600))
            async let woken = wakeup.wait(upTo: .seconds(3600))
            wakeup.signal()
            #expect(await woken)
        }
        // Dispatch lets go of a cancelled timer on its own queue.
        let deadline = MonotonicClock.now() + .seconds(20)
        while weakWakeup != nil, MonotonicClock.now() < deadline { await Task.yield() }
        #expect(weakWakeup == nil)
    }
}

@Suite("Suspension")
struct SuspensionTests {
    @Test("the first value counts, before or after the wait")
    func firstCounts() async {
        let early = Suspension<Int>()
        #expect(early.resume(with: 1))
        #expect(early.resume(with: 2) == false)
        #expect(await early.wait(cancelled: -1) == 1)
        #expect(early.resume(with: 3) == false)
    }

    @Test("cancellation resumes, also before the start")
    func cancellation() async {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await Suspension<Int>().wait(cancelled: -1)
        }
        #expect(await task.value == -1)
        let later = Task { await Suspension<Int>().wait(cancelled: -2) }
        later.cancel()
        #expect(await later.value == -2)
    }
}

private final class Count: Sendable {
    let value = Mutex(0)
}
