import Runtime

/// The differences that a comparison and its children found, as `chimera execution show` prints and exports them.
struct ExecutionDifferences {
    /// So many stand in the table for a person.
    private static let shownCount = 40
    /// So many are fetched at a time by an export: a transaction is open no longer than that takes, however slowly somebody reads.
    private static let pageSize = 10_000

    private static let columns = ["store_id", "registration", "store", "code", "product", "kind", "expected", "actual"]
    private static let tableColumns = [
        Table.Column("STORE") { Cell.text($0["registration"] ?? $0["store_id"]) }, Table.Column("CODE", "code", isNumber: true),
        Table.Column("PRODUCT", "product"), Table.Column("DIFFERENCE", "kind"), Table.Column("EXPECTED", "expected"),
        Table.Column("ACTUAL", "actual"),
    ]

    let id: String
    let database: OperatorDatabase

    /// Whether an execution, as `ExecutionStatements.one` gives it, is one of a comparison.
    static func belong(to row: JSONValue) -> Bool { row["job_type"]?.stringValue == "COMPARE_DATA" }

    /// The worst of them under headings, and how many more there are; nothing when there are none.
    func table() async throws -> String {
        let rows = try await database.rows(DifferenceStatements.worst(of: id, behind: nil, limit: Self.shownCount))
        guard !rows.isEmpty else { return "" }
        var text = Table(Self.tableColumns, rows: rows).text
        if rows.count == Self.shownCount {
            let count = try await database.rows(DifferenceStatements.count(of: id)).first?["count"]?.intValue ?? 0
            if count > rows.count { text += "\n\nand \(count - rows.count) more: chimera execution show \(id) --csv" }
        }
        return text
    }

    /// Prints all of them as CSV (RFC 4180), the worst first.
    func writeCSV() async throws {
        StandardOutput.write(Self.csvLine(Self.columns))
        try await forEachPage { rows in
            let lines = rows.map { row in Self.csvLine(Self.columns.map { Cell.text(row[$0]) }) }
            StandardOutput.write(lines.joined(separator: "\n"))
        }
    }

    /// Prints an object with one more member, `differences`, that has all of them.
    func write(in object: [String: JSONValue]) async throws {
        StandardOutput.write(JSONValue.object(object).text.dropLast() + #","differences":["#)
        var isFirst = true
        try await forEachPage { rows in
            let lines = rows.map { row in
                JSONValue.object(Dictionary(uniqueKeysWithValues: Self.columns.map { ($0, row[$0] ?? .null) })).text
            }
            StandardOutput.write((isFirst ? "" : ",") + lines.joined(separator: ",\n"))
            isFirst = false
        }
        StandardOutput.write("]}")
    }

    private func forEachPage(_ body: ([JSONValue]) -> Void) async throws {
        var last: DifferenceStatements.Place?
        while true {
            let rows = try await database.rows(DifferenceStatements.worst(of: id, behind: last, limit: Self.pageSize))
            if !rows.isEmpty { body(rows) }
            guard rows.count == Self.pageSize, let place = DifferenceStatements.Place(rows.last) else { return }
            last = place
        }
    }

    /// A record with the carriage return of its end: the line feed is the output's.
    private static func csvLine(_ fields: [String]) -> String {
        fields.map { field in
            let line = printableLine(field)
            return line.contains(where: { $0 == "," || $0 == "\"" }) ? "\"\(line.replacing("\"", with: "\"\""))\"" : line
        }.joined(separator: ",") + "\r"
    }
}
