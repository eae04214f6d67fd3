import Foundation
import Postgres

extension ClaimedRun {
    /// A row of `claim_executions`.
    init(_ row: PostgresRow) throws {
        self.init(
            id: try row.get("id"), token: try row.get("token"), jobConfigID: try row.get("job_config_id"), attempt: try row.get("attempt"),
            maxAttempts: try row.get("max_attempts"), paramsText: row["params"], parentID: row["parent_id"],
            storeID: try row.getIfPresent("store_id"), registration: row["registration"], sourceID: try row.get("source_id"),
            targetID: try row.get("target_id"), scheduledFor: try row.getIfPresent("scheduled_for", as: Date.self),
            priority: try row.get("priority"), runAtText: try row.get("run_at"), retryOf: row["retry_of"], isGated: try row.get("gated"),
            failures: try row.get("failures"))
    }
}
