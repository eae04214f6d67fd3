import TestSupport

/// Makes new inputs out of known ones: a few small accidents each, or one large one.
struct Mutator {
    private let words: [[UInt8]]
    private let longest: Int
    private var corpus: [[UInt8]]
    private var generator: SeededGenerator

    init(_ target: FuzzTarget, generator: SeededGenerator) {
        words = target.words.map { Array($0.utf8) }
        longest = target.longest
        corpus = target.seeds()
        self.generator = generator
    }

    /// Brings the same inputs back.
    var seed: UInt64 { generator.seed }

    mutating func next() -> [UInt8] {
        var bytes = corpus.randomElement(using: &generator) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &generator) { accident(&bytes) }
        if bytes.count > longest { bytes.removeLast(bytes.count - longest) }
        // What grew out of several accidents is a place to go on from.
        if Int.random(in: 0..<8, using: &generator) == 0, corpus.count < 500 { corpus.append(bytes) }
        return bytes
    }

    private mutating func accident(_ bytes: inout [UInt8]) {
        let at = Int.random(in: 0...bytes.count, using: &generator)
        let end = min(bytes.count, at + Int.random(in: 0...12, using: &generator))
        switch Int.random(in: 0...11, using: &generator) {
        case 0 where at < bytes.count: bytes[at] ^= 1 << UInt8.random(in: 0...7, using: &generator)
        case 1 where at < bytes.count: bytes[at] = .random(in: 0...255, using: &generator)
        case 2: bytes.insert(.random(in: 0...255, using: &generator), at: at)
        case 3: bytes.removeSubrange(at..<end)
        case 4: bytes.removeLast(bytes.count - at)
        case 5: bytes.insert(contentsOf: bytes[at..<end], at: at)
        case 6: bytes.insert(contentsOf: Array(bytes[at..<end]).reversed(), at: Int.random(in: 0...bytes.count, using: &generator))
        case 7, 8: bytes.insert(contentsOf: words.randomElement(using: &generator) ?? [], at: at)
        case 9: bytes.replaceSubrange(at..<end, with: words.randomElement(using: &generator) ?? [])
        case 10: bytes = Array(bytes[..<at]) + (corpus.randomElement(using: &generator) ?? []).suffix(64)
        default: blowUp(&bytes, at)
        }
    }

    /// A number with too many digits, brackets without end, one character a thousand times.
    private mutating func blowUp(_ bytes: inout [UInt8], _ at: Int) {
        let digits = Array("0123456789".utf8)
        if let digit = bytes.indices.filter({ digits.contains(bytes[$0]) }).randomElement(using: &generator), Bool.random(using: &generator)
        {
            let numbers = [
                "9223372036854775807", "9223372036854775808", "-1", "0", "99999999999999999999999", "1e400", "4294967296", "2147483648",
            ]
            bytes.replaceSubrange(digit...digit, with: (numbers.randomElement(using: &generator) ?? "").utf8)
        } else {
            let character = Array("[{\"(0,\\ ".utf8).randomElement(using: &generator) ?? 0
            bytes.insert(contentsOf: Array(repeating: character, count: Int.random(in: 1...1000, using: &generator)), at: at)
        }
    }
}
