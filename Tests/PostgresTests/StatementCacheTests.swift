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
        cache.forget("a", isKept: false)
        #expect(cache.plan(for: "a") == .unprepared && cache.takeForgotten().isEmpty)
    }

    @Test("a statement that was prepared twice, or whose plan is stale, is told to be dropped on the server")
    func forgotten() {
        var cache = StatementCache()
        _ = cache.plan(for: "a")
        cache.prepared("a", name: "first")
        cache.prepared("a", name: "second")
        #expect(cache.takeForgotten() == ["first"])
        cache.forget("a", isKept: true)
        #expect(cache.takeForgotten() == ["second"])
    }

    @Test("what DISCARD ALL took from the server is prepared anew, in a transaction too; one text six times in one go leaves one statement")
    func discarded() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1) { pool in
                for _ in 0..<3 { _ = try await pool.query("SELECT \(1)::int AS twice") }
                try await pool.withConnection { try await $0.script("DISCARD ALL") }
                let twice = try await pool.transaction { try await $0.query("SELECT \(1)::int AS twice").first?.get("twice", as: Int.self) }
                #expect(twice == 1)
                _ = try await pool.queries(Array(repeating: "SELECT \(2)::int AS six", count: 6))
                _ = try await pool.query("SELECT \(2)::int AS six")
                #expect(try await pool.value("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%six'", as: Int.self) == 1)
            }
        }
    }

    @Test("COPY among statements in one go is an error, and the pool goes on")
    func copyInPipeline() async throws {
        try await TestDatabase.withDatabase { database in
            try await withPool(database.url, maximum: 1) { pool in
                await #expect(throws: PostgresError.self) {
                    _ = try await pool.queries(["SELECT 1", "COPY (SELECT 1) TO STDOUT", "SELECT 2"])
                }
                let seven = try await pool.value("SELECT 7", as: Int.self)
                #expect(seven == 7)
            }
        }
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
