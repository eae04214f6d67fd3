import Foundation
import Postgres
import Runtime
import TestSupport

@testable import JobQueue

/// A database with the queue's tables, and what tests of the scheduler ask of it.
struct SchedulerFixture: Sendable {
    let database: TestDatabase
    var pool: PostgresPool { database.pool }
    var scheduler: Scheduler { Scheduler(pool: pool) }

    nonisolated(nonsending) static func withDatabase<T: Sendable>(_ body: (SchedulerFixture) async throws -> T) async throws -> T {
        try await TestDatabase.withDatabase(template: .queue) { database in try await body(SchedulerFixture(database: database)) }
    }

    /// Adds a NOOP job.
    func addJob(
        _ name: String = "job", pattern: String, zone: String = "UTC", overlap: String = "SKIP", misfire: String = "RUN_ONCE"
    ) async throws -> Int {
        try await pool.query(
            """
            INSERT INTO job_configurations (name, job_type, cron_pattern, time_zone, overlap_policy, misfire_policy)
            VALUES (\(name), 'NOOP', \(pattern), \(zone), \(overlap), \(misfire)) RETURNING id
            """
        ).first!.get("id")
    }

    /// A pattern in UTC that was due half an hour ago and will be in half an hour.
    func hourly() async throws -> String {
        let minute: Int = try await pool.query(
            "SELECT extract(minute FROM now() + interval '30 minutes')::int AS minute"
        ).first!.get("minute")
        return "\(minute) * * * *"
    }

    /// Makes a planned schedule look as if nobody had looked for `seconds`.
    func rewind(_ job: Int, by seconds: Int) async throws {
        _ = try await pool.query(
            """
            UPDATE job_schedules SET looked_until = now() - \(seconds) * interval '1 second', next_due_at = now() - interval '1 second'
            WHERE job_config_id = \(job)
            """)
    }

    /// Executions of a job by hand, RUNNING when asked: as a worker would leave it.
    @discardableResult
    func addExecution(_ job: Int, isRunning: Bool = false, dueIn seconds: Int = 0) async throws -> String {
        let id: String = try await pool.query(
            "INSERT INTO job_executions (job_config_id, run_at) VALUES (\(job), now() + \(seconds) * interval '1 second') RETURNING id::text AS id"
        ).first!.get("id")
        if isRunning {
            try await pool.transaction { transaction in
                _ = try await transaction.query("SELECT " + becomesTheQueue)
                _ = try await transaction.query(
                    "UPDATE job_live SET status = 'RUNNING', started_at = now(), worker = gen_random_uuid(), attempt = 1 WHERE id = \(id)::uuid"
                )
            }
        }
        return id
    }

    /// Outcomes of a job's ticks with how many due times each stands for.
    func outcomes(_ job: Int) async throws -> [String: Int] {
        let rows = try await pool.query(
            "SELECT outcome, sum(count)::bigint AS total FROM schedule_ticks WHERE job_config_id = \(job) GROUP BY outcome")
        return try rows.reduce(into: [:]) { $0[try $1.get("outcome")] = try $1.get("total") }
    }

    func count(_ sql: SQL) async throws -> Int {
        try await pool.query("SELECT count(*) AS total FROM (" + sql + ") AS counted").first!.get("total")
    }

    /// Seconds without a tick between the first and the last one of a job whose pattern is every second.
    func missingSeconds(_ job: Int) async throws -> Int {
        try await pool.query(
            """
            SELECT coalesce(extract(epoch FROM max(due_at) - min(due_at))::bigint + 1 - count(*), 0) AS missing
            FROM schedule_ticks WHERE job_config_id = \(job)
            """
        ).first!.get("missing")
    }

    /// Ticks without their execution, executions without their tick, executions that stand for the same due time.
    func mismatches() async throws -> Int {
        let ticksAlone: SQL = """
            SELECT FROM schedule_ticks AS t WHERE (outcome IN ('ENQUEUED', 'COALESCED')) IS DISTINCT FROM EXISTS (
              SELECT FROM job_executions AS e WHERE e.id = t.execution_id AND e.trigger = 'SCHEDULE' AND e.job_config_id = t.job_config_id
                AND (t.outcome = 'COALESCED' OR e.scheduled_for = t.due_at))
            """
        let executionsAlone: SQL = """
            SELECT FROM job_executions AS e WHERE trigger = 'SCHEDULE' AND NOT EXISTS (
              SELECT FROM schedule_ticks AS t WHERE t.execution_id = e.id AND t.outcome = 'ENQUEUED' AND t.due_at = e.scheduled_for)
            """
        let doubles: SQL = """
            SELECT FROM job_executions WHERE trigger = 'SCHEDULE' GROUP BY job_config_id, scheduled_for HAVING count(*) > 1
            """
        return try await count(ticksAlone) + count(executionsAlone) + count(doubles)
    }
}
