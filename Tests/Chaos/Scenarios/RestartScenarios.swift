import Foundation
import Postgres
import TestRig
import TestSupport

/// R20: the server goes away and comes back.
extension Catalogue {
    /// Programs at work around a server of their own, and what is asked of them when it is back.
    private struct Outage {
        let rig: Rig
        let server: RestartableServer
        let proxy: TCPProxy
        let drills: Drills
        let fleet: Fleet
        let scheduler: RunningProgram

        var programs: Int { fleet.all.count + 1 }

        /// Takes the server away and brings it back; gives the seconds until executions end as fast as before, and connections in the busiest second.
        func happen(_ kind: String, _ trial: Trial) async throws -> (seconds: Double, connections: Int) {
            let before = try await drills.rate()
            try require(before > 50, "only \(Int(before)) executions a second before anything happened")
            let connectionsBefore = proxy.connectionTimes.count
            switch kind {
            case "fast": try await server.stop(.fast)
            case "immediate": try await server.stop(.immediate)
            default: try server.killPostmaster()
            }
            try await trial.pause(0...1_000)
            try await server.start()
            let back = Date()
            let seconds = try await drills.recovery(of: before, after: back)
            for worker in fleet.all { try worker.requireAlive("worker") }
            try scheduler.requireAlive("scheduler")
            return (seconds, busiestSecond(Array(proxy.connectionTimes[connectionsBefore...])))
        }
    }

    /// Two workers and a scheduler go through three restarts of the server.
    static let restarts = Scenario(
        number: "R20", injected: "the server restarted fast and immediate, its postmaster killed, in random order", isQuick: true
    ) { trial in
        let server = try await RestartableServer.start()
        try await Rig.with(RigSettings(stores: 2, products: 40, server: server)) { rig in
            let drills = Drills(rig: rig)
            try await drills.addJob(sleepMilliseconds: 50)
            try await drills.addJob("beat", pattern: "* * * * * *")
            let proxy = try rig.proxyToDatabase()
            let url = rig.url(through: proxy)
            let scheduler = try rig.scheduler(url: url)
            let fleet = try await Fleet(rig, count: 2, ["--lease", "6", "--slots", "8"], url: url)
            try await drills.enqueue(6_000)
            _ = try await rig.trigger()
            try await eventually("the first ends") { try await rig.value("SELECT EXISTS (SELECT FROM job_finished) AS value") }
            let outage = Outage(rig: rig, server: server, proxy: proxy, drills: drills, fleet: fleet, scheduler: scheduler)
            var kinds = ["fast", "immediate", "kill"]
            var figures: [String] = []
            while !kinds.isEmpty {
                let kind = kinds.remove(at: trial.random(0...kinds.count - 1))
                let (seconds, connections) = try await outage.happen(kind, trial)
                figures.append("\(kind) \(Drills.text(seconds)) s (\(connections) connections)")
                // Every pool of a program opens what its waiters need, and after a failure one at a time and ever more rarely.
                try require(connections <= 15 * outage.programs, "\(connections) connections in one second: a busy loop")
            }
            try await drills.cancelWaiting()
            try await scheduler.leave("scheduler")
            let ticks = try await drills.requireEveryTick(of: "beat")
            let enqueued: Int = try await rig.value("SELECT count(*) AS value FROM schedule_ticks WHERE outcome = 'ENQUEUED'")
            try await Oracle(rig: rig, ambiguousCuts: 3, committed: 6_001 + enqueued).drainAndJudge()
            try await fleet.leave()
            try await Oracle(rig: rig).requireNoSessions()
            trial.figure("at work again after \(figures.joined(separator: ", ")), \(ticks) ticks, none missing")
        }
    }
}
