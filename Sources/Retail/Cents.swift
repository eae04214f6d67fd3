/// An amount of money in whole cents (centavos), so that prices are compared and summed without rounding.
package struct Cents: Hashable, Comparable, Sendable {
    /// The amount: 890 stands for R$ 8,90.
    package let rawValue: Int64

    /// Takes whole cents.
    package init(_ rawValue: Int64) {
        self.rawValue = rawValue
    }

    /// The smaller amount comes first.
    package static func < (left: Cents, right: Cents) -> Bool {
        left.rawValue < right.rawValue
    }

    /// The amount as a decimal number with two places and a point, as JSON and `numeric(12,2)` take it: `8.90`.
    package var decimalText: String {
        let magnitude = rawValue.magnitude
        let fraction = magnitude % 100
        return "\(rawValue < 0 ? "-" : "")\(magnitude / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
