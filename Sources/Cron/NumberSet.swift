/// A set of whole numbers from 0 to 63 in one machine word.
struct NumberSet: Hashable, Sendable {
    private(set) var bits: UInt64 = 0

    var isEmpty: Bool { bits == 0 }
    var count: Int { bits.nonzeroBitCount }

    mutating func insert(_ number: Int) {
        bits |= 1 << UInt64(number)
    }

    func contains(_ number: Int) -> Bool {
        bits >> UInt64(number) & 1 == 1
    }

    /// The smallest member that is `number` or more.
    func first(from number: Int) -> Int? {
        let rest = bits >> UInt64(number)
        return rest == 0 ? nil : number + rest.trailingZeroBitCount
    }

    func count(below number: Int) -> Int {
        (bits & ((1 << UInt64(number)) - 1)).nonzeroBitCount
    }
}
