import Foundation
import Postgres
import TestRig
import TestSupport

/// R02 to R04: workers that stand still while others take their runs over.
extension Catalogue {
    /// Four workers; one after another is stopped for longer than its lease while all run jobs that log, fail and sync.
    static let stoppedWorkers = Scenario(
        number: "R02", injected: "workers stopped past their lease and woken, at random", isQuick: true
    ) { trial in
        try await Rig.watched(RigSettings(products: 40, sandbox: ["--latency-ms", "20"], maxAttempts: 1)) { rig, watch in
            let work = try await Workload(rig)
            let fleet = try await Fleet(rig, count: 4, ["--lease", "1", "--slots", "4"])
            let pauses = 5
            for _ in 0..<pauses {
                try await work.drills(25, milliseconds: 100)
                try await work.others()
                _ = try await rig.trigger()
                try await trial.pause(0...400)
                let worker = trial.choose(fleet.all)
                worker.signal(SIGSTOP)
                try await trial.pause(1_100...2_000)
                worker.signal(SIGCONT)
            }
            try await Oracle(rig: rig, ambiguousCuts: pauses, watch: watch).drainAndJudge()
            try await fleet.leave()
            try await Oracle(rig: rig).requireNoSessions()
            let rescued = try await work.interrupted()
            try require(rescued > 0, "no stop met a run: nothing was shown")
            try await work.requireOnlyTheDoomedFailed()
            trial.figure("\(pauses) stops, \(try await work.ended()) executions, \(rescued) attempts taken back, \(watch.figure)")
        }
    }

    /// Of three workers one that has runs is stopped until others have begun the second attempts, and woken while these run.
    static let sleepersWakeEarly = Scenario(
        number: "R03", injected: "workers stopped past their lease and woken while others run the same executions", isQuick: true
    ) { trial in
        try await Rig.watched(RigSettings(stores: 2, products: 200, sandbox: ["--latency-ms", "150"], maxAttempts: 1)) { rig, watch in
            let work = try await Workload(rig)
            let fleet = try await Fleet(rig, count: 3, ["--lease", "1", "--slots", "6"])
            var meetings = 0
            let stops = 3
            for _ in 0..<stops {
                try await work.drills(9, milliseconds: 1_500)
                _ = try await rig.trigger()
                try await trial.pause(150...400)
                let sleeper = trial.choose(fleet.all)
                sleeper.signal(SIGSTOP)
                let second: SQL = """
                    SELECT count(*) AS value FROM job_live AS l JOIN workers AS w ON w.id = l.worker
                    WHERE l.status = 'RUNNING' AND w.pid <> \(Int(sleeper.pid))
                      AND EXISTS (SELECT FROM job_attempts_past AS a JOIN workers AS o ON o.id = a.worker
                        WHERE a.execution_id = l.id AND a.outcome = 'RESCUED' AND o.pid = \(Int(sleeper.pid)))
                    """
                // A worker that held nothing when it was stopped is woken all the same.
                try? await eventually(within: .seconds(4), "a second attempt") { try await rig.value(second) > 0 }
                meetings += try await rig.value(second)
                sleeper.signal(SIGCONT)
            }
            try await Oracle(rig: rig, ambiguousCuts: stops, watch: watch).drainAndJudge()
            try await fleet.leave()
            try await Oracle(rig: rig).requireNoSessions()
            try require(meetings > 0, "no sleeper woke beside a second attempt: nothing was shown")
            try await work.requireOnlyTheDoomedFailed()
            trial.figure("\(stops) stops, \(meetings) second attempts met, each ended by its own worker, \(watch.figure)")
        }
    }

    /// Runs that last about a lease, on workers that stand still for about a lease: whoever ends them meets whoever rescues them.
    static let rescuersAgainstFinishers = Scenario(
        number: "R04", injected: "workers stopped for about a lease under runs that last about a lease", isQuick: true
    ) { trial in
        try await Rig.watched(RigSettings(stores: 1, products: 1)) { rig, watch in
            let work = try await Workload(rig)
            let fleet = try await Fleet(rig, count: 6, ["--lease", "1", "--slots", "8"])
            let stops = 6
            for stop in 0..<stops {
                if stop % 2 == 0 { try await work.drills(80, milliseconds: trial.random(400...900)) }
                try await trial.pause(50...300)
                let sleepers = Set([trial.random(0...5), trial.random(0...5)]).map { fleet.all[$0] }
                for sleeper in sleepers { sleeper.signal(SIGSTOP) }
                try await trial.pause(800...1_250)
                for sleeper in sleepers { sleeper.signal(SIGCONT) }
            }
            try await Oracle(rig: rig, watch: watch).drainAndJudge()
            try await fleet.leave()
            let rescued = try await work.interrupted()
            try require(rescued > 0, "no stop met a run: nothing was shown")
            try await work.requireOnlyTheDoomedFailed()
            trial.figure("\(stops) stops, \(try await work.ended()) executions, \(rescued) attempts taken back, \(watch.figure)")
        }
    }
}
