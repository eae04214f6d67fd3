extension [UInt8] {
    /// Appends a whole number in decimal digits, without a string in between.
    package mutating func append(decimal number: Int64) {
        append(digitsOf: number, places: 0)
    }

    /// Appends an amount as `Cents.decimalText` writes it: `8.90`.
    package mutating func append(_ amount: Cents) {
        append(digitsOf: amount.rawValue, places: 2)
    }

    /// From the last digit to the first, with a point before the last `places`, when there are any, and a digit at least before that.
    private mutating func append(digitsOf number: Int64, places: Int) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 24) { bytes in
            var rest = number.magnitude
            var (first, written) = (bytes.count, 0)
            func write(_ byte: UInt8) {
                first -= 1
                bytes.initializeElement(at: first, to: byte)
            }
            repeat {
                write(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10))
                rest /= 10
                written += 1
                if written == places { write(UInt8(ascii: ".")) }
            } while rest > 0 || written <= places
            if number < 0 { write(UInt8(ascii: "-")) }
            append(contentsOf: UnsafeBufferPointer(rebasing: bytes[first...]))
        }
    }
}
