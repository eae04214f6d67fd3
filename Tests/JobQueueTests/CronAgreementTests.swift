import Cron
import Postgres
import TestSupport
import Testing

/// SQL sees less of a pattern than Cron does, and never more: what Cron reads, INSERT takes.
@Suite struct CronAgreementTests {
    private static let atoms = [
        "*", "?", "0", "1", "5", "07", "0012", "23", "31", "59", "60", "7", "99", "JAN", "dec", "MON", "sun", "Fri", "L", "LW", "L-3",
        "L-0030", "l", "lw",
        "15W", "0015w", "1W", "5L", "05l", "MONL", "fril", "5#2", "0005#0005", "Tue#1", "5#6", "W", "#", "1-5", "5-1", "MON-FRI", "FRI-MON",
        "JAN-MAR", "1-", "-1",
        "a", "1a", "MONDAY", "",
    ]
    private static let steps = ["", "", "", "/1", "/2", "/15", "/07", "/0000", "/0", "/", "/x", "/100"]

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

    @Test("of 20,000 made-up patterns SQL refuses none that Cron reads, and most that it does not")
    func corpus() async throws {
        var generator = SeededGenerator()
        let seed = generator.seed
        var patterns = [
            "@hourly", "@DAILY", " @weekly ", "@yearly", "@reboot", "@", "0 5 * * *", "10 5 * * * ", "\t0 0 31 2 *", "0 0 29 2 ?",
            "0 0 ? * 7", "*/5 8-18/2 L 1,2 SUN-SAT",
            "0 0 1\n* *", "0 0 1 * é",
        ]
        for _ in 0..<20_000 { patterns.append(pattern(using: &generator)) }
        let corpus = patterns
        let problems = try await Queue.withDatabase { queue in
            try await queue.texts("SELECT cron_problem(p) FROM unnest(\(corpus)::text[]) WITH ORDINALITY AS u(p, place) ORDER BY place")
        }
        var (read, seen, unseen) = (0, 0, 0)
        for (pattern, problem) in zip(corpus, problems) {
            do {
                _ = try CronPattern(pattern)
                read += 1
                #expect(problem == "null", "\(pattern), seed \(seed)")
            } catch {
                if problem == "null" { unseen += 1 } else { seen += 1 }
            }
        }
        #expect(read > 500 && seen > 5 * unseen, "\(read) read, \(seen) refused by both, \(unseen) by Cron alone, seed \(seed)")
    }
}
