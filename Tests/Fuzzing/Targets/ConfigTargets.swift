import JobQueue
import Networking
import Runtime

@testable import Partners
@testable import Retail

extension FuzzTarget {
    /// The `config` of an integration, RP's and CresceVendas's.
    static let integrationConfig = FuzzTarget(
        "integration-config",
        words: jsonWords + [
            "\"base_url\":\"http://h\"", "\"headers\":{", "\"auth_headers\":{", "\"X-AdminUser-Token\":\"",
            "\"products_endpoint\":\"/{lastId}/{storeReg}\"",
            "\"pagination\":{\"param_name\":\"last\"}", "\"connect_timeout_seconds\":", "\"max_pages\":", "\"page_limit\":",
            "\"campaign_config\":{\"start_time\":\"06:00\"}",
            "\\r\\n", "\"auth_method\":\"TOKEN\"", "\"static_token\":\"t\"",
        ],
        texts: [
            #"{"username":"1","password":"p"}"#, #"{"auth_method":"TOKEN","static_token":"t"}"#, #"{"username":"1"}"#,
            #"{"username":1,"password":"p"}"#,
            #"{"username":"1","password":"p","base_url":"http://u:p@h:1/x/","headers":{"A":"b","C":1,"D":true}}"#,
            #"{"username":"1","password":"p","headers":{"A\r\n":"b"}}"#, #"{"username":"1","password":"p","headers":{"A":"b\r\nC: d"}}"#,
            #"{"username":"1","password":"p","products_endpoint":"x?u={storeReg}","pagination":{"param_name":"last","additional_params":{"a b":"c&d"}}}"#,
            #"{"username":"1","password":"p","max_pages":1e6,"page_limit":100000,"connect_timeout_seconds":1e308}"#,
            #"{"username":"1","password":"p","connect_timeout_seconds":0.05,"low_speed_seconds":3600,"max_response_bytes":1073741824}"#,
            #"{"auth_headers":{"X-AdminUser-Email":"e","X-AdminUser-Token":"t"},"campaign_config":{"start_time":"6:0","end_time":"23:59"}}"#,
            #"{"auth_headers":{"X":"t"},"campaign_config":{"start_time":"24:00"},"fields":{"code":"a\"b"}}"#, #"{"auth_headers":{}}"#, "[]",
            "null",
            #"{"auth_headers":{"X":"t"},"listing_shape":"discount_store_lines","code_as_string":true}"#,
        ]
    ) { text in
        guard let document = try? JSONValue(parsing: text) else { return }
        for base in ["http://127.0.0.1:1", ""] {
            let integration = Integration(id: 1, name: "rp", type: "RP", baseURL: base, config: document)
            if let rp = try configured({ () throws(PartnerFailure) in try RPConfiguration(integration) }) {
                try checkSettings(rp.connection)
                let path = rp.pagePath(unit: "00 1/é?&", after: 7)
                try require(path.hasPrefix("/") && path.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }, "a path is one word: \(path)")
                try require(rp.maximumPages > 0, "pages are counted")
            }
            if let target = try configured({ () throws(PartnerFailure) in try CresceVendasConfiguration(integration) }) {
                try checkSettings(target.upload)
                try require(target.authHeaders.allSatisfy { HTTPRequest.isHeader(name: $0.name, value: $0.value) }, "headers are headers")
                try require(
                    (0..<1440).contains(target.rules.startMinute) && (0..<1440).contains(target.rules.endMinute), "minutes of a day")
                let line = CampaignLine(code: 7, price: Cents(1050), finalPrice: Cents(890), limit: 3)
                let body = target.encode(
                    CampaignDraft(
                        name: text, startsAt: "2026-11-21T06:00", endsAt: "2026-11-21T23:59", registration: "1", lines: [line, line]))
                guard let sent = ReferenceJSON(body) else { throw Violation("a body is JSON: \(String(decoding: body, as: UTF8.self))") }
                try require(sent.values("discount_store_lines").first?.elements?.count, equals: 2, "a body has its lines")
                try require(sent.values("name").first?.text, equals: text.replacing("\0", with: "\0"), "a body has its name")
            }
        }
    }

    private static func configured<T>(_ body: () throws(PartnerFailure) -> T) throws -> T? {
        do throws(PartnerFailure) {
            return try body()
        } catch {
            try require(!error.isRetryable && error.code == "CONFIGURATION", "a bad configuration is permanent")
            try require(error.message.hasPrefix("Integration rp, configuration: "), "and its failure names the integration")
            return nil
        }
    }

    private static func checkSettings(_ settings: ConnectionSettings) throws {
        let range = Duration.milliseconds(50)...Duration.seconds(3600)
        try require(range.contains(settings.connectTimeout) && range.contains(settings.timeout), "times are between 50 ms and an hour")
        try require(settings.maximumBodyBytes > 0 && settings.maximumBodyBytes <= 1 << 30, "a body has a limit")
        try require(settings.headers.allSatisfy { HTTPRequest.isHeader(name: $0.name, value: $0.value) }, "headers are headers")
        try require(settings.baseURL.hasPrefix("http") && !settings.baseURL.hasSuffix("/"), "an address is one of the web")
    }

    /// A job's config with the params of an execution laid over it.
    static let jobConfig = FuzzTarget(
        "job-config",
        words: jsonWords + [
            "\"store_ids\":[", "\"max_drop_percent\":", "\"quantity_limit\":", "\"verify\":\"required\"", "\"dry_run\":true", "2147483647",
        ],
        texts: [
            #"{"store_ids":[7,7,8],"confirm_drop":true,"dry_run":false}"#, #"{"source":"rp","target":"","verify":"when_readable"}"#,
            #"{"max_drop_percent":100.0,"quantity_limit":2147483647}"#, #"{"max_drop_percent":101}"#, #"{"quantity_limit":0}"#,
            #"{"store_ids":7}"#,
            #"{"store_ids":[1.5]}"#, #"{"store_ids":[1e400]}"#, #"{"verify":"no"}"#, #"{"dry_run":"true"}"#, "[]", "null",
            #"{"store_ids":null}"#,
            #"{"store_ids":[9223372036854775807,-9223372036854775808,1e18]}"#,
        ]
    ) { text in
        guard let document = try? JSONValue(parsing: text) else { return }
        do throws(RunError) {
            let options = try SyncOptions(document)
            try checkOptions(options, document)
        } catch {
            guard error.code != "VIOLATION" else { throw Violation(error.message) }
            try require(!error.isRetryable && error.message.hasPrefix("config."), "a bad config is permanent, and named: \(error)")
        }
    }

    private static func checkOptions(_ options: SyncOptions, _ document: JSONValue) throws(RunError) {
        let holds =
            (0...100).contains(options.maxDropPercent) && (1...Int(Int32.max)).contains(options.quantityLimit)
            && Set(options.stores.storeIDs).count == options.stores.storeIDs.count && options.stores.source != ""
            && options.stores.target != ""
            && options.stores.storeIDs.count <= document["store_ids"]?.arrayValue?.count ?? 0
            && (!options.isDryRun || document["dry_run"] == true) && (!options.confirmsDrop || document["confirm_drop"] == true)
        guard holds else { throw RunError(code: "VIOLATION", message: "options break the rules: \(options)", isRetryable: false) }
    }

    /// A campaign's products as an earlier attempt staged them, or as somebody edited them.
    static let stagedProducts = FuzzTarget(
        "staged-products", longest: 1000,
        words: ["\t", "\n", "\\t", "\\n", "\\\\", "0.00", "9223372036854775807", "9999999999.99", "\0", "-1"],
        texts: [
            "7\tNAME\t789\t10.50\t8.90\t10\n", "7\t\t\t0.01\t0.00\t1\n8\ta\\tb\t\t1.00\t0.50\t2\n", "", "\n",
            "7\tNAME\t789\t10.5\t8.90\t10\n",
            "9223372036854775807\t\t\t92233720368547758.07\t0.00\t2147483648\n", "7\tNAME\t789\t10.50\t8.90\t10", "-7\t\t\t1.00\t1.00\t1\n",
            "7\tNAM\0E\t789\t10.50\t8.94\t14\n",
        ]
    ) { text in
        if let read = try? StagedProducts(text: text) {
            let lines = read.lines
            try require(
                try StagedProducts(text: read.text).products, equals: read.products, "what was read is written so that it is read again")
            try require(lines.count, equals: text.utf8.count(where: { $0 == 0x0A }), "a line for every line")
            try require(lines.allSatisfy { $0.code >= 0 && $0.price.rawValue >= 0 && $0.limit >= 0 }, "nothing below zero")
        }
        let fields = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let products = fields.enumerated().map { index, field in
            SelectedProduct(
                line: CampaignLine(
                    code: Int64(index + 1), price: Cents(Int64(index) * 997), finalPrice: Cents(Int64(field.utf8.count)), limit: index),
                name: field,
                barcode: String(field.reversed()))
        }
        let staged = StagedProducts(products)
        let back = try StagedProducts(text: staged.text)
        try require(back.lines, equals: products.map(\.line), "what is staged is read back")
        try require(back.products.map(\.name), equals: products.map { $0.name.filter { $0 != "\0" } }, "names too, but for NUL")
        try require(staged.text.utf8.count(where: { $0 == 0x0A }), equals: products.count, "a name breaks no row")
    }
}
