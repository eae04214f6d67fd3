import Retail

/// Reads amounts out of their literal text in integer arithmetic; binary floating point never sees a price (PARTNERS.md §1).
enum DecimalText {
    /// The largest amount that `numeric(12,2)` holds, in cents.
    static let maximumCents: UInt64 = 999_999_999_999

    /// A JSON number (`76.3639`, `1e2`) as cents, rounded half-up (half away from zero below it); nil when it is none, or too large.
    static func cents(number text: some Collection<UInt8>) -> Cents? {
        if let plain = text.withContiguousStorageIfAvailable(plainCents) ?? nil { return plain }
        guard let decimal = Decimal(text) else { return nil }
        return scaled(decimal, places: 2, limit: maximumCents).map { Cents($0.value) }
    }

    /// An amount in a string: as in JSON, or with a decimal comma and points between groups of three (`8,90`, `1.234,56`).
    static func cents(string text: some Collection<UInt8>) -> Cents? {
        let trimmed = trimming(text)
        guard let comma = trimmed.firstIndex(of: UInt8(ascii: ",")) else { return cents(number: trimmed) }
        guard let whole = ungrouped(trimmed[..<comma]) else { return nil }
        let fraction = trimmed[(comma + 1)...]
        guard fraction.allSatisfy(isDigit) else { return nil }
        return cents(number: whole + [UInt8(ascii: ".")] + fraction)
    }

    /// A whole number that fits `Int64` (`12345`, `12345.0`); nil for everything else.
    static func whole(_ text: some Collection<UInt8>) -> Int64? {
        if let plain = text.withContiguousStorageIfAvailable(plainWhole) ?? nil { return plain }
        guard let decimal = Decimal(text), let result = scaled(decimal, places: 0, limit: UInt64(Int64.max)), result.isExact else {
            return nil
        }
        return result.value
    }

    /// What nearly every number looks like: a few digits. Nil leaves it to `Decimal`, which knows the rest of the grammar.
    private static func plainWhole(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard !text.isEmpty, text.count <= 18 else { return nil }
        var value: Int64 = 0
        for byte in text {
            guard isDigit(byte) else { return nil }
            value = value &* 10 &+ Int64(byte &- UInt8(ascii: "0"))
        }
        return value
    }

    /// Likewise for an amount: `18`, `18.06`, `76.3639`.
    private static func plainCents(_ text: UnsafeBufferPointer<UInt8>) -> Cents? {
        guard !text.isEmpty, text.count <= 15 else { return nil }
        var (value, place, point): (UInt64, Int, Int?) = (0, 0, nil)
        while place < text.count {
            let byte = text[place]
            if isDigit(byte) {
                if let point, place - point > 2 { break }
                value = value &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
            } else {
                guard byte == UInt8(ascii: "."), point == nil, place > 0 else { return nil }
                point = place
            }
            place += 1
        }
        let places = point.map { place - $0 - 1 } ?? 0
        if point != nil, places == 0 { return nil }
        for _ in places..<2 { value = value &* 10 }
        if place < text.count {
            guard text[place...].allSatisfy(isDigit) else { return nil }
            if text[place] >= UInt8(ascii: "5") { value += 1 }
        }
        return value <= maximumCents ? Cents(Int64(value)) : nil
    }

    /// Digits and a power of ten, as written.
    private struct Decimal {
        var isNegative = false
        var digits: [UInt8] = []
        /// How many of the digits stand before the point, once the exponent is applied; may be negative.
        var pointPosition = 0

        /// Follows the grammar of JSON numbers; leading zeros are let through.
        init?(_ text: some Collection<UInt8>) {
            var rest = text[...]
            if rest.first == UInt8(ascii: "-") {
                isNegative = true
                rest = rest.dropFirst()
            }
            let whole = rest.prefix(while: DecimalText.isDigit)
            guard !whole.isEmpty else { return nil }
            digits = whole.map { $0 - UInt8(ascii: "0") }
            pointPosition = digits.count
            rest = rest[whole.endIndex...]
            if rest.first == UInt8(ascii: ".") {
                let fraction = rest.dropFirst().prefix(while: DecimalText.isDigit)
                guard !fraction.isEmpty else { return nil }
                digits += fraction.map { $0 - UInt8(ascii: "0") }
                rest = rest[fraction.endIndex...]
            }
            guard !rest.isEmpty else { return }
            guard let exponent = DecimalText.exponent(rest) else { return nil }
            pointPosition += exponent
        }
    }

    /// `e400`, `E-2`; what is beyond a million is cut there, since no amount survives it.
    private static func exponent(_ text: some Collection<UInt8>) -> Int? {
        guard text.first == UInt8(ascii: "e") || text.first == UInt8(ascii: "E") else { return nil }
        var rest = text.dropFirst()
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        guard !rest.isEmpty, rest.allSatisfy(isDigit) else { return nil }
        let value = rest.reduce(0) { min($0 * 10 + Int($1 - UInt8(ascii: "0")), 1_000_000) }
        return isNegative ? -value : value
    }

    private static func scaled(_ decimal: Decimal, places: Int, limit: UInt64) -> (value: Int64, isExact: Bool)? {
        let kept = decimal.pointPosition + places
        var value: UInt64 = 0
        for index in 0..<max(0, kept) {
            guard index < decimal.digits.count || value != 0 else { break }
            let digit = index < decimal.digits.count ? UInt64(decimal.digits[index]) : 0
            let (product, overflows) = value.multipliedReportingOverflow(by: 10)
            guard !overflows, product <= limit, limit - product >= digit else { return nil }
            value = product + digit
        }
        let dropped = kept < decimal.digits.count ? decimal.digits[max(0, kept)...] : []
        if kept >= 0, let first = dropped.first, first >= 5 { value += 1 }
        guard value <= limit else { return nil }
        return (decimal.isNegative ? -Int64(value) : Int64(value), dropped.allSatisfy { $0 == 0 })
    }

    /// Takes the points out of `1.234.567`; nil when they do not part groups of three.
    private static func ungrouped(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let isNegative = text.first == UInt8(ascii: "-")
        let groups = (isNegative ? text.dropFirst() : text).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard let first = groups.first, !first.isEmpty, groups.allSatisfy({ $0.allSatisfy(isDigit) }) else { return nil }
        guard groups.count == 1 || (first.count <= 3 && groups.dropFirst().allSatisfy { $0.count == 3 }) else { return nil }
        return (isNegative ? [UInt8(ascii: "-")] : []) + groups.joined()
    }

    private static func trimming(_ text: some Collection<UInt8>) -> ArraySlice<UInt8> {
        var rest = Array(text)[...]
        while let first = rest.first, first <= 0x20 { rest = rest.dropFirst() }
        while let last = rest.last, last <= 0x20 { rest = rest.dropLast() }
        return rest
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }
}
