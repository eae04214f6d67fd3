import Foundation
import Postgres
import TestRig
import TestSupport

/// R05, R07, R11 and R12: leases, and a database that is slow or silent.
extension Catalogue {
    /// A run of 25 leases on a machine that is busy, with a database that hesitates now and then.
    static let longJob = Scenario(
        number: "R05", injected: "a run of 25 leases, every core busy, the database slow for moments", limit: .seconds(300)
    ) { trial in
        try await Rig.watched(RigSettings(stores: 1, products: 1)) { rig, watch in
            let work = try await Workload(rig)
            let proxy = try rig.proxyToDatabase(seed: trial.seed)
            let fleet = try await Fleet(rig, count: 2, ["--lease", "2", "--slots", "4"], url: rig.url(through: proxy))
            let long = try await rig.trigger("drill", params: ["sleep_ms": 50_000])
            try await rig.waitFor("RUNNING", long)
            let load = try (0..<ProcessInfo.processInfo.activeProcessorCount).map { _ in try Burner() }
            var hesitations = 0
            while try await rig.execution(long).status == "RUNNING" {
                try await work.drills(10, milliseconds: 50)
                try await trial.pause(1_000...3_000)
                // Less than what a renewal waits for.
                proxy.set(TCPProxy.Network(latency: .milliseconds(trial.random(20...120))))
                try await trial.pause(200...700)
                proxy.set(TCPProxy.Network())
                hesitations += 1
            }
            withExtendedLifetime(load) {}
            try await Oracle(rig: rig, watch: watch).drainAndJudge()
            try await fleet.leave()
            let attempts = try await rig.attempts(of: long)
            try require(attempts == ["SUCCESS"], "it ran \(attempts)")
            let run = try await rig.execution(long)
            trial.figure(String(format: "%.0f s in one attempt", (run.finished ?? 0) - (run.started ?? 0)))
            trial.figure("\(hesitations) slow moments, \(watch.figure)")
        }
    }

    /// Ends and claims whose statement, or whose answer, never arrives, while the lease is kept.
    static let lostEnds = Scenario(
        number: "R07", injected: "connections cut around the statements that claim and end, and silence shorter than the lease"
    ) { trial in
        try await Rig.watched(RigSettings(stores: 1, products: 1)) { rig, watch in
            let work = try await Workload(rig)
            let proxy = try rig.proxyToDatabase(seed: trial.seed)
            // Without named statements each one's text is sent every time, so that cuts find it.
            let fleet = try await Fleet(
                rig, count: 2, ["--lease", "6", "--slots", "4"], url: rig.url(through: proxy), environment: ["CHIMERA_LISTEN": "off"])
            let cuts: [TCPProxy.Cut] = [
                .before("finish_executions"), .after("finish_executions"), .before("return_executions"), .after("return_executions"),
                .after("claim_executions"),
            ]
            for round in 0..<cuts.count * 2 {
                try await work.drills(12, milliseconds: 200)
                try await work.others()
                let made = proxy.cutsMade
                proxy.cutOnce(cuts[round % cuts.count])
                try? await eventually(within: .seconds(5), "a cut") { proxy.cutsMade > made }
                try await trial.pause(0...300)
                proxy.set(.blackHole)
                try await trial.pause(200...1_500)
                proxy.set(.forward)
            }
            try await Oracle(rig: rig, watch: watch).drainAndJudge()
            try await fleet.leave()
            try await Oracle(rig: rig).requireNoSessions()
            try await work.requireOnlyTheDoomedFailed()
            try require(proxy.cutsMade >= cuts.count, "only \(proxy.cutsMade) cuts were made")
            let rescued: Int = try await rig.value("SELECT count(*) AS value FROM job_attempts WHERE outcome = 'RESCUED'")
            try require(rescued == 0, "\(rescued) runs were rescued though their workers lived")
            let unknown: Int = try await rig.value(
                "SELECT count(*) AS value FROM job_attempts WHERE error_details ->> 'message' LIKE '%never learned of its claim'")
            try require(unknown > 0, "no claim's answer was lost: nothing was shown")
            trial.figure(
                "\(proxy.cutsMade) cuts, \(try await work.ended()) executions, \(unknown) claims whose answer was lost given back, none rescued"
            )
        }
    }

    /// A worker that reads pages and hears nothing of the database any more: it must have stopped when others may begin.
    static let deafWorker = Scenario(number: "R11", injected: "the database silent for one worker at random moments of a sync") { trial in
        let settings = RigSettings(stores: 2, products: 1_500, sandbox: ["--latency-ms", "120"], maxAttempts: 1)
        try await Rig.watched(settings) { rig, watch in
            let lease = 3.0
            let proxy = try rig.proxyToDatabase(seed: trial.seed)
            let arguments = ["--lease", "3", "--slots", "4"]
            let deaf = try rig.worker(arguments, url: rig.url(through: proxy))
            _ = try await deaf.line(containing: "works", within: .seconds(60))
            var slowest = 0.0
            let rounds = 4
            for round in 1...rounds {
                let before = try await rig.sandbox.state().requestCount
                let id = try await rig.trigger()
                try await eventually("pages of round \(round)") { try await rig.sandbox.state().requestCount >= before + 6 }
                try await trial.pause(0...1_000)
                let stops = deaf.errors.count { $0.contains("the lease could not be renewed in time") }
                let silentSince = ContinuousClock.now
                proxy.set(.blackHole)
                try await eventually(within: .seconds(20), "the runs are stopped") {
                    deaf.errors.count { $0.contains("the lease could not be renewed in time") } > stops
                }
                let seconds = (ContinuousClock.now - silentSince) / .seconds(1)
                slowest = max(slowest, seconds)
                try require(seconds < lease, "its runs went on for \(seconds) s of silence under a lease of \(lease) s")
                // Two requests were under way at most, one for each store.
                let asked = try await rig.sandbox.state().requestCount
                try await eventually("the end of the lease") {
                    try await rig.value("SELECT bool_and(lease_until < clock_timestamp()) AS value FROM workers")
                }
                let late = try await rig.sandbox.state().requestCount - asked
                try require(late <= 2, "\(late) requests after the runs were stopped")
                let helper = try rig.worker(arguments)
                _ = try await rig.finished(id)
                proxy.set(.forward)
                try await helper.leave("helper")
            }
            try await Oracle(rig: rig, ambiguousCuts: 1, watch: watch).drainAndJudge()
            try await deaf.leave("deaf worker")
            let failed: Int = try await rig.value("SELECT count(*) AS value FROM job_finished WHERE status <> 'SUCCESS'")
            try require(failed == 0, "\(failed) executions failed")
            trial.figure(String(format: "%ld silences, runs stopped after at most %.1f s of a lease of 3 s", rounds, slowest))
            trial.figure(watch.figure)
        }
    }

    /// One slot; what holds it is timed out or cancelled while every answer of the database takes its time.
    static let stoppedJobs = Scenario(number: "R12", injected: "runs timed out and cancelled, 100 ms to each answer of the database") {
        trial in
        try await Rig.watched(RigSettings(stores: 1, products: 1)) { rig, watch in
            _ = try await Workload(rig)
            _ = try await rig.pool.query(
                "INSERT INTO job_configurations (name, job_type, max_attempts, timeout_seconds) VALUES ('endless', 'NOOP', 1, 3)")
            let proxy = try rig.proxyToDatabase(seed: trial.seed)
            let fleet = try await Fleet(rig, count: 1, ["--slots", "1"], url: rig.url(through: proxy))
            var slowest = ["timeout": 0.0, "cancel": 0.0]
            for round in 0..<6 {
                let kind = round % 2 == 0 ? "timeout" : "cancel"
                let endless = try await rig.trigger(kind == "timeout" ? "endless" : "drill", params: ["sleep_ms": 600_000])
                try await rig.waitFor("RUNNING", endless)
                let next = try await rig.trigger("drill")
                proxy.set(TCPProxy.Network(latency: .milliseconds(50)))
                try await trial.pause(0...800)
                var due = (try await rig.execution(endless).started ?? 0) + 3
                if kind == "cancel" {
                    due = try await rig.value("SELECT extract(epoch FROM clock_timestamp())::float8 AS value")
                    _ = try await rig.pool.query("SELECT cancel_execution(\(endless)::uuid)")
                }
                // It may have been claimed before: what counts is when it could run.
                let freed = (try await rig.finished(next).finished ?? 0) - due
                proxy.set(TCPProxy.Network())
                // Two seconds, and what the claim of the next one takes: a few round trips.
                try require(freed < 2.6, "\(kind): the slot was free after \(freed) s")
                slowest[kind] = max(slowest[kind] ?? 0, freed)
                let status = try await rig.finished(endless).status
                try require(status == (kind == "timeout" ? "FAILED" : "CANCELLED"), "\(kind): it is \(status)")
            }
            try await Oracle(rig: rig, watch: watch).drainAndJudge()
            try await fleet.leave()
            trial.figure(
                String(
                    format: "the slot was taken by another run after at most %.1f s (timeout), %.1f s (cancel)", slowest["timeout"] ?? 0,
                    slowest["cancel"] ?? 0))
        }
    }
}

/// Keeps one core busy while it lives.
struct Burner {
    private let program: RunningProgram

    init() throws { program = try RunningProgram("/bin/sh", ["-c", "while :; do :; done"]) }
}
