import Postgres
import TestRig

/// Work of every kind for a scenario: runs that sleep, fail once, fail for good, fan out, and syncs of stores.
struct Workload {
    let rig: Rig

    /// Makes the jobs. A drill has one attempt, so that an interruption that counted as a failure would show.
    init(_ rig: Rig) async throws {
        self.rig = rig
        _ = try await rig.pool.query(
            """
            INSERT INTO job_configurations (name, job_type, max_attempts, retry_delay_seconds, config) VALUES
              ('drill', 'NOOP', 1, 0, '{}'), ('flaky', 'NOOP', 3, 0, '{"fail": "once", "sleep_ms": 20}'),
              ('doomed', 'NOOP', 2, 0, '{"fail": "permanent"}'), ('family', 'NOOP', 3, 0, '{"children": 4, "sleep_ms": 30}')
            """)
    }

    /// So many drills, of `milliseconds` to twice that.
    func drills(_ count: Int, milliseconds: Int) async throws {
        _ = try await rig.pool.query(
            """
            SELECT enqueue_job('drill', jsonb_build_object('sleep_ms', \(milliseconds)::int + \(milliseconds)::int * n / \(count)::int))
            FROM generate_series(1, \(count)) AS n
            """)
    }

    /// A few of every other kind.
    func others() async throws {
        _ = try await rig.pool.query(
            "SELECT enqueue_job(name) FROM unnest(ARRAY['flaky', 'doomed', 'family']) AS name, generate_series(1, 3)")
    }

    /// How many attempts a lease or a deploy cut short. What was claimed ahead, found no slot and was handed back had not begun.
    func interrupted() async throws -> Int {
        try await rig.value(
            """
            SELECT count(*) AS value FROM job_attempts
            WHERE outcome IN ('RESCUED', 'INTERRUPTED') AND error_details ->> 'code' IS DISTINCT FROM 'NO_SLOT'
            """)
    }

    /// Throws when anything failed that was not to fail: an interruption has become a failure, or a result got lost.
    func requireOnlyTheDoomedFailed() async throws {
        let failed: String? = try await rig.pool.query(
            """
            SELECT string_agg(j.name || ' ' || e.status || ' ' || coalesce(e.error_details ->> 'code', ''), ', ') AS value
            FROM job_finished AS e JOIN job_configurations AS j ON j.id = e.job_config_id
            WHERE e.status <> CASE WHEN j.name = 'doomed' THEN 'FAILED' ELSE 'SUCCESS' END
            """
        ).first?["value"]
        try require(failed == nil, "these did not end as they should: \(failed ?? "")")
    }

    /// How many executions ended.
    func ended() async throws -> Int { try await rig.value("SELECT count(*) AS value FROM job_finished") }
}
