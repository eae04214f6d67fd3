import Postgres
import Runtime

/// One store of a file.
struct ImportedStore: Sendable, Equatable {
    /// Where it stands in the file.
    let line: Int
    let registration: String
    let name: String
    /// Nil: the file has no such column; an inner nil empties the store's.
    let document: String??
    /// Nil: the file has no such column.
    let isActive: Bool?
}

/// The stores of a CSV file, every field checked before the database is asked.
struct StoreFile {
    /// What a chain may have at most; a row costs a round trip.
    private static let limit = 20_000
    private static let known = ["registration", "name", "document", "active"]

    let stores: [ImportedStore]

    /// Throws `.badData` with the line and the column at fault.
    init(csv text: String) throws(OperatorError) {
        let records = try CSVReader.records(of: text)
        guard let header = records.first else {
            throw OperatorError(exitCode: .badData, message: "the file is empty; its first line is registration,name,document,active")
        }
        let columns = try Self.columns(of: header)
        guard records.count <= Self.limit + 1 else {
            throw OperatorError(exitCode: .badData, message: "the file holds more than \(Self.limit) stores; import it in parts")
        }
        var stores: [ImportedStore] = []
        var lines: [String: Int] = [:]
        for record in records.dropFirst() {
            let store = try Self.store(record, columns: columns)
            if let earlier = lines.updateValue(store.line, forKey: store.registration) {
                throw Self.wrong(store.line, "registration", "\(shown(store.registration)) stands in line \(earlier) too")
            }
            stores.append(store)
        }
        self.stores = stores
    }

    private static func columns(of header: CSVReader.Record) throws(OperatorError) -> [String] {
        let columns = header.fields.map { trimmed($0).lowercased() }
        for (index, column) in columns.enumerated() {
            guard known.contains(column) else {
                let near = nearest(to: column, among: known)
                throw wrong(
                    header.number, "\(index + 1)",
                    "\(shown(column)) is no column\(near.map { "; did you mean \($0)?" } ?? ";") write registration,name,document,active")
            }
            guard columns.firstIndex(of: column) == index else { throw wrong(header.number, column, "the column stands there twice") }
        }
        for column in ["registration", "name"] where !columns.contains(column) {
            throw wrong(header.number, column, "the column is missing; the first line is registration,name,document,active")
        }
        return columns
    }

    private static func store(_ record: CSVReader.Record, columns: [String]) throws(OperatorError) -> ImportedStore {
        guard record.fields.count == columns.count else {
            throw OperatorError(
                exitCode: .badData,
                message:
                    "line \(record.number) has \(record.fields.count) fields and the first line \(columns.count); quote a field that holds a comma"
            )
        }
        let fields = Dictionary(uniqueKeysWithValues: zip(columns, record.fields.map(trimmed)))
        let registration = fields["registration"] ?? ""
        guard registration.contains(#/^[0-9A-Za-z.\/-]{1,40}$/#) else {
            throw wrong(
                record.number, "registration", "\(shown(registration)) is none; it needs 1 to 40 letters, digits, dots, slashes or dashes")
        }
        let name = fields["name"] ?? ""
        guard !name.isEmpty, name.unicodeScalars.count <= 200, !name.unicodeScalars.contains("\0") else {
            throw wrong(record.number, "name", "it needs 1 to 200 characters")
        }
        if let document = fields["document"], !document.contains(#/^[0-9A-Za-z.\/-]{0,40}$/#) {
            throw wrong(
                record.number, "document", "\(shown(document)) is none; it takes at most 40 letters, digits, dots, slashes or dashes")
        }
        let active = fields["active"].map(truth)
        if case .some(nil) = active { throw wrong(record.number, "active", "\(shown(fields["active"] ?? "")) is neither true nor false") }
        return ImportedStore(
            line: record.number, registration: registration, name: name, document: fields["document"].map { $0.isEmpty ? nil : $0 },
            isActive: active ?? nil)
    }

    static func wrong(_ line: Int, _ column: String, _ sentence: String) -> OperatorError {
        OperatorError(exitCode: .badData, message: "line \(line), column \(column): \(sentence)")
    }

    private static func trimmed(_ text: String) -> String {
        let scalars = text.unicodeScalars
        let kept = scalars.drop { $0.properties.isWhitespace }.reversed().drop { $0.properties.isWhitespace }.reversed()
        return String(String.UnicodeScalarView(kept))
    }
}

/// `chimera store import`.
enum StoreImport {
    /// Bytes of a file.
    private static let limit = 8 << 20

    static let command = Command(
        words: ["store", "import"], summary: "Adds and changes stores as a CSV file says, all of them or none",
        operands: [Operand(name: "FILE.csv", help: "UTF-8 with the header registration,name,document,active; - for standard input")],
        options: [.json],
        notes: """
            A store is known by its registration. Columns document and active may be missing: what is there then stays, and new stores are
            active. Stores that the file does not name stay as they are. `;` may part the fields, as spreadsheets in Portuguese write them.
            """
    ) { invocation in
        let file = try StoreFile(csv: try InputFile(invocation.operand("FILE.csv"), limit: limit).text)
        let counts = try await OperatorDatabase(invocation).transaction { transaction in
            defer { StandardOutput.progress("") }
            var counts = ["added": 0, "changed": 0, "unchanged": 0]
            _ = try await transaction.query(StoreStatements.releaseNames(file.stores))
            // In the order of their keys, which two imports at once have in common.
            for (place, store) in file.stores.sorted(by: { $0.registration < $1.registration }).enumerated() {
                if place % 100 == 0 { StandardOutput.progress("\(place) of \(file.stores.count) stores") }
                do {
                    let isNew: Bool? = try await transaction.query(StoreStatements.upsert(store)).first?.get("is_new")
                    counts[isNew.map { $0 ? "added" : "changed" } ?? "unchanged", default: 0] += 1
                } catch let error as PostgresError where !error.isRetryableTransaction && !error.isWorthReconnecting {
                    let cause = OperatorError(presenting: error)
                    throw OperatorError(exitCode: cause.exitCode, message: "line \(store.line), column \(cause.message)")
                }
            }
            return counts
        }
        if invocation.wantsJSON {
            StandardOutput.write(JSONValue.object(counts.mapValues { .integer(Int64($0)) }).text)
        } else {
            StandardOutput.write("\(counts["added"] ?? 0) added, \(counts["changed"] ?? 0) changed, \(counts["unchanged"] ?? 0) unchanged")
        }
        return .ok
    }
}
