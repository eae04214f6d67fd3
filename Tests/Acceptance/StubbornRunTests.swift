import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// Runs that are no good neighbours: they keep slots and threads longer than anybody thought.
@Suite struct StubbornRunTests {
    private func withDrill(_ body: (Rig) async throws -> Void) async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type, max_attempts) VALUES ('drill', 'NOOP', 1)")
            try await body(rig)
        }
    }

    private func enqueue(_ count: Int, _ rig: Rig, milliseconds: Int = 0) async throws {
        _ = try await rig.pool.query(
            "SELECT enqueue_job('drill', jsonb_build_object('sleep_ms', \(milliseconds)::int)) FROM generate_series(1, \(count)::int)")
    }

    @Test("what a worker claimed ahead of quick runs does not wait behind a long one while another worker is idle")
    func claimedAhead() async throws {
        try await withDrill { rig in
            _ = try rig.worker(["--slots", "1"])
            try await enqueue(300, rig)
            try await eventually("the end of the quick ones") { try await rig.value("SELECT count(*) = 0 AS value FROM job_live") }
            // One statement, so that one claim takes all of them, the long one first.
            _ = try await rig.pool.query(
                """
                INSERT INTO job_executions (job_config_id, params, priority)
                SELECT job_id('drill'), jsonb_build_object('sleep_ms', CASE n WHEN 1 THEN 600000 ELSE 1 END), n FROM generate_series(1, 6) AS n
                """)
            try await eventually("all of them are claimed") {
                try await rig.value("SELECT count(*) = 6 AS value FROM job_live WHERE status = 'RUNNING'")
            }
            _ = try rig.worker(["--slots", "4"])
            try await eventually(within: .seconds(30), "the quick ones end on the idle worker") {
                try await rig.value("SELECT count(*) = 1 AS value FROM job_live")
            }
            let left = try #require(try await rig.executions("WHERE status = 'RUNNING'").first)
            #expect(left.attempt == 1, "the long one was not disturbed")
            _ = try await rig.pool.query("SELECT cancel_execution(\(left.id)::uuid)")
            // Handed back once or never, not again and again.
            let most: Int = try await rig.value("SELECT max(attempt) AS value FROM job_finished WHERE params ->> 'sleep_ms' = '1'")
            #expect(most == 2)
        }
    }

    #if DEBUG
        @Test("R05: runs that block every thread of a worker for four leases do not cost it its lease")
        func blockedThreads() async throws {
            try await withDrill { rig in
                let threads = ProcessInfo.processInfo.activeProcessorCount
                let blocked = try rig.worker(
                    ["--lease", "2", "--slots", "\(threads * 2)"], environment: ["CHIMERA_FAILPOINT": "run.begins=hang"])
                _ = try await blocked.line(containing: "works", within: .seconds(60))
                try await enqueue(threads * 2, rig, milliseconds: 1)
                try await eventually("it has them") {
                    try await rig.value("SELECT count(*) = \(threads * 2) AS value FROM job_live WHERE status = 'RUNNING'")
                }
                // Somebody who would rescue them, and takes nothing else.
                _ = try rig.worker(["--lease", "2", "--slots", "1"])
                try await eventually(within: .seconds(120), "their ends") {
                    try await rig.value("SELECT count(*) = 0 AS value FROM job_live")
                }
                let other: Int = try await rig.value("SELECT count(*) AS value FROM job_attempts WHERE attempt > 1 OR outcome <> 'SUCCESS'")
                #expect(other == 0, "each ran once")
            }
        }
    #endif
}
