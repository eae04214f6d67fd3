import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

/// `chimera execution show` of a comparison: its differences as a table, as CSV and as JSON.
@Suite struct DifferenceCommandTests {
    /// A comparison of two stores that waits for its children, with one child each; gives their ids.
    private func withComparison(_ body: (TestDatabase, _ parent: String, _ children: [String]) async throws -> Void) async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "compare-data", "--type", "COMPARE_DATA")
            try await database.pool.withConnection { connection in
                try await connection.script(
                    #"""
                    INSERT INTO stores (name, registration) VALUES ('Loja "Um", Centro', '00000000000101'), ('=2+2', '00000000000202');
                    INSERT INTO products (store_id, code, name, price, final_price, quantity_limit, starts_at, expires_at)
                      VALUES (1, 10, 'ARROZ 5KG', 2, 1, 5, now(), now()), (2, 10, 'FEIJÃO', 2, 1, 5, now(), now());
                    """#)
            }
            let parent = try await database.done("job", "run", "compare-data", "--at", "+1h").text
            let children = try await database.pool.query(
                """
                INSERT INTO job_executions (job_config_id, parent_id, trigger, store_id) SELECT job_config_id, id, 'PARENT', store
                FROM job_executions, generate_series(1, 2) AS store,
                """ + asTheQueue + " RETURNING id::text AS id"
            ).map { try $0.get("id", as: String.self) }
            try await body(database, parent, children)
        }
    }

    private func add(_ rows: String, to execution: String, store: Int, _ database: TestDatabase) async throws {
        // The test's own text.
        _ = try await database.pool.query(
            """
            INSERT INTO comparison_differences (execution_id, store_id, code, kind, expected, actual)
            SELECT \(execution)::uuid, \(store), v.* FROM (VALUES \(unsafe: rows)) AS v
            """)
    }

    private static let first = """
        (10::bigint, 'LIMIT', '1000', '5'), (11, 'PRICE', '2.00', '2.01'), (12, 'PRICE', '2.00', '30.00'), (13, 'FINAL_PRICE', '1.00', '1.50'),
        (14, 'WINDOW', '2026-11-21T06:00/2026-11-21T23:59', '2026-11-21T06:00/2026-11-21T22:59')
        """
    private static let second = """
        (10::bigint, 'MISSING_IN_TARGET', 'price 2.00, final price 1.00, limit 5', NULL), (9, 'FINAL_PRICE', '100.00', '1.00'),
        (15, 'EXTRA_IN_TARGET', NULL, 'price 3.00, final price 2.00, limit 5')
        """

    @Test("a table of the worst first, over all stores for the parent and its own for a child")
    func table() async throws {
        try await withComparison { database, parent, children in
            let none = try await database.done("execution", "show", parent)
            #expect(!none.text.contains("DIFFERENCE"))
            try await add(Self.first, to: children[0], store: 1, database)
            try await add(Self.second, to: children[1], store: 2, database)
            let shown = try await database.done("execution", "show", parent).lines
            let head = try #require(shown.firstIndex { $0.hasPrefix("STORE") })
            #expect(shown[head].split(separator: " ") == ["STORE", "CODE", "PRODUCT", "DIFFERENCE", "EXPECTED", "ACTUAL"])
            let kinds = shown[(head + 1)...].map {
                $0.split(separator: " ").filter { $0.contains("_") || $0 == "WINDOW" || $0 == "PRICE" || $0 == "LIMIT" }.first
            }
            #expect(
                kinds == ["MISSING_IN_TARGET", "EXTRA_IN_TARGET", "FINAL_PRICE", "FINAL_PRICE", "WINDOW", "PRICE", "PRICE", "LIMIT"])
            let codes = shown[(head + 1)...].map { Int($0.split(separator: " ")[1]) }
            #expect(codes == [10, 15, 9, 13, 14, 12, 11, 10], "among prices, those that lie furthest apart")
            #expect(shown[head + 1].contains("00000000000202") && shown[head + 1].contains("FEIJÃO"))
            let child = try await database.done("execution", "show", children[1]).lines
            #expect(child.count { $0.hasPrefix("00000000000202 ") } == 3 && child.count { $0.hasPrefix("00000000000101 ") } == 0)
        }
    }

    @Test("the table is bounded and says how many more there are; CSV and JSON have them all, over many pages")
    func bounded() async throws {
        try await withComparison { database, parent, children in
            _ = try await database.pool.query(
                """
                INSERT INTO comparison_differences (execution_id, store_id, code, kind, expected, actual)
                SELECT \(children[1])::uuid, 2, n, (ARRAY['PRICE', 'FINAL_PRICE', 'LIMIT'])[n % 3 + 1], n % 7, n % 11 FROM generate_series(1, 20500) AS n
                """)
            let shown = try await database.done("execution", "show", parent).lines
            #expect(shown.count { $0.hasPrefix("00000000000202 ") } == 40)
            #expect(shown.last == "and 20460 more: chimera execution show \(parent) --csv")
            let csv = try await database.done("execution", "show", parent, "--csv").lines
            #expect(csv.count == 20_501)
            let codes = csv.dropFirst().map { $0.split(separator: ",")[3...].first.flatMap { Int($0) } ?? 0 }
            #expect(codes.sorted() == Array(1...20_500), "each of them once")
            let differences = try await database.done("execution", "show", parent, "--json").json["differences"]?.arrayValue
            #expect(differences?.count == 20_500 && differences?.map { $0["code"]?.intValue } == codes)
        }
    }

    @Test("they are counted by store, and published anew by a sync of these stores where there is one sync alone")
    func summary() async throws {
        try await withComparison { database, parent, children in
            try await add(Self.first, to: children[0], store: 1, database)
            try await add(Self.second, to: children[1], store: 2, database)
            func next(_ id: String) async throws -> [String] {
                try await database.done("execution", "show", id).lines.filter { $0.hasPrefix("next") }
            }
            #expect(try await next(parent) == [])
            try await database.done("job", "add", "it's sync", "--type", "SYNC_PRODUCTS")
            let lines = try await database.done("execution", "show", parent).lines.map { $0.split(separator: " ").joined(separator: " ") }
            let head = try #require(lines.firstIndex(of: "NAME REGISTRATION COUNT DIFFERENCES"))
            #expect(
                lines[(head + 1)...].prefix(3) == [
                    #"Loja "Um", Centro 00000000000101 5 1 FINAL_PRICE, 1 WINDOW, 2 PRICE, 1 LIMIT"#,
                    "=2+2 00000000000202 3 1 MISSING_IN_TARGET, 1 EXTRA_IN_TARGET, 1 FINAL_PRICE", "",
                ])
            let command = #"chimera job run 'it'\''s sync'"#
            #expect(try await next(parent).first?.hasSuffix(command + #" --params '{"store_ids":[1,2]}'"#) == true)
            #expect(try await next(children[1]).first?.hasSuffix(command + #" --params '{"store_ids":[2]}'"#) == true)
            _ = try await database.pool.query(
                """
                INSERT INTO comparison_differences (execution_id, store_id, code, kind, expected, actual)
                SELECT \(parent)::uuid, store, 1, 'PRICE', '1', '2' FROM generate_series(3, 21) AS store
                """)
            #expect(try await next(parent).first?.hasSuffix("  " + command) == true, "too many to be named")
            try await database.done("job", "add", "other", "--type", "SYNC_PRODUCTS")
            #expect(try await next(parent) == [], "nobody knows by which of the two")
        }
    }

    @Test("CSV as RFC 4180 has it: lines end in CRLF, what needs quotes has them")
    func csv() async throws {
        try await withComparison { database, parent, children in
            try await add(
                #"(10::bigint, 'LIMIT', '1000', '5'), (11, 'EXTRA_IN_TARGET', NULL, E'a "b",\nc')"#, to: children[0], store: 1, database)
            let answer = try await database.done("execution", "show", parent, "--csv")
            #expect(
                answer.lines == [
                    "store_id,registration,store,code,product,kind,expected,actual\r",
                    #"1,00000000000101,"Loja ""Um"", Centro",11,,EXTRA_IN_TARGET,,"a ""b"", c""# + "\r",
                    #"1,00000000000101,"Loja ""Um"", Centro",10,ARROZ 5KG,LIMIT,1000,5"# + "\r",
                ])
            #expect(try await database.done("execution", "show", children[1], "--csv").lines.count == 1, "the headings alone")
        }
    }

    @Test("JSON has the differences beside what every execution has")
    func json() async throws {
        try await withComparison { database, parent, children in
            try await add(Self.second, to: children[1], store: 2, database)
            let document = try await database.done("execution", "show", parent, "--json").json
            #expect(document["id"]?.stringValue == parent && document["children"] == ["PENDING": 2])
            #expect(
                document["differences"]?.arrayValue?.first == [
                    "store_id": 2, "registration": "00000000000202", "store": "=2+2", "code": 10, "product": "FEIJÃO",
                    "kind": "MISSING_IN_TARGET", "expected": "price 2.00, final price 1.00, limit 5", "actual": nil,
                ])
            #expect(try await database.done("execution", "show", children[0], "--json").json["differences"] == [])
        }
    }

    @Test("what is no comparison has no differences to export")
    func otherJobs() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "drill", "--type", "NOOP")
            let id = try await database.chimera("job", "run", "drill").text
            try await database.refused(65, "is no comparison", "execution", "show", id, "--csv")
            try await database.refused(64, "--csv and --json", "execution", "show", id, "--csv", "--json")
            #expect(try await database.done("execution", "show", id, "--json").json["differences"] == nil)
        }
    }
}
