import Foundation
import Postgres
import TestRig
import TestSupport

/// Judges what became of a rig's executions from the tables and the sandbox's own records, never from what the programs say.
struct Oracle {
    let rig: Rig
    /// How often the scenario may have cut an upload from its answer: so many repetitions of an upload are allowed a store and execution.
    var ambiguousCuts = 0
    /// How many executions were committed from outside, by triggers or schedules that the scenario counted; nil: not counted.
    var committed: Int?
    /// What was seen while the scenario ran.
    var watch: Watch?
    /// The server's clock was set back, so moments before and after it cannot be compared; tokens tell the order of attempts all the same.
    var clockWentBack = false

    /// Waits until nothing is live any more, then judges; every violation stands in the error.
    func drainAndJudge(within limit: Duration = .seconds(90)) async throws {
        try await eventually(within: limit, "an empty queue") {
            // The database may be away still.
            (try? await rig.value("SELECT count(*) = 0 AS value FROM job_live")) ?? false
        }
        try await judge()
    }

    /// Judges what has ended; live executions are left out.
    func judge() async throws {
        let violations = try await violations()
        try require(violations.isEmpty, violations.joined(separator: "; "))
    }

    /// Everything that does not hold, each with a few examples.
    func violations() async throws -> [String] {
        var found: [String] = []
        let promises = Self.promises + (try await Witness.isPresent(in: rig) ? Witness.promises : [])
        for promise in promises where !(clockWentBack && promise.comparesAttempts) {
            let broken: String? = try await rig.pool.query(
                "SELECT string_agg(what, ', ') AS value FROM (\(unsafe: promise.query) LIMIT 5) AS q"
            ).first?["value"]
            if let broken { found.append("\(promise.sentence): \(broken)") }
        }
        if let committed {
            let ended: Int = try await rig.value(
                "SELECT count(*) AS value FROM job_executions WHERE parent_id IS NULL AND retry_of IS NULL")
            if ended != committed {
                found.append("nothing is lost or invented: \(committed) executions were committed, \(ended) are there")
            }
        }
        return found + (try await uploadViolations()) + (watch?.violations ?? [])
    }

    /// Sessions of Chimera's programs on the server, which must be none after they left.
    func requireNoSessions(within limit: Duration = .seconds(20)) async throws {
        try await eventually(within: limit, "the end of every session of a program that has left") {
            try await rig.value(
                """
                SELECT count(*) = 0 AS value FROM pg_stat_activity
                WHERE application_name LIKE 'chimera %' AND datname = current_database() AND pid <> pg_backend_pid()
                """)
        }
    }

    /// No effect without a row, and no more repetitions than cuts: each upload is compared with the bodies that the campaigns' rows hold.
    private func uploadViolations() async throws -> [String] {
        let uploads = try await rig.sandbox.state(bodies: true).uploads
        let planned = try await rig.pool.query(
            """
            SELECT c.execution_id::text AS execution, s.registration, c.body FROM campaigns AS c JOIN stores AS s ON s.id = c.store_id
            WHERE c.body IS NOT NULL AND NOT c.dry_run
            """
        ).map { (execution: try $0.get("execution", as: String.self), key: Self.key([try $0.get("registration")], $0["body"])) }
        let executions = Dictionary(grouping: planned, by: \.key).mapValues { $0.map(\.execution) }
        var found: [String] = []
        var bodies: [String: Set<String>] = [:]
        for (key, repeated) in Dictionary(grouping: uploads, by: { Self.key($0.registrations, $0.body) }) {
            let store = repeated[0].registrations.joined(separator: ", ")
            guard let known = executions[key] else {
                found.append("nothing is invented: no campaign has the body that store \(store) was sent as \(repeated[0].name)")
                continue
            }
            if repeated.count > known.count * (1 + ambiguousCuts) {
                found.append(
                    "effects: store \(store) was sent the same body \(repeated.count) times by \(Set(known).count) executions with \(ambiguousCuts) ambiguous cuts"
                )
            }
            for execution in Set(known) where Set(known).count == 1 { bodies["\(execution) for store \(store)", default: []].insert(key) }
        }
        for (place, different) in bodies where different.count > 1 {
            found.append("effects: execution \(place) sent \(different.count) different campaigns")
        }
        return found
    }

    private static func key(_ registrations: [String], _ body: String?) -> String {
        registrations.joined(separator: ",") + " " + (body ?? "")
    }
}
