import Runtime
import Synchronization

/// What has a worker look into the queue before its next poll: a notification, places that its own runs left, room in its slots.
final class ClaimSignals: Sendable {
    /// Writers notify at most once in 10 ms, so a row may come right behind a notification without another.
    static let secondLook: Duration = .milliseconds(15)

    private struct State {
        var lastNotified: Duration?
        var hasFreedPlaces = false
    }

    private let wakeup = Wakeup()
    private let state = Mutex(State())

    /// Rows may be due; looked for at once, and again after `secondLook`.
    func notified() {
        state.withLock { $0.lastNotified = MonotonicClock.now() }
        wakeup.signal()
    }

    /// Runs of this worker have ended that limits or store locks held others back for.
    func freedPlaces() {
        state.withLock { $0.hasFreedPlaces = true }
        wakeup.signal()
    }

    /// Slots are free again, or the worker is to leave.
    func signal() {
        wakeup.signal()
    }

    /// Whether places became free since this was asked last.
    func takeFreedPlaces() -> Bool {
        state.withLock { state in
            defer { state.hasFreedPlaces = false }
            return state.hasFreedPlaces
        }
    }

    /// How long it is until the look that follows the last notification; nil when one that began at `look` was that look already.
    func untilSecondLook(after look: Duration) -> Duration? {
        guard let due = state.withLock({ $0.lastNotified }).map({ $0 + Self.secondLook }), look < due else { return nil }
        return max(due - MonotonicClock.now(), .zero)
    }

    /// Waits for a signal, at most for the time given.
    func wait(upTo limit: Duration) async {
        _ = await wakeup.wait(upTo: limit)
    }
}
