import Foundation
import Networking
import Retail
import Runtime
import Secrets
import Synchronization
import TestSupport

@testable import Partners

/// A gate that always opens and remembers what it was told.
final class OpenGate: RequestGate {
    private let log = Mutex<(admitted: Int, records: [PartnerFailure?])>((0, []))
    private let opensAtOnce: Bool

    /// `opensAtOnce` false: only for who waits.
    init(opensAtOnce: Bool = true) {
        self.opensAtOnce = opensAtOnce
    }

    var admitted: Int { log.withLock { $0.admitted } }
    var records: [PartnerFailure?] { log.withLock { $0.records } }

    func admit() async throws { log.withLock { $0.admitted += 1 } }
    func admitsNow() -> Bool {
        guard opensAtOnce else { return false }
        log.withLock { $0.admitted += 1 }
        return true
    }
    func record(_ failure: PartnerFailure?) async { log.withLock { $0.records.append(failure) } }
}

enum Fixture {
    static let unit = "00000000000191"

    static func rp(_ url: String = "http://127.0.0.1:1", _ changes: [String: JSONValue] = [:]) -> Integration {
        let config: [String: JSONValue] = ["username": "100000", "password": "wrong-horse"]
        return Integration(id: 1, name: "rp", type: "RP", baseURL: url, config: .object(config.merging(changes) { $1 }))
    }

    static func cresceVendas(_ url: String = "http://127.0.0.1:1", _ changes: [String: JSONValue] = [:]) -> Integration {
        let config: [String: JSONValue] = [
            "auth_headers": ["X-AdminUser-Email": "loja@example.org", "X-AdminUser-Token": "s3cr3t-token"]
        ]
        return Integration(id: 2, name: "clube", type: "CRESCEVENDAS", baseURL: url, config: .object(config.merging(changes) { $1 }))
    }

    static func connection(_ name: String = "rp") throws -> PartnerConnection {
        let settings = try RPConfiguration(rp()).connection
        return PartnerConnection(
            integrationName: name, settings: settings, client: HTTPClient(), redactor: Redactor(secrets: ["wrong-horse"]))
    }

    static func response(_ body: String, status: Int = 200, headers: [String: String] = [:]) -> HTTPResponse {
        HTTPResponse(status: status, headers: headers, body: ResponseBody(Array(body.utf8)))
    }

    static func product(_ code: Int, _ changes: String = "") -> String {
        #"{"Codigo":\#(code),"Descricao":"PRODUTO \#(code)","CodigoBarras":"7891000000000","Preco":10.5,"PrecoVenda2":8.905,"Ativo":true,"Status":"NORMAL","CurvasABC":{"a":[1,{"b":"}"}]}\#(changes)}"#
    }

    static func page(_ products: [String]) -> String {
        #"{"response":{"status":"ok","messages":[{"message":"ok"}],"produtos":[\#(products.joined(separator: ","))]}}"#
    }

    static let login = #"{"response":{"status":"ok","messages":[],"token":"tok-1","tokenExpiration":"01/01/2020 00:00:00"}}"#
}

/// The failure that `body` throws, or nil.
func partnerFailure(_ body: () async throws -> Void) async -> PartnerFailure? {
    do {
        try await body()
        return nil
    } catch {
        return error as? PartnerFailure
    }
}

/// A stand-in for RP: the answers to its pages, and a login that numbers its tokens.
func rpServer(login: String? = nil, page: @escaping @Sendable (RawRequest, Int) -> String) -> RawServer {
    let logins = Mutex(0)
    let pages = Mutex(0)
    return RawServer { request, _ in
        if request.line.hasPrefix("POST /v1.1/auth") {
            let number = logins.withLock { count in
                count += 1
                return count
            }
            return login ?? RawServer.answer(#"{"response":{"status":"ok","token":"tok-\#(number)"}}"#)
        }
        let number = pages.withLock { count in
            defer { count += 1 }
            return count
        }
        return page(request, number)
    }
}

/// The code in `/listaprodutos/{code}/`.
func cursor(of request: RawRequest) -> Int {
    let parts = request.target.split(separator: "/")
    return parts.firstIndex(of: "listaprodutos").flatMap { Int(parts[$0 + 1]) } ?? -1
}

/// A client of RP, and what its gate was told.
struct RPReading {
    let client = HTTPClient()
    let gate = OpenGate()

    func source(_ server: RawServer, _ changes: [String: JSONValue] = [:]) throws -> RPSource {
        try RPSource(integration: Fixture.rp(server.url, changes), client: client, tokens: SoloTokenVault())
    }

    /// Reads everything and returns the codes.
    func read(_ source: RPSource, unit: String = Fixture.unit) async throws -> [Int64] {
        let codes = Mutex<[Int64]>([])
        try await source.readProducts(unit: unit, gate: gate) { page in codes.withLock { $0 += page.compactMap(\.code) } }
        return codes.withLock { $0 }
    }
}
