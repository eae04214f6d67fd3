import Postgres
import Runtime

/// The differences that a comparison and its children found, as `chimera execution show` prints and exports them. Rows may be many, and none
/// of their columns can hold a secret: they are not masked one by one.
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

    private static let storeColumns = [
        Table.Column("NAME", "store"), Table.Column("REGISTRATION") { Cell.text($0["registration"] ?? $0["store_id"]) },
        Table.Column("COUNT", "count", isNumber: true),
        Table.Column("DIFFERENCES") { row in
            DifferenceStatements.kinds.compactMap { kind in row["kinds"]?[kind].map { "\($0.text) \(kind)" } }.joined(separator: ", ")
        },
    ]
    /// So many stores are named in a command; where more differ, it is for all.
    private static let namedStores = 20

    let id: String
    let database: OperatorDatabase

    /// Whether an execution, as `ExecutionStatements.one` gives it, is one of a comparison.
    static func belong(to row: JSONValue) -> Bool { row["job_type"]?.stringValue == "COMPARE_DATA" }

    /// What a person reads: the stores with the most of them, the worst of them, how many more there are, and the command that publishes
    /// these stores anew; nil when there are none.
    func page() async throws -> (text: String, next: String?)? {
        let rows = try await page(behind: nil, limit: Self.shownCount)
        guard !rows.isEmpty else { return nil }
        let (stores, job) = try await database.transaction { transaction in
            (
                try await transaction.rows(DifferenceStatements.stores(of: id)),
                try await transaction.query(DifferenceStatements.onlySync).first?["name"]
            )
        }
        var text = Table(Self.storeColumns, rows: Array(stores.prefix(Self.shownCount))).text
        if stores.count > Self.shownCount { text += "\n\nand \(stores.count - Self.shownCount) more stores" }
        text += "\n\n" + Table(Self.tableColumns, rows: rows.map(Self.object)).text
        let count = stores.reduce(0) { $0 + ($1["count"]?.intValue ?? 0) }
        if count > rows.count { text += "\n\nand \(count - rows.count) more: chimera execution show \(id) --csv" }
        let ids = stores.count > Self.namedStores ? nil : stores.map { Cell.text($0["store_id"]) }.joined(separator: ",")
        return (text, job.map { Mend.run(of: $0, params: ids.map { #"{"store_ids":[\#($0)]}"# }) })
    }

    /// Prints all of them as CSV (RFC 4180), the worst first.
    func writeCSV() async throws {
        StandardOutput.write(Self.csvLine(Self.columns))
        try await forEachPage { rows in
            let lines = rows.map { row in Self.csvLine(Self.columns.map { row[$0] ?? "" }) }
            StandardOutput.write(lines.joined(separator: "\n"))
        }
    }

    /// Prints an object with one more member, `differences`, that has all of them.
    func write(in object: [String: JSONValue]) async throws {
        StandardOutput.write(JSONValue.object(object).text.dropLast() + #","differences":["#)
        var isFirst = true
        try await forEachPage { rows in
            StandardOutput.write((isFirst ? "" : ",") + rows.map { Self.object($0).text }.joined(separator: ",\n"))
            isFirst = false
        }
        StandardOutput.write("]}")
    }

    private func forEachPage(_ body: ([PostgresRow]) -> Void) async throws {
        var last: DifferenceStatements.Place?
        while true {
            let rows = try await page(behind: last, limit: Self.pageSize)
            if !rows.isEmpty { body(rows) }
            guard rows.count == Self.pageSize, let row = rows.last else { return }
            last = try DifferenceStatements.Place(row)
        }
    }

    private func page(behind last: DifferenceStatements.Place?, limit: Int) async throws -> [PostgresRow] {
        try await database.transaction { Array(try await $0.query(DifferenceStatements.worst(of: id, behind: last, limit: limit))) }
    }

    private static func object(_ row: PostgresRow) -> JSONValue {
        let members = columns.map { column in
            let number = ["store_id", "code"].contains(column) ? row[column].flatMap { Int64($0) } : nil
            return (column, number.map { .integer($0) } ?? row[column].map { .string($0) } ?? JSONValue.null)
        }
        return .object(Dictionary(uniqueKeysWithValues: members))
    }

    /// A record with the carriage return of its end: the line feed is the output's.
    private static func csvLine(_ fields: [String]) -> String {
        fields.map { field in
            let line = printableLine(field)
            guard line.unicodeScalars.contains(where: { $0 == "," || $0 == "\"" }) else { return line }
            return "\"\(line.replacingScalars("\"", with: "\"\""))\""
        }.joined(separator: ",") + "\r"
    }
}
