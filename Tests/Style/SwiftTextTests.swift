import Testing

/// The rules are as good as the scanner under them.
@Suite struct SwiftTextTests {
    @Test("comments and literals are blanked out of the code, in place")
    func codeIsSeparated() {
        let text = SwiftText(
            """
            let a = "public // no comment" // public
            /* one /* nested */ still */ let b = 1
            """)
        #expect(text.code.map { $0.count } == [40, 38])
        #expect(text.code[0].hasPrefix("let a = ") && !text.code[0].contains("public"))
        #expect(text.comments[0].contains("// public") && !text.comments[0].contains("no comment"))
        #expect(text.code[1].contains("let b = 1") && !text.code[1].contains("still"))
    }

    @Test("a literal ends where Swift ends it: interpolations, escapes, raw and multi-line strings")
    func literalsAreWhole() {
        let text = SwiftText(
            ##"""
            f("a \(g("b)") ?? "c") d", #"raw " \n"#, "\"", """
              SELECT 1 "quoted"
              """, #/["]/#) + x
            """##)
        #expect(text.literals.map(\.line) == [1, 1, 1, 1, 1, 1, 3])
        #expect(text.literals.contains { $0.text == ##"#"raw " \n"#"## })
        #expect(text.code[2].hasSuffix(" + x"))
        #expect(text.code[1].allSatisfy { $0 == " " })
    }

    @Test("a function's lines are counted from its keyword to its brace; a requirement has none")
    func functionsAreMeasured() {
        let file = SwiftFile(
            path: "Sources/X/X.swift",
            source: """
                protocol P {
                    func requirement(_ body: () -> Void) -> Int
                    var stored: Int { get }
                }
                struct S {
                    let closure: () -> Int = { 1 }
                    init(
                        a: Int = { 2 }()
                    ) where A: B {
                        call(.init(3))
                    }
                    func one() async throws(E) -> [Int] { [] }
                    var two: Int {
                        4
                    }
                }
                """)
        #expect(file.functions.map(\.name) == ["stored", "init", "one", "two"])
        #expect(file.functions.map(\.lineCount) == [1, 5, 1, 3])
    }

    @Test("a doc comment is found over attributes, and an ordinary one is none")
    func commentsAreFound() {
        let file = SwiftFile(
            path: "Sources/X/X.swift",
            source: """
                /// Documented.
                // And explained.
                @discardableResult
                package func a() {}
                // Not documented.
                package func b() {}

                package func c() {}
                """)
        #expect(file.hasDocumentation(at: 4))
        #expect(!file.hasDocumentation(at: 6))
        #expect(file.hasComment(at: 6))
        #expect(!file.hasComment(at: 8))
    }
}
