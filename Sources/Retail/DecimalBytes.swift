extension [UInt8] {
    /// Appends a whole number in decimal digits, without a string in between.
    package mutating func append(decimal number: Int64) {
        if number < 0 { append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        let first = count
        repeat {
            append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        self[first...].reverse()
    }

    /// Appends an amount as `Cents.decimalText` writes it: `8.90`.
    package mutating func append(_ amount: Cents) {
        if amount.rawValue < 0 { append(UInt8(ascii: "-")) }
        let magnitude = amount.rawValue.magnitude
        append(decimal: Int64(magnitude / 100))
        append(UInt8(ascii: "."))
        append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: magnitude % 100 / 10))
        append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: magnitude % 10))
    }
}
