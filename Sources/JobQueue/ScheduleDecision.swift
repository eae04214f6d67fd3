import Cron

/// What a schedule does when a due time falls while an execution of its job is live (SPEC §4).
enum OverlapPolicy: String, Sendable {
    /// The due time passes.
    case skip = "SKIP"
    /// One execution waits; further due times pass.
    case queue = "QUEUE"
    /// They run side by side.
    case allow = "ALLOW"
    /// The live ones are cancelled.
    case replace = "REPLACE"
}

/// What a schedule does about due times that are more than a minute late (SPEC §4).
enum MisfirePolicy: String, Sendable {
    /// One execution for all of them, with the latest as its `scheduled_for`.
    case runOnce = "RUN_ONCE"
    /// One for each of the newest 100.
    case runAll = "RUN_ALL"
    case skip = "SKIP"
}

/// What became of a due time.
enum TickOutcome: String, Sendable {
    case enqueued = "ENQUEUED"
    /// Another due time's execution runs for this one too.
    case coalesced = "COALESCED"
    case skippedOverlap = "SKIPPED_OVERLAP"
    case skippedMisfire = "SKIPPED_MISFIRE"
    case skippedPaused = "SKIPPED_PAUSED"
}

/// Executions of a job that a new one would overlap: top-level, live and due, whatever triggered them.
struct LiveExecutions: Sendable, Equatable {
    var isRunning = false
    /// One is PENDING and due.
    var isWaiting = false

    var isEmpty: Bool { !isRunning && !isWaiting }
}

/// A schedule at the moment of a decision.
struct DueSchedule: Sendable {
    let schedule: CronSchedule
    /// Due times up to here (Unix seconds) were decided before.
    let lookedUntil: Int64
    var isPaused = false
    var overlapPolicy = OverlapPolicy.skip
    var misfirePolicy = MisfirePolicy.runOnce
    var live = LiveExecutions()
}

/// What becomes of every due time of a schedule up to now, and when it is due next. Pure: the same facts give the same decision.
///
/// A due time is missed when it is more than 60 s late. All missed ones are one question to the overlap policy, asked before any of them is
/// enqueued, so that RUN_ALL means all under every policy but REPLACE; the others run one after the other as if in time, and overlap
/// those before them. RUN_ALL's executions beyond the newest 100 are SKIPPED_MISFIRE. Where a missed time would run and overlaps, all that
/// it stands for are SKIPPED_OVERLAP. Under REPLACE an execution that a later one of the same decision would cancel is not made: COALESCED.
struct ScheduleDecision: Sendable, Equatable {
    /// A row of `schedule_ticks`.
    struct Tick: Sendable, Equatable {
        /// Unix seconds.
        let dueAt: Int64
        var outcome: TickOutcome
        /// Its execution's place in `runs`.
        var run: Int?
        /// How many due times it stands for; `dueAt` is the latest of them.
        var count = 1
    }

    /// More than this late is missed.
    static let punctualSeconds: Int64 = 60
    /// Missed due times that get a row each; those before share one.
    static let mostMissedRows = 10_000
    /// Executions of one decision under RUN_ALL.
    static let mostRunsOfAll = 100

    /// In the order of their due times.
    private(set) var ticks: [Tick] = []
    /// The `scheduled_for` (Unix seconds) of every execution to enqueue.
    private(set) var runs: [Int64] = []
    /// The live executions are cancelled before.
    private(set) var replacesLive = false
    /// Unix seconds; never earlier than it was.
    let lookedUntil: Int64
    /// Unix seconds; nil: never again.
    let nextDueAt: Int64?

    /// Decides for the database's clock at `now` (Unix microseconds).
    init(_ due: DueSchedule, now: Int64) {
        let second = now.dividedDown(by: 1_000_000)
        lookedUntil = max(due.lookedUntil, second)
        nextDueAt = due.schedule.next(after: lookedUntil)
        let missedThrough = (now - Self.punctualSeconds * 1_000_000 - 1).dividedDown(by: 1_000_000)
        let missed = due.schedule.latest(after: due.lookedUntil, through: missedThrough, limit: Self.mostMissedRows)
        let punctual = due.schedule.latest(
            after: max(due.lookedUntil, missedThrough), through: second, limit: Int(Self.punctualSeconds) + 1)
        ticks.reserveCapacity(missed.times.count + punctual.times.count + 1)
        if missed.total > missed.times.count, let first = missed.times.first,
            let latest = due.schedule.latest(after: due.lookedUntil, through: first - 1, limit: 1).times.last
        {
            ticks.append(Tick(dueAt: latest, outcome: .skippedMisfire, count: missed.total - missed.times.count))
        }
        ticks += missed.times.map { Tick(dueAt: $0, outcome: .skippedMisfire) }
        let firstPunctual = ticks.count
        ticks += punctual.times.map { Tick(dueAt: $0, outcome: .skippedOverlap) }
        guard !due.isPaused else {
            for index in ticks.indices { ticks[index].outcome = .skippedPaused }
            return
        }
        var live = due.live
        decideMissed(ticks.indices.prefix(firstPunctual), due, &live)
        for index in ticks.indices.dropFirst(firstPunctual) where due.overlapPolicy.admits(live) { enqueue(index, &live) }
        if due.overlapPolicy == .replace { keepNewestRun(over: due.live) }
    }

    private mutating func decideMissed(_ missed: Range<Int>, _ due: DueSchedule, _ live: inout LiveExecutions) {
        guard let last = missed.last, due.misfirePolicy != .skip else { return }
        let wanted = due.misfirePolicy == .runOnce ? missed : missed.suffix(Self.mostRunsOfAll)
        guard due.overlapPolicy.admits(live) else {
            for index in wanted { ticks[index].outcome = .skippedOverlap }
            return
        }
        guard due.misfirePolicy == .runOnce else {
            // A row that stands for several is never among the newest 100.
            for index in wanted { enqueue(index, &live) }
            return
        }
        enqueue(last, &live)
        for index in missed.dropLast() {
            ticks[index].outcome = .coalesced
            ticks[index].run = ticks[last].run
        }
    }

    private mutating func enqueue(_ index: Int, _ live: inout LiveExecutions) {
        ticks[index].outcome = .enqueued
        ticks[index].run = runs.count
        runs.append(ticks[index].dueAt)
        live.isWaiting = true
    }

    private mutating func keepNewestRun(over live: LiveExecutions) {
        guard let newest = runs.last else { return }
        replacesLive = !live.isEmpty
        for index in ticks.indices where ticks[index].run != nil {
            if ticks[index].run != runs.count - 1 { ticks[index].outcome = .coalesced }
            ticks[index].run = 0
        }
        runs = [newest]
    }
}

extension OverlapPolicy {
    /// Whether one more may be enqueued beside those.
    fileprivate func admits(_ live: LiveExecutions) -> Bool {
        switch self {
        case .skip: live.isEmpty
        case .queue: !live.isWaiting
        case .allow, .replace: true
        }
    }
}

extension Int64 {
    /// The quotient rounded down, for a positive divisor.
    func dividedDown(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
