import Runtime

/// How much of the queue the next claim looks at.
///
/// As long as somebody holds an old snapshot, every execution that was claimed leaves a dead entry in the queue's index, and a look from
/// the beginning passes all of them: 0.26 µs each, 26 ms after 100,000 (R25). So when looks from the beginning are slow, the next one comes
/// only after 20 times that duration. In between, claims begin behind the last full one, or look at what became due since.
/// What that passes over (a better priority, a run that was handed back, a row that was committed long after its `run_at`) waits for the next
/// look from the beginning, so those are 5 s apart at most.
///
/// Dead entries make every look slow; an outage, a lock or a busy machine makes one slow. Two in a row count as the quicker of them.
struct ClaimScan: Sendable {
    /// A look from the beginning that took no longer is made every time.
    static let cheap: Duration = .milliseconds(20)
    /// A slow look from the beginning takes a twentieth of the time.
    static let rest = 20
    /// So long it is put off at most, however slow it is.
    static let longestRest: Duration = .seconds(5)
    /// While claims come back full, the beginning is looked at this often, however cheap that is.
    static let drainInterval: Duration = .seconds(1)
    /// Rows are committed a little after their `run_at`.
    static let slack: Duration = .seconds(1)

    /// When the last look from the beginning began, and how long it and the one before it took.
    private var lastFull: (at: Duration, took: Duration, tookBefore: Duration)?
    /// The last key of a claim that came back full.
    private var behind: Watermark?
    /// The best priority that was claimed in the last look from the beginning that found something, or since.
    private var bestPriority: Int?

    /// Where to begin now.
    func mark(at now: Duration) -> Watermark {
        guard let lastFull else { return .start }
        let age = now - lastFull.at
        let took = min(lastFull.took, lastFull.tookBefore)
        let rest = took > Self.cheap ? min(took * Self.rest, Self.longestRest) : .zero
        if let behind { return age > max(rest, Self.drainInterval) ? .start : behind }
        guard let bestPriority, age < rest else { return .start }
        return Watermark(priority: bestPriority, dueWithin: age + Self.slack)
    }

    /// Learns from a claim that began at `mark` and `start`.
    mutating func record(_ claimed: [ClaimedRun], from mark: Watermark, at start: Duration, took: Duration, isFull: Bool) {
        if mark.isStart { lastFull = (start, took, lastFull?.took ?? .zero) }
        if let best = claimed.first?.priority { bestPriority = mark.isStart ? best : min(best, bestPriority ?? best) }
        behind = isFull ? claimed.last.map { Watermark(priority: $0.priority, runAt: $0.runAtText, id: $0.id) } : nil
    }
}

extension Watermark {
    /// Nothing is passed over.
    var isStart: Bool { id == Watermark.start.id && dueWithin == nil }
}
