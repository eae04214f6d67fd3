import Runtime
import TestRig
import TestSupport
import Testing

/// A worker claims ahead of quick jobs; it keeps no long ones from others.
@Suite struct HoardingTests {
    /// A rig with a NOOP job called `drill`.
    private func withDrill(_ body: (Rig) async throws -> Void) async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type) VALUES ('drill', 'NOOP')")
            try await body(rig)
        }
    }

    private func enqueue(_ count: Int, _ params: JSONValue, _ rig: Rig) async throws {
        _ = try await rig.pool.query(
            """
            INSERT INTO job_executions (job_config_id, params)
            SELECT job_id('drill'), \(params)::jsonb FROM generate_series(1, \(count)::int)
            """)
    }

    private func allEnded(_ rig: Rig) async throws {
        try await eventually(within: .seconds(180), "the end of all executions") {
            try await rig.value("SELECT count(*) = 0 AS value FROM job_live")
        }
    }

    @Test("of jobs of a second a worker with four slots never holds more than four that it does not run yet")
    func nothingIsHoarded() async throws {
        try await withDrill { rig in
            _ = try rig.worker(["--slots", "4"])
            try await enqueue(20, ["sleep_ms": 1000], rig)
            try await allEnded(rig)
            // A claimed run waits from its claim until its code begins, which its first line tells: how many waited when each was claimed.
            let most: Int = try await rig.value(
                """
                WITH waits AS (SELECT e.id, e.started_at AS from_here, min(l.logged_at) AS to_there
                  FROM job_executions AS e JOIN execution_logs AS l ON l.execution_id = e.id GROUP BY e.id, e.started_at)
                SELECT max((SELECT count(*) FROM waits AS o WHERE w.from_here >= o.from_here AND w.from_here < o.to_there)) AS value FROM waits AS w
                """)
            #expect((1...4).contains(most), "\(most) waited at once")
        }
    }

    @Test("long jobs behind quick ones, claimed with them, are given back for others to run")
    func hoardIsGivenBack() async throws {
        try await withDrill { rig in
            try await enqueue(1_000, .object([:]), rig)
            try await enqueue(60, ["sleep_ms": 1000], rig)
            _ = try rig.worker(["--slots", "4"])
            try await eventually("most of the long jobs are PENDING while four run") {
                let row = try #require(
                    try await rig.pool.query(
                        """
                        SELECT count(*) FILTER (WHERE status = 'RUNNING') AS held, count(*) FILTER (WHERE status = 'PENDING') AS pending FROM job_live
                        WHERE params <> '{}'
                        """
                    ).first)
                let held: Int = try row.get("held")
                return try row.get("pending", as: Int.self) >= 20 && (4...8).contains(held)
            }
            try await allEnded(rig)
        }
    }
}
