import Runtime

/// `chimera status`: how every active store stands today, and what mends it.
enum StatusCommand {
    static let command = Command(
        words: ["status"], summary: "Shows how every active store stands today and which command mends it", options: [.json],
        notes: """
            VERIFIED and SKIPPED are well, RUNNING is under way. SENT was uploaded and not seen in the partner's listing, FAILED and MISSING
            have no campaign: exit code 1 when there is one of these two. WAITING is a schedule that no scheduler looks after, LATE one
            without its success in time, PAUSED one whose due times are skipped, PROBLEM one that cannot be used.
            """
    ) { invocation in
        let (stores, workers, schedules, channels, untold) = try await OperatorDatabase(invocation).transaction { transaction in
            (
                try await transaction.rows(StatusStatements.stores), try await transaction.row(StatusStatements.workers) ?? .null,
                try await transaction.rows(StatusStatements.schedules), try await transaction.rows(ChannelStatements.troubled),
                try await transaction.query(StatusStatements.untold).compactMap { $0["name"] }
            )
        }
        let hasWorkers = (workers["alive"]?.intValue ?? 0) > 0
        let rows = stores.map { withMending($0, hasWorkers: hasWorkers) }
        if invocation.wantsJSON {
            StandardOutput.write(
                JSONValue.object([
                    "stores": .array(rows), "workers": workers, "schedules": .array(schedules), "channels": .array(channels),
                    "untold": .array(untold.map { .string($0) }),
                ]).text)
        } else {
            StandardOutput.write(page(rows, workers: workers, schedules: schedules, channels: channels, untold: untold))
        }
        return rows.contains { ["MISSING", "FAILED"].contains($0["state"]?.stringValue) } ? .answerIsNo : .ok
    }

    private static let columns = [
        Table.Column("REGISTRATION", "registration"), Table.Column("NAME", "name"), Table.Column("STATE", "state"),
        Table.Column("SINCE", isNumber: true) { row in row["seconds"]?.doubleValue.map { Cell.duration(seconds: $0) + " ago" } ?? "" },
        Table.Column("REASON", "reason"), Table.Column("MEND", "mend"),
    ]

    private static func page(
        _ stores: [JSONValue], workers: JSONValue, schedules: [JSONValue], channels: [JSONValue], untold: [String]
    ) -> String {
        var counts: [String: Int] = [:]
        for store in stores { counts[Cell.text(store["state"]), default: 0] += 1 }
        let summary = counts.sorted { $0.key < $1.key }.map { "\($1) \($0)" }.joined(separator: ", ")
        let alive = workers["alive"]?.intValue ?? 0
        var lines =
            stores.isEmpty
            ? ["no active store: chimera store add, or chimera store import FILE.csv"]
            : [Table(columns, rows: stores).text, "", "stores: \(summary)"]
        lines.append(
            alive == 0
                ? "workers: none is alive: chimera worker"
                : "workers: \(alive) alive, \(Cell.text(workers["running"])) of \(Cell.text(workers["slots"])) slots in use")
        lines.append(schedules.isEmpty ? "schedules: as they should be" : "schedules: " + schedules.map(sentence).joined(separator: "; "))
        var silent = channels.map(silence)
        if !untold.isEmpty {
            silent.append("nobody is told when \(untold.map { shown($0) }.joined(separator: ", ")) fails: chimera channel list")
        }
        if !silent.isEmpty { lines.append("channels: " + silent.joined(separator: "; ")) }
        return lines.joined(separator: "\n")
    }

    private static func silence(of channel: JSONValue) -> String {
        let (name, problem) = (Cell.text(channel["name"]), Cell.text(channel["problem"]))
        let failing = problem.hasPrefix("refused for good: ") ? "does not reach everybody" : "does not deliver"
        let (state, mend) =
            channel["active"]?.boolValue == true
            ? (failing, "test \(shellWord(name))") : ("is switched off", "edit \(shellWord(name)) --active yes")
        return printableLine("\(shown(name)) \(state): \(problem): chimera channel \(mend)")
    }

    private static func sentence(on schedule: JSONValue) -> String {
        let name = shown(Cell.text(schedule["name"]))
        switch Cell.text(schedule["state"]) {
        case "PROBLEM": return printableLine("\(name) cannot be used: \(Cell.text(schedule["problem"]))")
        case "PAUSED": return "\(name) is paused: \(resuming(schedule["name"]))"
        case "LATE":
            let retry = schedule["late_execution_id"]?.stringValue.map { ": chimera execution retry \($0)" } ?? ""
            return "\(name) is late: no success for \(Cell.text(schedule["late_since"]))\(retry)"
        default: return "\(name) waits for a scheduler: chimera scheduler"
        }
    }

    /// The row with `mend`: the command that mends it, or null.
    private static func withMending(_ row: JSONValue, hasWorkers: Bool) -> JSONValue {
        guard case .object(var members) = row else { return row }
        members["mend"] = mending(row, hasWorkers: hasWorkers).map { .string($0) } ?? .null
        return .object(members)
    }

    private static func resuming(_ job: JSONValue?) -> String { "chimera job resume \(shellWord(Cell.text(job)))" }

    private static func mending(_ row: JSONValue, hasWorkers: Bool) -> String? {
        let state = Cell.text(row["state"])
        guard ["MISSING", "FAILED", "SENT"].contains(state) else { return nil }
        // Before anything else: whatever is made meanwhile waits for it.
        if row["job_paused_at"]?.stringValue != nil { return resuming(row["job"]) }
        if let id = row["execution_id"]?.stringValue {
            switch row["execution_status"]?.stringValue {
            // It is queued: one more run would do the same work once more.
            case "PENDING": return hasWorkers ? "chimera execution wait \(id)" : "chimera worker"
            case "FAILED", "CANCELLED":
                return RetryAdvice.command(after: .string(id), code: row["error_code"], job: row["job"], store: row["store_id"])
            default: break
            }
        }
        guard let job = row["job"]?.stringValue else { return "chimera job add sync-products --type SYNC_PRODUCTS" }
        return RetryAdvice.run(of: job, params: #"{"store_ids":[\#(Cell.text(row["store_id"]))]}"#)
    }
}
