import Foundation
import Networking
import Retail
import Testing

@testable import Partners

struct RPLoginTests {
    private func judge(_ body: String, status: Int = 200, headers: [String: String] = [:], tokenPath: String? = nil) throws -> LoginToken {
        let login = RPLogin(
            connection: try Fixture.connection(), path: "/v1.1/auth", username: "100000", password: "wrong-horse",
            tokenPaths: [tokenPath].compactMap { $0 } + ["response.token", "response.content.token"])
        return try login.judge(Fixture.response(body, status: status, headers: headers))
    }

    private func failure(_ body: String, status: Int = 200) throws -> PartnerFailure? {
        do {
            _ = try judge(body, status: status)
            return nil
        } catch let failure as PartnerFailure {
            return failure
        }
    }

    @Test("The token is found where v1.1, v1.2 and the configuration have it")
    func token() throws {
        #expect(try judge(#"{"response":{"status":"ok","token":"a"}}"#).token == "a")
        #expect(try judge(#"{"response":{"status":"ok","content":{"token":"b"}}}"#).token == "b")
        #expect(try judge(#"{"data":{"jwt":"c"},"response":{"token":"a"}}"#, tokenPath: "data.jwt").token == "c")
        #expect(try judge(#"{"response":{"status":"ok","token":"a"}}"#, tokenPath: "data.jwt").token == "a")
    }

    @Test("The lifetime is counted from the partner's own clock, a minute less; one that makes no sense is none")
    func lifetime() throws {
        func lifetime(_ expiration: String) throws -> Duration? {
            try judge(
                #"{"response":{"status":"ok","token":"a","tokenExpiration":"\#(expiration)"}}"#,
                headers: ["date": "Tue, 10 Mar 2026 11:22:09 GMT"]
            ).lifetime
        }
        #expect(try lifetime("10/03/2026 12:22:09") == .seconds(4 * 3600 - 60))
        #expect(try lifetime("10/03/2026 08:22:09") == nil)
        #expect(try lifetime("10/03/2036 08:22:09") == nil)
        #expect(try lifetime("") == nil)
        #expect(try lifetime("amanhã") == nil)
        #expect(try lifetime("2026-03-10 12:22:09") == nil)
    }

    @Test(
        "An empty or missing token is an error at once",
        arguments: [#"{"response":{"status":"ok","token":""}}"#, #"{"response":{"status":"ok"}}"#, "{}", #"{"response":{"token":7}}"#])
    func noToken(body: String) throws {
        let failure = try #require(try failure(body))
        #expect(failure.code == "LOGIN_WITHOUT_TOKEN")
        #expect(!failure.isRetryable)
        #expect(failure.message.contains("token_response_field"))
    }

    @Test(
        "An answer that is not JSON is not quoted: its token may stand anywhere",
        arguments: [#"{"response":{"status":"ok","jwt":"geheim-7"}"#, "geheim-7", #"{"response":{"bilhete":"geheim-7",}}"#])
    func notQuoted(body: String) throws {
        let failure = try #require(try failure(body))
        #expect(failure.code == "NOT_JSON" && !failure.isRetryable)
        #expect(failure.message.hasSuffix("the answer (200) is not JSON.") && !failure.message.contains("geheim"), "\(failure.message)")
    }

    @Test("A wrong password, a 500 with `error`, is permanent and shows what the partner says without its stack trace")
    func wrongPassword() throws {
        let body = #"{"error":"Não foi possível autenticar o usuário","stackTrace":"br.com.secret"}"#
        let failure = try #require(try failure(body, status: 500))
        #expect(failure.code == "LOGIN_REFUSED")
        #expect(!failure.isRetryable)
        #expect(failure.message.hasSuffix("Não foi possível autenticar o usuário"))
    }

    @Test(
        "Other failures follow the table",
        arguments: [
            ("{}", 500, "HTTP_500", true), ("<html>", 500, "HTTP_500", true), ("", 503, "HTTP_503", true), ("", 429, "HTTP_429", true),
            ("", 401, "LOGIN_REFUSED", false), ("", 403, "LOGIN_REFUSED", false), ("", 404, "HTTP_404", false),
            ("<html>", 200, "NOT_JSON", false), ("", 204, "NOT_JSON", false),
            (#"{"response":{"status":"error","messages":[{"message":"Falha"}]}}"#, 200, "RP_ERROR", true),
        ] as [(String, Int, String, Bool)])
    func table(body: String, status: Int, code: String, isRetryable: Bool) throws {
        let failure = try #require(try failure(body, status: status))
        #expect(failure.code == code)
        #expect(failure.isRetryable == isRetryable)
    }
}
