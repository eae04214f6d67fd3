import Postgres
import Runtime

/// The statements of the worker, each with what it needs to know. The logic stands in the functions of migrations 4 to 8.
enum QueueStatements {
    static func configurations(ids: [Int]) -> SQL {
        """
        SELECT j.id, j.name, j.job_type, j.time_zone, j.config, j.retry_delay_seconds, j.timeout_seconds,
          (SELECT i.name FROM integrations AS i WHERE i.id = j.source_id AND NOT (i.active AND i.deleted_at IS NULL)) AS unusable_integration
        FROM job_configurations AS j WHERE j.id = ANY (\(ids)::int[])
        """
    }

    static func fence(id: ExecutionID, token: Int64) -> SQL {
        "SELECT 1 AS held FROM job_live WHERE id = \(id)::uuid AND token = \(token) AND status = 'RUNNING' FOR SHARE"
    }

    /// Tells whether the database answers.
    static let probe: SQL = "SELECT 1 AS answers"

    static func progress(id: ExecutionID, token: Int64, progress: JSONValue) -> SQL {
        "SELECT report_progress(\(id)::uuid, \(token), \(progress)::jsonb)"
    }

    static func claim(worker: String, batch: Int, after mark: Watermark) -> SQL {
        let runAt: SQL = mark.dueWithin.map { "clock_timestamp() - \($0)::interval" } ?? "\(mark.runAt)::timestamptz"
        return """
            SELECT * FROM claim_executions(\(worker)::uuid, \(batch), \(mark.priority)::smallint, \(runAt), \(mark.id)::uuid)
            """
    }

    private static let patience: SQL = "patience AS MATERIALIZED (SELECT set_config('lock_timeout', '1s', true))"

    /// A statement of one function's result, which is called when its patience is set.
    private static func select(_ result: SQL, _ locks: RowLocks) -> SQL {
        guard case .waitsShortly = locks else { return "SELECT \(result)" }
        return "WITH \(patience) SELECT \(result) FROM patience"
    }

    static func finish(_ ends: [FinishedRun], _ locks: RowLocks = .waits, wakesOthers: Bool = false) -> SQL {
        let parents = Array(Set(ends.compactMap(\.run.parentID)).filter(locks.holds))
        return select(
            """
            unnest(finish_executions(\(ends.map(\.run.id))::uuid[], \(ends.map(\.run.token))::bigint[], \(ends.map(\.status))::text[],
              \(ends.map(\.attemptOutcome))::text[], \(ends.map(\.metrics))::jsonb[], \(ends.map(\.error))::jsonb[], \(parents)::uuid[],
              \(wakesOthers && ends.contains { $0.run.isGated })))::text AS id
            """, locks)
    }

    static func giveBack(_ returns: [ReturnedRun], _ locks: RowLocks = .waits) -> SQL {
        select(
            """
            unnest(return_executions(\(returns.map(\.run.id))::uuid[], \(returns.map(\.run.token))::bigint[],
              \(returns.map(\.attemptOutcome))::text[], \(returns.map(\.error))::jsonb[], \(returns.map(\.delay))::interval[]))::text AS id
            """, locks)
    }

    /// Locks the rows of these runs and of their parents, in order of id, but for those that somebody else has locked. Gives what is locked now
    /// (`is_free`) and the runs that are still ours and whose rows somebody has.
    static func lockUnlocked(_ runs: [ClaimedRun]) -> SQL {
        let all = Set(runs.map(\.id) + runs.compactMap(\.parentID)).sorted()
        return """
            WITH \(patience),
            free AS MATERIALIZED (
              SELECT l.id FROM patience, job_live AS l WHERE l.id = ANY (\(all)::uuid[]) ORDER BY l.id FOR UPDATE OF l SKIP LOCKED
            )
            SELECT id::text AS id, true AS is_free FROM free
            UNION ALL
            SELECT l.id::text, false FROM unnest(\(runs.map(\.id))::uuid[], \(runs.map(\.token))::bigint[]) AS f(id, token)
            JOIN job_live AS l ON l.id = f.id AND l.token = f.token AND l.status = 'RUNNING' WHERE l.id NOT IN (SELECT id FROM free)
            """
    }

    /// Gives rows back that this worker holds by the database's word alone.
    static func giveBack(rows: [HeldRow]) -> SQL {
        """
        SELECT return_executions(array_agg(h.id), array_agg(h.token), array_agg('INTERRUPTED'::text),
          array_agg('{"code": "INTERRUPTED", "message": "the worker never learned of its claim", "retryable": true}'::jsonb), NULL)
        FROM unnest(\(rows.map(\.id))::uuid[], \(rows.map(\.token))::bigint[]) AS h(id, token)
        """
    }

    static func fanOut(_ run: ClaimedRun, children: [PlannedChild], unit: String, _ locks: RowLocks = .waits) -> SQL {
        select(
            """
            fan_out(\(run.id)::uuid, \(run.token), \(unit), \(children.map(\.params.text))::jsonb[], \(children.map(\.storeID))::int[],
              \(children.map(\.registration))::text[], \(children.map(\.sourceID))::int[], \(children.map(\.targetID))::int[]) AS held
            """, locks)
    }

    /// Lines whose run still holds its token, and, when they come late, whose run ended with it. `now` tells how long ago each was written, for only
    /// the database's clock counts.
    static func logs(_ lines: [LogLine], now: Duration, isLate: Bool) -> [SQL] {
        let hasEnded: SQL = isLate ? " OR \(Self.hasEnded)" : ""
        return [
            // Somebody may have the day's table locked, to build an index perhaps.
            "SELECT set_config('lock_timeout', \(isLate ? "100ms" : "1s"), true) AS patience",
            """
            INSERT INTO execution_logs (execution_id, attempt, logged_at, level, message, fields)
            SELECT n.id, n.attempt, clock_timestamp() - n.age * interval '1 microsecond', n.level, n.message, n.fields
            FROM unnest(\(lines.map(\.run.id))::uuid[], \(lines.map(\.run.token))::bigint[], \(lines.map(\.run.attempt))::int[],
              \(lines.map { Int64((now - $0.writtenAt) / .microseconds(1)) })::bigint[], \(lines.map(\.level.rawValue))::text[],
              \(lines.map(\.message))::text[], \(lines.map(\.fields))::jsonb[]) WITH ORDINALITY AS n(id, token, attempt, age, level, message, fields, place)
            WHERE EXISTS (SELECT FROM job_live AS l WHERE l.id = ANY (\(lines.map(\.run.id))::uuid[]) AND l.id = n.id AND l.token = n.token)\(hasEnded)
            ORDER BY n.place
            """,
        ]
    }

    /// A finished row keeps the token of its last run, unless it was cancelled; an attempt that was not the last is told by its number.
    private static let hasEnded: SQL = """
        EXISTS (SELECT FROM job_finished AS f WHERE f.id = n.id AND f.token = n.token)
          OR EXISTS (SELECT FROM job_attempts_past AS p WHERE p.execution_id = n.id AND p.attempt = n.attempt AND p.outcome <> 'RESCUED')
        """

    /// Those of this worker's runs that are no longer its own.
    static func lostRuns(_ runs: [ClaimedRun]) -> SQL {
        """
        SELECT f.id::text AS id FROM unnest(\(runs.map(\.id))::uuid[], \(runs.map(\.token))::bigint[]) AS f(id, token)
        WHERE NOT EXISTS (SELECT FROM job_live AS l WHERE l.id = ANY (\(runs.map(\.id))::uuid[]) AND l.id = f.id AND l.token = f.token AND l.status = 'RUNNING')
        """
    }

    /// Rows that carry this worker's id: those it does not know are given back.
    static func heldRows(worker: String) -> SQL {
        "SELECT id::text AS id, token FROM job_live WHERE status = 'RUNNING' AND worker = \(worker)::uuid"
    }

    static func renewLease(_ identity: WorkerIdentity, lease: Duration, running: Int) -> SQL {
        """
        INSERT INTO workers AS w (id, host, pid, version, lease, lease_until, slots, running)
        VALUES (\(identity.id)::uuid, \(identity.host), \(Int(identity.pid)), \(identity.version), \(lease), clock_timestamp() + \(lease)::interval,
          \(identity.slots), \(running))
        ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp(), lease = excluded.lease, lease_until = clock_timestamp() + excluded.lease,
          running = excluded.running
        """
    }

    static func forgiveRescues(worker: String) -> SQL {
        "SELECT forgive_rescues(\(worker)::uuid)"
    }

    static func releaseLease(worker: String) -> SQL {
        "UPDATE workers SET lease_until = clock_timestamp(), heartbeat_at = clock_timestamp(), running = 0 WHERE id = \(worker)::uuid"
    }

    /// Notes the server's time; how far its clock jumped since somebody did, in seconds, negative when it was set back.
    static func followClock(every interval: Duration) -> SQL {
        "SELECT extract(epoch FROM follow_clock(\(interval)::interval))::float8 AS jump"
    }

    static let createPartitions: SQL = "SELECT create_partitions()"
    static let wakeWorkers: SQL = "SELECT wake_workers()"
    static let defects: SQL = "SELECT defect FROM queue_defects"
    static let sweepParents: SQL = "SELECT sweep_parents()"
    static let expireWaits: SQL = "SELECT expire_waits()"

    /// One page of lost runs, behind the last one of the page before; how many transactions of lost workers were ended; and the shortest lease, in
    /// seconds, of those who are there.
    static func rescue(batch: Int, after last: ExecutionID = Watermark.start.id) -> SQL {
        """
        SELECT rescued, last_id::text, end_lost_transactions() AS ended,
          (SELECT extract(epoch FROM min(lease))::float8 FROM workers WHERE lease_until > clock_timestamp()) AS shortest_lease
        FROM rescue_executions(\(batch), \(last)::uuid)
        """
    }

    static let isHouseworkDue: SQL = "SELECT is_housework_due() AS is_due"

    /// At most `batch` rows that a change of their job did not reach; `looksAtAll`: not only of jobs that changed in the last hour.
    static func gateStragglers(looksAtAll: Bool, batch: Int) -> SQL {
        "SELECT gate_stragglers(\(orNull: looksAtAll ? nil : Duration.seconds(3600))::interval, \(batch)) AS found"
    }

    /// Moments of requests that their executions never came for.
    static let forgetReservations: SQL = "DELETE FROM request_reservations WHERE at < clock_timestamp() - interval '1 hour'"

    /// Workers that were last heard of a week ago and hold nothing.
    static let forgetWorkers: SQL = """
        DELETE FROM workers AS w WHERE heartbeat_at < clock_timestamp() - interval '7 days'
          AND NOT EXISTS (SELECT FROM job_live AS l WHERE l.status = 'RUNNING' AND l.worker = w.id)
        """
}
