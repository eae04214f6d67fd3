import Testing

/// Sizes, names, visibility and comments of the Swift code.
@Suite struct ShapeTests {
    static let maximumFileLines = 300
    static let maximumFunctionLines = 60

    @Test("no file has more than 300 lines")
    func filesAreShort() {
        var findings = Findings()
        for file in Repository.swiftFiles where file.lineCount > Self.maximumFileLines && Exceptions.longFiles[file.path] == nil {
            findings.add(file.path, nil, "\(file.lineCount) lines, more than \(Self.maximumFileLines)")
        }
        for path in Repository.projectFiles where [".cpp", ".h", ".sh"].contains(where: path.hasSuffix) || path.hasPrefix("scripts/") {
            let lineCount = Repository.text(path).count(where: { $0 == "\n" })
            if lineCount > Self.maximumFileLines, Exceptions.longFiles[path] == nil {
                findings.add(path, nil, "\(lineCount) lines, more than \(Self.maximumFileLines)")
            }
        }
        findings.expectNone()
    }

    @Test("no function has more than 60 lines")
    func functionsAreShort() {
        var findings = Findings()
        for file in Repository.swiftFiles {
            for function in file.functions
            where function.lineCount > Self.maximumFunctionLines && Exceptions.longFunctions["\(file.path):\(function.name)"] == nil {
                findings.add(file.path, function.firstLine, "\(function.name) has \(function.lineCount) lines, more than 60")
            }
        }
        findings.expectNone()
    }

    @Test("every package declaration has a doc comment")
    func packageDeclarationsAreDocumented() {
        var findings = Findings()
        let declaration =
            #/^\s*(?:@\S+\s+)*(?:(?:private\(set\)|static|final|nonisolated|override|indirect|class|mutating)\s+)*package(?!\(|\s+import\b)\b/#
        for file in Repository.swiftFiles where Exceptions.undocumented[file.path] == nil {
            for (line, _) in file.matches(declaration) where !file.hasDocumentation(at: line) {
                findings.add(file.path, line, "no doc comment above: \(file.code[line - 1].trimmingBlanks)")
            }
        }
        findings.expectNone()
    }

    @Test("nothing is public or open")
    func nothingIsPublic() {
        var findings = Findings()
        for file in Repository.swiftFiles {
            for (line, match) in file.matches(
                #/(?:^|\s)(public|open)(?:\(set\))?\s+(?:\w+\s+)*(?:func|var|let|init|struct|class|enum|actor|protocol|extension|typealias|import|subscript|static)\b/#
            ) {
                findings.add(file.path, line, "\(match.output.1): `package` is for what another target needs")
            }
        }
        findings.expectNone()
    }

    @Test("no type is called Manager, Helper, Util, Data or Info, and no function `process`")
    func namesAreTheFields() {
        var findings = Findings()
        let banned: Set<String> = ["Manager", "Helper", "Helpers", "Util", "Utils", "Utility", "Utilities", "Data", "Info"]
        for file in Repository.swiftFiles {
            for (line, match) in file.matches(#/\b(?:struct|class|enum|actor|protocol|typealias|associatedtype)\s+([A-Z]\w*)/#) {
                let words = match.output.1.matches(of: #/[A-Z]+(?![a-z])|[A-Z][a-z0-9]*/#).map { String($0.output) }
                for word in words where banned.contains(word) {
                    findings.add(file.path, line, "\(match.output.1): \"\(word)\" says nothing; name what it is")
                }
            }
            for (line, _) in file.matches(#/\bfunc\s+process\b/#) {
                findings.add(file.path, line, "\"process\" says nothing; name what it does")
            }
        }
        findings.expectNone()
    }

    @Test("what the compiler takes on trust has its invariant in a comment above")
    func trustIsExplained() {
        var findings = Findings()
        for file in Repository.swiftFiles {
            for (line, match) in file.matches(#/@unchecked\s+Sendable|nonisolated\(unsafe\)|@safe\b|@preconcurrency/#)
            where !file.hasComment(at: line) {
                findings.add(file.path, line, "\(match.output): no comment above says why it holds")
            }
            for (line, _) in file.matches(#/(?:^|[^\w(]|[^d]\()unsafe\b/#) where !file.hasCommentInParagraph(at: line) {
                findings.add(file.path, line, "unsafe: no comment above says why it is not")
            }
            // Tests splice their own texts.
            for literal in file.literals
            where file.path.hasPrefix("Sources/") && literal.text.contains("\\(" + "unsafe:")
                && !file.hasCommentInParagraph(at: literal.line)
            {
                findings.add(file.path, literal.line, "text is spliced into SQL and no comment above says why that is safe")
            }
        }
        findings.expectNone()
    }

    @Test("raw continuations stand in the audited helpers only")
    func continuationsAreAudited() {
        var findings = Findings()
        for file in Repository.swiftFiles where Exceptions.continuations[file.path] == nil {
            for (line, match) in file.matches(#/\bwith(?:Checked|Unsafe)(?:Throwing)?Continuation\b/#) {
                findings.add(file.path, line, "\(match.output): use an audited helper, or list the file in Exceptions with a reason")
            }
        }
        findings.expectNone()
    }

    @Test("SQL stands in …Statements.swift or a migration")
    func statementsHaveTheirFiles() {
        var findings = Findings()
        let statement = #/\bSELECT\b[\s\S]*\bFROM\b|\bINSERT\s+INTO\b|\bUPDATE\b[\s\S]*\bSET\b|\bDELETE\s+FROM\b/#
        for file in Repository.sources where Exceptions.statements[file.path] == nil {
            let isMigration = file.name.contains(#/^M\d\d|Migration/#) || file.path.contains("/Migrations/")
            if isMigration || file.name.hasSuffix("Statements.swift") { continue }
            for literal in file.literals where literal.text.contains(statement) {
                findings.add(file.path, literal.line, "SQL outside …Statements.swift and migrations")
            }
        }
        findings.expectNone()
    }

    @Test("an exception names something that exists, and its reason")
    func exceptionsAreCurrent() {
        var findings = Findings()
        let tables = [Exceptions.longFiles, Exceptions.longFunctions, Exceptions.statements, Exceptions.continuations]
        for (entry, reason) in tables.flatMap({ $0 }) {
            let path = String(entry.prefix(while: { $0 != ":" }))
            if !Repository.isFile(path) { findings.add(entry, nil, "is excepted and does not exist") }
            if reason.count < 20 { findings.add(entry, nil, "is excepted without a reason that explains it") }
        }
        findings.expectNone()
    }
}

extension StringProtocol {
    fileprivate var trimmingBlanks: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
