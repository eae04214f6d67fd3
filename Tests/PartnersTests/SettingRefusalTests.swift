import JobQueue
import Postgres
import Retail
import Runtime
import TestSupport
import Testing

@testable import Partners

extension DatabaseTemplate {
    /// The queue's tables, and what judges partners' settings.
    fileprivate static let partners = DatabaseTemplate("partners") { pool in
        _ = try await Migrator(pool: pool, migrations: Migration.ofQueue + [.m13PartnerSettings]).up()
    }
}

private struct PartnerRows: DatabaseFixture {
    let pool: PostgresPool
}

/// A bad setting of a partner is refused when it is written (SPEC §2), by the rules that the run goes by.
@Suite struct SettingRefusalTests {
    private static let bad: [(type: String, field: String, config: String)] = [
        ("RP", "config.auth_method", #"{"auth_method": "BASIC"}"#), ("RP", "config.auth_method", #"{"auth_method": 1}"#),
        ("RP", "config.login_endpoint", #"{"login_endpoint": "/a b"}"#),
        ("RP", "config.login_endpoint", #"{"login_endpoint": "http://h/login"}"#),
        ("RP", "config.username", #"{"username": 7}"#), ("RP", "config.password", #"{"password": 7}"#),
        ("RP", "config.static_token", #"{"auth_method": "TOKEN", "static_token": []}"#),
        ("RP", "config.token_header", #"{"token_header": {}}"#), ("RP", "config.token_response_field", #"{"token_response_field": 1}"#),
        ("RP", "config.products_endpoint", #"{"products_endpoint": "/x/{lastId}"}"#),
        ("RP", "config.products_endpoint", #"{"products_endpoint": "/x/{storeReg}"}"#),
        ("RP", "config.products_endpoint", #"{"products_endpoint": "/x/{storeReg}", "pagination": {"param_name": ""}}"#),
        ("RP", "config.products_endpoint", #"{"products_endpoint": "/{lastId}/{storeReg}#x"}"#),
        ("RP", "config.max_pages", #"{"max_pages": 0}"#), ("RP", "config.max_pages", #"{"max_pages": "10"}"#),
        ("RP", "config.max_pages", #"{"max_pages": 1.5}"#), ("RP", "config.page_limit", #"{"page_limit": 100001}"#),
        ("RP", "config.pagination", #"{"pagination": "CURSOR"}"#), ("RP", "config.pagination", #"{"pagination": []}"#),
        ("RP", "config.pagination.method", #"{"pagination": {"method": "PAGE"}}"#),
        ("RP", "config.pagination.param_name", #"{"pagination": {"param_name": 3}}"#),
        ("RP", "config.pagination.additional_params", #"{"pagination": {"additional_params": "somentePreco2=true"}}"#),
        ("RP", "config.pagination.additional_params.x", #"{"pagination": {"additional_params": {"a": "b", "x": []}}}"#),
        ("RP", "config.pagination.additional_params.x", #"{"pagination": {"additional_params": {"x": null}}}"#),
        ("RP", "config.connect_timeout_seconds", #"{"connect_timeout_seconds": 0.01}"#),
        ("RP", "config.request_timeout_seconds", #"{"request_timeout_seconds": 3601}"#),
        ("RP", "config.request_timeout_seconds", #"{"request_timeout_seconds": "30"}"#),
        ("RP", "config.low_speed_seconds", #"{"low_speed_seconds": 0}"#),
        ("RP", "config.low_speed_bytes_per_second", #"{"low_speed_bytes_per_second": -1}"#),
        ("RP", "config.max_response_bytes", #"{"max_response_bytes": 1073741825}"#),
        ("RP", "config.ca_file", #"{"ca_file": true}"#), ("RP", "config.headers", #"{"headers": "X: y"}"#),
        ("RP", "config.headers.X", #"{"headers": {"X": "a\nb"}}"#), ("RP", "config.headers.X Y", #"{"headers": {"X Y": "a"}}"#),
        ("RP", "config.headers.X:", #"{"headers": {"X:": "a"}}"#), ("RP", "config.headers.X", #"{"headers": {"X": "a\u007f"}}"#),
        ("CRESCEVENDAS", "config.auth_headers", #"{"auth_headers": "x"}"#),
        ("CRESCEVENDAS", "config.auth_headers.X", #"{"auth_headers": {"X": "a\r\nb"}}"#),
        ("CRESCEVENDAS", "config.auth_headers.X", #"{"auth_headers": {"X": {"y": 1}}}"#),
        ("CRESCEVENDAS", "config.send_products_endpoint", #"{"send_products_endpoint": "a\tb"}"#),
        ("CRESCEVENDAS", "config.get_products_endpoint", #"{"get_products_endpoint": 1}"#),
        ("CRESCEVENDAS", "config.listing_shape", #"{"listing_shape": "rows"}"#),
        ("CRESCEVENDAS", "config.fields", #"{"fields": ["code"]}"#), ("CRESCEVENDAS", "config.fields.code", #"{"fields": {"code": 1}}"#),
        ("CRESCEVENDAS", "config.fields.final_price", #"{"fields": {"final_price": true}}"#),
        ("CRESCEVENDAS", "config.code_as_string", #"{"code_as_string": "yes"}"#),
        ("CRESCEVENDAS", "config.campaign_config", #"{"campaign_config": "06:00"}"#),
        ("CRESCEVENDAS", "config.campaign_config.start_time", #"{"campaign_config": {"start_time": "6h"}}"#),
        ("CRESCEVENDAS", "config.campaign_config.start_time", #"{"campaign_config": {"start_time": "+6:00"}}"#),
        ("CRESCEVENDAS", "config.campaign_config.end_time", #"{"campaign_config": {"end_time": "24:00"}}"#),
        ("CRESCEVENDAS", "config.campaign_config.end_time", #"{"campaign_config": {"start_time": "23:58", "end_time": "05:00"}}"#),
        ("CRESCEVENDAS", "config.campaign_config.end_time", #"{"campaign_config": {"end_time": "23:60"}}"#),
        ("CRESCEVENDAS", "config.campaign_config.override_existing", #"{"campaign_config": {"override_existing": 1}}"#),
        ("CRESCEVENDAS", "config.campaign_config.name_template", #"{"campaign_config": {"name_template": {}}}"#),
    ]

    private static let good: [(type: String, config: String)] = [
        ("RP", "{}"), ("RP", #"{"auth_method": null, "login_endpoint": "", "max_pages": null, "pagination": null, "headers": null}"#),
        ("RP", #"{"auth_method": "LOGIN", "login_endpoint": "v1/autenticação", "token_response_field": "response.token"}"#),
        ("RP", #"{"auth_method": "TOKEN", "static_token": "abc", "base_url": "https://h.example/api/"}"#),
        ("RP", #"{"auth_method": "TOKEN", "static_token": "abc", "username": 7, "login_endpoint": "http://h/login"}"#),
        ("RP", #"{"static_token": 7}"#),
        ("RP", #"{"products_endpoint": "p/{storeReg}", "pagination": {"method": "CURSOR", "param_name": "last"}}"#),
        ("RP", #"{"pagination": {"additional_params": {"a": 1, "b": true, "c": ""}}}"#),
        ("RP", #"{"products_endpoint": "/{storeReg}/{lastId}/{lastId}", "page_limit": 100000, "max_pages": 1e3}"#),
        ("RP", #"{"connect_timeout_seconds": 0.05, "request_timeout_seconds": 3600}"#),
        ("RP", #"{"low_speed_seconds": 1, "low_speed_bytes_per_second": 0}"#),
        ("RP", #"{"headers": {"X-Team": "ops\tnight", "n": 1}, "max_response_bytes": 1073741824, "of somebody else": [1]}"#),
        ("CRESCEVENDAS", #"{"auth_headers": {"X-AdminUser-Email": "a@b.example", "X-AdminUser-Token": "t"}}"#),
        ("CRESCEVENDAS", #"{"listing_shape": "discount_store_lines", "code_as_string": true, "fields": {"code": "sku", "price": null}}"#),
        (
            "CRESCEVENDAS",
            #"{"campaign_config": {"start_time": "6:05", "end_time": "23:59", "override_existing": false, "name_template": ""}}"#
        ),
    ]

    /// The sentence of the run, or nil: the configuration is one that it can work with. Whatever is not set is as it has to be.
    private func sentence(_ type: String, _ config: JSONValue, _ url: String = "http://h") throws -> String? {
        let needed: [String: JSONValue] = ["username": "1", "password": "p", "auth_headers": ["X": "y"]]
        let integration = Integration(
            id: 1, name: "x", type: type, baseURL: url, config: .object(needed.merging(config.objectValue ?? [:]) { $1 }))
        do throws(PartnerFailure) {
            if type == "RP" { _ = try RPConfiguration(integration) } else { _ = try CresceVendasConfiguration(integration) }
            return nil
        } catch {
            return error.message
        }
    }

    private func withRows(_ body: (PartnerRows) async throws -> Void) async throws {
        try await TestDatabase.withDatabase(template: .partners) { try await body(PartnerRows(pool: $0.pool)) }
    }

    @Test("a bad setting is refused by its name when it is written and when it is changed, as the run would refuse it")
    func refused() async throws {
        try await withRows { rows in
            for type in ["RP", "CRESCEVENDAS"] {
                try await rows.run("INSERT INTO integrations (name, type, base_url) VALUES (\(type), \(type), 'http://h')")
            }
            for (type, field, config) in Self.bad {
                let said = try #require(try sentence(type, JSONValue(parsing: config)), "the run takes \(config)")
                #expect(said.contains(field + " "), "\(config): \(said)")
                for statement: SQL in [
                    "INSERT INTO integrations (name, type, base_url, config) VALUES ('x', \(type), 'http://h', \(config)::jsonb)",
                    "UPDATE integrations SET config = \(config)::jsonb WHERE type = \(type)",
                ] {
                    let error = try await rows.refusal(statement)
                    #expect(error.message.hasPrefix(field + " ") && error.detail == nil, "\(config): \(error.message)")
                    #expect(said.contains(error.message), "\(said) | \(error.message)")
                }
            }
        }
    }

    @Test("what the run can work with is taken, and so is what stands encrypted")
    func taken() async throws {
        try await withRows { rows in
            for (place, (type, config)) in Self.good.enumerated() {
                #expect(try sentence(type, JSONValue(parsing: config)) == nil, "\(config)")
                try await rows.run(
                    "INSERT INTO integrations (name, type, base_url, config) VALUES (\("x\(place)"), \(type), 'http://h', \(config)::jsonb)"
                )
            }
            let sealed = #"{"auth_method": "enc:v1:k:A", "products_endpoint": "enc:v1:k:A", "headers": {"X": "enc:v1:k:A"}}"#
            try await rows.run("INSERT INTO integrations (name, type, config) VALUES ('sealed', 'RP', \(sealed)::jsonb)")
            let time = #"{"campaign_config": {"start_time": "enc:v1:k:A"}}"#
            try await rows.run("INSERT INTO integrations (name, type, config) VALUES ('time', 'CRESCEVENDAS', \(time)::jsonb)")
        }
    }

    @Test("a base address that the run cannot use is refused, and one that it can is taken")
    func addresses() async throws {
        try await withRows { rows in
            for url in ["HTTP://h", "http:///path", "http://?x", "http://h?x=1", "http://h/#x", "http://são.example", "ftp://h", "h"] {
                #expect(try sentence("RP", [:], url)?.contains("base_url") == true, "\(url)")
                let error = try await rows.refusal("INSERT INTO integrations (name, type, base_url) VALUES ('x', 'RP', \(url))")
                #expect(error.message.hasPrefix("base_url: "), "\(url): \(error.message)")
            }
            for url in ["http://h", "https://10.0.0.5:9000/api/", "http://[::1]:80/a,b;c", "http://u:p@h"] {
                #expect(try sentence("RP", [:], url) == nil, "\(url)")
                try await rows.run("INSERT INTO integrations (name, type, base_url) VALUES (\(url), 'RP', \(url))")
            }
        }
    }

    @Test("a row that was bad before can still be switched off, renamed and removed")
    func oldRows() async throws {
        try await withRows { rows in
            try await rows.plantPastTriggers("INSERT INTO integrations (name, type, config) VALUES ('old', 'RP', '{\"max_pages\": 0}')")
            try await rows.run("UPDATE integrations SET active = false, name = 'older', deleted_at = now()")
            let error = try await rows.refusal("UPDATE integrations SET config = config || '{\"username\": \"x\"}'")
            #expect(error.message.hasPrefix("config.max_pages "))
        }
    }
}
