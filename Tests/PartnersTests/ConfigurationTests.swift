import Networking
import Retail
import Runtime
import Secrets
import Testing

@testable import Partners

struct ConfigurationTests {
    private func rpDefect(_ url: String = "http://10.0.0.5:9000", _ changes: [String: JSONValue]) -> PartnerFailure? {
        do throws(PartnerFailure) {
            _ = try RPConfiguration(Fixture.rp(url, changes))
            return nil
        } catch {
            return error
        }
    }

    private func clubDefect(_ changes: [String: JSONValue]) -> PartnerFailure? {
        do throws(PartnerFailure) {
            _ = try CresceVendasConfiguration(Fixture.cresceVendas("https://club.example", changes))
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "A wrong RP configuration names the integration and the field",
        arguments: [
            (["username": ""], "config.username is missing"), (["password": nil], "config.password is missing"),
            (["password": 7], "config.password must be a text"), (["auth_method": "BASIC"], "config.auth_method must be LOGIN or TOKEN"),
            (["auth_method": "TOKEN"], "config.static_token is missing"), (["products_endpoint": "/x/{storeReg}"], "{lastId}"),
            (["products_endpoint": "/x/{lastId}"], "{storeReg}"), (["products_endpoint": "http://h/{lastId}/{storeReg}"], "must be a path"),
            (["login_endpoint": "/a b"], "config.login_endpoint must be a path"),
            (["max_pages": 0], "config.max_pages must be a whole number"),
            (["max_pages": "10"], "config.max_pages"), (["pagination": ["method": "PAGE"]], "config.pagination.method must be CURSOR"),
            (["pagination": ["additional_params": ["x": []]]], "config.pagination.additional_params.x must be a text"),
            (["request_timeout_seconds": 0], "config.request_timeout_seconds must be a number of seconds"),
            (["headers": ["X": "a\nb"]], "config.headers.X is no header"), (["max_response_bytes": -1], "config.max_response_bytes"),
            (["proxy": "someone:geheim@proxy:3128"], "config.proxy must be an address such as http://proxy.example:3128"),
            (["proxy": "://proxy"], "config.proxy must"),
        ] as [([String: JSONValue], String)])
    func rp(changes: [String: JSONValue], sentence: String) throws {
        let failure = try #require(rpDefect("http://10.0.0.5:9000", changes))
        #expect(failure.message.hasPrefix("Integration rp, configuration: "))
        #expect(failure.message.contains(sentence))
        #expect(failure.code == "CONFIGURATION")
        #expect(!failure.isRetryable && !failure.mayHaveArrived && !failure.message.contains("geheim"))
    }

    @Test(
        "A base address must be http or https, with a host and without a query",
        arguments: [
            "", "10.0.0.5:9000", "ftp://h", "http://", "http:///path", "http://h?x=1", "http://h#x", "http://h x", "file:///etc/passwd",
        ])
    func baseURL(url: String) {
        #expect(rpDefect(url, [:])?.message.contains("base_url") == true)
    }

    @Test("An integration whose name sounds like a secret does not take the cause for its value")
    func telltaleName() throws {
        let integration = Integration(id: 1, name: "CV-Token", type: "RP", baseURL: "http://h", config: ["username": "1"])
        let failure = ConfigurationFields(integration: integration).defect("config.password is missing")
        #expect(failure.message.hasPrefix("Integration CV-Token, ") && failure.message.contains("config.password is missing"))
        #expect(Masking.mask(text: failure.message) == failure.message)
    }

    @Test("The column wins over the configuration's base_url; slashes at the end do not matter")
    func baseURLWins() throws {
        #expect(try RPConfiguration(Fixture.rp("http://a:1/", ["base_url": "http://b"])).connection.baseURL == "http://a:1")
        #expect(try RPConfiguration(Fixture.rp("", ["base_url": "http://b/api//"])).connection.baseURL == "http://b/api")
    }

    @Test(
        "A wrong CresceVendas configuration names the integration and the field",
        arguments: [
            (["auth_headers": nil], "config.auth_headers is missing"), (["auth_headers": [:]], "config.auth_headers is missing"),
            (["auth_headers": "x"], "config.auth_headers must be an object"), (["auth_headers": ["X": "a\r\nb"]], "config.auth_headers.X"),
            (["listing_shape": "rows"], "config.listing_shape"), (["code_as_string": "yes"], "config.code_as_string must be true or false"),
            (["campaign_config": ["start_time": "6h"]], "config.campaign_config.start_time must be a time"),
            (["campaign_config": ["end_time": "24:00"]], "config.campaign_config.end_time"),
            (["campaign_config": ["override_existing": 1]], "config.campaign_config.override_existing"),
        ] as [([String: JSONValue], String)])
    func cresceVendas(changes: [String: JSONValue], sentence: String) throws {
        let failure = try #require(clubDefect(changes))
        #expect(failure.message.hasPrefix("Integration clube, configuration: "))
        #expect(failure.message.contains(sentence))
        #expect(!failure.message.contains("s3cr3t"))
    }

    @Test("a partner may be silent for as long as a request may take, 30 s at least; what is said of slowness itself counts")
    func patience() throws {
        func silence(_ changes: [String: JSONValue]) throws -> Duration {
            try RPConfiguration(Fixture.rp("http://h", changes)).connection.lowSpeedLimit.duration
        }
        #expect(try silence([:]) == .seconds(60))
        #expect(try CresceVendasConfiguration(Fixture.cresceVendas()).upload.lowSpeedLimit.duration == .seconds(120))
        #expect(try silence(["request_timeout_seconds": 300]) == .seconds(300))
        #expect(try silence(["request_timeout_seconds": 5]) == .seconds(30))
        #expect(try silence(["request_timeout_seconds": 300, "low_speed_seconds": 20]) == .seconds(20))
    }

    @Test("Campaign rules come from campaign_config, else they are the standard ones")
    func rules() throws {
        let standard = try CresceVendasConfiguration(Fixture.cresceVendas()).rules
        #expect(standard.startMinute == 360 && standard.endMinute == 1439)
        let backwards = clubDefect(["campaign_config": ["start_time": "23:58", "end_time": "05:00"]])
        #expect(backwards?.message.contains("campaign_config.end_time must lie behind start_time") == true)
        let changes: [String: JSONValue] = ["campaign_config": ["name_template": "{store}", "start_time": "7:05", "end_time": "22:00"]]
        let rules = try CresceVendasConfiguration(Fixture.cresceVendas("http://h", changes)).rules
        #expect(rules.nameTemplate == "{store}" && rules.startMinute == 425 && rules.endMinute == 1320)
    }
}

struct RedactorTests {
    private let redactor = Redactor(secrets: ["hunter22", "abc"])

    @Test("Secrets, fields that sound like secrets, and control characters do not survive")
    func line() {
        #expect(redactor.line("x hunter22\r\n\u{0} y\u{1B}[0m  abc") == "x •••• y [0m abc")
        #expect(redactor.line("hunter22\u{301}") == "••••\u{301}", "a mark behind it makes it no other word")
        #expect(
            redactor.line(#"{"Senha":"a\"b","user_token" : "t","note":"token","n":{"api_key":"k"}}"#)
                == #"{"Senha":"••••","user_token" : "••••","note":"token","n":{"api_key":"••••"}}"#)
        #expect(redactor.line(#"{"password": "cut off"#) == #"{"password": "••••"#)
    }

    @Test(
        "A secret is found as JSON, URLs and a single line spell it",
        arguments: [
            #"you sent {"k":"p\"q\\r/s \tü"} twice"#, #"you sent {"k":"p\"q\\r\/s \tü"} twice"#,
            #"you sent {"k":"p\"q\\r\/s \t\u00fc"} twice"#,
            "you sent /a?k=p%22q%5Cr%2Fs%20%09%C3%BC&b=1 twice", "you sent /a?k=p%22q%5cr%2fs%20%09%c3%bc&b=1 twice",
            "you sent /a?k=p%22q%5Cr%2Fs+%09%C3%BC&b=1 twice", "you sent p\"q\\r/s \tü twice",
        ])
    func spellings(text: String) {
        let shown = Redactor(secrets: ["p\"q\\r/s \tü"]).line(text)
        #expect(shown.contains("••••") && shown.hasPrefix("you sent ") && shown.hasSuffix(" twice"))
        for piece in ["p\"q", "p%22", "ü", "u00fc", "%C3", "%c3"] { #expect(!shown.contains(piece), "\(shown)") }
    }

    @Test(
        "A secret is found as Go, Rails, .NET and JavaScript spell it",
        arguments: [
            #"you sent {"k":"(ab&cd<é>\/!"} twice"#, #"you sent {"k":"(ab\u0026cd\u003cé\u003e/!"} twice"#,
            #"you sent {"k":"(ab\u0026cd\u003c\u00e9\u003e\/!"} twice"#, #"you sent {"k":"(ab\u0026cd\u003C\u00E9\u003E/!"} twice"#,
            "you sent /a?k=(ab%26cd%3C%C3%A9%3E%2F!&b=1 twice",
        ])
    func languages(text: String) {
        let shown = Redactor(secrets: ["(ab&cd<é>/!"]).line(text)
        #expect(shown.contains("••••") && !shown.contains("ab") && !shown.contains("cd"), "\(shown)")
    }

    @Test("A cut never shows half a secret")
    func cut() {
        let body = ResponseBody(Array((String(repeating: "x", count: 10) + "hunter22").utf8))
        #expect(redactor.excerpt(body, bytes: 14) == "xxxxxxxxxx•")
    }

    @Test("At most two messages and 300 characters, without stack traces")
    func messages() {
        let joined = PartnerMessages.joined(["Exception: a", "stackTrace: b", "um", "", "dois", "três"], redactor: redactor)
        #expect(joined == "um; dois")
        let fields: JSONValue = ["errors": ["discount_store_lines": ["code 1003 nao existe"], "name": "curto"], "content": ["token": "x"]]
        #expect(PartnerMessages.all(in: fields) == ["discount_store_lines: code 1003 nao existe", "name: curto"])
        #expect(PartnerMessages.joined([String(repeating: "y", count: 500)], redactor: redactor).count == 300)
    }
}
