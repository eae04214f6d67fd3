import Foundation
import Postgres
import TestRig
import TestSupport

/// R22: a network that swallows everything and closes nothing.
extension Catalogue {
    /// One worker's database falls silent, both ways or only on the way back, in the middle of a sync; another one takes over.
    static let blackHole = Scenario(
        number: "R22", injected: "a black hole between a worker and the database, both ways or only the answers", limit: .seconds(120)
    ) { trial in
        let lease = trial.random(3...6)
        let settings = RigSettings(stores: 1, products: 900, sandbox: ["--latency-ms", "150"], rp: ["page_limit": 20], maxAttempts: 1)
        try await Rig.with(settings) { rig in
            let drills = Drills(rig: rig)
            try await drills.addJob(sleepMilliseconds: 120_000)
            let proxy = try rig.proxyToDatabase()
            let arguments = ["--lease", "\(lease)", "--slots", "4", "--grace", "1"]
            let deaf = try rig.worker(arguments, url: rig.url(through: proxy))
            _ = try await rig.trigger()
            try await drills.enqueue(2)
            try await eventually("the first pages") { try await rig.sandbox.state().pageRequests(of: rig.sandbox.registration(1)) >= 2 }
            try await trial.pause(0...1_000)
            let silentFrom = Date()
            let isDeaf = trial.random(0...1) == 0
            proxy.set(isDeaf ? .deaf : .blackHole)
            _ = try await deaf.line(containing: "the lease could not be renewed in time", within: .seconds(60))
            let noticed = Date()
            let leaseEnd: Double = try await rig.value("SELECT extract(epoch FROM max(lease_until))::float8 AS value FROM workers")
            try require(
                noticed.timeIntervalSince1970 < leaseEnd,
                "the runs were stopped \(Drills.text(noticed.timeIntervalSince1970 - leaseEnd)) s after the lease had ended")
            // Whoever takes over begins after the lease; until then every request is the deaf worker's.
            try await eventually("the end of the lease") {
                try await rig.value("SELECT max(lease_until) < clock_timestamp() AS value FROM workers")
            }
            let atTheEnd = try await rig.sandbox.state().requestCount
            try await trial.pause(500...1_000)
            let afterwards = try await rig.sandbox.state().requestCount
            try require(afterwards == atTheEnd, "\(afterwards - atTheEnd) requests after the lease had ended")
            let helper = try rig.worker(arguments)
            try await eventually(within: .seconds(60), "the sync's end") {
                try await rig.value("SELECT EXISTS (SELECT FROM job_finished WHERE parent_id IS NOT NULL) AS value")
            }
            let takenOver: Double = try await rig.value(
                "SELECT extract(epoch FROM max(started_at))::float8 AS value FROM job_live WHERE status = 'RUNNING' AND attempt > 1")
            proxy.set(.forward)
            // The one that was deaf works again: it is alone with the drills that its helper leaves behind.
            try await helper.leave("helper")
            try await eventually(within: .seconds(60), "work for the worker that was deaf") {
                try await rig.value(
                    """
                    SELECT count(DISTINCT worker) = 1 AND bool_and(w.host IS NOT NULL) AS value FROM job_live AS l JOIN workers AS w ON w.id = l.worker
                    WHERE l.status = 'RUNNING' AND w.pid = \(Int(deaf.pid))
                    """)
            }
            try require(deaf.end == nil, "the worker left: \(deaf.errors.suffix(3))")
            _ = try await rig.pool.query("SELECT cancel_executions(ARRAY(SELECT id FROM job_live))")
            try await Oracle(rig: rig, ambiguousCuts: 1, committed: 3).drainAndJudge()
            try await deaf.leave("worker")
            try await Oracle(rig: rig).requireNoSessions()
            trial.figure(
                """
                lease \(lease) s, \(isDeaf ? "answers" : "everything") swallowed, noticed after \
                \(Drills.text(noticed.timeIntervalSince(silentFrom))) s, no request after the lease, taken over \
                \(Drills.text(takenOver - leaseEnd)) s after its end
                """)
        }
    }
}
