import Runtime

/// Rows under headings, in columns that are aligned with spaces wherever the output goes, and no colours.
struct Table {
    /// A column: its heading and the text of a row in it.
    struct Column: Sendable {
        let title: String
        let text: @Sendable (JSONValue) -> String
        var isNumber = false

        /// Shows a member of the row as it is.
        init(_ title: String, _ key: String, isNumber: Bool = false) {
            self.init(title, isNumber: isNumber) { Cell.text($0[key]) }
        }

        /// Shows what `text` makes of the row.
        init(_ title: String, isNumber: Bool = false, _ text: @escaping @Sendable (JSONValue) -> String) {
            self.title = title
            self.text = text
            self.isNumber = isNumber
        }
    }

    private let lines: [[String]]
    private let columns: [Column]

    init(_ columns: [Column], rows: [JSONValue]) {
        self.columns = columns
        lines = [columns.map(\.title)] + rows.map { row in columns.map { printableLine($0.text(row)) } }
    }

    /// The lines joined, without an end.
    var text: String {
        let widths = columns.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            var text = ""
            for (column, cell) in line.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                if column > 0 { text += "  " }
                text += columns[column].isNumber ? padding + cell : cell + padding
            }
            while text.last == " " { text.removeLast() }
            return text
        }.joined(separator: "\n")
    }
}

/// One value as a person reads it.
enum Cell {
    /// Nothing for null, a word for a truth value, the text of a string, JSON for the rest.
    static func text(_ value: JSONValue?) -> String {
        switch value {
        case nil, .null: ""
        case .string(let text): text
        case .bool(let value): value ? "yes" : "no"
        case .some(let value): value.text
        }
    }

    /// The beginning of a text that may be a page long; all of it stands in JSON.
    static func excerpt(_ value: JSONValue?) -> String {
        let text = text(value)
        return text.count > 120 ? text.prefix(119) + "…" : text
    }

    /// A moment to the second, `2026-11-21T05:10:00Z`.
    static func moment(_ value: JSONValue?) -> String {
        let text = text(value)
        guard text.count > 20, text.hasSuffix("Z"), let point = text.firstIndex(of: ".") else { return text }
        return text[..<point] + "Z"
    }

    /// Seconds as the two largest units: `2 h 5 min`.
    static func duration(seconds: Double) -> String {
        let whole = Int(max(0, min(seconds, 1e15)))
        return switch whole {
        case ..<1: "\(Int(max(0, seconds) * 1000)) ms"
        case ..<10: "\(whole).\(Int(seconds * 10) % 10) s"
        case ..<60: "\(whole) s"
        case ..<3_600: "\(whole / 60) min \(whole % 60) s"
        case ..<86_400: "\(whole / 3_600) h \(whole / 60 % 60) min"
        default: "\(whole / 86_400) d \(whole / 3_600 % 24) h"
        }
    }

    /// Seconds in a member of a row; nothing for null.
    static func duration(_ value: JSONValue?) -> String {
        value?.doubleValue.map(duration(seconds:)) ?? ""
    }
}

/// The members of one row, a line each.
struct FieldList {
    let text: String

    /// `fields` in the order in which they are shown; one that is empty is left out.
    init(_ fields: [(name: String, text: String)]) {
        let filled = fields.filter { !$0.text.isEmpty }
        let width = filled.map(\.name.count).max() ?? 0
        text = filled.map { name, text in
            name + String(repeating: " ", count: width - name.count + 2) + printableLine(text)
        }.joined(separator: "\n")
    }
}
