import Runtime

/// Why a product of the source is not sent (PARTNERS §4); the names stand in `metrics`.
package enum RejectionReason: String, Sendable, CaseIterable {
    case inactive = "INACTIVE"
    case status = "STATUS"
    case code = "CODE"
    case noClubPrice = "NO_CLUB_PRICE"
    case clubNotBelow = "CLUB_NOT_BELOW"
    case unreadable = "UNREADABLE"
    case duplicate = "DUPLICATE"
}

/// One product that is sent and kept.
package struct SelectedProduct: Sendable, Hashable {
    /// What is sent.
    package let line: CampaignLine
    /// For the store's own products.
    package let name: String
    /// Likewise.
    package let barcode: String

    /// Takes a line that was accepted and what its product is called.
    package init(line: CampaignLine, name: String, barcode: String) {
        self.line = line
        self.name = name
        self.barcode = barcode
    }
}

/// Decides product by product, as pages come, what is sent, and counts; keeps none of them.
package struct ProductSelection: Sendable {
    /// More accepted lines than this are refused: no store has that many.
    package static let mostLines = 200_000
    /// What `numeric(12,2)` holds.
    private static let largestAmount = Cents(999_999_999_999)

    /// How many were accepted.
    package private(set) var acceptedCount = 0
    /// How many came.
    package private(set) var fetched = 0
    /// How many were turned away, by reason.
    package private(set) var rejected: [RejectionReason: Int] = [:]
    private var pricesOfCode: [Int64: Prices] = [:]
    private let limit: Int

    /// `limit`: how many units a customer may buy at the club price.
    package init(limit: Int) {
        self.limit = limit
    }

    /// `rejected` as it stands in metrics and logs.
    package var rejectedDocument: JSONValue {
        .object(Dictionary(uniqueKeysWithValues: rejected.map { ($0.key.rawValue, .integer(Int64($0.value))) }))
    }

    /// Takes one product: gives its line, or nil when it is turned away. Throws `SelectionFailure` when the whole store must fail.
    @discardableResult
    package mutating func take(_ product: OfferedProduct) throws(SelectionFailure) -> CampaignLine? {
        fetched += 1
        let verdict = Self.judge(product)
        if let code = product.code, verdict.comparesPrices {
            let prices = Prices(price: product.price, clubPrice: product.clubPrice)
            if let earlier = pricesOfCode.updateValue(prices, forKey: code) {
                guard earlier == prices else { throw .twoPrices(code: code, first: earlier.text, second: prices.text) }
                rejected[.duplicate, default: 0] += 1
                return nil
            }
        }
        switch verdict {
        case .rejected(let reason):
            rejected[reason, default: 0] += 1
            return nil
        case .accepted(let code, let price, let clubPrice):
            guard acceptedCount < Self.mostLines else { throw .tooManyLines }
            acceptedCount += 1
            return CampaignLine(code: code, price: price, finalPrice: clubPrice, limit: limit)
        }
    }

    /// What must not differ when a code comes twice, be it sent or not: a price that changed between two pages is no price.
    private struct Prices: Equatable {
        let price: PriceReading
        let clubPrice: PriceReading

        var text: String {
            switch (price, clubPrice) {
            case (.amount(let price), .amount(let club)): "\(price.decimalText), club \(club.decimalText)"
            case (.amount(let price), _): "\(price.decimalText), no club price"
            default: "none"
            }
        }
    }

    private enum Verdict {
        case accepted(code: Int64, price: Cents, clubPrice: Cents)
        case rejected(RejectionReason)

        /// Whether the product is on sale and its prices can be read, so that a second row of its code must agree.
        var comparesPrices: Bool {
            switch self {
            case .accepted, .rejected(.noClubPrice), .rejected(.clubNotBelow): true
            case .rejected: false
            }
        }
    }

    private static func judge(_ product: OfferedProduct) -> Verdict {
        guard product.isActive else { return .rejected(.inactive) }
        if let status = product.status, status != "NORMAL" { return .rejected(.status) }
        guard let code = product.code, code > 0 else { return .rejected(.code) }
        if product.price == .unreadable || product.clubPrice == .unreadable { return .rejected(.unreadable) }
        guard case .amount(let clubPrice) = product.clubPrice, clubPrice > Cents(0) else { return .rejected(.noClubPrice) }
        guard case .amount(let price) = product.price else { return .rejected(.unreadable) }
        guard clubPrice < price else { return .rejected(.clubNotBelow) }
        guard price <= largestAmount else { return .rejected(.unreadable) }
        return .accepted(code: code, price: price, clubPrice: clubPrice)
    }
}

/// Why a store's whole catalogue is refused.
package enum SelectionFailure: Error, Sendable, Equatable, CustomStringConvertible {
    case twoPrices(code: Int64, first: String, second: String)
    case tooManyLines

    /// A sentence for the operator.
    package var description: String {
        switch self {
        case .twoPrices(let code, let first, let second):
            "product \(code) came twice with different prices (\(first) and \(second)); mend it in the ERP"
        case .tooManyLines:
            "more than \(ProductSelection.mostLines) products were accepted, which no store has"
        }
    }
}
