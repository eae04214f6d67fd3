import Postgres
import Runtime

/// `CLEANUP_LOGS`: removes what is older than it is to be kept (SPEC §5): whole partitions are dropped, rows of other tables go in small
/// pages. Every step is a transaction of its own, fenced, and leaves nothing half done, so it may be killed and run twice at once.
package struct CleanupJob: Job {
    /// How long it waits in all for partitions that somebody reads.
    private static let patience: Duration = .seconds(30)
    private static let longestPause: Duration = .seconds(2)

    /// Tables with partitions by day, by the names that operators know.
    private static let logs = [(parent: "execution_logs", table: "execution_logs")]
    /// Executions before their earlier attempts: who sees an execution sees all of them.
    private static let executions = [
        (parent: "job_finished", table: "job_executions"), (parent: "job_attempts_past", table: "job_attempts"),
    ]

    private let rules: [RetentionRule]

    /// `rules`: the tables without partitions, each declared by its owner.
    package init(rules: [RetentionRule]) {
        self.rules = rules
    }

    /// See `Job`.
    package func run(_ context: RunContext) async throws -> JobResult {
        let options = try CleanupOptions(context.options)
        var sweep = Sweep(context: context, isDryRun: options.isDryRun, patience: Self.patience)
        if !options.isDryRun { _ = try await context.pool.query(QueueStatements.createPartitions) }
        if options.cleansLogs {
            for (parent, table) in Self.logs { try await sweep.dropPartitions(of: parent, table, days: options.logDays) }
        }
        if options.cleansExecutions {
            for (parent, table) in Self.executions { try await sweep.dropPartitions(of: parent, table, days: options.executionDays) }
            for rule in rules { try await sweep.removeRows(rule, days: options.executionDays) }
        }
        try await sweep.dropHeld()
        return .succeeded(metrics: sweep.report.metrics(isDryRun: options.isDryRun))
    }

    /// One run over the tables.
    private struct Sweep {
        let context: RunContext
        let isDryRun: Bool
        var patience: Duration
        var report = CleanupReport()
        /// Partitions that somebody held when it was their turn, in that order.
        private var held: [Partition] = []

        init(context: RunContext, isDryRun: Bool, patience: Duration) {
            (self.context, self.isDryRun, self.patience) = (context, isDryRun, patience)
        }

        private struct Partition {
            let name: String
            let table: String
            let days: Int
            let rows: Int64
            let isExact: Bool
        }

        mutating func dropPartitions(of parent: String, _ table: String, days: Int) async throws {
            report.add(0, of: table)
            for row in try await context.pool.query(CleanupStatements.expired(parent, days: days)) {
                let partition = Partition(
                    name: try row.get("partition"), table: table, days: days, rows: try row.get("row_count"),
                    isExact: try row.get("is_exact"))
                if let reason = row["in_use"] {
                    context.log(.info, "\(partition.name) stays: \(reason)")
                } else if isDryRun {
                    isGone(partition)
                } else if try await isHeld(partition) {
                    held.append(partition)
                }
            }
        }

        /// Last of all, so that nothing else waits for those who read: tries again while patience lasts.
        mutating func dropHeld() async throws {
            var pause: Duration = .milliseconds(100)
            while !held.isEmpty, patience > .zero {
                try await Task.sleep(for: pause)
                patience -= pause
                pause = min(pause * 2, CleanupJob.longestPause)
                let candidates = held
                held = []
                for partition in candidates where try await isHeld(partition) { held.append(partition) }
            }
            for partition in held {
                report.skip(partition.name)
                context.log(.warning, "\(partition.name) stays: somebody reads it without end; the next clean-up tries again")
            }
        }

        private mutating func isGone(_ partition: Partition) {
            report.add(partition.rows, of: partition.table, isExact: partition.isExact)
            let rows = "\(partition.isExact ? "" : "about ")\(partition.rows) rows"
            context.log(.info, "\(isDryRun ? "would drop" : "dropped") \(partition.name), \(rows)")
        }

        /// Drops it, unless somebody holds it.
        private mutating func isHeld(_ partition: Partition) async throws -> Bool {
            let run = context.run
            let outcome = try await context.fenced { transaction in
                // Our own row first: who cancels us waits for it and not for a table that we hold.
                _ = try await transaction.query(QueueStatements.fence(id: run.id, token: run.token))
                return try await transaction.query(CleanupStatements.drop(partition.name, days: partition.days)).first?["outcome"] ?? "GONE"
            }
            switch outcome {
            case "DROPPED":
                assert(Failpoint.reach("cleanup.dropped"))
                isGone(partition)
            case "LOCKED": return true
            case "GONE": break
            default: context.log(.info, "\(partition.name) stays: \(outcome)")
            }
            return false
        }

        mutating func removeRows(_ rule: RetentionRule, days: Int) async throws {
            var removed: Int64 = 0
            var after: String?
            repeat {
                let page = RetentionPage(after: after, days: days, isDryRun: isDryRun)
                let row = try await context.fenced { transaction in try await transaction.query(rule.page(page)).first }
                removed += try row?.get("removed") ?? 0
                after = row?["next"]
                assert(Failpoint.reach("cleanup.page"))
            } while after != nil
            report.add(removed, of: rule.table)
            if removed > 0 { context.log(.info, "\(isDryRun ? "would remove" : "removed") \(removed) rows of \(rule.table)") }
        }
    }
}
