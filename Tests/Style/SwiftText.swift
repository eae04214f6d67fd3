/// Swift source taken apart into code, comments and string literals, so that a rule about one does not trip over the others.
///
/// A scanner, not a parser: it knows nested comments, raw, multi-line and interpolated strings and `#/…/#` literals, but no bare
/// `/…/` regular expressions (nobody here needs them).
struct SwiftText {
    /// The source with comments and literals blanked out: same lines, same columns.
    let code: [String]
    /// The source with everything but comments blanked out.
    let comments: [String]
    /// String literals in order, each with the number of its first line, interpolations included as they stand.
    let literals: [(line: Int, text: String)]

    init(_ source: String) {
        var scanner = Scanner(source)
        scanner.scan()
        code = Self.lines(scanner.code)
        comments = Self.lines(scanner.comments)
        literals = scanner.literals
    }

    private static func lines(_ characters: [Character]) -> [String] {
        String(characters).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
}

private struct Scanner {
    private let source: [Character]
    private var position = 0
    private var line = 1
    private(set) var code: [Character] = []
    private(set) var comments: [Character] = []
    private(set) var literals: [(line: Int, text: String)] = []

    init(_ source: String) {
        self.source = source.map { $0 == "\r\n" ? "\n" : $0 }
        code.reserveCapacity(self.source.count)
        comments.reserveCapacity(self.source.count)
    }

    mutating func scan() {
        while position < source.count {
            if starts("//") {
                while position < source.count, source[position] != "\n" { takeComment() }
            } else if starts("/*") {
                scanBlockComment()
            } else if let opening = literalOpening() {
                scanLiteral(opening)
            } else {
                takeCode()
            }
        }
    }

    private func starts(_ text: String, at offset: Int = 0) -> Bool {
        var index = position + offset
        for character in text {
            guard index < source.count, source[index] == character else { return false }
            index += 1
        }
        return true
    }

    private mutating func take(intoCode: Bool, intoComments: Bool) {
        let character = source[position]
        code.append(intoCode || character == "\n" ? character : " ")
        comments.append(intoComments || character == "\n" ? character : " ")
        if character == "\n" { line += 1 }
        position += 1
    }

    private mutating func takeCode() { take(intoCode: true, intoComments: false) }
    private mutating func takeComment() { take(intoCode: false, intoComments: true) }
    private mutating func takeLiteral() { take(intoCode: false, intoComments: false) }

    private mutating func scanBlockComment() {
        var depth = 0
        repeat {
            if starts("/*") {
                depth += 1
                takeComment()
            } else if starts("*/") {
                depth -= 1
                takeComment()
            }
            if position < source.count { takeComment() }
        } while depth > 0 && position < source.count
    }

    private struct Opening {
        let hashes: Int
        let delimiter: String
    }

    private func literalOpening() -> Opening? {
        var hashes = 0
        while position + hashes < source.count, source[position + hashes] == "#" { hashes += 1 }
        for delimiter in ["\"\"\"", "\""] where starts(delimiter, at: hashes) {
            return Opening(hashes: hashes, delimiter: delimiter)
        }
        return hashes > 0 && starts("/", at: hashes) ? Opening(hashes: hashes, delimiter: "/") : nil
    }

    private mutating func scanLiteral(_ opening: Opening) {
        let hashes = String(repeating: "#", count: opening.hashes)
        let closing = opening.delimiter + hashes
        let escape = "\\" + hashes
        let firstLine = line
        let start = position
        takeLiteral(count: opening.hashes + opening.delimiter.count)
        while position < source.count, !starts(closing) {
            if opening.delimiter == "\"", source[position] == "\n" { break }
            if starts(escape + "(") {
                takeLiteral(count: escape.count + 1)
                skipInterpolation()
            } else if starts(escape) {
                takeLiteral(count: min(escape.count + 1, source.count - position))
            } else {
                takeLiteral()
            }
        }
        takeLiteral(count: min(closing.count, source.count - position))
        literals.append((firstLine, String(source[start..<position])))
    }

    private mutating func takeLiteral(count: Int) {
        for _ in 0..<count { takeLiteral() }
    }

    /// Skips to the parenthesis that ends an interpolation; strings inside may hold parentheses of their own.
    private mutating func skipInterpolation() {
        var depth = 1
        while position < source.count, depth > 0 {
            if let opening = literalOpening() {
                scanLiteral(opening)
                continue
            }
            if source[position] == "(" { depth += 1 }
            if source[position] == ")" { depth -= 1 }
            takeLiteral()
        }
    }
}
