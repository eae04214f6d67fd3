import Foundation
import Postgres
import TestRig
import TestSupport

/// R31: the server's clock jumps.
extension Catalogue {
    /// The server's clock goes two hours ahead, under work and schedules of every policy, and later back.
    static let serverJumps = Scenario(
        number: "R31", injected: "the server's clock jumps two hours ahead and back again, under running work and schedules",
        limit: .seconds(400)
    ) { trial in
        let shim = try Shim()
        let server = try await RestartableServer.start(environment: shim.environment)
        try await Rig.watched(RigSettings(products: 100, sandbox: ["--latency-ms", "20"], maxAttempts: 3, server: server)) { rig, watch in
            let jump = try await Jump(rig, shim: shim, trial: trial)
            let before = try await jump.drills.rate()
            let forward = try await jump.ahead(rate: before)
            try await jump.requireMissedRunOnce()
            try await jump.startWorkOfTheWrongTime()
            let back = try await jump.back(rate: before)
            try await jump.requireNothingAgain()
            try await jump.drainAndJudge(watch)
            trial.figure(
                """
                at full rate \(Drills.text(forward)) s after the jump ahead and \(Drills.text(back)) s after the one back; \
                \(try await jump.figures())
                """)
        }
    }
}

/// Two workers and a scheduler around a server whose clock can be set.
private struct Jump {
    private static let hours = Duration.seconds(7_200)
    /// Due every ten minutes, by misfire policy.
    private static let policies = ["RUN_ONCE", "RUN_ALL", "SKIP"]

    let rig: Rig
    let shim: Shim
    let trial: Trial
    let work: Workload
    let drills: Drills
    let fleet: Fleet
    let scheduler: RunningProgram

    init(_ rig: Rig, shim: Shim, trial: Trial) async throws {
        (self.rig, self.shim, self.trial) = (rig, shim, trial)
        work = try await Workload(rig)
        drills = Drills(rig: rig)
        // Five minutes from now and every ten minutes: none of them comes by itself while this lasts.
        let minute: Int = try await rig.value("SELECT ((extract(minute FROM clock_timestamp())::int + 5) % 10) AS value")
        for policy in Self.policies {
            try await drills.addJob(policy, pattern: "\(minute)/10 * * * *", misfire: policy)
        }
        try await drills.addJob("beat", pattern: "* * * * * *", misfire: "RUN_ONCE")
        _ = try await rig.pool.query(
            """
            INSERT INTO job_configurations (name, job_type, max_attempts, retry_delay_seconds, config) VALUES
              ('long', 'NOOP', 1, 0, '{"sleep_ms": 25000}'), ('patient', 'NOOP', 3, 20, '{"fail": "once"}')
            """)
        fleet = try await Fleet(rig, count: 2, ["--lease", "6", "--slots", "10"])
        scheduler = try rig.scheduler()
        _ = try await scheduler.line(containing: "schedules", within: .seconds(60))
        _ = try await rig.pool.query("SELECT enqueue_job('long', priority => -20) FROM generate_series(1, 4)")
        try await work.drills(8_000, milliseconds: 50)
        _ = try await rig.trigger()
        try await eventually("the first ends, and ticks") {
            try await rig.value("SELECT count(*) > 20 AND (SELECT count(*) > 2 FROM schedule_ticks) AS value FROM job_finished")
        }
    }

    /// Sets the server's clock two hours ahead at a moment that chance chooses; gives the seconds until executions end as fast as before.
    func ahead(rate: Double) async throws -> Double {
        try await trial.pause(0...3_000)
        try shim.setClock(ahead: Self.hours)
        return try await recovery(of: rate)
    }

    /// What the two hours made due has its ticks, and ran as its policy says.
    func requireMissedRunOnce() async throws {
        try await eventually("the decisions about the two hours") {
            try await rig.value(
                """
                SELECT count(DISTINCT c.name) = 4 AS value FROM schedule_ticks AS t JOIN job_configurations AS c ON c.id = t.job_config_id
                WHERE t.due_at < t.recorded_at - interval '60 seconds'
                """)
        }
        for (policy, expected) in zip(Self.policies, [1, 12, 0]) {
            let made: Int = try await rig.value(
                """
                SELECT count(*) AS value FROM job_executions AS e JOIN job_configurations AS c ON c.id = e.job_config_id WHERE c.name = \(policy)
                """)
            try require(made == expected, "\(policy) made \(made) executions of 12 missed due times, expected \(expected)")
        }
    }

    /// Runs, retries and executions in line that were made while the clock was wrong.
    func startWorkOfTheWrongTime() async throws {
        _ = try await rig.pool.query("SELECT enqueue_job('patient', priority => -20) FROM generate_series(1, 5)")
        try await work.others()
        _ = try await rig.pool.query("SELECT enqueue_job('sync-products', priority => -10)")
        try await eventually("a retry that waits, and a campaign") {
            try await rig.value(
                """
                SELECT count(*) = 5 AND EXISTS (SELECT FROM campaigns WHERE created_at > clock_timestamp() - interval '1 minute') AS value
                FROM job_attempts_past AS a JOIN job_executions AS e ON e.id = a.execution_id JOIN job_configurations AS c ON c.id = e.job_config_id
                WHERE c.name = 'patient'
                """)
        }
        // More than can end before the clock goes back: they stand in line as of two hours from then.
        _ = try await rig.pool.query("SELECT enqueue_job('drill', '{\"sleep_ms\": 50}', priority => 5) FROM generate_series(1, 1000)")
        _ = try await rig.pool.query("SELECT enqueue_job('long', priority => -20) FROM generate_series(1, 2)")
        try await trial.pause(500...1_500)
    }

    /// Sets the clock right; gives the seconds until executions end as fast as before.
    func back(rate: Double) async throws -> Double {
        let waiting: Int = try await rig.value("SELECT count(*) AS value FROM job_live WHERE status = 'PENDING'")
        try require(waiting > 100, "only \(waiting) executions wait: nothing is shown of the jump back")
        try shim.setClock(ahead: .zero)
        let came = try await recovery(of: rate)
        // A lease of the wrong time holds for one lease from now at most.
        try await eventually(within: .seconds(15), "leases of one lease from now at most") {
            try await rig.value("SELECT bool_and(lease_until <= clock_timestamp() + lease) AS value FROM workers")
        }
        return came
    }

    /// For some seconds nothing becomes due that was due in the two hours.
    func requireNothingAgain() async throws {
        let made: SQL = "SELECT count(*) AS value FROM job_executions WHERE trigger = 'SCHEDULE'"
        let before: Int = try await rig.value(made)
        let end = ContinuousClock.now + .seconds(4)
        try await eventually { ContinuousClock.now >= end }
        try require(try await rig.value(made) == before, "due times came again after the jump back")
    }

    func drainAndJudge(_ watch: Watch) async throws {
        try scheduler.requireAlive("scheduler")
        for worker in fleet.all { try worker.requireAlive("worker") }
        _ = try await rig.trigger()
        var oracle = Oracle(rig: rig, watch: watch)
        oracle.clockWentBack = true
        try await oracle.drainAndJudge(within: .seconds(200))
        try await scheduler.leave("scheduler")
        try await fleet.leave()
        try await Oracle(rig: rig).requireNoSessions()
        let interrupted = try await work.interrupted()
        try require(interrupted == 0, "the jumps took \(interrupted) runs from their workers")
        _ = try await drills.requireEveryTick(of: "beat", atLeast: 7_200)
        try await work.requireOnlyTheDoomedFailed()
    }

    func figures() async throws -> String {
        let ticks: Int = try await rig.value("SELECT sum(count)::bigint AS value FROM schedule_ticks")
        return "\(try await work.ended()) executions, none interrupted; \(ticks) due times, each once"
    }

    /// Seconds until so many executions end within one again; by this machine's clock, for the server's is the one that jumps.
    private func recovery(of rate: Double) async throws -> Double {
        let began = ContinuousClock.now
        var last = began
        try await eventually("\(Int(rate * 0.6)) executions a second again") {
            last = ContinuousClock.now
            return try await drills.rate() >= rate * 0.6
        }
        return Double((last - began) / .milliseconds(1)) / 1000
    }
}
