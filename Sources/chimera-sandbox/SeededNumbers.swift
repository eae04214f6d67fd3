/// Numbers that follow from a seed: the same on every machine and in every run (splitmix64, Steele, Lea and Flood 2014).
struct SeededNumbers {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    /// In [0, 1).
    mutating func nextFraction() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    @inline(__always)
    static func mixed(_ value: UInt64) -> UInt64 {
        var bits = value
        bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }

    /// One number for a place in a table of two dimensions.
    @inline(__always)
    static func at(seed: UInt64, _ row: Int, _ column: Int) -> UInt64 {
        let rowBits = UInt64(truncatingIfNeeded: row) &* 0x9E37_79B9_7F4A_7C15
        let columnBits = UInt64(truncatingIfNeeded: column) &* 0xC2B2_AE3D_27D4_EB4F
        return mixed(mixed(seed &+ rowBits) ^ columnBits)
    }
}
