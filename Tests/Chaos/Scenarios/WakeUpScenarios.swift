import Foundation
import Postgres
import Synchronization
import TestRig
import TestSupport

/// R40: what it costs those who insert that workers are told.
extension Catalogue {
    /// Single INSERTs by four clients while a worker listens, with the wake-up and without it, one right after the other in every round.
    ///
    /// Other work on the machine makes single rounds differ by half: the median of their ratios is judged, and rounds
    /// are made until it is certain on which side of 0.85 it lies, 60 at most.
    static let insertsWithWakeup = Scenario(
        number: "R40", injected: "single INSERTs by 4 clients: wake-up on, with no worker that listens, and its trigger off, in turn",
        limit: .seconds(300)
    ) { trial in
        let settings = ["fsync": "on", "full_page_writes": "on", "checkpoint_timeout": "1h"]
        let server = try await RestartableServer.start(settings: settings)
        try await Rig.with(RigSettings(stores: 1, products: 1, server: server)) { rig in
            let on = try await InsertBench(rig, server, "with_wakeup")
            let unheard = try await InsertBench(rig, server, "unheard", listens: false)
            let off = try await InsertBench(rig, server, "without_trigger", triggers: false)
            for bench in [on, unheard, off] { _ = try await bench.rate() }
            let heard = try await on.notifications()
            var rates: [[Double]] = [[], [], []]
            repeat {
                // Who begins changes from round to round.
                let round = rates[0].count
                for turn in 0..<3 {
                    let place = (turn + round) % 3
                    rates[place].append(try await [on, unheard, off][place].rate())
                }
            } while rates[0].count < 20
                || rates[0].count < 60 && ![1, 2].allSatisfy({ !certainty(ratios(rates[0], rates[$0])).contains(0.85) })
            let count = rates[0].count * InsertBench.inserts
            trial.figure("\(count) INSERTs each, \(rates[0].count) rounds, \(heard) notifications for \(InsertBench.inserts) INSERTs")
            trial.figure(
                "\(Int(median(rates[0]))) a second, nobody listening \(Int(median(rates[1]))), no trigger \(Int(median(rates[2])))")
            for (place, name) in [(1, "nobody listening"), (2, "no trigger")] {
                let ratios = ratios(rates[0], rates[place])
                let range = certainty(ratios)
                let ratio = String(format: "%.2f (%.2f to %.2f)", median(ratios), range.lowerBound, range.upperBound)
                trial.figure("against \(name) \(ratio)")
                try require(range.upperBound >= 0.85, "with the wake-up INSERTs reach only \(ratio) of what they reach with \(name)")
            }
            try require((1..<InsertBench.inserts / 2).contains(heard), "\(heard) notifications for \(InsertBench.inserts) INSERTs")
        }
    }

    /// Those of the rounds, in order of size.
    private static func ratios(_ rates: [Double], _ others: [Double]) -> [Double] { zip(rates, others).map { $0 / $1 }.sorted() }

    /// Between which ratios the median lies with a certainty of 95 %, by the order of the rounds alone.
    private static func certainty(_ ratios: [Double]) -> ClosedRange<Double> {
        let place = Int((Double(ratios.count) - 1.96 * Double(ratios.count).squareRoot()) / 2)
        return ratios[place]...ratios[ratios.count - 1 - place]
    }
}

/// A database of its own with a worker, into which rows of a paused job are inserted one by one: the worker hears of them, looks, and has
/// nothing to run, so that jobs take the same share of the machine everywhere: none.
private final class InsertBench: Sendable {
    static let clients = 4
    static let inserts = 500

    private let server: RestartableServer
    private let url: String
    private let file: URL
    private let worker: RunningProgram

    init(_ rig: Rig, _ server: RestartableServer, _ name: String, listens: Bool = true, triggers: Bool = true) async throws {
        self.server = server
        url = server.url(database: name)
        file = FileManager.default.temporaryDirectory.appending(path: "chaos-\(ProcessInfo.processInfo.processIdentifier)-\(name).sql")
        let owner = try await rig.pool.query("SELECT current_user::text AS name").first?["name"] ?? ""
        _ = try await withAdministrator(server.administratorURL()) {
            try await $0.query("CREATE DATABASE \(unsafe: name) OWNER \(unsafe: owner)")
        }
        try await Rig.migrate(url)
        let pool = PostgresPool(try PostgresConfiguration(url: url), maximumConnections: 1)
        let row = try await pool.query("INSERT INTO job_configurations (name, job_type) VALUES ('drill', 'NOOP') RETURNING id::text AS id")
            .first
        _ = try await pool.query("SELECT pause_job('drill')")
        if !triggers { _ = try await pool.query("ALTER TABLE job_executions DISABLE TRIGGER wake_workers") }
        await pool.close()
        try "INSERT INTO job_executions (job_config_id) VALUES (\(row?["id"] ?? ""));\n".write(to: file, atomically: true, encoding: .utf8)
        worker = try rig.worker(url: url, environment: ["CHIMERA_LISTEN": listens ? "on" : "off"])
        _ = try await worker.line(containing: "works", within: .seconds(60))
    }

    deinit { try? FileManager.default.removeItem(at: file) }

    /// INSERTs a second, one transaction each.
    func rate() async throws -> Double {
        let arguments = [
            "-n", "-M", "prepared", "-c", "\(Self.clients)", "-j", "2", "-t", "\(Self.inserts / Self.clients)", "-f", file.path,
        ]
        let bench = try RunningProgram(server.program("pgbench"), arguments + [url])
        let line = try await bench.line(containing: "tps = ", within: .seconds(120))
        try worker.requireAlive("worker")
        guard bench.output.contains(where: { $0.contains("actually processed: \(Self.inserts)/\(Self.inserts)") }),
            let match = line.firstMatch(of: #/tps = ([0-9.]+)/#), let rate = Double(match.output.1)
        else { throw Failed("pgbench said \(bench.output.joined(separator: " | "))") }
        return rate
    }

    /// How many notifications a listener hears of one lot of INSERTs.
    func notifications() async throws -> Int {
        let heard = Mutex(0)
        let isListening = Mutex(false)
        let listener = PostgresListener(
            try PostgresConfiguration(url: url), channels: ["chimera_jobs"], onNotify: { _, _ in heard.withLock { $0 += 1 } },
            onConnected: { isListening.withLock { $0 = true } })
        let listening = Task { await listener.run() }
        try await eventually("a listener") { isListening.withLock { $0 } }
        _ = try await rate()
        try await eventually("a notification") { heard.withLock { $0 > 0 } }
        listening.cancel()
        await listening.value
        return heard.withLock { $0 }
    }
}
