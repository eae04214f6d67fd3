import Testing

@testable import JobQueue

/// What becomes of a configuration, without a database.
@Suite struct SchedulePlanTests {
    /// 2026-03-02T12:00:00.3Z, and its second.
    static let change: Int64 = 1_772_452_800_300_000
    static let noon: Int64 = 1_772_452_800

    static func plan(
        _ pattern: String?, zone: String = "UTC", isActive: Bool = true, previous: ScheduleConfiguration.Previous? = nil
    ) -> SchedulePlan {
        SchedulePlan(
            ScheduleConfiguration(
                jobConfigID: 1, jobName: "sync", cronPattern: pattern, timeZone: zone, isActive: isActive,
                updatedAtText: "2026-03-02 12:00:00.3+00", updatedAt: change, problem: nil, previous: previous))
    }

    @Test("a new schedule looks back to its last change")
    func new() {
        #expect(Self.plan("* * * * * *") == .init(looked: Self.noon, next: Self.noon + 1))
        #expect(Self.plan("0 12 * * *") == .init(looked: Self.noon, next: Self.noon + 86_400))
    }

    @Test("another pattern looks back to the change, not to the last look")
    func otherPattern() {
        let previous = ScheduleConfiguration.Previous(lookedUntil: Self.noon - 86_400, isSame: false, wasUnderWay: true)
        #expect(Self.plan("0 * * * *", previous: previous) == .init(looked: Self.noon, next: Self.noon + 3_600))
    }

    @Test("an edit of another field in the moment of a due time does not lose it")
    func editAtTheDueTime() {
        let previous = ScheduleConfiguration.Previous(lookedUntil: Self.noon - 86_400, isSame: true, wasUnderWay: true)
        #expect(Self.plan("0 12 * * *", previous: previous) == .init(looked: Self.noon - 2, next: Self.noon))
    }

    @Test("what was looked at is not looked at again, whatever the clock says")
    func lookedAhead() {
        let previous = ScheduleConfiguration.Previous(lookedUntil: Self.noon + 7_200, isSame: true, wasUnderWay: true)
        #expect(Self.plan("0 * * * *", previous: previous) == .init(looked: Self.noon + 7_200, next: Self.noon + 10_800))
    }

    @Test("a schedule that comes back looks back to the change, or to its last look when that was later")
    func comesBack() {
        let old = ScheduleConfiguration.Previous(lookedUntil: Self.noon - 86_400, isSame: true, wasUnderWay: false)
        #expect(Self.plan("0 12 * * *", previous: old) == .init(looked: Self.noon, next: Self.noon + 86_400))
        let recent = ScheduleConfiguration.Previous(lookedUntil: Self.noon + 60, isSame: true, wasUnderWay: false)
        #expect(Self.plan("* * * * *", previous: recent) == .init(looked: Self.noon + 60, next: Self.noon + 120))
    }

    @Test("an inactive job and one without a pattern are never due")
    func notScheduled() {
        #expect(Self.plan("* * * * *", isActive: false) == .init(looked: Self.noon, next: nil))
        #expect(Self.plan(nil) == .init(looked: Self.noon, next: nil))
    }

    @Test(
        "what the scheduler cannot use is a problem in one sentence that names the fault",
        arguments: [
            ("0 0 31 2 *", "UTC", "never comes"), ("30-10 * * * *", "UTC", "minute"), ("* * * * 9,1", "UTC", "day of week"),
            ("0 5 * * *", "Mars/Olympus_Mons", "Mars/Olympus_Mons"), ("0 0 31W 2 *", "UTC", "never comes"),
        ])
    func problems(pattern: String, zone: String, fault: String) throws {
        let plan = Self.plan(pattern, zone: zone)
        let problem = try #require(plan.problem)
        #expect(problem.contains(fault) && problem.hasSuffix("."))
        #expect(plan.nextDueAt == nil)
    }
}

extension SchedulePlan {
    fileprivate init(looked: Int64, next: Int64?) {
        self.init(lookedUntil: looked, nextDueAt: next, problem: nil)
    }
}
