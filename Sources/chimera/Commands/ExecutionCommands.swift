import Foundation
import Postgres
import Runtime

/// `chimera execution …`.
enum ExecutionCommands {
    static let all: [Command] = [list, show, ExecutionLogs.command, cancel, retry, wait]

    static let id = Operand(name: "ID", help: "the execution's id, as `chimera execution list` shows it")

    /// The id that was given; throws `.badData` for a text that is none.
    static func id(of invocation: Invocation) throws(OperatorError) -> String { try uuid(invocation.operand("ID")) }

    private static func uuid(_ text: String) throws(OperatorError) -> String {
        guard let uuid = UUID(uuidString: text) else {
            throw OperatorError(exitCode: .badData, message: "\(shown(text)) is no execution's id; `chimera execution list` shows them")
        }
        return uuid.uuidString.lowercased()
    }

    /// One execution as it is shown; throws `.badData` when there is none.
    static func row(id: String, _ database: OperatorDatabase) async throws -> JSONValue {
        guard let row = try await database.rows(ExecutionStatements.one(id)).first else { throw unknown(id) }
        return row
    }

    static func unknown(_ id: String) -> OperatorError {
        OperatorError(exitCode: .badData, message: "there is no execution \(id); `chimera execution list` shows the newest")
    }

    // MARK: list

    private static let list = Command(
        words: ["execution", "list"], summary: "Lists executions, the newest first",
        options: [
            Option(name: "--job", value: "NAME", help: "of this job (name or id) alone"),
            Option(
                name: "--status", value: "STATUS", help: "PENDING, RUNNING, SUCCESS, FAILED or CANCELLED alone",
                choices: ["PENDING", "RUNNING", "SUCCESS", "FAILED", "CANCELLED"]),
            Option(name: "--parent", value: "ID", help: "the children of this execution, one for each store"),
            Option(name: "--all", help: "children too, not only top-level executions"),
            Option(name: "--limit", value: "N", help: "how many, 1 to 10000 (20)"),
            Option(name: "--before", value: "ID", help: "those older than this execution: the next page"), .json,
        ]
    ) { invocation in
        let limit = try invocation.number("--limit", in: 1...10_000) ?? 20
        let before = try invocation.text("--before").map(uuid)
        let parent = try invocation.text("--parent").map(uuid)
        let rows = try await OperatorDatabase(invocation).transaction { transaction in
            var jobs: [Int]?
            if let name = invocation.text("--job") {
                jobs = try await transaction.query(ExecutionStatements.jobs(named: name)).map { try $0.get("id") }
                if jobs?.isEmpty == true { _ = try await Noun.job.find(name, in: transaction) }
            }
            return try await transaction.rows(
                ExecutionStatements.list(
                    jobs: jobs, status: invocation.text("--status"), parent: parent, withChildren: invocation.has("--all"), before: before,
                    limit: limit))
        }
        if invocation.wantsJSON {
            StandardOutput.write(array: rows)
        } else {
            StandardOutput.write(Table(tableColumns, rows: rows).text)
            if rows.count == limit, StandardOutput.showsProgress, let last = rows.last?["id"]?.stringValue {
                StandardOutput.note("note: older ones: add --before \(last)")
            }
        }
        return .ok
    }

    private static let tableColumns = [
        Table.Column("ID", "id"),
        Table.Column("JOB") { row in Cell.text(row["job"]) + (row["registration"]?.stringValue.map { " [\($0)]" } ?? "") },
        Table.Column("STATUS", "status"), Table.Column("TRIGGER", "trigger"),
        Table.Column("TRY") { "\(Cell.text($0["attempt"]))/\(Cell.text($0["max_attempts"]))" },
        Table.Column("DUE") { Cell.moment($0["run_at"]) }, Table.Column("TOOK", isNumber: true) { Cell.duration($0["seconds"]) },
        Table.Column("NOTE") { note(on: $0) },
    ]

    /// Why it failed, how far it is, or how grave what it found is.
    static func note(on row: JSONValue) -> String {
        if let message = row["error_details"]?["message"]?.stringValue { return message }
        if row["status"]?.stringValue == "RUNNING", let progress = row["progress"] { return self.progress(progress) }
        let severity = row["metrics"]?["severity"]?.stringValue ?? "ok"
        return severity == "ok" ? "" : severity
    }

    /// `12/500 stores`.
    static func progress(_ progress: JSONValue) -> String {
        guard let done = progress["done"]?.intValue, let total = progress["total"]?.intValue else { return "" }
        return "\(done)/\(total) \(Cell.text(progress["unit"]))"
    }

    // MARK: show

    private static let show = Command(
        words: ["execution", "show"], summary: "Shows one execution with its attempts and what failed", operands: [id],
        options: [Option(name: "--csv", help: "exports the differences that a comparison found, all of them, as CSV"), .json],
        notes: """
            Of a comparison, its differences too, counted by store and then the worst first: products that the club does not show, products
            that it shows and nobody offers, wrong club prices, wrong times, wrong regular prices, wrong limits.
            """
    ) { invocation in
        let id = try id(of: invocation)
        guard !invocation.has("--csv") || !invocation.wantsJSON else {
            throw invocation.command.misuse("--csv and --json exclude each other")
        }
        let database = try await OperatorDatabase(invocation)
        let (row, attempts, children, steps) = try await database.transaction { transaction in
            guard let row = try await transaction.row(ExecutionStatements.one(id)) else { throw unknown(id) }
            return (
                row, try await transaction.rows(ExecutionStatements.attempts(of: id)),
                try await transaction.rows(ExecutionStatements.children(of: id)), try await retrying(row, in: transaction)
            )
        }
        let counts = Dictionary(uniqueKeysWithValues: children.map { (Cell.text($0["status"]), $0["count"] ?? .null) })
        let differences = ExecutionDifferences.belong(to: row) ? ExecutionDifferences(id: id, database: database) : nil
        if invocation.has("--csv") {
            guard let differences else {
                throw OperatorError(exitCode: .badData, message: "execution \(id) is no comparison: it has no differences to export")
            }
            try await differences.writeCSV()
        } else if invocation.wantsJSON, case .object(var members) = row {
            members["attempts"] = .array(attempts)
            members["children"] = .object(counts)
            guard let differences else {
                StandardOutput.write(JSONValue.object(members).text)
                return .ok
            }
            try await differences.write(in: members)
        } else {
            let found = try await differences?.page()
            StandardOutput.write(
                ExecutionPage(
                    row: row, attempts: attempts, children: counts, differences: found?.text ?? "",
                    next: [steps, found?.next].compactMap(\.self)
                ).text)
        }
        return .ok
    }

    /// The commands that try again what did not succeed; nil where nothing did.
    private static func retrying(_ row: JSONValue, in transaction: PostgresTransaction) async throws -> String? {
        guard ["FAILED", "CANCELLED"].contains(row["status"]?.stringValue), let id = row["id"]?.stringValue else { return nil }
        let ids = try await transaction.query(ExecutionStatements.failedFamily(of: id)).compactMap { $0["id"] }
        return Mend.command(RetryAdvice(try await transaction.failures(of: ids)).steps(after: id))
    }

    // MARK: cancel, retry, wait

    private static let cancel = Command(
        words: ["execution", "cancel"], summary: "Ends a pending or running execution and its children", operands: [id],
        notes: "Exit code 1 when it had ended otherwise before. A campaign that was sent stays sent."
    ) { invocation in
        let id = try id(of: invocation)
        let (isCancelled, row) = try await OperatorDatabase(invocation).transaction { transaction in
            let isCancelled: Bool? = try await transaction.query(ExecutionStatements.cancel(id)).first?.get("is_cancelled")
            return (isCancelled == true, try await transaction.row(ExecutionStatements.one(id)))
        }
        let status = Cell.text(row?["status"])
        StandardOutput.write(isCancelled ? "execution \(id) cancelled" : "execution \(id) had ended before: \(status)")
        return isCancelled || status == "CANCELLED" ? .ok : .answerIsNo
    }

    private static let retry = Command(
        words: ["execution", "retry"], summary: "Tries an execution again and prints the id of the new one", operands: [id],
        options: [.json],
        notes: """
            Of a parent: for the stores that did not succeed. One that waits for its next attempt becomes due and keeps its id. Running and
            successful ones are refused.
            """
    ) { invocation in
        let id = try id(of: invocation)
        let row = try await OperatorDatabase(invocation).transaction { transaction in
            let made: String? = try await transaction.query(ExecutionStatements.retry(id)).first?.get("id")
            return try await transaction.row(ExecutionStatements.one(made ?? id))
        }
        StandardOutput.write(invocation.wantsJSON ? row?.text ?? "" : Cell.text(row?["id"]))
        return .ok
    }

    private static let wait = Command(
        words: ["execution", "wait"], summary: "Waits for an execution's end", operands: [id],
        options: [Option(name: "--timeout", value: "SECONDS", help: "waits no longer than this: exit code 75"), .json],
        notes: "Exit code 0 after SUCCESS, 1 after FAILED or CANCELLED."
    ) { invocation in
        let timeout = try invocation.number("--timeout", in: 0...31_536_000)
        let id = try id(of: invocation)
        let database = try await OperatorDatabase(invocation)
        return try await wait(for: id, database, invocation, timeout: timeout)
    }

    /// Waits for the end of an execution and tells how it ended; 75 when `timeout` (seconds) is over before.
    static func wait(for id: String, _ database: OperatorDatabase, _ invocation: Invocation, timeout: Int?) async throws -> ExitCode {
        let watch = ExecutionWatch(id: id, database: database, timeout: timeout.map { .seconds($0) })
        guard try await watch.waitForEnd() else {
            throw OperatorError(
                exitCode: .tryAgain,
                message: "execution \(id) has not ended within \(timeout ?? 0) s; it goes on: chimera execution wait \(id)")
        }
        let row = try await row(id: id, database)
        let status = Cell.text(row["status"])
        if invocation.wantsJSON {
            StandardOutput.write(row.text)
        } else {
            let note = note(on: row)
            StandardOutput.write(printableLine(note.isEmpty ? status : "\(status): \(note)"))
        }
        return status == "SUCCESS" ? .ok : .answerIsNo
    }
}
