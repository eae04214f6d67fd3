import JobQueue
import Postgres
import Runtime

/// Raises LATE for due times whose success did not come within `expect_success_within` (SPEC §4): once, whoever looks first, and
/// also when no worker or no scheduler is left, for both of them look.
struct LateWatch: Sendable {
    /// Watches judged in one transaction.
    static let batch = 500
    /// Of due times that no scheduler has looked at, the newest so many are told.
    static let mostUnticked = 1_000

    let pool: PostgresPool
    private let logger = Logger(label: "late")

    init(pool: PostgresPool) {
        self.pool = pool
    }

    /// Looks once. Gives how many due times were late.
    @discardableResult
    func runOnce() async throws -> Int {
        guard try await pool.query(LateStatements.glance).first?.get("has_work") ?? false else { return 0 }
        try await pool.transaction { transaction in
            _ = try await transaction.query(LateStatements.readByIndex)
            _ = try await transaction.query(LateStatements.follow)
        }
        var late = 0
        while true {
            let (looked, found) = try await pool.transaction { transaction in try await Self.judge(in: transaction) }
            late += found
            if looked < Self.batch { break }
        }
        if late > 0 { logger.warning("due times passed without a success in time", ["late": "\(late)"]) }
        return late
    }

    private static func judge(in transaction: PostgresTransaction) async throws -> (looked: Int, late: Int) {
        _ = try await transaction.query(LateStatements.readByIndex)
        let rows = try await transaction.query(LateStatements.watches(limit: batch))
        guard !rows.isEmpty else { return (0, 0) }
        var scheduled: [LateLook] = []
        var unscheduled: [Int] = []
        for row in rows {
            if row["cron_pattern"] == nil {
                unscheduled.append(try row.get("job_config_id"))
            } else {
                scheduled.append(try look(row))
            }
        }
        var late = 0
        if !scheduled.isEmpty { late += try await transaction.query(LateStatements.judge(scheduled)).first?.get("late") ?? 0 }
        if !unscheduled.isEmpty {
            late += try await transaction.query(LateStatements.judgeUnscheduled(unscheduled)).first?.get("late") ?? 0
        }
        return (rows.count, late)
    }

    /// What the pattern says where no scheduler has looked: all schedulers may be down.
    private static func look(_ row: PostgresRow) throws -> LateLook {
        var look = LateLook(jobConfigID: try row.get("job_config_id"), horizon: try row.get("horizon"))
        guard let pattern = row["cron_pattern"], let times = try? PatternTimes(pattern: pattern, zone: row.get("time_zone")) else {
            return look
        }
        look.nextDueAt = times.next(after: look.horizon)
        if try !row.get("is_paused", as: Bool.self) {
            let start = max(try row.get("looked_until", as: Int64.self), try row.get("watched_through"))
            look.untickedDueTimes = times.latest(after: start, through: look.horizon, limit: mostUnticked)
        }
        return look
    }
}
