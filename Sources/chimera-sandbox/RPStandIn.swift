import Foundation
import Synchronization

/// RP Info's services: login, the product list and the single product (PARTNERS §1).
final class RPStandIn: StandIn {
    static let username = "100000"
    static let password = "senha-do-sandbox"

    let partner = Partner.rp
    private let catalogue: Catalogue
    private let clock: StoreClock
    private let log: StateLog
    private let faults: FaultRules
    private let pages: ProductPages
    private let tokens: RPTokens

    init(catalogue: Catalogue, clock: StoreClock, log: StateLog, faults: FaultRules) {
        self.catalogue = catalogue
        self.clock = clock
        self.log = log
        self.faults = faults
        pages = ProductPages(catalogue)
        tokens = RPTokens(seed: catalogue.seed)
    }

    func receive(_ request: Request) -> Visit {
        let parts = request.parts
        if parts.count == 2, parts[1] == "auth", let version = RPTokens.Version(rawValue: String(parts[0])) {
            return Visit(partner: .rp, endpoint: "\(request.method) login \(version.rawValue)") { [self] in login(request, version) }
        }
        guard let call = ProductCall(request) else {
            log.addUnknown("\(request.method) \(request.path)")
            return Visit(partner: .rp, endpoint: "\(request.method) unknown") {
                .answer(.text(404, "<html><body><h1>404 Not Found</h1></body></html>", type: "text/html"))
            }
        }
        let stores = catalogue.store(unit: call.unit).map { [$0.index] } ?? []
        return Visit(partner: .rp, endpoint: "GET \(call.isList ? "list" : "product") \(call.version)", stores: stores) { [self] in
            answer(call, token: request.headers["token"], stores: stores)
        }
    }

    // MARK: login

    private func login(_ request: Request, _ version: RPTokens.Version) -> Reply {
        guard request.method == "POST" else { return .answer(.empty(405, headers: [("Allow", "POST")])) }
        let document = JSONDocument(request.body)
        let user = document?["usuario"]?.string ?? ""
        let isGood = user == Self.username && document?["senha"]?.string == Self.password
        if let reply = faults.fireInstead(.rpLogin, stores: []) {
            log.add(StateLog.Login(at: clock.now, endpoint: version.rawValue, username: user, isAccepted: false))
            return reply()
        }
        log.add(StateLog.Login(at: clock.now, endpoint: version.rawValue, username: user, isAccepted: isGood))
        guard isGood else { return .answer(RPAnswers.wrongPassword) }
        let fired = faults.fire(.rpLogin, stores: [])
        if fired.login.contains(.killsOlderTokens) { tokens.revokeAll() }
        let token = tokens.issue(version, now: clock.now, lifetimeSeconds: fired.login.contains(.shortLife) ? 2 : nil)
        let shape = fired.login.contains(.tokenElsewhere) ? version.other : version
        return fired.spoil(
            RPAnswers.login(
                shape, token: fired.login.contains(.missingToken) ? nil : fired.login.contains(.emptyToken) ? "" : token.text,
                expiration: fired.login.contains(.oddExpiration) ? "daqui a pouco" : clock.slashed(token.expires)))
    }

    // MARK: products

    private func answer(_ call: ProductCall, token: String?, stores: [Int]) -> Reply {
        let endpoint: Endpoint = call.isList ? .rpList : .rpProduct
        if let reply = faults.fireInstead(endpoint, stores: stores, cursor: call.cursor) { return reply() }
        if faults.firesTokenExpiry(endpoint, stores: stores, cursor: call.cursor) { tokens.revokeAll() }
        guard tokens.isValid(token, now: clock.now) else { return .answer(RPAnswers.unauthorized) }
        guard let store = catalogue.store(unit: call.unit) else {
            return .answer(RPAnswers.businessError(["Unidade não encontrada", "Exception: UnidadeNaoEncontradaException"]))
        }
        let fired = faults.fire(endpoint, stores: stores, cursor: call.cursor)
        switch call.kind {
        case .product(let code):
            guard let body = pages.product(code, store: store) else {
                return .answer(RPAnswers.businessError(["Produto não encontrado"]))
            }
            return fired.spoil(Answer(200, body: body))
        case .list(let list):
            let page =
                fired.page.isEmpty
                ? pages.page(after: list.cursor, limit: list.limit, of: store, list.filter)
                : pages.page(
                    of: PagePlan(store: store, cursor: list.cursor, limit: list.limit, filter: list.filter, quirks: fired.page))
            log.addPage(store: store.index, products: page.count, cursor: list.cursor)
            return fired.spoil(Answer(200, body: page.body))
        }
    }
}

/// A request for products, as its URL says.
struct ProductCall: Sendable {
    struct List: Sendable {
        let cursor: Int
        let limit: Int
        let filter: PageFilter
    }

    enum Kind: Sendable {
        case list(List)
        case product(code: Int)
    }

    static let defaultLimit = 100
    static let largestLimit = 2_000

    let version: String
    let unit: String
    let kind: Kind

    var isList: Bool { if case .list = kind { true } else { false } }
    var cursor: Int { if case .list(let list) = kind { list.cursor } else { 0 } }

    /// `/v2.8/produtounidade/listaprodutos/{lastCodigo}/unidade/{unidade}/detalhado[/ativos]`
    /// or `/v3.2/produtounidade/{codigo}/unidade/{unidade}/detalhado`.
    init?(_ request: Request) {
        var parts = request.parts
        guard request.method == "GET", parts.count >= 6, parts[0] == "v2.8" || parts[0] == "v3.2", parts[1] == "produtounidade" else {
            return nil
        }
        version = String(parts[0])
        let onlyActive = parts.last == "ativos"
        if onlyActive { parts.removeLast() }
        guard parts.last == "detalhado", parts[parts.count - 3] == "unidade", let number = Int(parts[parts.count - 4]) else { return nil }
        unit = String(parts[parts.count - 2])
        if parts.count == 7, parts[2] == "listaprodutos" {
            let filter = PageFilter(
                onlyWithClubPrice: version == "v2.8" && request.query["somentePreco2"] == "true", onlyActive: onlyActive)
            let limit = request.query["limit"].flatMap { Int($0) } ?? Self.defaultLimit
            kind = .list(List(cursor: number, limit: min(max(limit, 1), Self.largestLimit), filter: filter))
        } else if parts.count == 6, !onlyActive {
            kind = .product(code: number)
        } else {
            return nil
        }
    }
}

/// Tokens that logins made.
final class RPTokens: Sendable {
    enum Version: String, Sendable {
        case fourHours = "v1.1"
        case oneHour = "v1.2"

        var other: Version { self == .fourHours ? .oneHour : .fourHours }

        var lifetimeSeconds: Double { self == .fourHours ? 4 * 3_600 : 3_600 }
    }

    private struct Issued {
        var numbers: SeededNumbers
        var expirations: [String: Double] = [:]
    }

    private let issued: Mutex<Issued>

    init(seed: UInt64) {
        issued = Mutex(Issued(numbers: SeededNumbers(seed: seed ^ 0x746F_6B65_6E)))
    }

    func issue(_ version: Version, now: Double, lifetimeSeconds: Double?) -> (text: String, expires: Double) {
        issued.withLock { issued in
            issued.expirations = issued.expirations.filter { $0.value > now }
            let parts = (0..<4).map { _ in String(issued.numbers.next(), radix: 36) }
            let text = "eyJhbGciOiJIUzI1NiJ9.\(parts[0])\(parts[1]).\(parts[2])\(parts[3])"
            let expires = now + (lifetimeSeconds ?? version.lifetimeSeconds)
            issued.expirations[text] = expires
            return (text, expires)
        }
    }

    func isValid(_ token: String?, now: Double) -> Bool {
        guard let token else { return false }
        return issued.withLock { ($0.expirations[token] ?? 0) > now }
    }

    func revokeAll() {
        issued.withLock { $0.expirations = [:] }
    }
}
