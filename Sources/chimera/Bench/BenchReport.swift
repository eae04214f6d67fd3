import Foundation
import Runtime

/// What one subject measured.
struct BenchReport: Sendable {
    /// One line of the table.
    private struct Line {
        let what: String
        let measured: String
        let bare: String
        let ratio: String
    }

    let subject: String
    private var lines: [Line] = []
    private var figures: [String: JSONValue] = [:]

    init(_ subject: String) { self.subject = subject }

    var json: JSONValue { .object(figures) }

    /// A figure that stands alone.
    mutating func add(_ key: String, _ what: String, _ value: Double, _ unit: String, digits: Int = 0) {
        figures[key] = Self.number(value, digits: max(digits, 1))
        lines.append(Line(what: what, measured: Self.shown(value, digits) + " " + unit, bare: "", ratio: ""))
    }

    /// A figure beside that of the least that could be done.
    mutating func add(_ key: String, _ what: String, _ value: Double, bare: Double, _ unit: String, digits: Int = 0) {
        figures[key] = Self.number(value, digits: max(digits, 1))
        figures["bare_" + key] = Self.number(bare, digits: max(digits, 1))
        figures["ratio_" + key] = Self.number(bare > 0 ? value / bare : 0, digits: 3)
        lines.append(
            Line(
                what: what, measured: Self.shown(value, digits) + " " + unit, bare: Self.shown(bare, digits),
                ratio: bare > 0 ? Self.shown(value / bare, 2) : ""))
    }

    /// Something for the JSON alone.
    mutating func add(_ key: String, _ value: JSONValue) { figures[key] = value }

    /// All reports below each other.
    static func table(_ reports: [BenchReport]) -> String {
        let rows = reports.flatMap { report in
            report.lines.map { line -> JSONValue in
                [
                    "subject": .string(report.subject), "what": .string(line.what), "measured": .string(line.measured),
                    "bare": .string(line.bare), "ratio": .string(line.ratio),
                ]
            }
        }
        let columns = [
            Table.Column("SUBJECT", "subject"), Table.Column("WHAT", "what"), Table.Column("MEASURED", "measured", isNumber: true),
            Table.Column("BARE", "bare", isNumber: true), Table.Column("RATIO", "ratio", isNumber: true),
        ]
        return Table(columns, rows: rows).text
    }

    private static func number(_ value: Double, digits: Int) -> JSONValue {
        let scale = pow(10, Double(digits))
        return .number((value * scale).rounded() / scale)
    }

    private static func shown(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
}

/// Values of one kind, in any order.
struct Samples: Sendable {
    private var values: [Double] = []

    mutating func add(_ value: Double) { values.append(value) }

    /// The smallest value that `share` of all are not above; 0 when there are none.
    func percentile(_ share: Double) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        return sorted[min(max(Int((Double(sorted.count) * share).rounded(.up)) - 1, 0), sorted.count - 1)]
    }

    var median: Double { percentile(0.5) }
}

extension Duration {
    /// Milliseconds with their fraction.
    var milliseconds: Double { self / .milliseconds(1) }
    /// Seconds with their fraction.
    var inSeconds: Double { self / .seconds(1) }
}
