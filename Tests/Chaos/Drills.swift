import Foundation
import Postgres
import TestRig
import TestSupport

/// Work that costs nothing but time, and what the tables say about how fast it goes.
struct Drills {
    let rig: Rig

    /// Makes a NOOP job of one attempt; with a pattern it is scheduled.
    func addJob(
        _ name: String = "drill", pattern: String? = nil, overlap: String = "ALLOW", misfire: String = "RUN_ALL", sleepMilliseconds: Int = 0
    ) async throws {
        _ = try await rig.pool.query(
            """
            INSERT INTO job_configurations (name, job_type, cron_pattern, time_zone, overlap_policy, misfire_policy, max_attempts, config)
            VALUES (\(name), 'NOOP', \(orNull: pattern), 'UTC', \(overlap), \(misfire), 1, jsonb_build_object('sleep_ms', \(sleepMilliseconds)::int))
            """)
    }

    /// Puts executions of a job in line, in one statement.
    func enqueue(_ count: Int, of job: String = "drill") async throws {
        _ = try await rig.pool.query(
            """
            INSERT INTO job_executions (job_config_id)
            SELECT id FROM job_configurations, generate_series(1, \(count)) WHERE name = \(job) AND deleted_at IS NULL
            """)
    }

    /// Cancels what nobody has begun.
    func cancelWaiting() async throws {
        _ = try await rig.pool.query(
            """
            SELECT cancel_executions(ARRAY(SELECT id FROM job_live WHERE status = 'PENDING' AND parent_id IS NULL ORDER BY id FOR UPDATE SKIP LOCKED))
            """)
    }

    /// How many executions end in a second, measured over one that is about to pass.
    func rate() async throws -> Double {
        let begin = try await now()
        try await eventually("a second") { try await now() >= begin + 1 }
        let ended: Int = try await rig.value(
            """
            SELECT count(*) AS value FROM job_finished
            WHERE finished_at >= to_timestamp(\(begin.timeIntervalSince1970)::float8) AND finished_at < to_timestamp(\(begin.timeIntervalSince1970 + 1)::float8)
            """)
        return Double(ended)
    }

    /// Waits until `share` of a rate is reached again over one second; gives how long after `moment` that second began.
    func recovery(of rate: Double, share: Double = 0.7, after moment: Date, within limit: Double = 5) async throws -> Double {
        let began = moment.timeIntervalSince1970
        // The second itself has to pass, and the machine may be busy with the look.
        try await eventually(within: .seconds(limit + 30), "\(Int(rate * share)) executions a second again") {
            (try? await first(second: rate * share, after: began)) != nil
        }
        let back = try await first(second: rate * share, after: began) ?? .infinity
        try require(back - began <= limit, "the rate was back only \(Self.text(back - began)) s after the database")
        return max(0, back - began)
    }

    /// When the first second after `moment` began in which so many executions ended.
    private func first(second count: Double, after moment: Double) async throws -> Double? {
        try await rig.pool.query(
            """
            SELECT min(at) AS at FROM (
              SELECT extract(epoch FROM finished_at)::float8 AS at,
                count(*) OVER (ORDER BY finished_at RANGE BETWEEN CURRENT ROW AND interval '1 second' FOLLOWING) AS n
              FROM job_finished WHERE finished_at >= to_timestamp(\(moment)::float8)) AS s
            WHERE n >= \(count)::float8
            """
        ).first?.getIfPresent("at")
    }

    /// Due times that lack their tick between the first and the last one of a job whose pattern is every second.
    func requireEveryTick(of job: String, atLeast least: Int = 2) async throws -> Int {
        guard
            let row = try await rig.pool.query(
                """
                SELECT coalesce(sum(t.count), 0)::bigint AS ticks,
                  coalesce(extract(epoch FROM max(t.due_at) - min(t.due_at))::bigint + 1, 0) AS seconds
                FROM schedule_ticks AS t JOIN job_configurations AS c ON c.id = t.job_config_id WHERE c.name = \(job)
                """
            ).first
        else { return 0 }
        let ticks: Int = try row.get("ticks")
        let seconds: Int = try row.get("seconds")
        try require(ticks == seconds, "\(job) has \(ticks) ticks for \(seconds) seconds")
        try require(ticks >= least, "\(job) has only \(ticks) ticks: nothing was shown")
        return ticks
    }

    /// The server's clock.
    func now() async throws -> Date {
        Date(timeIntervalSince1970: try await rig.value("SELECT extract(epoch FROM clock_timestamp())::float8 AS value"))
    }

    static func text(_ number: Double) -> String { String(format: "%.1f", number) }
}

/// The most connections that were asked for within any second.
func busiestSecond(_ times: [ContinuousClock.Instant]) -> Int {
    var most = 0
    var first = 0
    for last in times.indices {
        while times[first] < times[last] - .seconds(1) { first += 1 }
        most = max(most, last - first + 1)
    }
    return most
}

extension RunningProgram {
    /// Throws when it has left, whatever the reason.
    func requireAlive(_ name: String) throws {
        try require(end == nil, "the \(name) left with \(end.map { "\($0)" } ?? ""): \(errors.suffix(5).joined(separator: " | "))")
    }

    /// Asks it to leave and waits until it did, with exit code 0.
    func leave(_ name: String, within limit: Duration = .seconds(60)) async throws {
        signal(SIGTERM)
        signal(SIGCONT)
        let end = try await waitForExit(within: limit)
        try require(end == .exited(0), "the \(name) left with \(end): \(errors.suffix(5).joined(separator: " | "))")
    }
}
