import Testing

/// How tests are written: they run, they wait for something, and none is switched off.
@Suite struct TestShapeTests {
    @Test("no test sleeps: it waits for a signal, or polls with a deadline in TestSupport")
    func nothingSleeps() {
        var findings = Findings()
        let sleep = #/\bTask(?:<[^>]*>)?\.sleep\b|\bThread\.sleep\b|\b(?:u|nano|clock_nano)?sleep\s*\(|\.sleep\s*\(/#
        // Scenarios of Chaos last as long as what they measure, and inject at moments that chance chooses.
        for file in Repository.tests where file.target != "TestSupport" && file.target != "Chaos" {
            for (line, match) in file.matches(sleep) {
                // A minute or more stands for work that never ends: no test waits for it.
                let seconds = file.code[line - 1].firstMatch(of: #/\.seconds\(([\d_]+)\)/#).flatMap {
                    Int($0.output.1.replacing("_", with: ""))
                }
                if let seconds, seconds >= 60 { continue }
                findings.add(file.path, line, "\(match.output): wait for a signal, or use TestSupport's poll")
            }
        }
        findings.expectNone()
    }

    @Test("every function that looks like a test has @Test, without which it never runs")
    func testsRun() {
        var findings = Findings()
        var uses: [Substring: Int] = [:]
        for file in Repository.swiftFiles {
            for (_, match) in file.matches(#/[A-Za-z_]\w*/#) { uses[match.output, default: 0] += 1 }
        }
        // The standard library calls these.
        let witnesses: Set<Substring> = ["next", "makeIterator", "makeAsyncIterator"]
        for file in Repository.tests where file.target != "TestSupport" {
            for (line, match) in file.matches(#/\bfunc\s+(`[^`]+`|\w+)\s*(\(\s*\))?/#) where !file.hasTestAttribute(above: line) {
                let name = match.output.1
                if name.contains(#/^`?test(?:[A-Z_0-9 ]|$)/#) {
                    findings.add(file.path, line, "\(name) is called like a test and has no @Test")
                } else if match.output.2 != nil, !name.hasPrefix("`"), uses[name] == 1, !witnesses.contains(name) {
                    findings.add(file.path, line, "\(name) has no @Test, and nobody calls it")
                }
            }
        }
        findings.expectNone()
    }

    @Test("no test is switched off")
    func nothingIsDisabled() {
        var findings = Findings()
        for file in Repository.tests {
            for (line, _) in file.matches(#/\.disabled\s*\(|\bwithKnownIssue\b/#) {
                findings.add(file.path, line, "a test that does not count: mend it, or remove it and say why")
            }
        }
        findings.expectNone()
    }

    @Test("every test target has a test")
    func targetsHaveTests() {
        var findings = Findings()
        let targets = Repository.text("Package.swift").matches(of: #/tests\("(\w+)"/#).map { String($0.output.1) }
        #expect(targets.contains("Style"), "the pattern no longer finds Package.swift's test targets")
        for target in targets {
            let files = Repository.tests.filter { $0.target == target }
            if !files.contains(where: { !$0.matches(#/@Test\b/#).isEmpty }) {
                findings.add("Tests/\(target)", nil, "holds no @Test")
            }
        }
        findings.expectNone()
    }
}

extension SwiftFile {
    /// Whether a declaration has `@Test` among its attributes, which may fill many lines (arguments, a description).
    fileprivate func hasTestAttribute(above line: Int) -> Bool {
        var index = line - 1
        var depth = 0
        while index >= 0 {
            if code[index].contains(#/@Test\b/#) { return true }
            for character in code[index].reversed() where index < line - 1 {
                if character == ")" || character == "]" { depth += 1 }
                if character == "(" || character == "[" { depth -= 1 }
            }
            index -= 1
            // Attributes end where, outside of parentheses, a line holds something that is none.
            let above = index >= 0 ? code[index].drop(while: \.isWhitespace) : ""
            if depth <= 0, !(above.hasPrefix("@") || above.hasSuffix(")") || above.isEmpty) { return false }
            if depth <= 0, above.isEmpty, index >= 0, comments[index].allSatisfy(\.isWhitespace), !hasLiteral(at: index + 1) {
                return false
            }
        }
        return false
    }

    private func hasLiteral(at line: Int) -> Bool { literals.contains { $0.line == line } }
}
