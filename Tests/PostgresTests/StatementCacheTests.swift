import TestSupport
import Testing

@testable import Postgres

@Suite("Prepared statements")
struct StatementCacheTests {
    @Test("a statement is prepared when it comes a second time, and then kept")
    func secondTime() {
        var cache = StatementCache()
        #expect(cache.plan(for: "a") == .unprepared)
        guard case .prepare(let name) = cache.plan(for: "a") else {
            Issue.record("not prepared the second time")
            return
        }
        cache.prepared("a", name: name)
        #expect(cache.plan(for: "a") == .prepared(name: name))
        cache.forget("a")
        #expect(cache.plan(for: "a") == .unprepared)
    }

    @Test("beyond the capacity the least recently used one goes, and its name is told")
    func eviction() {
        var cache = StatementCache(capacity: 2)
        for text in ["a", "a", "b"] {
            if case .prepare(let name) = cache.plan(for: text) { cache.prepared(text, name: name) }
        }
        guard case .prepared(let name) = cache.plan(for: "a") else {
            Issue.record("a is not prepared")
            return
        }
        #expect(cache.plan(for: "c") == .unprepared)
        #expect(cache.plan(for: "a") == .prepared(name: name), "b was older")
        #expect(cache.plan(for: "d") == .unprepared)
        #expect(cache.plan(for: "e") == .unprepared)
        #expect(cache.takeForgotten() == [name] && cache.takeForgotten().isEmpty)
    }

    @Test("a thousand different statements leave at most 256 on the server")
    func bounded() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1) { pool in
                for index in 0..<600 {
                    let text = "SELECT \(index)"
                    // Numbers, spliced because the text itself must differ.
                    for _ in 0..<2 { _ = try await pool.query("\(unsafe: text)") }
                }
                let kept = try await pool.value("SELECT count(*) FROM pg_prepared_statements", as: Int.self)
                #expect(kept > 200 && kept <= 257)
            }
        }
    }
}
