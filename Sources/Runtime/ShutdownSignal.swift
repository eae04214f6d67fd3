import Synchronization

/// The wish to end, with one deadline that is made once and handed down to everything that runs.
package final class ShutdownSignal: Sendable {
    private struct State {
        var deadline: Duration?
        var waiters: [ObjectIdentifier: Suspension<Void>] = [:]
    }

    private let state = Mutex(State())

    /// Makes one that nobody has requested.
    package init() {}

    /// Asks everything to end within `grace`; the first call fixes the deadline, and a later one with `.zero` brings it to now.
    package func request(grace: Duration) {
        let now = MonotonicClock.now()
        let waiters = state.withLock { state -> [ObjectIdentifier: Suspension<Void>] in
            if let deadline = state.deadline {
                if grace <= .zero { state.deadline = min(deadline, now) }
            } else {
                state.deadline = now + max(grace, .zero)
            }
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.resume(with: ()) }
    }

    /// Tells whether the end was asked for.
    package var isRequested: Bool { deadline != nil }

    /// The moment of `MonotonicClock` at which everything must have ended; nil while nobody asked.
    package var deadline: Duration? { state.withLock { $0.deadline } }

    /// What is left until the deadline, never negative; nil while nobody asked.
    package var timeLeft: Duration? { deadline.map { max($0 - MonotonicClock.now(), .zero) } }

    /// Returns when the end is asked for, at once when it was, or when the task is cancelled; any number of tasks may wait.
    package func wait() async {
        let waiter = Suspension<Void>()
        let isRequested = state.withLock { state in
            if state.deadline == nil { state.waiters[ObjectIdentifier(waiter)] = waiter }
            return state.deadline != nil
        }
        if isRequested { return }
        await waiter.wait(onCancel: {
            _ = state.withLock { $0.waiters.removeValue(forKey: ObjectIdentifier(waiter)) }
            waiter.resume(with: ())
        })
    }

    /// Runs `body`, and cancels it as soon as the end is asked for. Throws `CancellationError` when it then returned nothing.
    package func cancelling<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                await self.wait()
                return nil
            }
            defer { group.cancelAll() }
            while let first = try await group.next() {
                if let first { return first }
                group.cancelAll()
            }
            throw CancellationError()
        }
    }
}
