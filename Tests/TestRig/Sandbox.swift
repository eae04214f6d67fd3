import Foundation
import Runtime
import TestSupport

/// A `chimera-sandbox` of the test's own, gone with it.
package final class Sandbox: Sendable {
    package struct Announcement: Decodable {
        package struct Credentials: Decodable {
            package struct RP: Decodable {
                package let username: String
                package let password: String
            }
            package struct Club: Decodable {
                package let email: String
                package let token: String
            }
            package struct Telegram: Decodable, Sendable {
                package let botToken: String
            }
            package struct Webhook: Decodable, Sendable {
                package let secret: String
            }
            package struct Mail: Decodable, Sendable {
                package let username: String
                package let password: String
            }
            package let rp: RP
            package let crescevendas: Club
            package let telegram: Telegram
            package let webhook: Webhook
            package let smtp: Mail
        }
        package struct Store: Decodable {
            package let registration: String
            package let document: String
            package let name: String
        }
        package let rp: String
        package let crescevendas: String
        package let control: String
        package let telegram: String
        package let webhook: String
        package let smtp: String
        package let caFile: String
        package let refusing: String
        package let silent: String
        package let silentTls: String
        package let credentials: Credentials
        package let stores: [Store]
    }

    package let announced: Announcement
    private let program: RunningProgram

    package init(_ arguments: [String]) async throws {
        program = try RunningProgram("chimera-sandbox", ["--port", "0"] + arguments)
        let line = try await program.line(containing: "crescevendas", within: .seconds(60))
        announced = try Self.decoder.decode(Announcement.self, from: Data(line.utf8))
    }

    /// By number from 1, as faults name them.
    package func registration(_ number: Int) -> String { announced.stores[number - 1].registration }

    package static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    // MARK: control

    package func setFaults(_ faults: [String]) async throws {
        try await control("/faults", .object(["faults": .array(faults.map { .string($0) })]))
    }

    /// Forgets requests, campaigns and prices set by hand.
    package func reset() async throws { try await control("/reset", .object([:])) }

    package func setPrices(store: Int, code: Int64, price: String, clubPrice: String) async throws {
        let text = #"{"store": \#(store), "code": \#(code), "price": \#(price), "club_price": \#(clubPrice)}"#
        try await control("/prices", try JSONValue(parsing: text))
    }

    /// Changes the newest campaign of a store, as `POST /_sandbox/campaigns` takes it.
    package func plant(_ document: JSONValue) async throws { try await control("/campaigns", document) }

    /// What a stand-in of a channel received: `telegram` `messages`, `webhook` `received`, `smtp` `mails`.
    package func received(_ channel: String, _ list: String) async throws -> [JSONValue] {
        let answer = try await Loopback.request("GET", announced.control + "/state")
        return try JSONValue(parsing: String(decoding: answer.body, as: UTF8.self))[channel]?[list]?.arrayValue ?? []
    }

    private func control(_ page: String, _ document: JSONValue) async throws {
        let answer = try await Loopback.request("POST", announced.control + page, body: document.text)
        guard answer.status == 200 else { throw RigError("\(page): \(String(decoding: answer.body, as: UTF8.self))") }
    }

    package func state(lines: Bool = false, bodies: Bool = false) async throws -> SandboxState {
        let query = (lines ? "lines=1&" : "") + (bodies ? "bodies=1" : "")
        let answer = try await Loopback.request("GET", announced.control + "/state?" + query)
        return try Self.decoder.decode(SandboxState.self, from: answer.body)
    }

    // MARK: RP, read by the test itself

    /// All rows of RP's list for a store (number from 1), as any client could read them.
    package func products(of store: Int) async throws -> [RPProduct] {
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
    package struct Response: Decodable {
        package let token: String
    }
    package let response: Response
}

private struct RPListAnswer: Decodable {
    package struct Response: Decodable {
        package let produtos: [RPProduct]
    }
    package let response: Response
}

/// A row of RP's list.
package struct RPProduct: Decodable {
    private enum CodingKeys: String, CodingKey {
        case code = "Codigo"
        case name = "Descricao"
        case price = "Preco"
        case clubPrice = "PrecoVenda2"
        case isActive = "Ativo"
        case status = "Status"
    }

    package let code: Int64
    package let name: String
    package let price: Decimal
    package let clubPrice: Decimal
    package let isActive: Bool
    package let status: String
}

/// What `GET /_sandbox/state` tells.
package struct SandboxState: Decodable {
    package struct Partner: Decodable {
        package let requests: [String: Int]
        package let statuses: [String: Int]
        /// Requests that are being answered.
        package let concurrent: Int
        package let maxConcurrent: Int
        package let stores: [String: StoreTraffic]
        package let logins: [Login]?
        package let uploads: [Upload]?
        package let listings: [Listing]?
        package let campaigns: [String: [Campaign]]?
    }
    package struct StoreTraffic: Decodable {
        package let requests: [String: Int]
        package let pages: Int?
        package let maxConcurrent: Int
    }
    package struct Login: Decodable {
        package let accepted: Bool
    }
    package struct Upload: Decodable {
        package let registrations: [String]
        package let name: String
        package let startDate: String
        package let endDate: String
        package let lineCount: Int
        package let bodyDigest: String
        package let applied: Bool
        package let status: Int
        package let body: String?
    }
    package struct Listing: Decodable {
        package let registration: String
    }
    package struct Campaign: Decodable {
        package let name: String
        package let startDate: String
        package let endDate: String
        package let lineCount: Int
        package let lines: [Line]?
    }

    package let rp: Partner
    package let crescevendas: Partner
    package let redirectsFollowed: Int
    package let unknownRequests: [String]

    package var uploads: [Upload] { crescevendas.uploads ?? [] }
    package func uploads(of registration: String) -> [Upload] { uploads.filter { $0.registrations == [registration] } }
    package func listings(of registration: String) -> Int { (crescevendas.listings ?? []).count { $0.registration == registration } }
    package func campaigns(of registration: String) -> [Campaign] { crescevendas.campaigns?[registration] ?? [] }
    /// Requests for pages of a store, whatever was answered.
    package func pageRequests(of registration: String) -> Int { rp.stores[registration]?.requests["GET list v2.8"] ?? 0 }
    /// Uploads asked for, whatever was answered.
    package func uploadRequests(of registration: String) -> Int { crescevendas.stores[registration]?.requests["POST upload"] ?? 0 }
    package var loginRequests: Int { rp.requests["POST login v1.1"] ?? 0 }
    /// Requests of both partners that were answered, spoilt or are under way.
    package var requestCount: Int { (Array(rp.requests.values) + Array(crescevendas.requests.values)).reduce(0, +) }
}

/// One line of a campaign: as sent, as listed, or as the test selects it.
package struct Line: Decodable, Hashable, CustomStringConvertible {
    package let code: Int64
    package let price: Decimal
    package let finalPrice: Decimal
    package let limit: Int

    package init(code: Int64, price: Decimal, finalPrice: Decimal, limit: Int) {
        (self.code, self.price, self.finalPrice, self.limit) = (code, price, finalPrice, limit)
    }

    package var description: String { "\(code): \(price) → \(finalPrice), at most \(limit)" }
}

/// The body of an upload as the partner sees it.
package struct UploadedBody: Decodable {
    package let override: Int
    package let startDate: String
    package let endDate: String
    package let storeRegistrations: [String]
    package let name: String
    package let discountStoreLines: [Line]

    package init(_ text: String?) throws {
        self = try Sandbox.decoder.decode(UploadedBody.self, from: Data((text ?? "").utf8))
    }
}

/// PARTNERS' rule of what is sent, written down a second time: nothing is shared with the product.
package struct Selection {
    package private(set) var lines: Set<Line> = []
    package private(set) var names: [Int64: String] = [:]
    package private(set) var rejected: [String: Int] = [:]
    package let fetched: Int

    package init(_ products: [RPProduct], limit: Int = 1000) {
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
