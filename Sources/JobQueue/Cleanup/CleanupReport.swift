import Runtime

/// What a clean-up removed, or would, and what it had to leave.
struct CleanupReport: Sendable {
    private var removed: [String: Int64] = [:]
    private var estimated: Set<String> = []
    private var skipped: [String] = []

    /// Also with none: the table was looked at.
    mutating func add(_ rows: Int64, of table: String, isExact: Bool = true) {
        removed[table, default: 0] += rows
        if !isExact { estimated.insert(table) }
    }

    /// Somebody held it all the time.
    mutating func skip(_ partition: String) {
        skipped.append(partition)
    }

    /// `{"removed": {table: n}}`; `estimated` names the tables whose numbers are not counted row by row, `skipped` the partitions that
    /// could not be dropped, which makes it a warning.
    func metrics(isDryRun: Bool) -> JSONValue {
        var metrics: [String: JSONValue] = [
            "removed": .object(removed.mapValues { .integer($0) }), "severity": skipped.isEmpty ? "ok" : "warning",
        ]
        if !estimated.isEmpty { metrics["estimated"] = .array(estimated.sorted().map { .string($0) }) }
        if !skipped.isEmpty { metrics["skipped"] = .array(skipped.map { .string($0) }) }
        if isDryRun { metrics["dry_run"] = true }
        return .object(metrics)
    }
}
