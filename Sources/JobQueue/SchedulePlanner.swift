import Cron
import Postgres
import Runtime

/// A configuration and what was made of it.
struct PlannedSchedule: Sendable {
    let configuration: ScheduleConfiguration
    let plan: SchedulePlan
}

/// Plans configurations that are new or changed: their next due time, or why there is none.
struct SchedulePlanner: Sendable {
    static let batch = 1_000
    let pool: PostgresPool
    private let logger = Logger(label: "scheduler")

    init(pool: PostgresPool) {
        self.pool = pool
    }

    /// Plans every changed configuration that no other scheduler is planning.
    func planAll() async throws {
        while try await planBatch() == Self.batch {}
    }

    /// Has every schedule planned anew whose next due time is another one by the zone files of today.
    func followZoneFiles() async throws {
        var outdated: [Int] = []
        for row in try await pool.query(ScheduleStatements.plannedSchedules) {
            // One that cannot be read here, while it is under way, may be read on other hosts: nothing is decided before it is due.
            guard let next = try? Self.nextDueAt(of: row) else { continue }
            if try next != row.getIfPresent("next_due_at", as: Int64.self) { outdated.append(try row.get("job_config_id")) }
        }
        guard !outdated.isEmpty else { return }
        logger.notice("schedules are planned anew by the system's zone files", ["schedules": "\(outdated.count)"])
        _ = try await pool.query(ScheduleStatements.planAnew(outdated))
    }

    /// One transaction. Gives how many configurations it looked at; 0 when it could write nothing of them.
    private func planBatch() async throws -> Int {
        let (count, marked) = try await pool.transaction { transaction in
            let rows = try await transaction.query(ScheduleStatements.changedConfigurations(limit: Self.batch))
            guard !rows.isEmpty else { return (0, [PlannedSchedule]()) }
            let plans = try rows.map(Self.decode).map { PlannedSchedule(configuration: $0, plan: SchedulePlan($0)) }
            let (writable, marked) = try await mark(plans, in: transaction)
            _ = try await transaction.query(ScheduleStatements.writePlans(writable))
            return (writable.isEmpty ? 0 : rows.count, marked)
        }
        for planned in marked {
            let job = ["job": planned.configuration.jobName]
            if let problem = planned.plan.problem {
                logger.error("a job cannot be scheduled: \(problem)", job)
            } else {
                logger.notice("a job can be scheduled again", job)
            }
        }
        return count
    }

    /// Writes the problems that appeared or went. Gives the plans that may be written now, and those whose problem changed.
    private func mark(
        _ plans: [PlannedSchedule], in transaction: PostgresTransaction
    ) async throws -> (writable: [PlannedSchedule], marked: [PlannedSchedule]) {
        let changing = plans.filter { $0.plan.problem != $0.configuration.problem }
        guard !changing.isEmpty else { return (plans, []) }
        let rows = try await transaction.query(ScheduleStatements.lockConfigurations(changing.map(\.configuration.jobConfigID)))
        var lockedProblems: [Int: String?] = [:]
        for row in rows { lockedProblems[try row.get("id", as: Int.self)] = .some(row["problem"]) }
        // Another scheduler may have written, and told, the same since.
        let marked = changing.filter { planned in
            lockedProblems[planned.configuration.jobConfigID].map { $0 != planned.plan.problem } ?? false
        }
        _ = try await transaction.query(ScheduleStatements.writeProblems(marked))
        let unlocked = Set(changing.map(\.configuration.jobConfigID)).subtracting(lockedProblems.keys)
        return (plans.filter { !unlocked.contains($0.configuration.jobConfigID) }, marked)
    }

    private static func nextDueAt(of row: PostgresRow) throws -> Int64? {
        let schedule = CronSchedule(
            pattern: try CronPattern(try row.get("cron_pattern")), zone: try TimeZoneRules(named: try row.get("time_zone")))
        return schedule.next(after: try row.get("looked_until"))
    }

    private static func decode(_ row: PostgresRow) throws -> ScheduleConfiguration {
        let previous = try row.getIfPresent("looked_until", as: Int64.self).map { lookedUntil in
            ScheduleConfiguration.Previous(
                lookedUntil: lookedUntil, isSame: try row.get("is_same"), wasUnderWay: try row.get("was_under_way"))
        }
        return ScheduleConfiguration(
            jobConfigID: try row.get("id"), jobName: try row.get("name"), cronPattern: row["cron_pattern"],
            timeZone: try row.get("time_zone"), isActive: try row.get("is_active"), updatedAtText: try row.get("updated_at"),
            updatedAt: try row.get("changed_at"), problem: row["problem"], previous: previous)
    }
}
