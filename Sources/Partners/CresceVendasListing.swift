import Networking
import Retail

/// Reads the listing of a store's lines (PARTNERS.md §2).
struct CresceVendasListing: Sendable {
    private static let maximumRows = 1_000_000
    private static let code = 0
    private static let price = 1
    private static let finalPrice = 2
    private static let limit = 3
    private static let startsAt = 4
    private static let expiresAt = 5

    private let reader: JSONTableReader
    private let shape: CresceVendasConfiguration.ListingShape

    init(shape: CresceVendasConfiguration.ListingShape, fields: CresceVendasConfiguration.FieldNames) {
        self.shape = shape
        reader = JSONTableReader(
            JSONTableLayout(
                parent: shape == .discounts ? "response" : nil, list: shape == .discounts ? "discounts" : "discount_store_lines",
                columns: [fields.code, fields.price, fields.finalPrice, fields.limit, "start_at", "expire_at"],
                marks: ["error", "errors", shape == .discounts ? "code" : "response"], maximumRows: Self.maximumRows))
    }

    /// The lines of an answer; throws for every shape but the configured one.
    func lines(in response: HTTPResponse, connection: PartnerConnection, purpose: String) throws(PartnerFailure) -> Listing {
        guard response.isSuccess else {
            try connection.accept(response, document: PartnerMessages.document(response.body), purpose: purpose)
            return Listing()
        }
        let outcome = try reader.read(response.body) { table throws(PartnerFailure) in
            try accept(table, response, connection: connection, purpose: purpose)
            var listing = Listing(tellsWindows: shape == .discounts)
            listing.reserve(table.rowCount)
            var window: (start: JSONCell, end: JSONCell, place: Int)?
            for row in 0..<table.rowCount {
                guard let line = Self.line(table, row) else {
                    let text = "line \(row + 1) of the listing has no readable code, price, final price and limit"
                    throw connection.unusable("WRONG_SHAPE", text, response, purpose: purpose)
                }
                let (start, end) = (table.cell(row: row, column: Self.startsAt), table.cell(row: row, column: Self.expiresAt))
                // Lines of one campaign follow each other: their times become text once.
                if let window, window.start == start, window.end == end {
                    listing.append(line, window: window.place)
                } else {
                    let place = listing.place(of: ListedWindow(startsAt: start.text, expiresAt: end.text))
                    window = (start, end, place)
                    listing.append(line, window: place)
                }
            }
            return listing
        }
        switch outcome {
        case .success(let listing): return listing
        case .failure(let error): throw connection.unusable(error, response, purpose: purpose)
        }
    }

    /// Marks are looked at before the list: a list beside an error is no listing.
    private func accept(
        _ table: JSONTable, _ response: HTTPResponse, connection: PartnerConnection, purpose: String
    ) throws(PartnerFailure) {
        let document = { PartnerMessages.document(response.body) }
        let errors = [table.outerMark(0), table.outerMark(1), table.innerMark(0), table.innerMark(1)]
        if let objection = CresceVendasAnswer.objection(code: table.innerMark(2), errors: errors) {
            throw connection.failure(objection, response, messages: PartnerMessages.all(in: document()), purpose: purpose)
        }
        let hasResponse = shape == .lines && !table.outerMark(2).isAbsent
        if hasResponse || !table.hasList { try connection.accept(response, document: document(), purpose: purpose) }
        guard !table.hasList || hasResponse else { return }
        throw connection.unusable("WRONG_SHAPE", "the listing has no \(shape.rawValue); see listing_shape", response, purpose: purpose)
    }

    private static func line(_ table: JSONTable, _ row: Int) -> CampaignLine? {
        guard let code = table.cell(row: row, column: code).wholeNumber,
            case .amount(let price) = table.cell(row: row, column: price).price,
            case .amount(let finalPrice) = table.cell(row: row, column: finalPrice).price,
            let limit = table.cell(row: row, column: limit).wholeNumber
        else { return nil }
        return CampaignLine(code: code, price: price, finalPrice: finalPrice, limit: Int(limit))
    }
}
