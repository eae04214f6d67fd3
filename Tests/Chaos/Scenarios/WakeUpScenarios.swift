import Foundation
import Postgres
import Synchronization
import TestRig
import TestSupport

/// R40: what it costs those who insert that workers are told.
extension Catalogue {
    /// Single INSERTs by four clients while a worker listens, with the wake-up and without it, side by side in every round.
    ///
    /// The job is paused: the worker hears, looks and finds nothing for it, and takes no more of the machine in one case than in another.
    static let insertsWithWakeup = Scenario(
        number: "R40",
        injected: "10,000 single INSERTs by 4 clients beside a listening worker: wake-up on, unheard, trigger off in turn",
        limit: .seconds(420)
    ) { trial in
        let server = try await RestartableServer.start(settings: ["fsync": "on", "full_page_writes": "on", "wal_sync_method": "fdatasync"])
        try await Rig.with(RigSettings(stores: 1, products: 1, server: server)) { rig in
            let bench = try await InsertBench(rig: rig, server: server)
            // What the first ones find cold counts for nobody.
            _ = try await bench.rate(.on)
            var rates: [InsertBench.Wakeup: [Double]] = [:]
            for round in 0..<7 {
                // Who begins changes, and whatever else the machine does meets all three.
                let turns = InsertBench.Wakeup.allCases.shifted(by: round)
                for wakeup in turns { rates[wakeup, default: []].append(try await bench.rate(wakeup)) }
            }
            for (wakeup, rates) in rates.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                trial.figure("\(wakeup.rawValue) \(Int(median(rates))) a second")
            }
            for other in [InsertBench.Wakeup.unheard, .off] {
                let ratios = zip(rates[.on] ?? [], rates[other] ?? []).map { $0 / $1 }
                trial.figure(
                    String(
                        format: "on against %@ %.2f (rounds %.2f to %.2f)", other.rawValue, median(ratios), ratios.min() ?? 0,
                        ratios.max() ?? 0))
                try require(
                    median(ratios) >= 0.85,
                    "single INSERTs with the wake-up reach \(median(ratios)) of what they reach with it \(other.rawValue): \(ratios)")
            }
            let (heard, inserted) = try await bench.notificationsHeard()
            trial.figure("\(heard) notifications for \(inserted) INSERTs")
            try require(heard > 0, "nobody was notified: nothing was shown")
        }
    }
}

/// Measures how fast rows of a paused job can be inserted one by one.
private struct InsertBench {
    enum Wakeup: String, CaseIterable {
        /// As it is installed, a worker listening.
        case on
        /// The workers' own switch: nobody listens.
        case unheard
        /// The trigger disabled.
        case off
    }

    private static let clients = 4
    private static let inserts = 2_500

    let rig: Rig
    let server: RestartableServer
    private let file: URL

    init(rig: Rig, server: RestartableServer) async throws {
        self.rig = rig
        self.server = server
        try await Drills(rig: rig).addJob()
        _ = try await rig.pool.query("SELECT pause_job('drill')")
        let id: Int = try await rig.value("SELECT id::bigint AS value FROM job_configurations WHERE name = 'drill'")
        file = FileManager.default.temporaryDirectory.appending(path: "chaos-insert-\(ProcessInfo.processInfo.processIdentifier).sql")
        try "INSERT INTO job_executions (job_config_id) VALUES (\(id));\n".write(to: file, atomically: true, encoding: .utf8)
    }

    /// INSERTs a second, one transaction each.
    func rate(_ wakeup: Wakeup) async throws -> Double {
        try await clear(withTrigger: wakeup != .off)
        let worker = try rig.worker(environment: ["CHIMERA_LISTEN": wakeup == .unheard ? "off" : "on"])
        _ = try await worker.line(containing: "works", within: .seconds(60))
        let bench = try RunningProgram(
            server.program("pgbench"),
            [
                "-n", "-M", "prepared", "-c", "\(Self.clients)", "-j", "2", "-t", "\(Self.inserts)", "-f", file.path, server.url(),
            ])
        let line = try await bench.line(containing: "tps = ", within: .seconds(120))
        try await worker.leave("worker")
        let rows: Int = try await rig.value("SELECT count(*) AS value FROM job_live WHERE status = 'PENDING'")
        try require(rows == Self.clients * Self.inserts, "\(rows) rows were inserted")
        guard let match = line.firstMatch(of: #/tps = ([0-9.]+)/#), let rate = Double(match.output.1) else {
            throw Failed("pgbench said \(line)")
        }
        return rate
    }

    /// How many notifications a listener hears while the INSERTs go on, and how many INSERTs there were.
    func notificationsHeard() async throws -> (heard: Int, inserted: Int) {
        let heard = Mutex(0)
        let listener = PostgresListener(
            try PostgresConfiguration(url: rig.url), channels: ["chimera_jobs"], onNotify: { _, _ in heard.withLock { $0 += 1 } },
            onConnected: {})
        let listening = Task { await listener.run() }
        _ = try await rate(.on)
        listening.cancel()
        await listening.value
        return (heard.withLock { $0 }, Self.clients * Self.inserts)
    }

    /// The same beginning for each: no rows, no dead ones, nothing left to write.
    private func clear(withTrigger: Bool) async throws {
        try await rig.pool.withConnection { connection in
            try await connection.script(
                "SET session_replication_role = replica; TRUNCATE job_live; SET session_replication_role = origin;"
                    + " ALTER TABLE job_executions \(withTrigger ? "ENABLE" : "DISABLE") TRIGGER wake_workers")
            try await connection.script("VACUUM ANALYZE job_live")
            try await connection.script("CHECKPOINT")
        }
    }
}

extension Array {
    fileprivate func shifted(by count: Int) -> [Element] { Array(self[(count % self.count)...] + self[..<(count % self.count)]) }
}
