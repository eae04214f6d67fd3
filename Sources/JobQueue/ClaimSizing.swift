import Runtime

/// How far ahead of its slots a worker claims: enough for 50 ms of work as jobs last at this moment, so that quick jobs come in large batches
/// and a job of a second is not held by a worker that does not run it yet. What lasted so long a while ago says nothing of what comes now.
struct ClaimSizing: Sendable {
    private static let aheadFor: Duration = .milliseconds(50)
    /// So long after the last run ended its duration still counts.
    private static let memory: Duration = .seconds(1)
    /// The most rows that wait in a worker.
    static let mostAhead = 500
    private var lastTypicalDuration = Duration.zero
    private var learnedAt: Duration?

    private func typicalDuration(at now: Duration) -> Duration? {
        learnedAt.flatMap { now - $0 <= Self.memory ? lastTypicalDuration : nil }
    }

    /// Learns from a run that ended; `least`: every other run of now has lasted so long already, which counts where nothing else is known.
    mutating func record(_ duration: Duration, at now: Duration = MonotonicClock.now(), least: @autoclosure () -> Duration = .zero) {
        // A long one counts at once, quick ones bring the figure down step by step.
        lastTypicalDuration = typicalDuration(at: now).map { max(duration, $0 * 0.75 + duration * 0.25) } ?? max(duration, least())
        learnedAt = now
    }

    /// How many rows may wait besides those that run in `slots` slots.
    func ahead(slots: Int, at now: Duration = MonotonicClock.now()) -> Int {
        guard let duration = typicalDuration(at: now) else { return 0 }
        return min(Int(Double(slots) * (Self.aheadFor / max(duration, .microseconds(1)))), Self.mostAhead)
    }

    /// Learns that every run of now has lasted this long and goes on.
    mutating func note(_ least: Duration, at now: Duration = MonotonicClock.now()) {
        lastTypicalDuration = typicalDuration(at: now).map { max($0, least) } ?? least
        learnedAt = now
    }

    /// How many of those that wait will have a slot within `limit`, as runs last lately.
    func reachable(within limit: Duration, slots: Int) -> Int {
        guard learnedAt != nil else { return Self.mostAhead }
        return Int(min(Double(slots) * (limit / max(lastTypicalDuration, .microseconds(1))), Double(Self.mostAhead)))
    }
}
