import Runtime

/// What `execution show` prints for a person: the row, its attempts, and the stores that failed.
struct ExecutionPage {
    private static let fields = [
        "id", "job", "status", "trigger", "priority", "params", "dedupe_key", "parent_id", "retry_of", "registration", "created_at",
        "created_by", "run_at",
        "scheduled_for", "started_at", "finished_at", "worker", "rescues", "metrics",
    ]
    private static let attemptColumns = [
        Table.Column("TRY", "attempt", isNumber: true),
        Table.Column("OUTCOME") { Cell.text($0["outcome"]).isEmpty ? "runs" : Cell.text($0["outcome"]) },
        Table.Column("STARTED") { Cell.moment($0["started_at"]) }, Table.Column("TOOK", isNumber: true) { Cell.duration($0["seconds"]) },
        Table.Column("HOST", "host"), Table.Column("WHY") { Cell.text($0["error_details"]?["message"]) },
    ]
    private static let storeColumns = [
        Table.Column("STORE", "store_id", isNumber: true), Table.Column("REGISTRATION", "registration"), Table.Column("WHY", "message"),
    ]

    let row: JSONValue
    let attempts: [JSONValue]
    /// How many children stand how.
    let children: [String: JSONValue]
    /// What a comparison found, as a table; empty when it found nothing or is none.
    let differences: String
    /// What to do next, a command a line.
    let next: [String]

    var text: String {
        var fields = Self.fields.map { ($0, Self.text($0, of: row)) }
        fields.append(("attempt", "\(Cell.text(row["attempt"])) of \(Cell.text(row["max_attempts"]))"))
        fields.append(("progress", ExecutionCommands.progress(row["progress"] ?? .null)))
        fields.append(("children", children.sorted { $0.key < $1.key }.map { "\($1.text) \($0)" }.joined(separator: ", ")))
        fields.append(("took", Cell.duration(row["seconds"])))
        let error = row["error_details"] ?? .null
        if !error.isNull {
            fields.append(("error", "\(Cell.text(error["code"])): \(Cell.text(error["message"]))"))
        }
        fields += next.map { ("next", $0) }
        var parts = [FieldList(fields).text]
        if !attempts.isEmpty { parts.append(Table(Self.attemptColumns, rows: attempts).text) }
        if let stores = error["stores"]?.arrayValue, !stores.isEmpty {
            parts.append(Table(Self.storeColumns, rows: stores).text)
            if let more = error["more"]?.intValue, more > 0 {
                parts.append("and \(more) more: chimera execution list --parent \(Cell.text(row["id"])) --status FAILED")
            }
        }
        if !differences.isEmpty { parts.append(differences) }
        return parts.joined(separator: "\n\n")
    }

    private static func text(_ field: String, of row: JSONValue) -> String {
        let value = row[field]
        if field.hasSuffix("_at") || field == "scheduled_for" { return Cell.moment(value) }
        if field == "rescues", value?.intValue == 0 { return "" }
        if field == "params", value?.objectValue?.isEmpty == true { return "" }
        return Cell.text(value)
    }
}
