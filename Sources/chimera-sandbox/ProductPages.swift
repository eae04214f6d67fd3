/// Which products a list shows.
struct PageFilter: Sendable {
    var onlyWithClubPrice = false
    var onlyActive = false

    func lets(_ offer: Offer) -> Bool {
        (!onlyWithClubPrice || offer.clubPrice > 0) && (!onlyActive || offer.isActive)
    }
}

/// Pages of the product list as RP's envelope.
final class ProductPages: Sendable {
    private let catalogue: Catalogue
    private let writer: ProductWriter

    init(_ catalogue: Catalogue) {
        self.catalogue = catalogue
        writer = ProductWriter(catalogue)
    }

    func page(after cursor: Int, limit: Int, of store: Store, _ filter: PageFilter) -> (body: ByteBuffer, count: Int) {
        let byHand = catalogue.handPrices(store: store.index)
        let body = BufferPool.shared.borrow()
        body.append(Self.opening)
        var count = 0
        var position = catalogue.position(after: cursor)
        while count < limit, position < catalogue.positions {
            let offer = offer(store: store, position: position, byHand: byHand)
            if filter.lets(offer) {
                if count > 0 { body.append(UInt8(ascii: ",")) }
                writer.append(store: store, position: position, offer: offer, style: RowStyle(), to: body)
                count += 1
            }
            position += 1
        }
        body.append("]}}")
        return (body, count)
    }

    /// The same with quirks.
    func page(of plan: PagePlan) -> (body: ByteBuffer, count: Int) {
        let byHand = plan.quirks.contains(.lagsBehind) ? [:] : catalogue.handPrices(store: plan.store.index)
        let offers = { [self] position in offer(store: plan.store, position: position, byHand: byHand) }
        let style = RowStyle(
            writesPricesWithComma: plan.quirks.contains(.commaPrices), hasNoClubPrices: plan.quirks.contains(.zeroPrices),
            writesBlockedAsBool: plan.quirks.contains(.blockedAsBool))
        let rows = plan.rows(catalogue, offers: offers)
        let body = BufferPool.shared.borrow()
        body.append(Self.opening)
        for (index, row) in rows.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            writer.append(store: plan.store, position: row.position, offer: offers(row.position), style: style, patch: row.patch, to: body)
        }
        body.append("]}}")
        return (body, rows.count)
    }

    /// The same envelope with one product, nil when the code is unknown.
    func product(_ code: Int, store: Store) -> ByteBuffer? {
        guard let position = catalogue.position(of: code) else { return nil }
        let offer = offer(store: store, position: position, byHand: catalogue.handPrices(store: store.index))
        let body = BufferPool.shared.borrow()
        body.append(Self.opening)
        writer.append(store: store, position: position, offer: offer, style: RowStyle(), to: body)
        body.append("]}}")
        return body
    }

    private static let opening = #"{"response":{"status":"ok","messages":[{"message":"Consulta realizada com sucesso"}],"produtos":["#

    private func offer(store: Store, position: Int, byHand: [Int: HandPrices]) -> Offer {
        var offer = catalogue.offer(store: store.index, position: position)
        if let prices = byHand[position] {
            offer.price = prices.price
            offer.clubPrice = prices.clubPrice
        }
        return offer
    }
}
