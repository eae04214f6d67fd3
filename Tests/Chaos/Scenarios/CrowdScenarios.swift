import Foundation
import Postgres
import TestRig
import TestSupport

/// R42: many workers, little work.
extension Catalogue {
    private static let crowd = 32

    /// A job is inserted while all workers are idle; the server's own log says what the whole fleet asked of it.
    ///
    /// The bound: the notification wakes all, and each looks twice, for another row may have come within the 10 ms in which nobody is notified
    /// again. Whoever gets the job looks for its configuration, writes its end and looks again, at most 12 statements.
    static let oneJob = Scenario(number: "R42", injected: "32 idle workers and one INSERT, 15 times", limit: .seconds(180)) { trial in
        let server = try await RestartableServer.start(settings: StatementLog.settings)
        try await Rig.with(RigSettings(stores: 1, products: 1, server: server)) { rig in
            let drills = Drills(rig: rig)
            try await drills.addJob()
            let fleet = try await Fleet(rig, count: crowd, ["--slots", "4"])
            // Their first looks, connections and prepared statements lie behind them.
            try await drills.letPass(seconds: 3)
            let quietSince = try await drills.now().timeIntervalSince1970
            try await drills.letPass(seconds: 5)
            let quietUntil = try await drills.now().timeIntervalSince1970
            var windows: [(begin: Double, end: Double, start: Double)] = []
            for _ in 0..<15 {
                try await trial.pause(200...1_200)
                let begin = try await drills.now().timeIntervalSince1970
                let id = try await rig.trigger("drill")
                let ended = try await rig.finished(id)
                try require(ended.status == "SUCCESS", "it is \(ended.status)")
                // The losers' second looks belong to it.
                try await drills.letPass(seconds: 0.1)
                let created: Double = try await rig.value(
                    "SELECT extract(epoch FROM created_at)::float8 AS value FROM job_executions WHERE id = \(id)::uuid")
                windows.append((begin, try await drills.now().timeIntervalSince1970, (ended.started ?? .infinity) - created))
            }
            try await Oracle(rig: rig).drainAndJudge()
            try await fleet.leave()
            let log = StatementLog(server)
            let idle = Double(log.ofWorkers(from: quietSince, to: quietUntil).count) / (quietUntil - quietSince)
            let counts = windows.map { window in
                (
                    all: Double(log.ofWorkers(from: window.begin, to: window.end).count),
                    claims: Double(log.ofWorkers(from: window.begin, to: window.end, holding: "claim_executions").count),
                    polls: idle * (window.end - window.begin)
                )
            }
            trial.figure(
                String(
                    format: "%.0f statements for one job (%.0f at most), %.0f of them claims, beside %.0f a second of the idle fleet",
                    median(counts.map { $0.all - $0.polls }), counts.map { $0.all - $0.polls }.max() ?? 0,
                    median(counts.map(\.claims)), idle))
            trial.figure(String(format: "it starts after %.1f ms", median(windows.map(\.start)) * 1000))
            for count in counts {
                // An idle fleet's polls come in no order: half as many again, and 10.
                try require(
                    count.all <= Double(2 * crowd + 12) + count.polls * 1.5 + 10,
                    "\(Int(count.all)) statements for one job, \(Int(count.polls)) of them expected of the idle fleet")
            }
            try require(counts.allSatisfy { $0.claims >= 1 }, "the log holds no claim: nothing was shown")
        }
    }

    /// All workers are killed and started together, and all wake at one moment; how they spread afterwards is read from the server's log.
    static let commonStart = Scenario(
        number: "R42", injected: "32 workers killed and started together, then woken at one moment", limit: .seconds(240)
    ) { trial in
        let server = try await RestartableServer.start(settings: StatementLog.settings)
        try await Rig.with(RigSettings(stores: 1, products: 1, server: server)) { rig in
            let drills = Drills(rig: rig)
            try await drills.addJob()
            // Renewed every 2 s.
            let arguments = ["--slots", "4", "--lease", "6"]
            let fleet = try await Fleet(rig, count: crowd, arguments)
            for worker in fleet.all { try fleet.killAndReplace(worker) }
            for worker in fleet.all { _ = try await worker.line(containing: "works", within: .seconds(60)) }
            // Processes start one after the other on a small machine. Stopped and woken, and told of a job, they are at one point exactly.
            for worker in fleet.all { worker.signal(SIGSTOP) }
            try await drills.letPass(seconds: 2.5)
            for worker in fleet.all { worker.signal(SIGCONT) }
            let id = try await rig.trigger("drill")
            _ = try await rig.finished(id)
            try await drills.letPass(seconds: 0.4)
            let begin = try await drills.now().timeIntervalSince1970
            try await drills.letPass(seconds: 60)
            let end = try await drills.now().timeIntervalSince1970
            try await Oracle(rig: rig).drainAndJudge()
            try await fleet.leave()
            let log = StatementLog(server)
            for (name, text, interval) in [("claims", "claim_executions", 1.0), ("renewals", "INTO workers", 2.0)] {
                let polls = log.ofWorkers(from: begin, to: end, holding: text)
                let sessions = Set(polls.map(\.session)).count
                try require(sessions == crowd, "\(name) of \(sessions) workers: nothing was shown")
                let crowded = most(polls.map(\.at), within: interval / 10)
                trial.figure("\(name): at most \(crowded) of \(crowd) in a tenth of \(Drills.text(interval)) s")
                // By chance 3.5 fall into a tenth; of the 600 tenths of a minute the fullest holds 9 to 13.
                try require(crowded <= crowd / 2, "\(crowded) of \(crowd) workers made their \(name) within a tenth of the interval")
            }
        }
    }
}

extension Drills {
    /// Lets so many seconds of the server's clock go by.
    func letPass(seconds: Double) async throws {
        let end = try await now() + seconds
        try await Task.sleep(for: .seconds(seconds))
        try await eventually("\(seconds) s") { try await now() >= end }
    }
}
