import Foundation
import Postgres
import TestRig
import TestSupport

/// R14: locks that would belong to a session.
extension Catalogue {
    /// Everything that programs do, looked at all the time: an advisory lock is held by a transaction or not at all.
    static let advisoryLocks = Scenario(
        number: "R14", injected: "a mixed run, directly and through a pooler, watched for locks of sessions"
    ) {
        trial in
        try await requireThatTheWatchSees()
        for isPooled in [false, true] {
            try await Rig.watched(RigSettings(products: 80, sandbox: ["--latency-ms", "20"], maxAttempts: 1)) { rig, watch in
                let work = try await Workload(rig)
                _ = try await rig.pool.query("UPDATE job_configurations SET cron_pattern = '* * * * * *' WHERE name = 'family'")
                // Limits make claims take the lock of the admission.
                _ = try await rig.pool.query("UPDATE job_configurations SET max_concurrency = 3 WHERE name = 'drill'")
                var url = rig.url
                if isPooled, let port = URLComponents(string: rig.url)?.port {
                    let pooler = try AlternatingPooler(to: port)
                    url = rig.url.replacingOccurrences(of: ":\(port)/", with: ":\(pooler.port)/")
                    try await run(work, rig, trial, url: url, environment: ["CHIMERA_LISTEN": "off"], watch)
                    withExtendedLifetime(pooler) {}
                } else {
                    try await run(work, rig, trial, url: url, environment: [:], watch)
                }
                trial.figure(
                    "\(isPooled ? "pooled" : "direct"): \(try await work.ended()) executions, \(watch.transactionLocksSeen) looks met a transaction's lock"
                )
            }
        }
    }

    private static func run(
        _ work: Workload, _ rig: Rig, _ trial: Trial, url: String, environment: [String: String], _ watch: Watch
    ) async throws {
        let scheduler = try rig.scheduler(url: url, environment: environment)
        let fleet = try await Fleet(rig, count: 3, ["--lease", "1", "--slots", "6"], url: url, environment: environment)
        for round in 0..<6 {
            try await work.drills(50, milliseconds: 5)
            try await work.others()
            _ = try await rig.trigger()
            try await trial.pause(300...700)
            if round % 2 == 0 {
                _ = try await rig.pool.query("SELECT pause_job('flaky'), resume_job('flaky')")
                try fleet.killAndReplace(trial.choose(fleet.all))
            }
        }
        _ = try await rig.pool.query("UPDATE job_configurations SET active = false WHERE name = 'family'")
        try await Oracle(rig: rig, ambiguousCuts: 3, watch: watch).drainAndJudge()
        try await fleet.leave()
        try await scheduler.leave("scheduler")
        try await Oracle(rig: rig).requireNoSessions()
        try require(watch.transactionLocksSeen > 0, "no advisory lock was seen at all: nothing was shown")
    }

    /// A session of our own takes such a lock: the watch must say so, or its silence means nothing.
    private static func requireThatTheWatchSees() async throws {
        try await Rig.watched(RigSettings(stores: 1, products: 1)) { rig, watch in
            try await rig.pool.withConnection { connection in
                _ = try await connection.query("SELECT pg_advisory_lock(42)")
                try await eventually("the watch sees a session's lock") { watch.violations.contains { $0.contains("advisory lock") } }
                _ = try await connection.query("SELECT pg_advisory_unlock(42)")
            }
        }
    }
}
