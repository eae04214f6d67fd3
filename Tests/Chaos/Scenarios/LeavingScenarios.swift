import Foundation
import Postgres
import TestRig
import TestSupport

/// R13: workers that are asked to leave.
extension Catalogue {
    /// When a worker is asked to leave.
    private enum Moment: String, CaseIterable {
        case idle, busy, start, outage, twice
    }

    /// Workers leave at moments of every kind; nobody's attempts are used up by it, and somebody else does what they leave.
    static let leavingWorkers = Scenario(
        number: "R13", injected: "SIGTERM idle, in mid job, at the start, in an outage, before a retry, and twice", isQuick: true
    ) { trial in
        try await Rig.watched(RigSettings(stores: 2, products: 40, sandbox: ["--latency-ms", "20"], maxAttempts: 1)) { rig, watch in
            let work = try await Workload(rig)
            _ = try await rig.pool.query("UPDATE job_configurations SET retry_delay_seconds = 1 WHERE name = 'flaky'")
            var codes: [String] = []
            try await work.others()
            // One at a time, so that each is alone with what it holds; all leave at once, and their ends are looked at together.
            try await withThrowingTaskGroup(of: String.self) { group in
                for moment in Moment.allCases {
                    if moment != .idle {
                        try await work.drills(6, milliseconds: 300)
                        _ = try await rig.trigger()
                    }
                    group.addTask { try await leave(at: moment, rig, trial) }
                    // Before a retry: flaky ones of the last round wait for their second.
                    try await trial.pause(200...900)
                }
                for try await code in group { codes.append(code) }
            }
            let survivors = try await Fleet(rig, count: 2, ["--lease", "1", "--slots", "8"])
            try await Oracle(rig: rig, ambiguousCuts: 2, watch: watch).drainAndJudge()
            try await survivors.leave()
            try await Oracle(rig: rig).requireNoSessions()
            let interrupted = try await work.interrupted()
            try require(interrupted > 0, "no one was interrupted: nothing was shown")
            try await work.requireOnlyTheDoomedFailed()
            trial.figure("\(codes.sorted().joined(separator: ", ")); \(interrupted) attempts handed back, none used up")
        }
    }

    /// Starts a worker and asks it to leave at the moment; says how it left.
    private static func leave(at moment: Moment, _ rig: Rig, _ trial: Trial) async throws -> String {
        let proxy = try rig.proxyToDatabase()
        let worker = try rig.worker(["--lease", "1", "--slots", "3", "--grace", "1"], url: rig.url(through: proxy))
        if moment == .start {
            try await trial.pause(0...250)
        } else {
            _ = try await worker.line(containing: "works", within: .seconds(60))
            try await trial.pause(100...500)
        }
        if moment == .outage {
            proxy.set(.refuse)
            proxy.cutAll()
            try await trial.pause(0...500)
        }
        let asked = ContinuousClock.now
        worker.signal(SIGTERM)
        if moment == .twice {
            _ = try await worker.line(containing: "stops", within: .seconds(20))
            worker.signal(SIGTERM)
        }
        let end = try await worker.waitForExit(within: .seconds(30))
        let seconds = (ContinuousClock.now - asked) / .seconds(1)
        // Before a program has got hold of its signals the kernel ends it; service managers take that for a clean end as well.
        let isExpected =
            switch moment {
            case .twice: end == .exited(128 + SIGTERM) || end == .exited(0)
            case .start: end == .exited(0) || end == .signalled(SIGTERM) && worker.errors.isEmpty
            default: end == .exited(0)
            }
        try require(isExpected, "\(moment): a worker left with \(end): \(worker.errors.suffix(5).joined(separator: " | "))")
        // The grace of a second, and five for the last ends.
        try require(seconds < 15, "\(moment): a worker took \(seconds) s to leave")
        return String(format: "%@ %.1f s", moment.rawValue, seconds)
    }
}
