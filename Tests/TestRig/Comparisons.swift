import Foundation
import Postgres
import Runtime
import TestSupport

extension Rig {
    /// Adds the job `compare-data`, in the zone of the sync.
    package func addComparison(config: [String: JSONValue] = [:], timeoutSeconds: Int = 900, maxAttempts: Int = 1) async throws {
        _ = try await pool.query(
            """
            INSERT INTO job_configurations (name, job_type, config, retry_delay_seconds, max_attempts, timeout_seconds, time_zone)
            VALUES ('compare-data', 'COMPARE_DATA', \(JSONValue.object(config)), 0, \(maxAttempts), \(timeoutSeconds), \(zone.name))
            """)
    }

    /// Triggers the comparison, runs it with a draining worker and gives how it ended.
    package func compare(params: JSONValue = .object([:])) async throws -> Execution {
        let id = try await trigger("compare-data", params: params)
        try await drain()
        return try await execution(id)
    }

    /// The differences of an execution or of its children, each as `STORE CODE KIND EXPECTED | ACTUAL`, in order.
    package func differences(of id: String) async throws -> [String] {
        try await pool.query(
            """
            SELECT d.store_id || ' ' || d.code || ' ' || d.kind || ' ' || coalesce(d.expected, '-') || ' | ' || coalesce(d.actual, '-') AS text
            FROM comparison_differences AS d JOIN job_executions AS e ON e.id = d.execution_id
            WHERE e.id = \(id)::uuid OR e.parent_id = \(id)::uuid ORDER BY d.store_id, d.code, d.kind, d.id
            """
        ).map { try $0.get("text") }
    }
}

extension Execution {
    /// `metrics.differences`.
    package var differences: [String: Int] {
        (metrics?["differences"]?.objectValue ?? [:]).mapValues { $0.intValue ?? -1 }
    }
}

extension Sandbox {
    /// Changes lines of a store's newest campaign; a line is `code price final_price limit`.
    package func plant(store: Int, set lines: [Line] = [], remove codes: [Int64] = []) async throws {
        let set = lines.map { #"{"code": \#($0.code), "price": \#($0.price), "final_price": \#($0.finalPrice), "limit": \#($0.limit)}"# }
        let text =
            #"{"store": \#(store), "set": [\#(set.joined(separator: ","))], "remove": [\#(codes.map(String.init).joined(separator: ","))]}"#
        try await plant(try JSONValue(parsing: text))
    }

    /// The names of all faults that hit one of these.
    package static func faults(of prefixes: [String]) async throws -> [String] {
        let program = try RunningProgram("chimera-sandbox", ["--faults"])
        guard try await program.waitForExit() == .exited(0) else { throw RigError("chimera-sandbox --faults failed") }
        return program.output.compactMap { $0.split(separator: " ").first.map(String.init) }.filter { name in
            prefixes.contains { name.hasPrefix($0) }
        }
    }
}

extension SandboxState {
    /// Requests that reached CresceVendas and were no reading.
    package var clubWrites: [String] { crescevendas.requests.keys.filter { !$0.hasPrefix("GET ") } }
    /// Requests that reached RP and were neither a reading nor a login.
    package var sourceWrites: [String] { rp.requests.keys.filter { !$0.hasPrefix("GET ") && !$0.hasPrefix("POST login") } }
}
