import Foundation
import Postgres
import Synchronization
import TestRig
import TestSupport

/// R23: another server takes over.
extension Catalogue {
    /// A primary and a synchronous standby; the primary dies and the standby is promoted, at work all the time.
    static let failover = Scenario(
        number: "R23", injected: "the primary killed or stopped and its synchronous standby promoted, under work", limit: .seconds(180)
    ) { trial in
        let primary = try await RestartableServer.start()
        let standby = try await primary.startStandby()
        let url =
            "postgresql://chimera@127.0.0.1:\(primary.port),127.0.0.1:\(standby.port)/postgres?target_session_attrs=read-write&connect_timeout=2"
        let settings = RigSettings(
            products: 200, sandbox: ["--latency-ms", "50"], maxAttempts: 1, server: primary, serverURL: url)
        try await Rig.with(settings) { rig in
            // Now every COMMIT waits until the standby has it.
            try await withAdministrator(primary.administratorURL()) { administrator in
                for statement in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] as [SQL] {
                    _ = try await administrator.query(statement)
                }
                try await eventually("synchronous replication") {
                    try await administrator.query("SELECT FROM pg_stat_replication WHERE sync_state = 'sync'").count == 1
                }
            }
            let drills = Drills(rig: rig)
            try await drills.addJob(sleepMilliseconds: 50)
            try await drills.addJob("beat", pattern: "* * * * * *")
            let fleet = try await Fleet(rig, count: 2, ["--lease", "6", "--slots", "8"])
            let scheduler = try rig.scheduler()
            try await drills.enqueue(20_000)
            for _ in 0..<2 { _ = try await rig.pool.query("SELECT enqueue_job('sync-products', priority => -10)") }
            try await eventually("the first ends") { try await rig.value("SELECT EXISTS (SELECT FROM job_finished) AS value") }
            let before = try await drills.rate()
            let acknowledged = try await Acknowledged(on: primary)
            try await trial.pause(300...1_500)
            let deed = trial.choose(["killed", "stopped"])
            if deed == "killed" { try primary.killPostmaster() } else { try await primary.stop(.immediate) }
            try await acknowledged.end()
            try await trial.pause(0...1_500)
            let began = ContinuousClock.now
            try await standby.promote()
            let promotion = Double((ContinuousClock.now - began) / .milliseconds(1)) / 1000
            let back = try await drills.recovery(of: before, after: Date())
            for worker in fleet.all { try worker.requireAlive("worker") }
            try scheduler.requireAlive("scheduler")
            let missing = try await acknowledged.missing(in: rig)
            try require(missing == 0, "\(missing) executions whose COMMIT was acknowledged are gone")
            _ = try await rig.pool.query("SELECT enqueue_job('sync-products', priority => -10)")
            try await drills.cancelWaiting()
            try await scheduler.leave("scheduler")
            let ticks = try await drills.requireEveryTick(of: "beat")
            try await Oracle(rig: rig, ambiguousCuts: 1).drainAndJudge()
            try await fleet.leave()
            try await Oracle(rig: rig).requireNoSessions()
            let failed: Int = try await rig.value("SELECT count(*) AS value FROM job_executions WHERE status = 'FAILED'")
            try require(failed == 0, "\(failed) executions failed")
            trial.figure(
                """
                the primary \(deed), promoted in \(Drills.text(promotion)) s, full rate \(Drills.text(back)) s later; \(acknowledged.count) acknowledged \
                INSERTs, all there; \(ticks) ticks, none missing
                """)
        }
    }

    /// A client that inserts executions one by one on the primary and keeps the ids whose COMMIT was acknowledged.
    private final class Acknowledged: Sendable {
        private let ids = Mutex<[String]>([])
        private let pool: PostgresPool
        private let task = Mutex<Task<Void, Never>?>(nil)

        var count: Int { ids.withLock { $0.count } }

        init(on server: RestartableServer) async throws {
            pool = PostgresPool(try PostgresConfiguration(url: server.url()), maximumConnections: 1)
            let work = Task { [self] in
                while !Task.isCancelled {
                    guard let id = try? await pool.query("SELECT enqueue_job('drill')::text AS id", deadline: .seconds(2)).first?["id"]
                    else { return }
                    ids.withLock { $0.append(id) }
                }
            }
            task.withLock { $0 = work }
        }

        func end() async throws {
            let work = task.withLock { $0 }
            work?.cancel()
            await work?.value
            try require(count > 20, "only \(count) INSERTs were acknowledged")
        }

        func missing(in rig: Rig) async throws -> Int {
            let known = ids.withLock { $0 }
            return try await rig.value(
                "SELECT count(*) AS value FROM unnest(\(known)::uuid[]) AS k(id) WHERE NOT EXISTS (SELECT FROM job_executions AS e WHERE e.id = k.id)"
            )
        }
    }
}
