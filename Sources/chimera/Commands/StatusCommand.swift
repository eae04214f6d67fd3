import Runtime

/// `chimera status`: how every active store stands today, and what mends it.
enum StatusCommand {
    static let command = Command(
        words: ["status"], summary: "Shows how every active store stands today and which command mends it", options: [.json],
        notes: """
            VERIFIED and SKIPPED are well, RUNNING is under way. SENT was uploaded and not seen in the partner's listing, FAILED and MISSING
            have no campaign: exit code 1 when there is one of these two. WAITING is a schedule that no scheduler looks after, LATE one
            without its success in time, PAUSED one whose due times are skipped, PROBLEM one that cannot be used;
            INACTIVE and UNSCHEDULED are syncs that rest or have no cron pattern while no other one comes.
            """
    ) { invocation in
        let (stores, workers, schedules, channels, untold, resting, mends) = try await OperatorDatabase(invocation).transaction {
            transaction in
            let stores = try await transaction.rows(StatusStatements.stores)
            let workers = try await transaction.row(StatusStatements.workers) ?? .null
            let idle = try await transaction.rows(StatusStatements.idleSyncs)
            let schedules = try await transaction.rows(StatusStatements.schedules)
            let retries = RetryAdvice(try await transaction.failures(of: failed(stores, schedules)))
            return (
                stores, workers, schedules + idle, try await transaction.rows(ChannelStatements.troubled),
                try await transaction.query(StatusStatements.untold).compactMap { $0["name"] },
                try await transaction.rows(StatusStatements.resting),
                StoreMends(hasWorkers: (workers["alive"]?.intValue ?? 0) > 0, retries: retries, idleSyncs: idle)
            )
        }
        let rows = stores.map(mends.row)
        let together = mends.together(stores)
        if invocation.wantsJSON {
            StandardOutput.write(
                JSONValue.object([
                    "stores": .array(rows), "mends": .array(together), "workers": workers, "schedules": .array(schedules),
                    "channels": .array(channels), "untold": .array(untold.map { .string($0) }),
                    "resting": .array(resting),
                ]).text)
        } else {
            var lines = overview(rows, together)
            lines.append(
                mends.hasWorkers
                    ? "workers: \(Cell.text(workers["alive"])) alive, \(Cell.text(workers["running"])) of \(Cell.text(workers["slots"])) slots in use"
                    : "workers: none is alive: chimera worker")
            let sentences = schedules.map { printableLine(sentence(on: $0, mends.retries)) }
            lines.append("schedules: " + (sentences.isEmpty ? "as they should be" : sentences.joined(separator: "; ")))
            if !resting.isEmpty { lines.append("partners: " + resting.map(rest).joined(separator: "; ")) }
            var silent = channels.map(silence)
            if !untold.isEmpty {
                silent.append("nobody is told when \(untold.map { shown($0) }.joined(separator: ", ")) fails: chimera channel list")
            }
            if !silent.isEmpty { lines.append(printableLine("channels: " + silent.joined(separator: "; "))) }
            StandardOutput.write(lines.joined(separator: "\n"))
        }
        return rows.contains { ["MISSING", "FAILED"].contains($0["state"]?.stringValue) } ? .answerIsNo : .ok
    }

    /// Executions for which a retry may be advised.
    private static func failed(_ stores: [JSONValue], _ schedules: [JSONValue]) -> [String] {
        let ofStores = stores.filter { ["FAILED", "CANCELLED"].contains($0["execution_status"]?.stringValue) }
        return Set((ofStores.map { $0["execution_id"] } + schedules.map { $0["late_execution_id"] }).compactMap { $0?.stringValue })
            .sorted()
    }

    private static let columns = [
        Table.Column("REGISTRATION", "registration"), Table.Column("NAME", "name"), Table.Column("STATE", "state"),
        Table.Column("SINCE", isNumber: true) { row in row["seconds"]?.doubleValue.map { Cell.duration(seconds: $0) + " ago" } ?? "" },
        Table.Column("REASON") { Cell.excerpt($0["reason"]) }, Table.Column("MEND", "mend"),
    ]

    /// The stores, and what mends several of them at once.
    private static func overview(_ stores: [JSONValue], _ together: [JSONValue]) -> [String] {
        guard !stores.isEmpty else { return ["no active store: chimera store add, or chimera store import FILE.csv"] }
        var counts: [String: Int] = [:]
        for store in stores { counts[Cell.text(store["state"]), default: 0] += 1 }
        let mended = stores.count { $0["mend"]?.stringValue != nil }
        let lines = together.map { mend in
            let count = Cell.text(mend["stores"])
            return printableLine("\(count == "\(mended)" ? "all" : count) of them: \(Cell.text(mend["command"]))")
        }
        return [Table(columns, rows: stores).text, ""] + lines
            + ["stores: " + counts.sorted { $0.key < $1.key }.map { "\($1) \($0)" }.joined(separator: ", ")]
    }

    private static func silence(of channel: JSONValue) -> String {
        let (name, problem) = (Cell.text(channel["name"]), Cell.text(channel["problem"]))
        let failing = problem.hasPrefix("refused for good: ") ? "does not reach everybody" : "does not deliver"
        let (state, mend) =
            channel["active"]?.boolValue == true
            ? (failing, "test \(shellWord(name))") : ("is switched off", "edit \(shellWord(name)) --active yes")
        return printableLine("\(shown(name)) \(state): \(problem): chimera channel \(mend)")
    }

    private static func rest(of partner: JSONValue) -> String {
        let seconds = Cell.duration(seconds: partner["seconds"]?.doubleValue ?? 0)
        return printableLine(
            "\(shown(Cell.text(partner["name"]))) failed \(Cell.text(partner["failures"])) times in a row and is left alone for \(seconds); "
                + "what waits for it goes on by itself: chimera integration test \(shellWord(Cell.text(partner["name"])))")
    }

    private static func sentence(on schedule: JSONValue, _ retries: RetryAdvice) -> String {
        let name = shown(Cell.text(schedule["name"]))
        switch Cell.text(schedule["state"]) {
        case "PROBLEM": return "\(name) cannot be used: \(Cell.text(schedule["problem"]))"
        case "PAUSED": return "\(name) is paused: \(StoreMends.resuming(schedule["name"]))"
        case "LATE":
            let retry = schedule["late_execution_id"]?.stringValue.map { ": " + Mend.command(retries.steps(after: $0)) } ?? ""
            return "\(name) is late: no success for \(Cell.text(schedule["late_since"]))\(retry)"
        case "INACTIVE", "UNSCHEDULED":
            let option = schedule["state"] == "INACTIVE" ? "--active yes" : "--cron '10 5 * * *'"
            return printableLine(
                "\(name) \(StoreMends.idleness(schedule)): chimera job edit \(shellWord(Cell.text(schedule["name"]))) \(option)")
        default: return "\(name) waits for a scheduler: chimera scheduler"
        }
    }
}
