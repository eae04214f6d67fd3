import Foundation
import Runtime
import TestSupport

/// A `chimera-sandbox` of the test's own, gone with it.
final class Sandbox: Sendable {
    struct Announcement: Decodable {
        struct Credentials: Decodable {
            struct RP: Decodable {
                let username: String
                let password: String
            }
            struct Club: Decodable {
                let email: String
                let token: String
            }
            let rp: RP
            let crescevendas: Club
        }
        struct Store: Decodable {
            let registration: String
            let document: String
            let name: String
        }
        let rp: String
        let crescevendas: String
        let control: String
        let refusing: String
        let silent: String
        let silentTls: String
        let credentials: Credentials
        let stores: [Store]
    }

    let announced: Announcement
    private let program: RunningProgram

    init(_ arguments: [String]) async throws {
        program = try RunningProgram("chimera-sandbox", ["--port", "0"] + arguments)
        let line = try await program.line(containing: "crescevendas", within: .seconds(60))
        announced = try Self.decoder.decode(Announcement.self, from: Data(line.utf8))
    }

    /// By number from 1, as faults name them.
    func registration(_ number: Int) -> String { announced.stores[number - 1].registration }

    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    // MARK: control

    func setFaults(_ faults: [String]) async throws {
        try await control("/faults", .object(["faults": .array(faults.map { .string($0) })]))
    }

    /// Forgets requests, campaigns and prices set by hand.
    func reset() async throws { try await control("/reset", .object([:])) }

    func setPrices(store: Int, code: Int64, price: String, clubPrice: String) async throws {
        let text = #"{"store": \#(store), "code": \#(code), "price": \#(price), "club_price": \#(clubPrice)}"#
        try await control("/prices", try JSONValue(parsing: text))
    }

    private func control(_ page: String, _ document: JSONValue) async throws {
        let answer = try await Loopback.request("POST", announced.control + page, body: document.text)
        guard answer.status == 200 else { throw RigError("\(page): \(String(decoding: answer.body, as: UTF8.self))") }
    }

    func state(lines: Bool = false, bodies: Bool = false) async throws -> SandboxState {
        let query = (lines ? "lines=1&" : "") + (bodies ? "bodies=1" : "")
        let answer = try await Loopback.request("GET", announced.control + "/state?" + query)
        return try Self.decoder.decode(SandboxState.self, from: answer.body)
    }

    // MARK: RP, read by the test itself

    /// All rows of RP's list for a store (number from 1), as any client could read them.
    func products(of store: Int) async throws -> [RPProduct] {
        let login = #"{"usuario": "\#(announced.credentials.rp.username)", "senha": "\#(announced.credentials.rp.password)"}"#
        let token = try await Loopback.request("POST", announced.rp + "/v1.1/auth", body: login)
        let header = ["token": try JSONDecoder().decode(RPLoginAnswer.self, from: token.body).response.token]
        var rows: [RPProduct] = []
        while true {
            let document = announced.stores[store - 1].document
            let query = "detalhado?somentePreco2=true&limit=2000"
            let path = "/v2.8/produtounidade/listaprodutos/\(rows.last?.code ?? 0)/unidade/\(document)/\(query)"
            let answer = try await Loopback.request("GET", announced.rp + path, headers: header)
            let page = try JSONDecoder().decode(RPListAnswer.self, from: answer.body).response.produtos
            guard !page.isEmpty else { return rows }
            rows += page
        }
    }
}

private struct RPLoginAnswer: Decodable {
    struct Response: Decodable {
        let token: String
    }
    let response: Response
}

private struct RPListAnswer: Decodable {
    struct Response: Decodable {
        let produtos: [RPProduct]
    }
    let response: Response
}

/// A row of RP's list.
struct RPProduct: Decodable {
    private enum CodingKeys: String, CodingKey {
        case code = "Codigo"
        case name = "Descricao"
        case price = "Preco"
        case clubPrice = "PrecoVenda2"
        case isActive = "Ativo"
        case status = "Status"
    }

    let code: Int64
    let name: String
    let price: Decimal
    let clubPrice: Decimal
    let isActive: Bool
    let status: String
}

/// What `GET /_sandbox/state` tells.
struct SandboxState: Decodable {
    struct Partner: Decodable {
        let requests: [String: Int]
        let statuses: [String: Int]
        /// Requests that are being answered.
        let concurrent: Int
        let maxConcurrent: Int
        let stores: [String: StoreTraffic]
        let logins: [Login]?
        let uploads: [Upload]?
        let listings: [Listing]?
        let campaigns: [String: [Campaign]]?
    }
    struct StoreTraffic: Decodable {
        let requests: [String: Int]
        let pages: Int?
        let maxConcurrent: Int
    }
    struct Login: Decodable {
        let accepted: Bool
    }
    struct Upload: Decodable {
        let registrations: [String]
        let name: String
        let startDate: String
        let endDate: String
        let lineCount: Int
        let bodyDigest: String
        let applied: Bool
        let status: Int
        let body: String?
    }
    struct Listing: Decodable {
        let registration: String
    }
    struct Campaign: Decodable {
        let name: String
        let startDate: String
        let endDate: String
        let lineCount: Int
        let lines: [Line]?
    }

    let rp: Partner
    let crescevendas: Partner
    let redirectsFollowed: Int
    let unknownRequests: [String]

    var uploads: [Upload] { crescevendas.uploads ?? [] }
    func uploads(of registration: String) -> [Upload] { uploads.filter { $0.registrations == [registration] } }
    func listings(of registration: String) -> Int { (crescevendas.listings ?? []).count { $0.registration == registration } }
    func campaigns(of registration: String) -> [Campaign] { crescevendas.campaigns?[registration] ?? [] }
    /// Requests for pages of a store, whatever was answered.
    func pageRequests(of registration: String) -> Int { rp.stores[registration]?.requests["GET list v2.8"] ?? 0 }
    /// Uploads asked for, whatever was answered.
    func uploadRequests(of registration: String) -> Int { crescevendas.stores[registration]?.requests["POST upload"] ?? 0 }
    var loginRequests: Int { rp.requests["POST login v1.1"] ?? 0 }
    /// Requests of both partners that were answered, spoilt or are under way.
    var requestCount: Int { (Array(rp.requests.values) + Array(crescevendas.requests.values)).reduce(0, +) }
}

/// One line of a campaign: as sent, as listed, or as the test selects it.
struct Line: Decodable, Hashable, CustomStringConvertible {
    let code: Int64
    let price: Decimal
    let finalPrice: Decimal
    let limit: Int

    var description: String { "\(code): \(price) → \(finalPrice), at most \(limit)" }
}

/// The body of an upload as the partner sees it.
struct UploadedBody: Decodable {
    let override: Int
    let startDate: String
    let endDate: String
    let storeRegistrations: [String]
    let name: String
    let discountStoreLines: [Line]

    init(_ text: String?) throws {
        self = try Sandbox.decoder.decode(UploadedBody.self, from: Data((text ?? "").utf8))
    }
}

/// PARTNERS' rule of what is sent, written down a second time: nothing is shared with the product.
struct Selection {
    private(set) var lines: Set<Line> = []
    private(set) var names: [Int64: String] = [:]
    private(set) var rejected: [String: Int] = [:]
    let fetched: Int

    init(_ products: [RPProduct], limit: Int = 1000) {
        fetched = products.count
        for product in products {
            let price = Self.cents(product.price)
            let club = Self.cents(product.clubPrice)
            let reason: String? =
                if !product.isActive {
                    "INACTIVE"
                } else if product.status != "NORMAL" {
                    "STATUS"
                } else if club <= 0 {
                    "NO_CLUB_PRICE"
                } else if club >= price {
                    "CLUB_NOT_BELOW"
                } else {
                    nil
                }
            if let reason {
                rejected[reason, default: 0] += 1
            } else {
                lines.insert(Line(code: product.code, price: price, finalPrice: club, limit: limit))
                names[product.code] = product.name
            }
        }
    }

    private static func cents(_ amount: Decimal) -> Decimal {
        var (amount, rounded) = (amount, Decimal())
        NSDecimalRound(&rounded, &amount, 2, .plain)
        return rounded
    }
}
