import Glibc
import Synchronization
import Testing

@testable import Runtime

@Suite("Shutdown")
struct ShutdownTests {
    @Test("the first request fixes the deadline")
    func firstFixes() throws {
        let shutdown = ShutdownSignal()
        #expect(!shutdown.isRequested && shutdown.deadline == nil && shutdown.timeLeft == nil)
        let before = MonotonicClock.now()
        shutdown.request(grace: .seconds(30))
        let deadline = try #require(shutdown.deadline)
        #expect(shutdown.isRequested)
        #expect(deadline >= before + .seconds(30) && deadline <= MonotonicClock.now() + .seconds(30))
        shutdown.request(grace: .seconds(90))
        shutdown.request(grace: .seconds(1))
        #expect(shutdown.deadline == deadline)
        #expect(try #require(shutdown.timeLeft) > .seconds(20))
    }

    @Test("a second request with no grace brings the deadline to now, and never later")
    func atOnce() throws {
        let shutdown = ShutdownSignal()
        shutdown.request(grace: .seconds(30))
        shutdown.request(grace: .zero)
        let deadline = try #require(shutdown.deadline)
        #expect(deadline <= MonotonicClock.now())
        shutdown.request(grace: .zero)
        #expect(shutdown.deadline == deadline)
        #expect(shutdown.timeLeft == .zero)
    }

    @Test("all who wait are told, and who comes later at once")
    func waiters() async {
        let shutdown = ShutdownSignal()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<5 { group.addTask { await shutdown.wait() } }
            group.addTask { shutdown.request(grace: .seconds(30)) }
        }
        await shutdown.wait()
        #expect(shutdown.isRequested)
    }

    @Test("a cancelled wait returns without a request")
    func cancellation() async {
        let shutdown = ShutdownSignal()
        let waiting = Task { await shutdown.wait() }
        waiting.cancel()
        await waiting.value
        #expect(!shutdown.isRequested)
    }
}

@Suite("Deadline")
struct DeadlineTests {
    struct Refused: Error {}

    @Test("work in time gives its value or its own error")
    func inTime() async throws {
        #expect(try await withDeadline(.seconds(60)) { 7 } == 7)
        await #expect(throws: Refused.self) { try await withDeadline(.seconds(60)) { throw Refused() } }
    }

    @Test("work that is late is cancelled and the deadline named")
    func late() async {
        let wasCancelled = Atomic(false)
        await #expect(throws: DeadlineExceeded(limit: .milliseconds(20))) {
            try await withDeadline(.milliseconds(20)) {
                try await withTaskCancellationHandler {
                    try await Task.sleep(for: .seconds(60))
                } onCancel: {
                    wasCancelled.store(true, ordering: .relaxed)
                }
            }
        }
        let isCancelled = wasCancelled.load(ordering: .relaxed)
        #expect(isCancelled)
    }

    @Test("no time at all starts nothing")
    func noTime() async {
        await #expect(throws: DeadlineExceeded(limit: .zero)) {
            try await withDeadline(.zero) { Issue.record("it started") }
        }
    }

    @Test("cancellation from outside is no deadline")
    func cancelledOutside() async {
        let task = Task { try await withDeadline(.seconds(60)) { try await Task.sleep(for: .seconds(60)) } }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("late work that ignores cancellation and succeeds keeps its value")
    func lateValue() async throws {
        let value = try await withDeadline(.milliseconds(10)) {
            while !Task.isCancelled { await Task.yield() }
            return 5
        }
        #expect(value == 5)
    }
}

@Suite("Signals")
struct SignalsTests {
    @Test("signals arrive in the stream instead of ending the program")
    func arrive() async {
        let signals = Signals([SIGUSR1, SIGUSR2])
        var iterator = signals.stream.makeAsyncIterator()
        kill(getpid(), SIGUSR1)
        #expect(await iterator.next() == SIGUSR1)
        kill(getpid(), SIGUSR2)
        #expect(await iterator.next() == SIGUSR2)
        kill(getpid(), SIGUSR1)
        #expect(await iterator.next() == SIGUSR1)
    }
}

@Suite("Clock")
struct ClockTests {
    @Test("it goes forward and is the machine's up-time")
    func forward() throws {
        let first = MonotonicClock.now()
        #expect(MonotonicClock.now() >= first)
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        #expect(abs(Int64(time.tv_sec) - first.components.seconds) <= 5)
    }
}
