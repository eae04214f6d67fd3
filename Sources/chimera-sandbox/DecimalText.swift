/// Writes numbers as text into memory that has room for them, and returns how many bytes that took.
enum DecimalText {
    /// Room that any number written here fits in.
    static let room = 24

    /// A whole number.
    @inline(__always)
    static func write(_ value: Int, to target: UnsafeMutablePointer<UInt8>) -> Int {
        guard value < 0 else { return writeDigits(UInt(value), to: target) }
        target[0] = UInt8(ascii: "-")
        return 1 + writeDigits(value.magnitude, to: target + 1)
    }

    /// A whole number with leading zeros.
    @inline(__always)
    static func write(_ value: Int, width: Int, to target: UnsafeMutablePointer<UInt8>) -> Int {
        var rest = value
        for place in stride(from: width - 1, through: 0, by: -1) {
            target[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        return width
    }

    /// Ten-thousandths as a decimal number without trailing zeros: 38900 is `3.89`, 763639 is `76.3639`.
    @inline(__always)
    static func write(
        tenThousandths value: Int, keepsOneDecimal: Bool = false, separator: UInt8 = UInt8(ascii: "."),
        to target: UnsafeMutablePointer<UInt8>
    ) -> Int {
        var length = write(value / 10_000, to: target)
        var fraction = value % 10_000
        guard fraction > 0 || keepsOneDecimal else { return length }
        target[length] = separator
        length += 1
        var divisor = 1_000
        repeat {
            target[length] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: fraction / divisor)
            fraction %= divisor
            divisor /= 10
            length += 1
        } while fraction > 0
        return length
    }

    @inline(__always)
    private static func writeDigits(_ value: UInt, to target: UnsafeMutablePointer<UInt8>) -> Int {
        var digits = 1
        var bound: UInt = 10
        while digits < 19, value >= bound {
            digits += 1
            bound &*= 10
        }
        var rest = value
        var place = digits - 1
        while place >= 0 {
            target[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            place -= 1
        }
        return digits
    }
}
