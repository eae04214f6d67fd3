import Runtime

/// How far ahead of its slots a worker claims: enough for 50 ms of work as jobs last lately, so that quick jobs come in large batches and
/// a job of a second is never held by a worker that does not run it yet.
struct ClaimSizing: Sendable {
    private static let aheadFor: Duration = .milliseconds(50)
    /// The most rows that wait in a worker.
    static let mostAhead = 500
    private var typicalDuration: Duration?

    /// Learns from a run that ended.
    mutating func record(_ duration: Duration) {
        // A long one counts at once, quick ones bring the figure down step by step.
        typicalDuration = typicalDuration.map { max(duration, $0 * 0.75 + duration * 0.25) } ?? duration
    }

    /// How many rows may wait besides those that run in `slots` slots.
    func ahead(slots: Int) -> Int {
        guard let typicalDuration else { return 0 }
        return min(Int(Double(slots) * (Self.aheadFor / max(typicalDuration, .microseconds(1)))), Self.mostAhead)
    }

    /// Learns that every run of now has lasted this long and goes on.
    mutating func note(_ least: Duration) {
        typicalDuration = typicalDuration.map { max($0, least) } ?? least
    }

    /// How many of those that wait will have a slot within `limit`, as runs last lately.
    func reachable(within limit: Duration, slots: Int) -> Int {
        guard let typicalDuration else { return Self.mostAhead }
        return Int(min(Double(slots) * (limit / max(typicalDuration, .microseconds(1))), Double(Self.mostAhead)))
    }
}
