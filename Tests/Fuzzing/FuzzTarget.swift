/// A reader of bytes that others wrote, and what must hold of everything it makes of them.
struct FuzzTarget: Sendable, CustomStringConvertible {
    /// The name that `scripts/fuzz` takes.
    let name: String
    /// Inputs to begin with: good ones, hostile ones, and every one that once broke a rule.
    let seeds: @Sendable () -> [[UInt8]]
    /// Words that the format is made of.
    let words: [String]
    /// Bytes of the longest input that is tried.
    let longest: Int
    /// Throws `Violation` when the reader broke a rule; a trap is one, too.
    let check: @Sendable ([UInt8]) throws -> Void

    init(
        _ name: String, longest: Int = 4096, words: [String] = [], seeds: @escaping @Sendable () -> [[UInt8]],
        check: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        self.name = name
        self.longest = longest
        self.words = words
        self.seeds = seeds
        self.check = check
    }

    /// For readers of text: bytes that are no UTF-8 are mended first, as their callers do.
    init(
        _ name: String, longest: Int = 4096, words: [String] = [], texts: [String], check: @escaping @Sendable (String) throws -> Void
    ) {
        self.init(name, longest: longest, words: words, seeds: { texts.map { Array($0.utf8) } }) {
            try check(String(decoding: $0, as: UTF8.self))
        }
    }

    var description: String { name }

    /// Every reader of foreign bytes.
    static let all: [FuzzTarget] = [
        cron, zoneFile, instant, json, decimal, retryAfter, rpPage, rpLogin, listing, listingLines, uploadAnswer, envelope, keyFile,
        masking,
        databaseURL, postgresText, integrationConfig, jobConfig, stagedProducts,
    ]
}

/// A rule that a reader broke.
struct Violation: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Throws a `Violation` unless the condition holds.
func require(_ condition: Bool, _ rule: @autoclosure () -> String) throws(Violation) {
    if !condition { throw Violation(rule()) }
}

/// Throws a `Violation` unless both are equal.
func require<T: Equatable>(_ found: T, equals expected: T, _ rule: @autoclosure () -> String) throws(Violation) {
    if found != expected { throw Violation("\(rule()): found \(found), expected \(expected)") }
}
