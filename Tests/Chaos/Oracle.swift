import Foundation
import Postgres
import TestRig
import TestSupport

/// Judges what became of a rig's executions from the tables and the sandbox's own records, never from what the programs say.
struct Oracle {
    let rig: Rig
    /// How often the scenario may have cut an upload from its answer: so many repetitions of an upload are allowed a store.
    var ambiguousCuts = 0
    /// How many executions were committed from outside, by triggers or schedules that the scenario counted; nil: not counted.
    var committed: Int?

    /// Waits until nothing is live any more, then judges; every violation stands in the error.
    func drainAndJudge(within limit: Duration = .seconds(90)) async throws {
        try await eventually(within: limit, "an empty queue") {
            try await rig.value("SELECT count(*) = 0 AS value FROM job_live")
        }
        try await judge()
    }

    /// Judges what has ended; live executions are left out.
    func judge() async throws {
        var violations = try await tableViolations()
        violations += try await uploadViolations()
        try require(violations.isEmpty, violations.joined(separator: "; "))
    }

    /// Sessions of Chimera's programs on the server, which must be none after they left.
    func requireNoSessions() async throws {
        try await eventually(within: .seconds(20), "the end of every session of a program that has left") {
            try await rig.value(
                """
                SELECT count(*) = 0 AS value FROM pg_stat_activity
                WHERE application_name LIKE 'chimera %' AND datname = current_database() AND pid <> pg_backend_pid()
                """)
        }
    }

    private func tableViolations() async throws -> [String] {
        var found: [String] = []
        for (promise, query) in Self.promises {
            let broken: String? = try await rig.pool.query("SELECT string_agg(what, ', ') AS value FROM (\(unsafe: query) LIMIT 5) AS q")
                .first?["value"]
            if let broken { found.append("\(promise): \(broken)") }
        }
        if let committed {
            let ended: Int = try await rig.value(
                "SELECT count(*) AS value FROM job_executions WHERE parent_id IS NULL AND retry_of IS NULL")
            if ended != committed {
                found.append("nothing is lost or invented: \(committed) executions were committed, \(ended) are there")
            }
        }
        return found
    }

    /// A promise, and a query that names what breaks it in a column `what`.
    private static let promises: [(String, String)] = [
        (
            "attempt <= max_attempts",
            "SELECT id || ' ' || attempt || '/' || max_attempts AS what FROM job_executions WHERE attempt > max_attempts"
        ),
        (
            "an execution that ended has one end, in its last attempt",
            """
            SELECT e.id || ': ' || string_agg(a.attempt || ' ' || coalesce(a.outcome, 'none'), ' ' ORDER BY a.attempt) AS what
            FROM job_finished AS e JOIN job_attempts AS a ON a.execution_id = e.id
            GROUP BY e.id, e.attempt
            HAVING count(*) FILTER (WHERE a.outcome IN ('SUCCESS', 'FAILED', 'TIMED_OUT', 'CANCELLED') OR a.outcome IS NULL) > 1
              OR count(*) <> count(DISTINCT a.attempt) OR max(a.attempt) > e.attempt
            """
        ),
        (
            "a success has an attempt that succeeded",
            """
            SELECT e.id::text AS what FROM job_finished AS e
            WHERE e.status = 'SUCCESS' AND e.attempt > 0
              AND NOT EXISTS (SELECT FROM job_attempts AS a WHERE a.execution_id = e.id AND a.attempt = e.attempt AND a.outcome = 'SUCCESS')
              AND NOT EXISTS (SELECT FROM job_finished AS c WHERE c.parent_id = e.id)
            """
        ),
        (
            "an execution is in one place",
            "SELECT id::text AS what FROM job_executions GROUP BY id HAVING count(*) > 1"
        ),
        (
            "a parent ends after its children",
            """
            SELECT p.id::text AS what FROM job_finished AS p JOIN job_executions AS c ON c.parent_id = p.id
            WHERE c.finished_at IS NULL OR c.finished_at > p.finished_at
            """
        ),
        (
            "a parent succeeds only with every child",
            """
            SELECT p.id::text AS what FROM job_finished AS p JOIN job_finished AS c ON c.parent_id = p.id
            WHERE p.status = 'SUCCESS' AND c.status <> 'SUCCESS'
            """
        ),
        (
            "a due time has one tick",
            "SELECT job_config_id || ' ' || due_at AS what FROM schedule_ticks GROUP BY job_config_id, due_at HAVING count(*) > 1"
        ),
        (
            "an enqueued tick has its execution, and only it",
            """
            SELECT t.job_config_id || ' ' || t.due_at AS what FROM schedule_ticks AS t
            LEFT JOIN job_executions AS e ON e.id = t.execution_id WHERE t.outcome = 'ENQUEUED' AND e.id IS NULL
            """
        ),
        (
            "a store has at most one VERIFIED campaign of an execution",
            """
            SELECT execution_id || ' store ' || store_id AS what FROM campaigns WHERE status = 'VERIFIED'
            GROUP BY execution_id, store_id HAVING count(*) > 1
            """
        ),
    ]

    /// No effect without a row, and no more repetitions than cuts.
    private func uploadViolations() async throws -> [String] {
        let state = try await rig.sandbox.state()
        var found: [String] = []
        let names: [String] = try await rig.pool.query("SELECT DISTINCT name FROM campaigns").map { try $0.get("name") }
        let known = Set(names)
        var repetitions: [String: [String: Int]] = [:]
        for upload in state.uploads {
            if !known.contains(upload.name) { found.append("nothing is invented: an upload \(upload.name) has no campaign") }
            repetitions[upload.registrations.joined(), default: [:]][upload.bodyDigest, default: 0] += 1
        }
        for (store, bodies) in repetitions {
            let repeated = bodies.values.reduce(0) { $0 + $1 - 1 }
            if repeated > ambiguousCuts {
                found.append("store \(store) was sent the same body \(repeated) times too often with \(ambiguousCuts) ambiguous cuts")
            }
        }
        return found
    }
}
