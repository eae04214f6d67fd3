extension [UInt8] {
    /// Appends a whole number in decimal digits, without a string in between.
    package mutating func append(decimal number: Int64) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var rest = number.magnitude
            var first = digits.count
            repeat {
                first -= 1
                digits.initializeElement(at: first, to: UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10))
                rest /= 10
            } while rest > 0
            if number < 0 {
                first -= 1
                digits.initializeElement(at: first, to: UInt8(ascii: "-"))
            }
            append(contentsOf: UnsafeBufferPointer(rebasing: digits[first...]))
        }
    }

    /// Appends an amount as `Cents.decimalText` writes it: `8.90`.
    package mutating func append(_ amount: Cents) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 24) { bytes in
            var rest = amount.rawValue.magnitude
            var (first, places) = (bytes.count, 0)
            repeat {
                first -= 1
                bytes.initializeElement(at: first, to: UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10))
                rest /= 10
                places += 1
                if places == 2 {
                    first -= 1
                    bytes.initializeElement(at: first, to: UInt8(ascii: "."))
                }
            } while rest > 0 || places < 3
            if amount.rawValue < 0 {
                first -= 1
                bytes.initializeElement(at: first, to: UInt8(ascii: "-"))
            }
            append(contentsOf: UnsafeBufferPointer(rebasing: bytes[first...]))
        }
    }
}
