import Foundation
import TestRig
import TestSupport

/// R01: workers that are killed.
extension Catalogue {
    /// Three workers; one after another is killed and replaced while all sync and run drills.
    static let killedWorkers = Scenario(number: "R01", injected: "workers killed at random moments, and replaced") { trial in
        try await Rig.watched(RigSettings(products: 120, sandbox: ["--latency-ms", "20"], maxAttempts: 1)) { rig, watch in
            let work = try await Workload(rig)
            let fleet = try await Fleet(rig, count: 3, ["--lease", "1", "--slots", "6"])
            let kills = 12
            for _ in 0..<kills {
                try await work.drills(20, milliseconds: 60)
                try await work.others()
                _ = try await rig.trigger()
                try await trial.pause(0...900)
                try fleet.killAndReplace(trial.choose(fleet.all))
            }
            // A store's campaign may meet a kill at each of its attempts.
            try await Oracle(rig: rig, ambiguousCuts: 3, watch: watch).drainAndJudge()
            try await fleet.leave()
            try await Oracle(rig: rig).requireNoSessions()
            let rescued = try await work.interrupted()
            try require(rescued > 0, "no kill met a run: nothing was shown")
            let quarantined: Int = try await rig.value(
                "SELECT count(*) AS value FROM job_finished WHERE error_details ->> 'code' = 'QUARANTINED'")
            if quarantined == 0 { try await work.requireOnlyTheDoomedFailed() }
            trial.figure(
                "\(kills) kills, \(try await work.ended()) executions, \(rescued) attempts taken back, \(quarantined) that lost three workers, \(watch.figure)"
            )
        }
    }
}
