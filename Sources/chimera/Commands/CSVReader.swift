import Runtime

/// Reads CSV as RFC 4180 has it: fields in quotes may hold the delimiter, quotes (doubled) and line ends. Takes LF and CRLF, a byte
/// order mark, and `;` for the delimiter where the first line has no comma, as spreadsheets in Brazil write it.
struct CSVReader {
    /// A line of fields; `number` is where it begins in the file.
    struct Record: Sendable {
        let number: Int
        let fields: [String]
    }

    private let scalars: [Unicode.Scalar]
    private let delimiter: Unicode.Scalar
    private var offset = 0
    private var line = 1

    private init(_ text: String) {
        var scalars = Array(text.unicodeScalars)
        if scalars.first == "\u{FEFF}" { scalars.removeFirst() }
        self.scalars = scalars
        let firstLine = scalars.prefix { $0 != "\n" }
        delimiter = !firstLine.contains(",") && firstLine.contains(";") ? ";" : ","
    }

    /// All records; lines without any character are none. Throws `.badData` with the line of a quote that is out of place.
    static func records(of text: String) throws(OperatorError) -> [Record] {
        var reader = CSVReader(text)
        var records: [Record] = []
        while reader.offset < reader.scalars.count {
            let record = try reader.nextRecord()
            if record.fields != [""] { records.append(record) }
        }
        return records
    }

    private mutating func nextRecord() throws(OperatorError) -> Record {
        let number = line
        var fields: [String] = []
        while true {
            fields.append(try nextField())
            guard offset < scalars.count, scalars[offset] == delimiter else { break }
            offset += 1
        }
        if offset < scalars.count, scalars[offset] == "\r" { offset += 1 }
        if offset < scalars.count {
            offset += 1  // the line feed: nothing else ends a field
            line += 1
        }
        return Record(number: number, fields: fields)
    }

    private mutating func nextField() throws(OperatorError) -> String {
        guard offset < scalars.count, scalars[offset] == "\"" else { return try plainField() }
        let begin = line
        offset += 1
        var field = String.UnicodeScalarView()
        while offset < scalars.count {
            let scalar = scalars[offset]
            offset += 1
            if scalar == "\n" { line += 1 }
            guard scalar == "\"" else {
                field.append(scalar)
                continue
            }
            if offset < scalars.count, scalars[offset] == "\"" {
                field.append("\"")
                offset += 1
            } else {
                guard isAtEndOfField else { throw Self.misplaced(line, "something stands behind a closing quote") }
                return String(field)
            }
        }
        throw Self.misplaced(begin, "a quote is opened and never closed")
    }

    private mutating func plainField() throws(OperatorError) -> String {
        var field = String.UnicodeScalarView()
        while !isAtEndOfField {
            guard scalars[offset] != "\"" else {
                throw Self.misplaced(line, "a quote stands in the middle of a field; double it and quote the whole field")
            }
            field.append(scalars[offset])
            offset += 1
        }
        return String(field)
    }

    private var isAtEndOfField: Bool {
        guard offset < scalars.count else { return true }
        if scalars[offset] == delimiter || scalars[offset] == "\n" { return true }
        return scalars[offset] == "\r" && (offset + 1 == scalars.count || scalars[offset + 1] == "\n")
    }

    private static func misplaced(_ line: Int, _ sentence: String) -> OperatorError {
        OperatorError(exitCode: .badData, message: "line \(line): \(sentence)")
    }
}
