import Foundation

/// How a page's rows differ from what the catalogue says: the quirks of the real service, on demand.
struct RowStyle: Sendable {
    var writesPricesWithComma = false
    var hasNoClubPrices = false
    var writesBlockedAsBool = false
}

/// A value that a row brings along instead of the generated one, as JSON text.
struct RowPatch: Sendable {
    var clubPrice: String?
    var code: String?
    var name: String?
    /// Further members in front of all others, each with its comma.
    var prefix = ""
}

/// Writes products as JSON: a copy of the template's bytes with the values between them.
///
/// Measured (release build, 2 cores, curl on the same machine): 2.9 GB a second of CPU time, 1.2 GB/s over one connection.
final class ProductWriter: Sendable {
    private let catalogue: Catalogue
    private let literal: [UInt8]
    private let pieces: [Piece]
    private let wares: Wares

    private struct Piece: Sendable {
        /// Bytes of the literal that come before the value.
        let start: Int
        let length: Int
        let slot: ProductSlot
    }

    init(_ catalogue: Catalogue) {
        self.catalogue = catalogue
        wares = Wares(seed: catalogue.seed)
        var literal: [UInt8] = []
        var pieces: [Piece] = []
        var start = 0
        // The opening brace is written apart.
        let text = ProductTemplate.text.replacingOccurrences(of: "\n", with: "").dropFirst()
        for (index, part) in text.split(separator: "<", omittingEmptySubsequences: false).enumerated() {
            var rest = part
            if index > 0 {
                let end = part.firstIndex(of: ">") ?? part.endIndex
                guard let slot = ProductSlot(part[..<end]) else {
                    fatalError("The product template names an unknown place <\(part[..<end])>.")
                }
                pieces.append(Piece(start: start, length: literal.count - start, slot: slot))
                start = literal.count
                rest = part[end...].dropFirst()
            }
            literal.append(contentsOf: rest.utf8)
        }
        pieces.append(Piece(start: start, length: literal.count - start, slot: .end))
        self.literal = literal
        self.pieces = pieces
    }

    /// Room that one row never exceeds.
    private static let room = 16 << 10

    func append(store: Store, position: Int, offer: Offer, style: RowStyle, patch: RowPatch? = nil, to buffer: ByteBuffer) {
        if let patch {
            buffer.append("{" + patch.prefix)
        } else {
            buffer.append(UInt8(ascii: "{"))
        }
        var row = ProductRow(catalogue: catalogue, wares: wares, store: store, position: position, offer: offer, style: style, patch: patch)
        literal.withUnsafeBufferPointer { literal in
            guard let base = literal.baseAddress else { return }
            buffer.write(room: Self.room) { start in
                var target = start
                for piece in pieces {
                    target.update(from: base + piece.start, count: piece.length)
                    target += piece.length
                    target += row.write(piece.slot, to: target)
                }
                return target - start
            }
        }
    }
}

/// A place for a value in the template.
enum ProductSlot: Sendable {
    case code, barcode, name, posName, brand, price, club, normalPrice, offer, offerFrom, offerTo, unit, department, active, status, blocked
    case scale, changedAt, end
    /// Some amount, some count, some date: the number tells one from the other.
    case money(UInt8), count(UInt8), dashedDate(UInt8), slashedDate(UInt8)

    init?(_ text: Substring) {
        let named: [Substring: ProductSlot] = [
            "code": .code, "barcode": .barcode, "name": .name, "posName": .posName, "brand": .brand, "price": .price, "club": .club,
            "normalPrice": .normalPrice, "offer": .offer, "offerFrom": .offerFrom, "offerTo": .offerTo, "unit": .unit,
            "department": .department, "active": .active, "status": .status, "blocked": .blocked, "scale": .scale,
            "changedAt": .changedAt,
        ]
        if let slot = named[text] {
            self = slot
            return
        }
        guard let number = UInt8(text.drop { $0.isLetter }) else { return nil }
        switch text.prefix(while: \.isLetter) {
        case "m": self = .money(number)
        case "c": self = .count(number)
        case "dash": self = .dashedDate(number)
        case "slash": self = .slashedDate(number)
        default: return nil
        }
    }
}
