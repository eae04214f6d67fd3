import Cron
import Postgres
import TestSupport
import Testing

/// INSERT takes the patterns that Cron reads, and no other.
@Suite struct CronAgreementTests {
    private static let atoms = [
        "*", "?", "0", "1", "5", "07", "0012", "23", "31", "59", "60", "7", "99", "JAN", "dec", "MON", "sun", "Fri", "L", "LW", "L-3",
        "L-0030", "l", "lw",
        "15W", "0015w", "1W", "31W", "32W", "0W", "L-30", "L-31", "L-0", "8L", "7L", "8#1", "7-5", "0-7", "5L", "05l", "MONL", "fril",
        "5#2", "0005#0005", "Tue#1", "5#6", "W", "#", "1-5", "5-1", "MON-FRI", "FRI-MON",
        "JAN-MAR", "1-", "-1",
        "a", "1a", "MONDAY", "",
    ]
    private static let steps = [
        "", "", "", "/1", "/2", "/15", "/07", "/0000", "/0", "/", "/x", "/100", "/7", "/8", "/12", "/13", "/24", "/25", "/31", "/32", "/60",
        "/61", "/0012", "/00012",
    ]

    private func pattern(using generator: inout SeededGenerator) -> String {
        let count = [5, 5, 5, 5, 6, 6, 4, 7].randomElement(using: &generator) ?? 5
        let isPlain = Bool.random(using: &generator)
        let place = Int.random(in: 0..<count, using: &generator)
        return (0..<count).map { field in
            if isPlain && field != place { return "*" }
            return (0..<Int.random(in: 1...2, using: &generator)).map { _ in
                (Self.atoms.randomElement(using: &generator) ?? "") + (Self.steps.randomElement(using: &generator) ?? "")
            }.joined(separator: ",")
        }.joined(separator: [" ", "\t", "  "].randomElement(using: &generator) ?? " ")
    }

    @Test("everything that a pattern knows is taken by SQL and by Cron, and what is wrong with it is refused by both with the field's name")
    func table() async throws {
        let good = [
            "* * * * *", "* * * * * *", "0 5 * * *", "\t0  5 * *   1-5 ", "59 23 31 12 7", "59 59 23 31 12 0", "0,15,30 1,2 * * *",
            "10-30 8-18 * * *", "5-5 * * * *", "*/60 */24 */31 */12 */7", "*/60 * * * * *", "8-18/2 * * * *", "50/5 * * * *",
            "*/0015 * * * *",
            "0012 * * * *", "0 0 * JAN-MAR *", "0 0 * jan,Dec/2 mon", "0 0 * * MON-FRI", "0 0 * * FRI-MON", "0 0 * * 5-1/2", "0 0 * * 7-1",
            "0 0 * * 6-SUN", "0 0 ? * ?", "0 0 ? * 5", "0 0 13 * ?", "0 0 *,1 * *", "0 0 L * *", "0 0 l,LW,1 * *",
            "0 0 L-1,L-30,L-0030 * *",
            "0 0 1W,31W,0015w * *", "0 0 * * 0L,7L,FRIL,05l", "0 0 * * 5#1,7#5,Tue#2,0005#0005", "0 0 31 2 *", "@hourly", " @DAILY\t",
            "@midnight",
            "@weekly", "@monthly", "@yearly", "@Annually",
        ]
        let bad: [(beginning: String, patterns: [String])] = [
            (
                "day of month: ",
                [
                    "* * 32W * *", "* * 0W * *", "* * W * *", "* * 1-5W * *", "* * 5W/2 * *", "* * L-31 * *", "* * L-0 * *",
                    "* * L/2 * *", "* * 1,? * *", "* * 5L * *", "* * 31-1 * *", "* * */32 * *", "* * 0 * *",
                ]
            ),
            (
                "day of week: ",
                [
                    "* * * * 8L", "* * * * L", "* * * * 1-5L", "* * * * 8", "* * * * 8#1", "* * * * 5#6", "* * * * 5#0", "* * * * ?/2",
                    "* * * * 8-1", "* * * * MON-8", "0 0 * * */8", "* * * * MONDAY", "* * * * 15W", "0 0 * * \u{17F}un",
                ]
            ),
            (
                "minute: ",
                [
                    "5-1 * * * *", "*/61 * * * *", "*/0 * * * *", "*/000001 * * * *", "60 * * * *", "5- * * * *", "1,,2 * * * *",
                    "? * * * *", "JAN * * * *", "*-5 * * * *", "00012 * * * *", "5-60 * * * *", "1/2/3 * * * *",
                ]
            ),
            ("second: ", ["*/61 * * * * *", "30-10 * * * * *"]),
            ("hour: ", ["0 22-2 * * *", "0 */25 * * *"]),
            ("month: ", ["0 0 * */13 *", "0 0 * NOV-FEB *", "0 0 * 12-1 *", "0 0 * MON *", "0 0 * 1L *"]),
            ("it has 4 fields", ["* * * *"]),
            ("it has 7 fields", ["* * * * * * *"]),
            ("it has 0 fields", ["", " \t"]),
            ("@reboot is none of", ["@reboot"]),
            ("@wee\u{212A}ly is none of", ["@wee\u{212A}ly"]),
            ("it is longer than 1000", [String(repeating: "0,", count: 500) + "0 * * * *"]),
        ]
        let refused = bad.flatMap { refusal in refusal.patterns.map { (pattern: $0, beginning: refusal.beginning) } }
        let patterns = good + refused.map(\.pattern)
        let problems = try await problems(of: patterns)
        for (pattern, problem) in zip(good, problems) {
            #expect(problem == "null", "\(pattern)")
            #expect(throws: Never.self, "\(pattern)") { _ = try CronPattern(pattern) }
        }
        for ((pattern, beginning), problem) in zip(refused, problems.dropFirst(good.count)) {
            #expect(problem.hasPrefix(beginning), "\(pattern): \(problem)")
            #expect(throws: CronPatternError.self, "\(pattern)") { _ = try CronPattern(pattern) }
        }
    }

    @Test("of 20,000 made-up patterns SQL refuses those that Cron does not read, and no other")
    func corpus() async throws {
        var generator = SeededGenerator()
        let seed = generator.seed
        var patterns = [
            "@hourly", "@DAILY", " @weekly ", "@yearly", "@reboot", "@", "0 5 * * *", "10 5 * * * ", "\t0 0 31 2 *", "0 0 29 2 ?",
            "0 0 ? * 7", "*/5 8-18/2 L 1,2 SUN-SAT",
            "0 0 1\n* *", "0 0 1 * é",
        ]
        for _ in 0..<20_000 { patterns.append(pattern(using: &generator)) }
        var read = 0
        for (pattern, problem) in zip(patterns, try await problems(of: patterns)) {
            let isRead = (try? CronPattern(pattern)) != nil
            if isRead { read += 1 }
            #expect((problem == "null") == isRead, "\(pattern): \(problem), seed \(seed)")
        }
        #expect(read > 300, "seed \(seed)")
    }

    /// What SQL says of each pattern; `null` for one that it takes.
    private func problems(of patterns: [String]) async throws -> [String] {
        try await Queue.withDatabase { queue in
            try await queue.texts("SELECT cron_problem(p) FROM unnest(\(patterns)::text[]) WITH ORDINALITY AS u(p, place) ORDER BY place")
        }
    }
}
