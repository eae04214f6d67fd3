import Foundation
import Synchronization

/// A store that both partners know.
struct Store: Sendable {
    let index: Int
    let name: String
    /// CNPJ, 14 digits: what CresceVendas calls the store.
    let registration: String
    /// CNPJ, 14 digits: what RP calls the store. Every fifth store has another one than its registration.
    let document: String
    /// RP's own name for the branch, `001`.
    let branch: String
}

/// What a store has to say about one product. Prices are ten-thousandths of a real.
struct Offer {
    var price: Int
    /// 0: none.
    var clubPrice: Int
    var isActive = true
    var isCancelled = false
    var isBlocked = false

    /// Whether it is worth sending: PARTNERS §4, decided here from what the generator put into the row, not by rounding.
    var isPlain: Bool { isActive && !isCancelled && clubPrice > 0 && clubPrice + 200 <= price }
}

/// Prices of a product as somebody set them by hand.
struct HandPrices: Sendable {
    let price: Int
    let clubPrice: Int
}

/// Stores and products, all of which follow from the seed.
///
/// Products stand at positions 0, 1, 2 …; each has a code that ascends with gaps. Of every nine positions one has no club price, another one
/// in each store, so `products` of them are listed with `somentePreco2=true`.
final class Catalogue: Sendable {
    let seed: UInt64
    let stores: [Store]
    /// With a club price, in each store.
    let products: Int
    let positions: Int
    private let storeByUnit: [String: Int]
    private let storeByRegistration: [String: Int]
    private let handPrices = Mutex<[Int: [Int: HandPrices]]>([:])

    init(seed: UInt64, stores count: Int, products: Int) {
        self.seed = seed
        self.products = products
        positions = products + products / 8
        stores = (0..<count).map { Self.store($0, seed: seed) }
        var units: [String: Int] = [:]
        for store in stores {
            units[store.document] = store.index
            units[store.branch] = store.index
        }
        storeByUnit = units
        storeByRegistration = Dictionary(uniqueKeysWithValues: stores.map { ($0.registration, $0.index) })
    }

    func store(unit: some StringProtocol) -> Store? { storeByUnit[String(unit)].map { stores[$0] } }

    func store(registration: String) -> Store? { storeByRegistration[registration].map { stores[$0] } }

    // MARK: codes

    private static let firstCode = 1_001
    private static let codeStep = 7

    func code(at position: Int) -> Int {
        Self.firstCode + position * Self.codeStep + Int(SeededNumbers.at(seed: seed &+ 1, position, 0) % UInt64(Self.codeStep))
    }

    /// The first position whose code is greater.
    func position(after code: Int) -> Int {
        guard code >= Self.firstCode else { return 0 }
        let near = (code - Self.firstCode) / Self.codeStep
        guard near < positions else { return positions }
        return self.code(at: near) > code ? near : near + 1
    }

    func position(of code: Int) -> Int? {
        let place = position(after: code - 1)
        return place < positions && self.code(at: place) == code ? place : nil
    }

    // MARK: prices

    func setPrices(store: Int, position: Int, _ prices: HandPrices) {
        handPrices.withLock { $0[store, default: [:]][position] = prices }
    }

    func forgetHandPrices() {
        handPrices.withLock { $0 = [:] }
    }

    func handPrices(store: Int) -> [Int: HandPrices] {
        handPrices.withLock { $0[store] ?? [:] }
    }

    /// What the generator says, before anything set by hand.
    func offer(store: Int, position: Int) -> Offer {
        let luck = SeededNumbers.at(seed: seed &+ 2, store, position)
        let base = 199 + Int(SeededNumbers.at(seed: seed &+ 3, position, 0) % 8_800)
        let cents = base + base * Int(luck & 0xF) / 200
        let price = cents * 100
        guard hasClubPrice(store: store, position: position) else { return Offer(price: price, clubPrice: 0, isBlocked: luck & 0x30 == 0) }
        let percent = 70 + Int((luck >> 8) % 26)
        var offer = Offer(price: price, clubPrice: max(cents * percent / 100, 1) * 100)
        switch (luck >> 20) % 1_000 {
        case 0..<10: offer.isActive = false
        case 10..<20: offer.isCancelled = true
        case 20..<35: offer.clubPrice = price + 100 * Int(1 + luck >> 60)
        case 35..<40: offer.clubPrice = price
        // Below the price, and no longer so in whole cents.
        case 40..<43: offer.clubPrice = price - 4
        case 43..<70: offer.clubPrice += 39 + Int((luck >> 32) % 20)
        // Halves of a cent, which binary floating point rounds down now and then.
        case 70..<80: offer.clubPrice += 50
        case 80..<120: offer.isBlocked = true
        default: break
        }
        return offer
    }

    private func hasClubPrice(store: Int, position: Int) -> Bool {
        let group = position / 9
        guard (group + 1) * 9 <= positions else { return true }
        return position % 9 != Int(SeededNumbers.at(seed: seed &+ 4, store, group) % 9)
    }

    // MARK: stores

    private static let towns = [
        "Campo Verde", "Lagoa Clara", "Serra Azul", "Ponte Nova", "Vale do Sol", "Porto Belo", "Mata Alta", "Rio Manso", "Pedra Branca",
        "Boa Esperança",
    ]

    private static func store(_ index: Int, seed: UInt64) -> Store {
        let root = Int(SeededNumbers.at(seed: seed &+ 5, index / 9_999, 0) % 990_000) + 1_000
        let branch = index % 9_999 + 1
        let registration = cnpj(root: root, branch: branch)
        let document = index % 5 == 4 ? cnpj(root: root + 1, branch: branch) : registration
        return Store(
            index: index, name: "\(padded(index + 1, width: 3)) \(towns[index % towns.count])", registration: registration,
            document: document, branch: padded(index + 1, width: 3))
    }

    /// A tax number with valid check digits; the root keeps it among numbers that begin with zeros.
    static func cnpj(root: Int, branch: Int) -> String {
        var digits = (padded(root, width: 8) + padded(branch, width: 4)).utf8.map { Int($0) - 48 }
        for weights in [[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]] {
            let rest = zip(digits, weights).reduce(0) { $0 + $1.0 * $1.1 } % 11
            digits.append(rest < 2 ? 0 : 11 - rest)
        }
        return digits.map(String.init).joined()
    }
}
