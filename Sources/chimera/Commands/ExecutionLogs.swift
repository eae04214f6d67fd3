import Runtime

/// `chimera execution logs`: what an execution and its children wrote, until now or until its end.
enum ExecutionLogs {
    static let command = Command(
        words: ["execution", "logs"], summary: "Prints what an execution and its children logged", operands: [ExecutionCommands.id],
        options: [
            Option(name: "--follow", help: "goes on until the execution has ended"),
            Option(name: "--json", help: "answers in JSON: an array, with --follow one object a line"),
        ]
    ) { invocation in
        let id = try ExecutionCommands.id(of: invocation)
        let database = try await OperatorDatabase(invocation)
        _ = try await ExecutionCommands.row(id: id, database)
        let follows = invocation.has("--follow")
        let reader = LogReader(id: id, database: database)
        guard follows else {
            if invocation.wantsJSON {
                var rows: [JSONValue] = []
                try await reader.readNew { rows.append($0) }
                StandardOutput.write(array: rows)
            } else {
                try await reader.readNew { StandardOutput.write(line($0)) }
            }
            return .ok
        }
        _ = try await ExecutionWatch(id: id, database: database, timeout: nil).waitForEnd {
            try await reader.readNew { row in
                StandardOutput.progress("")
                StandardOutput.write(invocation.wantsJSON ? row.text : line(row))
            }
            // A silent job writes nothing that would tell.
            StandardOutput.leaveIfClosed()
        }
        return .ok
    }

    /// `2026-11-21T05:10:00.123456Z warning [0101] message key=value`.
    private static func line(_ row: JSONValue) -> String {
        let store = row["registration"]?.stringValue.map { "[\($0)] " } ?? ""
        let fields = (row["fields"]?.objectValue ?? [:]).sorted { $0.key < $1.key }.map { " \($0)=\(Cell.text($1))" }.joined()
        let level = Cell.text(row["level"])
        let padding = String(repeating: " ", count: max(0, 7 - level.count))
        return printableLine("\(Cell.text(row["logged_at"])) \(level)\(padding) \(store)\(Cell.text(row["message"]))\(fields)")
    }
}

/// Reads lines once each. A line's id is drawn before its transaction commits, so a smaller one may appear after a larger one:
/// each look begins again at the largest id of some seconds ago.
private final class LogReader {
    private static let pageSize = 1000
    private static let overlap: Duration = .seconds(5)

    private let id: String
    private let database: OperatorDatabase
    private var floor: Int64 = 0
    private var seen: Set<Int64> = []
    private var marks: [(id: Int64, at: Duration)] = []

    init(id: String, database: OperatorDatabase) {
        self.id = id
        self.database = database
    }

    func readNew(_ show: (JSONValue) -> Void) async throws {
        var last = floor
        while true {
            let rows = try await database.rows(ExecutionStatements.logs(of: id, after: last, limit: Self.pageSize))
            for row in rows {
                guard let line = row["id"]?.intValue.map(Int64.init) else { continue }
                last = max(last, line)
                if seen.insert(line).inserted { show(row) }
            }
            if rows.count < Self.pageSize { break }
        }
        let now = MonotonicClock.now()
        if last > marks.last?.id ?? floor { marks.append((last, now)) }
        while let mark = marks.first, now - mark.at > Self.overlap {
            floor = mark.id
            marks.removeFirst()
        }
        seen = seen.filter { $0 > floor }
    }
}
