import Cron

/// What a job's configuration says about its schedule, and what was planned before.
struct ScheduleConfiguration: Sendable {
    let jobConfigID: Int
    let jobName: String
    /// Nil: the job has no schedule.
    let cronPattern: String?
    let timeZone: String
    /// Neither inactive nor deleted.
    let isActive: Bool
    /// When it was last changed, as PostgreSQL wrote it (microseconds must not get lost).
    let updatedAtText: String
    /// The same in Unix microseconds.
    let updatedAt: Int64
    /// Why the scheduler could not use it so far.
    let problem: String?
    /// What stands in `job_schedules`; nil: nothing yet.
    let previous: Previous?

    struct Previous: Sendable {
        /// Unix seconds.
        let lookedUntil: Int64
        /// Pattern and zone are those of now: the change was another one.
        let isSame: Bool
        /// It had a next due time: neither inactive nor a problem.
        let wasUnderWay: Bool
    }
}

/// A row of `job_schedules` for a configuration as it stands now. Pure.
struct SchedulePlan: Sendable, Equatable {
    /// An edit of another field must not lose the due time of the same moment: the schedulers may be this late.
    static let graceSeconds: Int64 = 2

    /// Where the look-back begins, Unix seconds: the last change, or the last look of the same pattern when that was later (SPEC §4).
    let lookedUntil: Int64
    /// Unix seconds, possibly past; nil: never.
    let nextDueAt: Int64?
    /// Why the pattern or the zone cannot be used, in a sentence.
    let problem: String?

    init(lookedUntil: Int64, nextDueAt: Int64?, problem: String?) {
        self.lookedUntil = lookedUntil
        self.nextDueAt = nextDueAt
        self.problem = problem
    }

    /// Plans a configuration as it stands.
    init(_ configuration: ScheduleConfiguration) {
        let change = configuration.updatedAt.dividedDown(by: 1_000_000)
        if let previous = configuration.previous, previous.isSame {
            lookedUntil = max(previous.lookedUntil, previous.wasUnderWay ? change - Self.graceSeconds : change)
        } else {
            lookedUntil = change
        }
        guard let pattern = configuration.cronPattern else {
            (nextDueAt, problem) = (nil, nil)
            return
        }
        do {
            let schedule = CronSchedule(pattern: try CronPattern(pattern), zone: try TimeZoneRules(named: configuration.timeZone))
            let next = schedule.next(after: lookedUntil)
            nextDueAt = configuration.isActive ? next : nil
            problem =
                next == nil ? "The cron pattern \"\(pattern.prefix(40))\" never comes: no date matches it; change its days or months." : nil
        } catch {
            nextDueAt = nil
            problem = "\(error)"
        }
    }
}
