import Postgres
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
        let report = try await OperatorDatabase(invocation).transaction { try await StatusReport(in: $0) }
        StandardOutput.write(invocation.wantsJSON ? report.json.text : lines(report).joined(separator: "\n"))
        return report.stores.contains { ["MISSING", "FAILED"].contains($0["state"]?.stringValue) } ? .answerIsNo : .ok
    }

    private static func lines(_ report: StatusReport) -> [String] {
        var lines = overview(report.stores, report.together)
        lines.append(
            report.mends.hasWorkers
                ? "workers: \(Cell.text(report.workers["alive"])) alive, "
                    + "\(Cell.text(report.workers["running"])) of \(Cell.text(report.workers["slots"])) slots in use"
                : "workers: none is alive: chimera worker")
        let sentences = report.schedules.map { printableLine(sentence(on: $0, report.mends.retries)) }
        lines.append("schedules: " + (sentences.isEmpty ? "as they should be" : sentences.joined(separator: "; ")))
        if !report.resting.isEmpty { lines.append("partners: " + report.resting.map(rest).joined(separator: "; ")) }
        var silent = report.channels.map(silence)
        if !report.untold.isEmpty {
            silent.append("nobody is told when \(report.untold.map { shown($0) }.joined(separator: ", ")) fails: chimera channel list")
        }
        if !silent.isEmpty { lines.append(printableLine("channels: " + silent.joined(separator: "; "))) }
        return lines
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
            return "\(name) is late: no success for \(Cell.text(schedule["late_for"]))\(retry)"
        case "INACTIVE", "UNSCHEDULED":
            let option = schedule["state"] == "INACTIVE" ? "--active yes" : "--cron '10 5 * * *'"
            return printableLine(
                "\(name) \(StoreMends.idleness(schedule)): chimera job edit \(shellWord(Cell.text(schedule["name"]))) \(option)")
        default: return "\(name) waits for a scheduler: chimera scheduler"
        }
    }
}

/// What `chimera status` found, all of it at one moment.
private struct StatusReport: Sendable {
    /// Active stores, each with the command that mends it.
    let stores: [JSONValue]
    /// Commands that mend several stores at once.
    let together: [JSONValue]
    /// How many workers are alive, their slots and what runs.
    let workers: JSONValue
    /// Schedules that are not as they should be, and syncs that rest.
    let schedules: [JSONValue]
    /// Channels that do not deliver.
    let channels: [JSONValue]
    /// Jobs whose failures nobody hears of.
    let untold: [String]
    /// Partners that are left alone for a while.
    let resting: [JSONValue]
    /// What mends which state.
    let mends: StoreMends

    init(in transaction: PostgresTransaction) async throws {
        let stores = try await transaction.rows(StatusStatements.stores)
        let idle = try await transaction.rows(StatusStatements.idleSyncs)
        workers = try await transaction.row(StatusStatements.workers) ?? .null
        schedules = try await transaction.rows(StatusStatements.schedules) + idle
        channels = try await transaction.rows(ChannelStatements.troubled)
        untold = try await transaction.query(StatusStatements.untold).compactMap { $0["name"] }
        resting = try await transaction.rows(StatusStatements.resting)
        mends = StoreMends(
            hasWorkers: (workers["alive"]?.intValue ?? 0) > 0,
            retries: RetryAdvice(try await transaction.failures(of: Self.failed(stores, schedules))), idleSyncs: idle)
        self.stores = stores.map(mends.row)
        together = mends.together(stores)
    }

    var json: JSONValue {
        [
            "stores": .array(stores), "mends": .array(together), "workers": workers, "schedules": .array(schedules),
            "channels": .array(channels), "untold": .array(untold.map { .string($0) }), "resting": .array(resting),
        ]
    }

    /// Executions for which a retry may be advised.
    private static func failed(_ stores: [JSONValue], _ schedules: [JSONValue]) -> [String] {
        let ofStores = stores.filter { ["FAILED", "CANCELLED"].contains($0["execution_status"]?.stringValue) }
        return Set((ofStores.map { $0["execution_id"] } + schedules.map { $0["late_execution_id"] }).compactMap { $0?.stringValue })
            .sorted()
    }
}
