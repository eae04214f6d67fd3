import Cron
import JobQueue
import Postgres
import TestSupport
import Testing

@testable import Retail

/// Stores as rows: bad values, the unit for RP, the audit's word (SPEC §2).
@Suite struct StoreTests {
    @Test("a store with a bad value is refused by the field's name")
    func refusals() async throws {
        let rows: [(field: String, columns: String, values: String)] = [
            ("name", "name, registration", "'', '1'"), ("name", "name, registration", "' ', '1'"),
            ("name", "name, registration", "'taken', '1'"),
            ("registration", "name, registration", "'s', ''"), ("registration", "name, registration", "'s', 'a b'"),
            ("registration", "name, registration", "'s', repeat('1', 41)"), ("registration", "name, registration", "'s', 'taken'"),
            ("registration", "name", "'s'"), ("document", "name, registration, document", "'s', '1', 'x?'"),
            ("config", "name, registration, config", "'s', '1', '[]'"),
            ("config.source", "name, registration, config", #"'s', '1', '{"source": 1}'"#),
            ("config.time_zone", "name, registration, config", #"'s', '1', '{"time_zone": "Brasilia"}'"#),
            ("config.time_zone", "name, registration, config", #"'s', '1', '{"time_zone": 3}'"#),
            ("config.quantity_limit", "name, registration, config", #"'s', '1', '{"quantity_limit": 0}'"#),
        ]
        try await Shop.withDatabase { shop in
            _ = try await shop.addStore("taken")
            for (field, columns, values) in rows {
                let error = try await shop.refusal("INSERT INTO stores (\(spliced(columns))) VALUES (\(spliced(values)))")
                #expect(
                    error.message.hasPrefix("\(field): ") || error.message.contains("stores_\(field)")
                        || error.message.contains("\"\(field)\""), "\(values): \(error)")
            }
            try await shop.run("UPDATE stores SET deleted_at = now()")
            _ = try await shop.addStore("taken", config: #"{"time_zone": "America/Manaus", "source": "rp", "quantity_limit": 12}"#)
            #expect(try await shop.refusal("UPDATE stores SET deleted_at = NULL").message.contains("stores_"))
            #expect(
                try await shop.text("SELECT string_agg(action, ' ' ORDER BY id) FROM audit_log WHERE table_name = 'stores'")
                    == "INSERT UPDATE INSERT")
            #expect(try await shop.text("SELECT bool_and(updated_at >= created_at) FROM stores") == "t")
        }
    }

    @Test("RP is asked for the document, else for a registration of 14 digits")
    func units() async throws {
        try await Shop.withDatabase { shop in
            let rows: [(document: String?, registration: String, unit: String?)] = [
                ("00.000.000/0001-91", "5", "00000000000191"), ("001", "00000000000272", "001"), (nil, "00000000000353", "00000000000353"),
                ("", "00.000.000/0004-34", "00000000000434"), (nil, "17", nil),
            ]
            for (document, registration, unit) in rows {
                try await shop.run(
                    "INSERT INTO stores (name, registration, document) VALUES (\(registration), \(registration), \(orNull: document))")
                let row = try #require(try await shop.pool.query(RetailStatements.activeStores).last)
                let store = try Store(row)
                if let unit {
                    #expect(try store.unit() == unit)
                } else {
                    let error = #expect(throws: RunError.self) { try store.unit() }
                    #expect(error?.isRetryable == false && error?.message.contains("stores.document") == true)
                }
            }
        }
    }

    @Test("an integration that is missing, inactive, of another type or not the only one is a permanent failure that names it")
    func integrations() async throws {
        try await Shop.withDatabase { shop in
            let directory = RetailDirectory(pool: shop.pool)
            func failure(_ name: String?, _ type: String) async throws -> String {
                let error = await #expect(throws: RunError.self) { try await directory.integration(named: name, type: type) }
                #expect(error?.isRetryable == false)
                return error?.message ?? ""
            }
            #expect(try await failure(nil, "RP") == "there is no active integration of type RP")
            #expect(try await failure("rp", "RP") == "there is no integration named rp")
            _ = try await shop.addIntegration("rp", type: "RP")
            #expect(try await directory.integration(named: nil, type: "RP").name == "rp")
            #expect(try await failure("rp", "CRESCEVENDAS").contains("is of type RP"))
            _ = try await shop.addIntegration("rp2", type: "RP")
            #expect(try await failure(nil, "RP").contains("config.source"))
            try await shop.run("UPDATE integrations SET active = false WHERE name = 'rp2'")
            #expect(try await failure("rp2", "RP") == "integration rp2 is inactive")
            #expect(try await directory.integration(named: nil, type: "RP").name == "rp")
        }
    }

    @Test("keys lie over the config, also inside an object; what has expired and the shared login do not")
    func keys() async throws {
        try await Shop.withDatabase { shop in
            let before = try await shop.addIntegration("rp", type: "RP", config: #"{"password": "old", "auth_headers": {"A": "a"}}"#)
            for (key, expires) in [
                ("password", "infinity"), ("auth_headers.B", "infinity"), ("static_token", "yesterday"), ("login_token", "infinity"),
            ] {
                try await shop.run(
                    "INSERT INTO integration_keys VALUES (\(before.id), \(key), \("enc:v1:" + key), \(expires)::timestamptz)")
            }
            let after = try IntegrationRow(try #require(try await shop.pool.query(RetailStatements.integration(named: "rp")).first))
            #expect(after.config == ["password": "enc:v1:password", "auth_headers": ["A": "a", "B": "enc:v1:auth_headers.B"]])
            #expect(after.version != before.version)
        }
    }

    @Test("a store whose config nobody can read does not keep the others from being read")
    func unreadableConfig() async throws {
        try await Shop.withDatabase { shop in
            let good = try await shop.addStore("1", config: #"{"quantity_limit": 3}"#)
            let bad = try await shop.addStore("2", config: "{}")
            try await shop.plantPastTriggers(#"UPDATE stores SET config = '{"x": 1e400}' WHERE id = \#(bad)"#)
            let stores = try await RetailDirectory(pool: shop.pool).stores([good, bad, 99])
            #expect(stores.count == 2 && stores[bad]?.config == .null && stores[good]?.config["quantity_limit"]?.intValue == 3)
        }
    }
}
