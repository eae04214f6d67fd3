import Foundation
import TestRig
import TestSupport

/// R01 to R14: who owns a run, and for how long.
extension Catalogue {
    static let ownership: [Failure] = [
        Failure(
            number: "R02", name: "a worker is stopped past its lease and wakes after another one finished",
            evidence: [.scenario(stoppedWorkers)])
    ]

    /// Four workers; one after another is stopped for longer than its lease while all run jobs that log, fail and sync.
    static let stoppedWorkers = Scenario(
        number: "R02", injected: "workers stopped past their lease and woken, at random", isQuick: true
    ) { trial in
        try await Rig.with(RigSettings(products: 40, sandbox: ["--latency-ms", "20"], maxAttempts: 1)) { rig in
            _ = try await rig.pool.query(
                "INSERT INTO job_configurations (name, job_type, max_attempts) VALUES ('drill', 'NOOP', 1)")
            let fleet = try await Fleet(rig, count: 4, ["--lease", "1", "--slots", "4"])
            var committed = 0
            var pauses = 0
            for _ in 0..<6 {
                _ = try await rig.pool.query(
                    "SELECT enqueue_job('drill', jsonb_build_object('sleep_ms', n * 40)) FROM generate_series(1, 30) AS n")
                _ = try await rig.trigger()
                committed += 31
                try await trial.pause(0...400)
                let worker = trial.choose(fleet.all)
                worker.signal(SIGSTOP)
                pauses += 1
                try await trial.pause(1_100...2_500)
                worker.signal(SIGCONT)
            }
            try await Oracle(rig: rig, ambiguousCuts: pauses, committed: committed).drainAndJudge()
            try await fleet.leave()
            try await Oracle(rig: rig).requireNoSessions()
            let rescued: Int = try await rig.value("SELECT count(*) AS value FROM job_attempts WHERE outcome IN ('RESCUED', 'INTERRUPTED')")
            let failed: Int = try await rig.value("SELECT count(*) AS value FROM job_executions WHERE status <> 'SUCCESS'")
            try require(rescued > 0, "no stop met a run: nothing was shown")
            try require(failed == 0, "\(failed) executions did not succeed")
            trial.figure("\(pauses) stops, \(committed) executions, \(rescued) attempts rescued")
        }
    }
}
