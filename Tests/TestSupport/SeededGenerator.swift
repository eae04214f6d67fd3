import Foundation

/// A small generator whose numbers follow from its seed (SplitMix64; Steele, Lea, Flood 2014), which a test prints.
package struct SeededGenerator: RandomNumberGenerator {
    /// Brings the same numbers back.
    package let seed: UInt64
    private var state: UInt64

    /// A seed by chance, or that of `CHIMERA_SEED`.
    package init() {
        self.init(seed: ProcessInfo.processInfo.environment["CHIMERA_SEED"].flatMap { UInt64($0) } ?? .random(in: 1...999_999))
    }

    /// The numbers of this seed.
    package init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    /// The next 64 bits.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
