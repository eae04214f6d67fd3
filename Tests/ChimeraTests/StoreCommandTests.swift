import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

/// `chimera store`, above all its import.
@Suite struct StoreCommandTests {
    /// A file with this content, for the time of `body`.
    private func withFile<T>(_ content: [UInt8], _ body: (String) async throws -> T) async throws -> T {
        let path = FileManager.default.temporaryDirectory.appending(path: "stores-\(UUID().uuidString).csv").path
        try Data(content).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(path)
    }

    private func stores(_ database: TestDatabase) async throws -> [JSONValue] {
        try await database.done("store", "list", "--json").json.arrayValue ?? []
    }

    @Test("a store is added, found by registration, name and id, changed and removed; zeros and all")
    func oneStore() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let added = try await database.done(
                "store", "add", "0007", "--name", "Loja Açaí", "--document", "00123", "--config", #"{"quantity_limit": 5}"#, "--json"
            ).json
            expect(
                added,
                holds: ["registration": "0007", "name": "Loja Açaí", "document": "00123", "active": true, "config": ["quantity_limit": 5]])
            let id = try #require(added["id"]?.intValue)
            for key in ["0007", "Loja Açaí", "\(id)"] {
                #expect(try await database.done("store", "show", key, "--json").json == added)
            }
            try await database.refused(65, "registration: another store has this registration", "store", "add", "0007", "--name", "Other")
            try await database.refused(65, "name: another store has this name", "store", "add", "0008", "--name", "Loja Açaí")
            try await database.refused(65, "registration: ", "store", "add", "12 34", "--name", "Other")
            try await database.refused(65, "config.time_zone: ", "store", "edit", "0007", "--config", #"{"time_zone": "Mars"}"#)
            let edited = try await database.done("store", "edit", "0007", "--no-document", "--active", "no", "--json").json
            expect(edited, holds: ["document": nil, "active": false, "config": ["quantity_limit": 5], "name": "Loja Açaí"])
            try await database.done("store", "remove", "0007")
            try await database.done("store", "add", "0007", "--name", "Loja Açaí")
        }
    }

    @Test("import adds, changes and leaves alone; a second time changes nothing")
    func upsert() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("store", "add", "001", "--name", "Old", "--document", "1", "--config", #"{"quantity_limit": 9}"#)
            try await database.done("store", "add", "002", "--name", "Same", "--document", "2")
            try await database.done("store", "add", "003", "--name", "Not in the file")
            let csv = "registration,name,document,active\n001,New,11,false\n002,Same,2,true\n0004,\"Loja, \"\"a\"\"\",,yes\n"
            try await withFile(Array(csv.utf8)) { path in
                let first = try await database.done("store", "import", path).text
                #expect(first == "1 added, 1 changed, 1 unchanged")
                let second = try await database.done("store", "import", path, "--json").json
                #expect(second == ["added": 0, "changed": 0, "unchanged": 3])
            }
            let rows = try await stores(database)
            #expect(rows.map { $0["registration"] } == ["0004", "001", "002", "003"])
            expect(rows[0], holds: ["name": "Loja, \"a\"", "document": nil, "active": true])
            expect(rows[1], holds: ["name": "New", "document": "11", "active": false, "config": ["quantity_limit": 9]])
            let changes = try await database.pool.query("SELECT 1 FROM audit_log WHERE table_name = 'stores' AND action = 'UPDATE'")
            #expect(changes.count == 1, "what does not change is not written")
        }
    }

    @Test("spreadsheets' ways of writing CSV are understood")
    func dialects() async throws {
        let expected = ["01|Loja Um|10|true", "02|Loja, Dois||false"]
        let texts = [
            "registration,name,document,active\n01,Loja Um,10,true\n02,\"Loja, Dois\",,false\n",
            "\u{FEFF}registration,name,document,active\r\n01,Loja Um,10,1\r\n02,\"Loja, Dois\",,0\r\n",
            "registration;name;document;active\r\n01;Loja Um;10;SIM\r\n02;Loja, Dois;;Não",
            "\u{FEFF}\"Registration\";\"Name\";\"Document\";\"Active\"\n\"01\";\"Loja Um\";\"10\";\"yes\"\n\"02\";\"Loja, Dois\";\"\";\"no\"\n\n\n",
            "active,document,name,registration\ntrue, 10 ,Loja Um , 01\nfalse,,\"Loja, Dois\",02",
        ]
        try await TestDatabase.withDatabase(template: .migrated) { database in
            for text in texts {
                _ = try await database.pool.query("DELETE FROM stores")
                let answer = try await database.done("store", "import", "-", input: text)
                #expect(answer.text.hasPrefix("2 added"))
                let rows = try await stores(database).map { row in
                    ["registration", "name", "document", "active"].map { row[$0]?.stringValue ?? row[$0]?.boolValue?.description ?? "" }
                        .joined(separator: "|")
                }
                #expect(rows == expected, "\(text)")
            }
        }
    }

    @Test("columns that a file does not have stay as they are")
    func missingColumns() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("store", "add", "01", "--name", "Old", "--document", "77", "--active", "no")
            try await database.done("store", "import", "-", input: "registration,name\n01,Renamed\n02,New\n")
            let rows = try await stores(database)
            expect(rows[0], holds: ["name": "Renamed", "document": "77", "active": false])
            expect(rows[1], holds: ["document": nil, "active": true])
        }
    }

    @Test("one bad line refuses the whole file and says where it is")
    func badFiles() async throws {
        let header = "registration,name,document,active\n"
        let long = String(repeating: "n", count: 201)
        let cases: [(String, String)] = [
            ("", "the file is empty"), ("\u{FEFF}\n\n", "the file is empty"), ("01,Loja,,true\n", "line 1, column 1: \"01\" is no column"),
            ("registration,nmae\n", "did you mean name?"), ("registration,document\n1,2\n", "line 1, column name: the column is missing"),
            ("registration,name,name\n", "line 1, column name: the column stands there twice"),
            (header + "01,Um,,true\n02,Dois,true\n", "line 3 has 3 fields and the first line 4"),
            (header + "01,Um,,true\n\n,Dois,,true\n", "line 4, column registration"),
            (header + "0 1,Um,,true\n", "line 2, column registration"),
            (header + "01,,,true\n", "line 2, column name"), (header + "01,\(long),,true\n", "line 2, column name"),
            (header + "01,Um,1*,true\n", "line 2, column document"), (header + "01,Um,,maybe\n", "line 2, column active: \"maybe\""),
            (header + "01,Um,,\n", "line 2, column active"),
            (header + "01,Um,,true\n02,Dois,,true\n01,Três,,true\n", "line 4, column registration: \"01\" stands in line 2 too"),
            (header + "01,\"Um,,true\n02,Dois,,true\n", "line 2: a quote is opened and never closed"),
            (header + "01,\"Um\"x,,true\n", "line 2: something stands behind a closing quote"),
            (header + "01,U\"m,,true\n", "line 2: a quote stands in the middle"),
            (header + "\"0\n1\",Um,,true\n03,\"a\nb\",,perhaps\n", "line 2, column registration"),
            (header + "09,\"a\nb\",,true\n03,Um,,perhaps\n", "line 4, column active"),
            (header + "01,Um,,true\n02,Taken,,true\n", "line 3, column name: another store has this name"),
            (header + "01\u{0},Um,,true\n", "line 2, column registration"),
        ]
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("store", "add", "99", "--name", "Taken")
            let before = try await stores(database)
            for (csv, words) in cases {
                try await withFile(Array(csv.utf8)) { path in try await database.refused(65, words, "store", "import", path) }
            }
            #expect(try await stores(database) == before)
        }
    }

    @Test("files that cannot be read, are no text, or are too large are refused before the database is asked")
    func unreadableFiles() async throws {
        func refuse(_ path: String, _ words: String) async throws {
            expectRefusal(try await chimera(["store", "import", path]), 65, words, of: [path])
        }
        try await refuse("/no/such/file.csv", "cannot be read")
        try await refuse("/", "cannot be read")
        try await withFile(Array("registration,name\n01,".utf8) + [0xE9] + Array("\n".utf8)) { try await refuse($0, "no UTF-8 in line 2") }
        try await withFile([UInt8](repeating: UInt8(ascii: "x"), count: (8 << 20) + 1)) { try await refuse($0, "larger than 8 MiB") }
        let many = "registration,name\n" + (1...20_001).map { "\($0),n\($0)\n" }.joined()
        try await withFile(Array(many.utf8)) { try await refuse($0, "more than 20000 stores") }
    }

    @Test("stores that swap their names, or pass one on, are imported in any order of lines; a name that stays taken is refused by line")
    func namesPassedOn() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("store", "import", "-", input: "registration,name\n01,One\n02,Two\n03,Three\n")
            let answer = try await database.done("store", "import", "-", input: "registration,name\n01,Two\n02,One\n04,Three\n03,Third\n")
            #expect(answer.text == "1 added, 3 changed, 0 unchanged")
            let names = try await database.pool.query("SELECT name FROM stores ORDER BY registration").map { $0["name"] }
            #expect(names == ["Two", "One", "Third", "Three"])
            try await database.refused(65, "line 2, column name", "store", "import", "-", input: "registration,name\n05,One\n")
        }
    }

    @Test("a chain of 1,000 stores is imported at once")
    func manyStores() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            let csv = "registration,name\n" + (1...1000).map { "\($0),Loja \($0)\n" }.joined()
            try await withFile(Array(csv.utf8)) { path in
                let answer = try await database.done("store", "import", path)
                #expect(answer.text == "1000 added, 0 changed, 0 unchanged")
            }
            #expect(try await database.pool.query("SELECT 1 FROM stores").count == 1000)
        }
    }
}
