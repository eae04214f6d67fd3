/// A function, initialiser, subscript or computed property with a body, as it stands in a file.
struct FunctionBody: Hashable {
    let name: String
    /// The line of its first keyword.
    let firstLine: Int
    /// The line of its closing brace.
    let lastLine: Int

    var lineCount: Int { lastLine - firstLine + 1 }
}

extension SwiftFile {
    /// The bodies of all functions of the file, nested ones on their own and within the outer one.
    var functions: [FunctionBody] {
        let text = code.map { Array($0) }
        var found: [FunctionBody] = []
        for (line, match) in matches(
            #/(?:^|[^.\w`])(?:(func)\s+(`[^`]*`|[^\s(<]+)|(init|subscript)[?!]?\s*[(<]|(deinit)\s*\{|(var)\s+(\w+)\s*:)/#)
        {
            let (_, function, functionName, special, deinitializer, property, propertyName) = match.output
            let keyword = function ?? special ?? deinitializer ?? property ?? ""
            let name = functionName ?? propertyName ?? keyword
            let column = code[line - 1].distance(from: code[line - 1].startIndex, to: keyword.startIndex)
            var cursor = Cursor(text: text, line: line - 1, column: column)
            if cursor.moveToBody(withinLine: property != nil), let lastLine = cursor.lineOfClosingBrace() {
                found.append(FunctionBody(name: String(name), firstLine: line, lastLine: lastLine + 1))
            }
        }
        return found
    }
}

private struct Cursor {
    let text: [[Character]]
    var line: Int
    var column: Int

    private var character: Character? {
        line < text.count && column < text[line].count ? text[line][column] : nil
    }

    private mutating func advance() -> Bool {
        column += 1
        while line < text.count, column >= text[line].count {
            line += 1
            column = 0
        }
        return line < text.count
    }

    /// Moves to the brace that opens a declaration's body; false when it has none (a protocol's requirement, a stored property).
    mutating func moveToBody(withinLine: Bool) -> Bool {
        let firstLine = line
        var depth = 0
        var previousLine = line
        repeat {
            if depth == 0, line != previousLine {
                if withinLine, line != firstLine { return false }
                if beginsAnotherDeclaration { return false }
            }
            previousLine = line
            switch character {
            case "(", "[": depth += 1
            case ")", "]": depth -= 1
            case "{" where depth == 0: return true
            case "}" where depth == 0: return false
            case "=" where depth == 0 && withinLine: return false
            default: break
            }
        } while advance()
        return false
    }

    /// Whether the line begins with the keyword of a declaration, so that what came before it had no body.
    private var beginsAnotherDeclaration: Bool {
        let words = String(text[line]).split(whereSeparator: { !($0.isLetter || $0 == "@" || $0 == "_") })
        let keywords: Set<Substring> = [
            "func", "init", "var", "let", "static", "package", "private", "case", "associatedtype", "mutating", "nonisolated",
            "subscript", "typealias", "struct", "enum", "class", "actor", "extension", "protocol",
        ]
        guard let first = words.first else { return false }
        return first.hasPrefix("@") || keywords.contains(first)
    }

    /// From an opening brace to the line of the one that closes it.
    mutating func lineOfClosingBrace() -> Int? {
        var depth = 0
        repeat {
            if character == "{" { depth += 1 }
            if character == "}" { depth -= 1 }
            if depth == 0 { return line }
        } while advance()
        return nil
    }
}
