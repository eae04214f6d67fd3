import Postgres

/// The scheduler's statements. Times go both ways in Unix seconds or microseconds; only the server's clock is asked.
enum ScheduleStatements {
    /// Whether a configuration changed since it was planned, and the first due time after `moment` (Unix microseconds).
    static func glance(after moment: Int64) -> SQL {
        """
        SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now,
          EXISTS (SELECT FROM job_configurations AS c LEFT JOIN job_schedules AS s ON s.job_config_id = c.id
                  WHERE \(isToPlan) OR s.job_config_id IS NULL AND c.cron_pattern IS NOT NULL AND c.deleted_at IS NULL) AS has_changes,
          (SELECT (extract(epoch FROM min(next_due_at)) * 1000000)::bigint FROM job_schedules
           WHERE next_due_at > \(instant(moment))) AS next_due_at
        """
    }

    /// It changed, or has neither a next due time nor a reason why: somebody took one of them away by hand.
    private static let isToPlan: SQL = """
        (s.planned_for <> c.updated_at
          OR s.next_due_at IS NULL AND c.problem IS NULL AND c.cron_pattern IS NOT NULL AND c.active AND c.deleted_at IS NULL)
        """

    /// Configurations to plan, their rows in `job_schedules` locked. Configurations are not locked: an edit that an operator left open
    /// must not stop a schedule, and one that is committed meanwhile is planned in the next round.
    static func changedConfigurations(limit: Int) -> SQL {
        """
        WITH patience AS MATERIALIZED (\(patience)),
        changed AS MATERIALIZED (
          SELECT c.id, s.looked_until, s.cron_pattern IS NOT DISTINCT FROM c.cron_pattern AND s.time_zone = c.time_zone AS is_same,
            s.next_due_at IS NOT NULL AS was_under_way
          FROM job_schedules AS s JOIN job_configurations AS c ON c.id = s.job_config_id
          WHERE \(isToPlan) ORDER BY c.id LIMIT \(limit) FOR UPDATE OF s SKIP LOCKED
        ),
        missing AS (
          SELECT c.id, NULL::timestamptz, NULL::boolean, NULL::boolean FROM job_configurations AS c
          WHERE c.cron_pattern IS NOT NULL AND c.deleted_at IS NULL AND NOT EXISTS (SELECT FROM job_schedules AS s WHERE s.job_config_id = c.id)
          ORDER BY c.id LIMIT \(limit)
        )
        SELECT c.id, c.name, c.cron_pattern, c.time_zone, c.active AND c.deleted_at IS NULL AS is_active, c.updated_at, c.problem,
          (extract(epoch FROM greatest(c.updated_at, CASE WHEN p.looked_until IS NULL THEN
            (SELECT max(t.due_at) FROM schedule_ticks AS t WHERE t.job_config_id = c.id) END)) * 1000000)::bigint AS changed_at,
          floor(extract(epoch FROM p.looked_until))::bigint AS looked_until,
          p.is_same, p.was_under_way
        FROM patience, (SELECT * FROM changed UNION ALL SELECT * FROM missing) AS p(id, looked_until, is_same, was_under_way)
          JOIN job_configurations AS c USING (id)
        ORDER BY c.id LIMIT \(limit)
        """
    }

    /// Locks the configurations whose `problem` is to change; those that somebody else holds are left for the next round.
    static func lockConfigurations(_ ids: [Int]) -> SQL {
        "SELECT id, problem FROM job_configurations WHERE id = ANY (\(ids)::int[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
    }

    static func writeProblems(_ plans: [PlannedSchedule]) -> SQL {
        """
        UPDATE job_configurations AS c SET problem = p.problem
        FROM unnest(\(plans.map(\.configuration.jobConfigID))::int[], \(plans.map(\.configuration.updatedAtText))::timestamptz[],
          \(plans.map(\.plan.problem))::text[]) AS p(id, updated_at, problem)
        WHERE c.id = p.id AND c.updated_at = p.updated_at AND c.problem IS DISTINCT FROM p.problem
        """
    }

    /// Rows that another scheduler made first stand as they are.
    static func writePlans(_ plans: [PlannedSchedule]) -> SQL {
        """
        WITH p AS MATERIALIZED (
          SELECT p.id, p.planned_for, p.pattern, p.zone, to_timestamp(p.looked) AS looked_until, to_timestamp(p.next) AS next_due_at, p.is_known
          FROM unnest(\(plans.map(\.configuration.jobConfigID))::int[], \(plans.map(\.configuration.updatedAtText))::timestamptz[],
            \(plans.map(\.configuration.cronPattern))::text[], \(plans.map(\.configuration.timeZone))::text[],
            \(plans.map(\.plan.lookedUntil))::bigint[], \(plans.map(\.plan.nextDueAt))::bigint[],
            \(plans.map { $0.configuration.previous != nil })::boolean[]) AS p(id, planned_for, pattern, zone, looked, next, is_known)
        ),
        again AS (
          UPDATE job_schedules AS s SET planned_for = p.planned_for, cron_pattern = p.pattern, time_zone = p.zone, looked_until = p.looked_until,
            next_due_at = p.next_due_at
          FROM p WHERE s.job_config_id = p.id AND p.is_known
        )
        INSERT INTO job_schedules (job_config_id, planned_for, cron_pattern, time_zone, looked_until, next_due_at)
        SELECT id, planned_for, pattern, zone, looked_until, next_due_at FROM p WHERE NOT is_known ORDER BY id
        ON CONFLICT (job_config_id) DO NOTHING
        """
    }

    /// Schedules that are due and planned as their configurations stand, locked; always at least one row, for the clock.
    static func dueSchedules(by moment: Int64, limit: Int, except refused: Set<Int>) -> SQL {
        """
        WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM now()) * 1000000)::bigint AS now, p.* FROM (\(patience)) AS p),
        due AS MATERIALIZED (
          SELECT s.job_config_id, floor(extract(epoch FROM s.looked_until))::bigint AS looked_until, s.next_due_at, c.cron_pattern, c.time_zone,
            c.paused_at IS NOT NULL AS is_paused, c.overlap_policy, c.misfire_policy
          FROM job_schedules AS s JOIN job_configurations AS c ON c.id = s.job_config_id AND c.updated_at = s.planned_for
          WHERE s.next_due_at <= least(now(), \(instant(moment))) AND s.job_config_id <> ALL (\(refused.sorted())::int[])
          ORDER BY s.next_due_at, s.job_config_id LIMIT \(limit) FOR UPDATE OF s SKIP LOCKED
        )
        SELECT clock.now, due.* FROM clock LEFT JOIN due ON true ORDER BY due.next_due_at, due.job_config_id
        """
    }

    /// Live top-level executions that are due, of those jobs. A statement of its own, after the locks: what another scheduler committed
    /// just before we got a schedule's lock is not in the snapshot of the statement that took the lock.
    static func liveExecutions(of jobs: [Int]) -> SQL {
        """
        SELECT l.job_config_id, bool_or(l.status = 'RUNNING') AS is_running, bool_or(l.status = 'PENDING') AS is_waiting
        FROM job_live AS l WHERE \(isOverlapped(jobs)) GROUP BY l.job_config_id
        """
    }

    /// Those of the jobs that make an execution: a due time that has its tick already makes none.
    static func makingExecutions(_ decided: [DecidedSchedule]) -> SQL {
        let rows = TickRows(decided)
        return """
            SELECT DISTINCT r.job FROM unnest(\(rows.runJobs)::int[], \(rows.runTimes)::bigint[]) AS r(job, scheduled_for)
            WHERE NOT EXISTS (SELECT FROM schedule_ticks AS t WHERE t.job_config_id = r.job AND t.due_at = to_timestamp(r.scheduled_for))
            """
    }

    /// Cancels what REPLACE replaces, all at once: one function locks everybody concerned in order of id.
    static func cancelLiveExecutions(of jobs: [Int]) -> SQL {
        """
        SELECT cancel_executions(ARRAY(SELECT l.id FROM job_live AS l WHERE \(isOverlapped(jobs)))) AS cancelled
        """
    }

    /// Executions, ticks and the next due times in one statement. A due time that has its tick already makes no execution.
    static func record(_ decided: [DecidedSchedule]) -> SQL {
        let rows = TickRows(decided)
        return """
            WITH run AS MATERIALIZED (
              SELECT uuid_v7() AS id, r.place, r.job, to_timestamp(r.scheduled_for) AS scheduled_for
              FROM unnest(\(rows.runJobs)::int[], \(rows.runTimes)::bigint[]) WITH ORDINALITY AS r(job, scheduled_for, place)
            ),
            tick AS (
              INSERT INTO schedule_ticks (job_config_id, due_at, outcome, execution_id, count)
              SELECT t.job, to_timestamp(t.due_at), t.outcome, run.id, t.count
              FROM unnest(\(rows.tickJobs)::int[], \(rows.tickTimes)::bigint[], \(rows.tickOutcomes)::text[], \(rows.tickRuns)::bigint[],
                \(rows.tickCounts)::bigint[]) AS t(job, due_at, outcome, run, count) LEFT JOIN run ON run.place = t.run
              ON CONFLICT (job_config_id, due_at) DO NOTHING RETURNING execution_id, outcome
            ),
            advanced AS (
              UPDATE job_schedules AS s SET looked_until = to_timestamp(a.looked_until), next_due_at = to_timestamp(a.next_due_at)
              FROM unnest(\(decided.map(\.jobConfigID))::int[], \(decided.map(\.decision.lookedUntil))::bigint[],
                \(decided.map(\.decision.nextDueAt))::bigint[]) AS a(job, looked_until, next_due_at) WHERE s.job_config_id = a.job
            )
            INSERT INTO job_executions (id, job_config_id, trigger, scheduled_for)
            SELECT run.id, run.job, 'SCHEDULE', run.scheduled_for FROM run JOIN tick ON tick.execution_id = run.id AND tick.outcome = 'ENQUEUED'
            ORDER BY run.place
            """
    }

    /// Schedules under way, and those with a problem.
    static let plannedSchedules: SQL = """
        SELECT s.job_config_id, s.cron_pattern, s.time_zone, floor(extract(epoch FROM s.looked_until))::bigint AS looked_until,
          extract(epoch FROM s.next_due_at)::bigint AS next_due_at
        FROM job_schedules AS s JOIN job_configurations AS c ON c.id = s.job_config_id
        WHERE c.active AND c.deleted_at IS NULL AND s.cron_pattern IS NOT NULL AND (s.next_due_at IS NOT NULL OR c.problem IS NOT NULL)
        """

    /// The planner looks at these jobs as if they had changed, wherever no other scheduler holds them.
    static func planAnew(_ jobs: [Int]) -> SQL {
        """
        UPDATE job_schedules SET planned_for = '-infinity' WHERE job_config_id IN (
          SELECT job_config_id FROM job_schedules WHERE job_config_id = ANY (\(jobs)::int[]) ORDER BY job_config_id FOR UPDATE SKIP LOCKED)
        """
    }

    private static func instant(_ microseconds: Int64) -> SQL {
        "timestamptz 'epoch' + \(microseconds) * interval '1 microsecond'"
    }

    private static func isOverlapped(_ jobs: [Int]) -> SQL {
        "l.job_config_id = ANY (\(jobs)::int[]) AND l.parent_id IS NULL AND (l.status = 'RUNNING' OR l.run_at <= now())"
    }

    /// A scheduler that is stopped in the midst of a transaction (SIGSTOP, a lost network) holds its schedules from the others for at most
    /// 5 s: then the server ends its session. Nor does it wait long for a lock.
    private static let patience: SQL = """
        SELECT set_config('idle_in_transaction_session_timeout', '5s', true) AS idle, set_config('lock_timeout', '2s', true) AS locks
        """
}

/// Decisions as columns, for `unnest`.
private struct TickRows {
    var runJobs: [Int] = []
    var runTimes: [Int64] = []
    var tickJobs: [Int] = []
    var tickTimes: [Int64] = []
    var tickOutcomes: [String] = []
    /// The execution's place among all of the statement, from 1.
    var tickRuns: [Int?] = []
    var tickCounts: [Int] = []

    init(_ decided: [DecidedSchedule]) {
        for schedule in decided {
            for tick in schedule.decision.ticks {
                tickJobs.append(schedule.jobConfigID)
                tickTimes.append(tick.dueAt)
                tickOutcomes.append(tick.outcome.rawValue)
                tickRuns.append(tick.run.map { $0 + runJobs.count + 1 })
                tickCounts.append(tick.count)
            }
            runJobs += repeatElement(schedule.jobConfigID, count: schedule.decision.runs.count)
            runTimes += schedule.decision.runs
        }
    }
}
