import Cron
import Testing

@testable import JobQueue

/// The decision alone, with a made-up clock.
@Suite struct ScheduleDecisionTests {
    /// 2026-03-02T12:00:00Z, a Monday.
    static let noon: Int64 = 1_772_452_800

    static func schedule(_ pattern: String, zone: String = "UTC") throws -> CronSchedule {
        CronSchedule(pattern: try CronPattern(pattern), zone: try TimeZoneRules(named: zone))
    }

    /// Decides `late` seconds after noon for a pattern that was last looked at `behind` seconds before noon.
    static func decide(
        _ pattern: String, behind: Int64, late: Double = 0, misfire: MisfirePolicy = .runOnce, overlap: OverlapPolicy = .skip,
        live: LiveExecutions = LiveExecutions(), isPaused: Bool = false
    ) throws -> ScheduleDecision {
        let due = DueSchedule(
            schedule: try schedule(pattern), lookedUntil: noon - behind, isPaused: isPaused, overlapPolicy: overlap, misfirePolicy: misfire,
            live: live)
        return ScheduleDecision(due, now: noon * 1_000_000 + Int64(late * 1_000_000))
    }

    @Test("a due time in time is enqueued once, and the next one is the pattern's next")
    func punctual() throws {
        let decision = try Self.decide("0 12 * * *", behind: 3_600, late: 0.2)
        #expect(decision.ticks == [.init(dueAt: Self.noon, outcome: .enqueued, run: 0)])
        #expect(decision.runs == [Self.noon])
        #expect(decision.lookedUntil == Self.noon)
        #expect(decision.nextDueAt == Self.noon + 86_400)
    }

    @Test("exactly 60 s late runs normally, a microsecond more is missed")
    func missedBegins() throws {
        #expect(try Self.decide("0 12 * * *", behind: 1, late: 60, misfire: .skip).ticks.map(\.outcome) == [.enqueued])
        #expect(try Self.decide("0 12 * * *", behind: 1, late: 60.000001, misfire: .skip).ticks.map(\.outcome) == [.skippedMisfire])
    }

    @Test("RUN_ONCE runs the latest missed time and the others point at its execution")
    func runOnce() throws {
        let decision = try Self.decide("0 * * * *", behind: 3 * 3_600, late: 120)
        #expect(decision.runs == [Self.noon])
        #expect(decision.ticks.map(\.outcome) == [.coalesced, .coalesced, .enqueued])
        #expect(decision.ticks.map(\.run) == [0, 0, 0])
        #expect(decision.ticks.map(\.dueAt) == [Self.noon - 7_200, Self.noon - 3_600, Self.noon])
    }

    @Test("SKIP records every missed time and runs none")
    func skipMissed() throws {
        let decision = try Self.decide("0 * * * *", behind: 3 * 3_600, late: 120, misfire: .skip)
        #expect(decision.runs.isEmpty)
        #expect(decision.ticks.map(\.outcome) == [.skippedMisfire, .skippedMisfire, .skippedMisfire])
    }

    @Test("RUN_ALL runs each missed time, at most the newest 100, also under overlap SKIP")
    func runAll() throws {
        let few = try Self.decide("0 * * * *", behind: 3 * 3_600, late: 120, misfire: .runAll)
        #expect(few.ticks.map(\.outcome) == [.enqueued, .enqueued, .enqueued])
        #expect(few.ticks.map(\.run) == [0, 1, 2])
        let many = try Self.decide("* * * * *", behind: 250 * 60, late: 61, misfire: .runAll)
        #expect(many.runs.count == 100)
        #expect(many.ticks.count(where: { $0.outcome == .skippedMisfire }) == 150)
        // The minute after noon is on time, and overlaps what was just enqueued.
        #expect(many.ticks.last == .init(dueAt: Self.noon + 60, outcome: .skippedOverlap))
    }

    @Test("a missed run overlaps what is live, and then all that it stands for are skipped")
    func missedOverlaps() throws {
        for misfire in [MisfirePolicy.runOnce, .runAll] {
            let decision = try Self.decide("0 * * * *", behind: 2 * 3_600, late: 120, misfire: misfire, live: .init(isRunning: true))
            #expect(decision.ticks.map(\.outcome) == [.skippedOverlap, .skippedOverlap])
            #expect(decision.runs.isEmpty)
        }
    }

    @Test("R51: beyond 10,000 missed the older ones share one row with their count")
    func countedRow() throws {
        let decision = try Self.decide("* * * * * *", behind: 12_000, late: 60.5)
        // Missed are the seconds up to noon: 12,000; on time are the 60 after it.
        #expect(decision.ticks.count == 10_001 + 60)
        #expect(decision.ticks[0] == .init(dueAt: Self.noon - 10_000, outcome: .coalesced, run: 0, count: 2_000))
        #expect(decision.ticks[1].dueAt == Self.noon - 9_999)
        #expect(decision.ticks.reduce(0) { $0 + $1.count } == 12_060)
        #expect(decision.runs == [Self.noon])
        let all = try Self.decide("* * * * * *", behind: 12_000, late: 60.5, misfire: .runAll)
        #expect(all.ticks[0] == .init(dueAt: Self.noon - 10_000, outcome: .skippedMisfire, count: 2_000))
        #expect(all.runs.count == 100)
    }

    @Test("a year of an every-second pattern is decided in no time and nothing is lost")
    func aYear() throws {
        let decision = try Self.decide("* * * * * *", behind: 365 * 86_400, late: 0.5)
        #expect(decision.ticks.reduce(0) { $0 + $1.count } == 365 * 86_400)
    }

    @Test("a paused job's due times are SKIPPED_PAUSED, missed or not")
    func paused() throws {
        let decision = try Self.decide("* * * * *", behind: 180, late: 0.5, isPaused: true)
        #expect(decision.ticks.map(\.outcome) == [.skippedPaused, .skippedPaused, .skippedPaused])
        #expect(decision.runs.isEmpty)
        #expect(try Self.decide("* * * * * *", behind: 12_000, isPaused: true).ticks[0].outcome == .skippedPaused)
    }

    @Test(
        "a due time beside a live execution: SKIP passes, QUEUE keeps one waiting, ALLOW adds, REPLACE cancels",
        arguments: [
            (OverlapPolicy.skip, LiveExecutions(), TickOutcome.enqueued, false),
            (.skip, LiveExecutions(isRunning: true), .skippedOverlap, false),
            (.skip, LiveExecutions(isWaiting: true), .skippedOverlap, false),
            (.queue, LiveExecutions(), .enqueued, false),
            (.queue, LiveExecutions(isRunning: true), .enqueued, false),
            (.queue, LiveExecutions(isWaiting: true), .skippedOverlap, false),
            (.queue, LiveExecutions(isRunning: true, isWaiting: true), .skippedOverlap, false),
            (.allow, LiveExecutions(isRunning: true, isWaiting: true), .enqueued, false),
            (.replace, LiveExecutions(), .enqueued, false),
            (.replace, LiveExecutions(isRunning: true), .enqueued, true),
            (.replace, LiveExecutions(isWaiting: true), .enqueued, true),
        ])
    func overlap(policy: OverlapPolicy, live: LiveExecutions, outcome: TickOutcome, replaces: Bool) throws {
        let decision = try Self.decide("0 12 * * *", behind: 60, late: 0.2, overlap: policy, live: live)
        #expect(decision.ticks.map(\.outcome) == [outcome])
        #expect(decision.runs.count == (outcome == .enqueued ? 1 : 0))
        #expect(decision.replacesLive == replaces)
    }

    @Test("due times of one look overlap those before them")
    func severalAtOnce() throws {
        func outcomes(_ policy: OverlapPolicy) throws -> [TickOutcome] {
            try Self.decide("* * * * * *", behind: 3, late: 0.2, overlap: policy).ticks.map(\.outcome)
        }
        #expect(try outcomes(.skip) == [.enqueued, .skippedOverlap, .skippedOverlap])
        #expect(try outcomes(.queue) == [.enqueued, .skippedOverlap, .skippedOverlap])
        #expect(try outcomes(.allow) == [.enqueued, .enqueued, .enqueued])
        let replacing = try Self.decide("* * * * * *", behind: 3, late: 0.2, overlap: .replace)
        #expect(replacing.ticks.map(\.outcome) == [.coalesced, .coalesced, .enqueued])
        #expect(replacing.ticks.map(\.run) == [0, 0, 0])
        #expect(replacing.runs == [Self.noon])
        #expect(!replacing.replacesLive)
    }

    @Test("when the clock jumped back nothing is decided, and the look-back does not go back with it")
    func clockJumpsBack() throws {
        let decision = try Self.decide("* * * * * *", behind: -7_200, late: 0)
        #expect(decision.ticks.isEmpty)
        #expect(decision.lookedUntil == Self.noon + 7_200)
        #expect(decision.nextDueAt == Self.noon + 7_201)
    }

    @Test("R52: a due time in a spring gap runs once at its end, one in the autumn overlap once, the first time")
    func daylightTime() throws {
        // New York: 2026-03-08 02:00 EST → 03:00 EDT (07:00Z); 2026-11-01 02:00 EDT → 01:00 EST (06:00Z).
        let gap: Int64 = 1_772_953_200
        let spring = DueSchedule(schedule: try Self.schedule("30 2 * * *", zone: "America/New_York"), lookedUntil: gap - 3_600)
        let atGap = ScheduleDecision(spring, now: (gap + 1) * 1_000_000)
        #expect(atGap.ticks == [.init(dueAt: gap, outcome: .enqueued, run: 0)])
        let overlap: Int64 = 1_793_512_800
        let autumn = DueSchedule(schedule: try Self.schedule("30 1 * * *", zone: "America/New_York"), lookedUntil: overlap - 4 * 3_600)
        let after = ScheduleDecision(autumn, now: (overlap + 3_600) * 1_000_000)
        #expect(after.ticks.map(\.dueAt) == [overlap - 1_800])
        #expect(after.nextDueAt == overlap - 1_800 + 25 * 3_600)
    }

    @Test("R51: decisions made piece by piece account for the same due times as one made late", arguments: 0..<20)
    func pieces(seed: UInt64) throws {
        var random = SeededNumbers(state: seed)
        let pattern = ["* * * * * *", "*/7 * * * * *", "*/5 * * * *", "0 3 * * *"][Int(random.next() % 4)]
        let schedule = try Self.schedule(pattern, zone: "America/New_York")
        let start = 1_772_940_000 + Int64(random.next() % 90_000)
        let end = start + Int64(random.next() % 20_000)
        var looked = start
        var pieces: [Int64] = []
        while looked < end {
            let now = min(end, looked + 1 + Int64(random.next() % 4_000))
            let decision = ScheduleDecision(DueSchedule(schedule: schedule, lookedUntil: looked), now: now * 1_000_000)
            #expect(decision.nextDueAt ?? .max > now, "seed \(seed)")
            pieces += decision.ticks.map(\.dueAt)
            looked = decision.lookedUntil
        }
        let whole = ScheduleDecision(DueSchedule(schedule: schedule, lookedUntil: start), now: end * 1_000_000)
        #expect(pieces.count == whole.ticks.reduce(0) { $0 + $1.count }, "seed \(seed)")
        #expect(pieces.suffix(10_000) == whole.ticks.map(\.dueAt).suffix(10_000), "seed \(seed)")
    }
}

/// SplitMix64: the same numbers for the same seed.
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
