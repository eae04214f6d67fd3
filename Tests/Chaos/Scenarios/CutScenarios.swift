import Foundation
import Postgres
import TestRig
import TestSupport

/// R20 and R21: connections that break at any moment.
extension Catalogue {
    /// Every session of the programs is ended by the server, again and again, now one and now all, for a minute.
    static let terminations = Scenario(
        number: "R20", injected: "pg_terminate_backend on one or on every session at a random rate for a minute", limit: .seconds(300)
    ) { trial in
        try await Rig.with(RigSettings(products: 800, sandbox: ["--latency-ms", "60"], maxAttempts: 1)) { rig in
            let bustle = try await Bustle(rig, through: try rig.proxyToDatabase())
            let before = try await bustle.drills.rate()
            let connectionsBefore = bustle.proxy.connectionTimes.count
            var terminated = 0
            let end = ContinuousClock.now + .seconds(60)
            var nextSync = ContinuousClock.now
            while ContinuousClock.now < end {
                let share = trial.choose([0.1, 0.3, 1.0])
                terminated += try await rig.value(
                    """
                    SELECT count(pg_terminate_backend(pid)) AS value FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name LIKE 'chimera %' AND random() < \(share)
                    """)
                if ContinuousClock.now >= nextSync {
                    try await bustle.sync()
                    nextSync = .now + .seconds(3)
                }
                try await trial.pause(20...900)
            }
            let back = try await bustle.drills.recovery(of: before, after: Date())
            let times = Array(bustle.proxy.connectionTimes[connectionsBefore...])
            try require(
                times.count <= terminated * 2 + 50,
                "\(times.count) connections were made for \(terminated) that were terminated: a busy loop")
            let attempts = try await bustle.endAndJudge(ambiguousCuts: terminated)
            trial.figure(
                """
                \(terminated) sessions ended, \(times.count) connections made, at most \(busiestSecond(times)) in one second; at work again after \
                \(Drills.text(back)) s; \(attempts)
                """)
        }
    }

    /// Everything goes over a bad network: the database's traffic is slow and cut, the partners' is slow, narrow and cut.
    static let badNetwork = Scenario(
        number: "R20", injected: "40 s of 20 ms latency and random cuts to the database, latency, 400 kB/s and cuts to the partners",
        limit: .seconds(300)
    ) { trial in
        try await Rig.with(RigSettings(products: 800, maxAttempts: 30)) { rig in
            let seed = UInt64(trial.random(1...1_000_000))
            let rp = try await rig.proxyToPartner("rp", seed: seed + 1)
            let club = try await rig.proxyToPartner("club", seed: seed + 2)
            let bustle = try await Bustle(rig, through: try rig.proxyToDatabase(seed: seed))
            let before = try await bustle.drills.rate()
            bustle.proxy.set(TCPProxy.Network(latency: .milliseconds(20), jitter: .milliseconds(10), cutsPerSecond: 1))
            let partners = TCPProxy.Network(
                latency: .milliseconds(30), jitter: .milliseconds(30), bytesPerSecond: 400_000, cutsPerSecond: 0.4)
            for proxy in [rp, club] { proxy.set(partners) }
            let end = ContinuousClock.now + .seconds(40)
            while ContinuousClock.now < end {
                try await bustle.sync()
                try await trial.pause(3_000...6_000)
            }
            for proxy in [bustle.proxy, rp, club] { proxy.set(TCPProxy.Network()) }
            let back = try await bustle.drills.recovery(of: before, after: Date())
            try require(rp.cutsMade + club.cutsMade >= 5, "only \(rp.cutsMade + club.cutsMade) cuts met the partners' traffic")
            let attempts = try await bustle.endAndJudge(ambiguousCuts: club.cutsMade)
            trial.figure(
                """
                \(bustle.proxy.cutsMade) cuts to the database, \(rp.cutsMade) and \(club.cutsMade) to the partners; full rate \(Drills.text(back)) s after \
                it; \(attempts)
                """)
        }
    }

    /// Connections break around COMMIT and around the statements that commit by themselves, before the server sees them and before we see the answer.
    static let commitCuts = Scenario(
        number: "R21", injected: "connections cut before and after COMMIT, claims, ends and fan-outs, at random, for 30 s",
        limit: .seconds(300)
    ) { trial in
        try await Rig.with(RigSettings(products: 60, sandbox: ["--latency-ms", "20"], maxAttempts: 1)) { rig in
            let proxy = try rig.proxyToDatabase(seed: UInt64(trial.random(1...1_000_000)))
            let bustle = try await Bustle(rig, through: proxy, drillMilliseconds: 100)
            let texts = [
                "COMMIT", "claim_executions", "finish_executions", "fan_out", "return_executions", "schedule_ticks", "INTO workers",
            ]
            let cuts = texts.flatMap { [TCPProxy.Cut.before($0), TCPProxy.Cut.after($0)] }
            let end = ContinuousClock.now + .seconds(30)
            while ContinuousClock.now < end {
                proxy.set(TCPProxy.Network(cuts: cuts, cutChance: Double(trial.choose([2, 5, 10])) / 100))
                try await bustle.sync()
                try await trial.pause(500...3_000)
                proxy.set(TCPProxy.Network())
                try await trial.pause(0...500)
            }
            let made = proxy.cutsMade
            let attempts = try await bustle.endAndJudge(ambiguousCuts: made)
            try require(made >= 20, "only \(made) cuts met a statement")
            trial.figure("\(made) cuts; \(attempts)")
        }
    }
}

/// Two workers, of which one only polls, and a scheduler, all behind one proxy, with drills, ticks and syncs to do.
struct Bustle {
    let rig: Rig
    let drills: Drills
    let proxy: TCPProxy
    private let fleets: [Fleet]
    private let scheduler: RunningProgram

    init(_ rig: Rig, through proxy: TCPProxy, drillMilliseconds: Int = 50) async throws {
        self.rig = rig
        self.proxy = proxy
        drills = Drills(rig: rig)
        try await drills.addJob(sleepMilliseconds: drillMilliseconds)
        try await drills.addJob("beat", pattern: "* * * * * *")
        let url = rig.url(through: proxy)
        scheduler = try rig.scheduler(url: url)
        let arguments = ["--lease", "6", "--slots", "8"]
        fleets = [
            try await Fleet(rig, count: 1, arguments, url: url),
            try await Fleet(rig, count: 1, arguments, url: url, environment: ["CHIMERA_LISTEN": "off"]),
        ]
        try await drills.enqueue(40_000)
        try await eventually("the first ends") { try await rig.value("SELECT EXISTS (SELECT FROM job_finished) AS value") }
    }

    /// Runs the sync before the drills.
    func sync() async throws { _ = try await rig.pool.query("SELECT enqueue_job('sync-products', priority => -10)") }

    /// Lets everything end, asks everybody to leave and judges; gives what became of the attempts.
    func endAndJudge(ambiguousCuts: Int) async throws -> String {
        try await drills.cancelWaiting()
        for fleet in fleets { for worker in fleet.all { try worker.requireAlive("worker") } }
        try scheduler.requireAlive("scheduler")
        try await scheduler.leave("scheduler")
        let ticks = try await drills.requireEveryTick(of: "beat")
        let committed: Int = try await rig.value(
            "SELECT count(*) AS value FROM job_executions WHERE trigger = 'MANUAL' AND parent_id IS NULL")
        let enqueued: Int = try await rig.value("SELECT count(*) AS value FROM schedule_ticks WHERE outcome = 'ENQUEUED'")
        try await Oracle(rig: rig, ambiguousCuts: ambiguousCuts, committed: committed + enqueued).drainAndJudge()
        for fleet in fleets { try await fleet.leave() }
        try await Oracle(rig: rig).requireNoSessions()
        let failed: String? = try await rig.pool.query(
            """
            SELECT string_agg(DISTINCT coalesce(error_details ->> 'code', status), ', ') AS value FROM job_executions
            WHERE status NOT IN ('SUCCESS', 'CANCELLED')
            """
        ).first?["value"]
        try require(failed == nil, "executions failed: \(failed ?? "")")
        let succeeded: Int = try await rig.value("SELECT count(*) AS value FROM job_executions WHERE status = 'SUCCESS'")
        let repeated: Int = try await rig.value(
            "SELECT count(*) AS value FROM job_attempts WHERE outcome <> 'SUCCESS' AND outcome <> 'CANCELLED'")
        return "\(succeeded) executions, \(repeated) attempts repeated, \(ticks) ticks, none missing"
    }
}
