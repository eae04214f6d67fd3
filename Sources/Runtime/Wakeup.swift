import Dispatch
import Synchronization

/// A level-triggered wake-up: a signal is kept until a wait takes it, and several signals in between count as one.
///
/// Several tasks may wait: a signal wakes all of them.
package final class Wakeup: Sendable {
    private struct State {
        var isSignalled = false
        var waiters: [ObjectIdentifier: Suspension<Bool>] = [:]
    }

    private let state = Mutex(State())
    private static let timers = DispatchQueue(label: "chimera.wakeup", qos: .userInitiated)

    /// Makes one without a signal.
    package init() {}

    /// How many tasks wait now.
    var waiterCount: Int { state.withLock { $0.waiters.count } }

    /// Wakes those who wait now, or else the next one who will; may be called from any thread.
    package func signal() {
        let waiters = state.withLock { state -> [ObjectIdentifier: Suspension<Bool>] in
            guard !state.waiters.isEmpty else {
                state.isSignalled = true
                return [:]
            }
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.resume(with: true) }
    }

    /// Waits for a signal, at most for the time given: true when signalled, false when the time is over or the task is cancelled.
    ///
    /// A cancelled wait takes no signal. Whoever removes the waiter under the lock resumes it, so no signal is lost to a timer.
    package func wait(upTo limit: Duration) async -> Bool {
        if Task.isCancelled { return false }
        let waiter = Suspension<Bool>()
        let isSignalled = state.withLock { state in
            if state.isSignalled {
                state.isSignalled = false
                return true
            }
            if limit > .zero { state.waiters[ObjectIdentifier(waiter)] = waiter }
            return false
        }
        guard !isSignalled, limit > .zero else { return isSignalled }

        let timer = DispatchSource.makeTimerSource(queue: Self.timers)
        timer.setEventHandler { [self] in giveUp(waiter) }
        timer.schedule(deadline: .now() + limit.dispatchInterval)
        timer.activate()
        defer { timer.cancel() }
        return await waiter.wait(onCancel: { giveUp(waiter) })
    }

    private func giveUp(_ waiter: Suspension<Bool>) {
        let wasWaiting = state.withLock { $0.waiters.removeValue(forKey: ObjectIdentifier(waiter)) != nil }
        if wasWaiting { waiter.resume(with: false) }
    }
}

extension Duration {
    /// The same span for Dispatch, in whole nanoseconds, at most about 292 years.
    package var dispatchInterval: DispatchTimeInterval {
        let (seconds, attoseconds) = components
        let (nanoseconds, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if isTooLong { return seconds < 0 ? .nanoseconds(0) : .never }
        return .nanoseconds(Int(nanoseconds) + Int(attoseconds / 1_000_000_000))
    }
}
