import Cron
import Postgres
import Runtime

/// A schedule and what was decided about its due times.
struct DecidedSchedule: Sendable {
    let jobConfigID: Int
    let decision: ScheduleDecision
}

/// What one transaction did.
struct TickReport: Sendable {
    /// The transaction's moment on the database's clock, in Unix microseconds.
    var now: Int64 = .min
    /// Schedules that were due and locked here.
    var found = 0
    var decided: [DecidedSchedule] = []
    /// Executions enqueued and cancelled.
    var enqueued = 0
    var cancelled = 0

    /// Due times decided, those that share a row included.
    var dueTimes: Int { decided.reduce(0) { $0 + $1.decision.ticks.reduce(0) { $0 + $1.count } } }
}

/// One schedule's executions or ticks were refused by the database; the others are not to suffer.
struct ScheduleRefused: Error {
    let jobConfigID: Int
    let reason: PostgresError
}

/// Decides what is due and records it: ticks, executions and the next due times of many schedules in one transaction.
struct SchedulerTick: Sendable {
    /// 1,000 keep a transaction of 10,000 schedules due at once below 0.2 s.
    static let batch = 1_000
    /// Rows of `schedule_ticks` after which a transaction takes no further schedule.
    static let mostTicks = 20_000

    /// One transaction's work for at most `limit` schedules that were due at `moment` (Unix microseconds); those in `refused` are left out.
    static func run(
        in transaction: PostgresTransaction, dueBy moment: Int64, limit: Int = batch, except refused: Set<Int> = []
    ) async throws -> TickReport {
        let rows = try await transaction.query(ScheduleStatements.dueSchedules(by: moment, limit: limit, except: refused))
        var report = TickReport()
        report.now = try rows.first?.get("now") ?? .min
        let candidates = rows.filter { $0["job_config_id"] != nil }
        guard !candidates.isEmpty else { return report }
        report.found = candidates.count
        let jobs = try candidates.map { try $0.get("job_config_id", as: Int.self) }
        do {
            try await record(candidates, &report, in: transaction)
        } catch let error as PostgresError where jobs.count == 1 && error.isRefusal {
            throw ScheduleRefused(jobConfigID: jobs[0], reason: error)
        }
        return report
    }

    private static func record(_ candidates: [PostgresRow], _ report: inout TickReport, in transaction: PostgresTransaction) async throws {
        let live = try await liveExecutions(candidates, in: transaction)
        var unreadable: [Int] = []
        var replacing: [DecidedSchedule] = []
        var ticks = 0
        for row in candidates where ticks < mostTicks {
            let job = try row.get("job_config_id", as: Int.self)
            guard let due = try? decode(row, live: live[job] ?? LiveExecutions()) else {
                unreadable.append(job)
                continue
            }
            let decision = ScheduleDecision(due, now: report.now)
            ticks += decision.ticks.count
            let decided = DecidedSchedule(jobConfigID: job, decision: decision)
            if decision.replacesLive { replacing.append(decided) }
            report.decided.append(decided)
        }
        if !unreadable.isEmpty { _ = try await transaction.query(ScheduleStatements.planAnew(unreadable)) }
        if !replacing.isEmpty {
            let jobs = try await transaction.query(ScheduleStatements.makingExecutions(replacing)).map { try $0.get("job", as: Int.self) }
            let rows = try await transaction.query(ScheduleStatements.cancelLiveExecutions(of: jobs))
            report.cancelled = try rows.first?.get("cancelled") ?? 0
        }
        report.enqueued = try await transaction.query(ScheduleStatements.record(report.decided)).affectedRows
        assert(Failpoint.reach("tick.recorded"))
    }

    private static func liveExecutions(
        _ candidates: [PostgresRow], in transaction: PostgresTransaction
    ) async throws -> [Int: LiveExecutions] {
        let askers = candidates.filter { $0["overlap_policy"] != OverlapPolicy.allow.rawValue }
        let jobs = try askers.map { try $0.get("job_config_id", as: Int.self) }
        guard !jobs.isEmpty else { return [:] }
        var live: [Int: LiveExecutions] = [:]
        for row in try await transaction.query(ScheduleStatements.liveExecutions(of: jobs)) {
            live[try row.get("job_config_id")] = LiveExecutions(isRunning: try row.get("is_running"), isWaiting: try row.get("is_waiting"))
        }
        return live
    }

    private static func decode(_ row: PostgresRow, live: LiveExecutions) throws -> DueSchedule {
        let schedule = CronSchedule(
            pattern: try CronPattern(try row.get("cron_pattern")), zone: try TimeZoneRules(named: try row.get("time_zone")))
        return DueSchedule(
            schedule: schedule, lookedUntil: try row.get("looked_until"), isPaused: try row.get("is_paused"),
            overlapPolicy: OverlapPolicy(rawValue: try row.get("overlap_policy")) ?? .skip,
            misfirePolicy: MisfirePolicy(rawValue: try row.get("misfire_policy")) ?? .runOnce, live: live)
    }
}

extension PostgresError {
    /// The rows themselves are at fault, or somebody holds one of them: the same transaction would fail again.
    var isRefusal: Bool {
        switch kind {
        case .constraint, .invalidInput, .raised: true
        default: sqlState == "55P03"
        }
    }
}
