import Foundation
import Synchronization

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
/// What a product says in every store is filled in once and kept: all but a few values are the same there, and the sandbox shares the
/// machine with what it is a stand-in for. Measured (release build, 2 cores): 600 MB for eight curl processes cost 0.37 s of CPU, 0.49 s without
/// what is kept.
final class ProductWriter: Sendable {
    /// So many products are kept, of 6 KB each.
    private static let keptProducts = 4_096

    private let catalogue: Catalogue
    private let template = ProductForm.template
    private let wares: Wares
    private let kept = Mutex<[Int: ProductForm]>([:])

    init(_ catalogue: Catalogue) {
        self.catalogue = catalogue
        wares = Wares(seed: catalogue.seed)
    }

    func append(store: Store, position: Int, offer: Offer, style: RowStyle, patch: RowPatch? = nil, to buffer: ByteBuffer) {
        var row = ProductRow(catalogue: catalogue, wares: wares, store: store, position: position, offer: offer, style: style, patch: patch)
        if let patch {
            buffer.append("{" + patch.prefix)
            template.append(&row, to: buffer)
        } else {
            buffer.append(UInt8(ascii: "{"))
            form(of: position, &row).append(&row, to: buffer)
        }
    }

    /// The template with what `row` says in every store.
    private func form(of position: Int, _ row: inout ProductRow) -> ProductForm {
        if let form = kept.withLock({ $0[position] }) { return form }
        let form = template.filled(by: &row) { !$0.differsByStore }
        kept.withLock { if $0.count < Self.keptProducts { $0[position] = form } }
        return form
    }
}

/// A product's text but for its opening brace, with places for values.
struct ProductForm: Sendable {
    private var literal: [UInt8] = []
    private var pieces: [Piece] = []

    private struct Piece: Sendable {
        /// Bytes of the literal that come before the value.
        let start: Int
        let length: Int
        let slot: ProductSlot
    }

    /// Room that one row never exceeds.
    private static let room = 16 << 10

    static let template: ProductForm = {
        var form = ProductForm()
        let text = ProductTemplate.text.replacingOccurrences(of: "\n", with: "").dropFirst()
        for (index, part) in text.split(separator: "<", omittingEmptySubsequences: false).enumerated() {
            var rest = part
            if index > 0 {
                let end = part.firstIndex(of: ">") ?? part.endIndex
                guard let slot = ProductSlot(part[..<end]) else {
                    fatalError("The product template names an unknown place <\(part[..<end])>.")
                }
                form.add(slot)
                rest = part[end...].dropFirst()
            }
            form.literal.append(contentsOf: rest.utf8)
        }
        return form
    }()

    /// Where the bytes begin that stand behind the last place.
    private var end: Int { pieces.last.map { $0.start + $0.length } ?? 0 }

    /// A place behind the literal of now.
    private mutating func add(_ slot: ProductSlot) {
        pieces.append(Piece(start: end, length: literal.count - end, slot: slot))
    }

    /// The same with the row's values in those places that `isFilled` names.
    func filled(by row: inout ProductRow, _ isFilled: (ProductSlot) -> Bool) -> ProductForm {
        var form = ProductForm()
        for piece in pieces {
            form.literal += literal[piece.start..<piece.start + piece.length]
            guard isFilled(piece.slot) else {
                form.add(piece.slot)
                continue
            }
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.room) { value in
                guard let start = value.baseAddress else { return }
                form.literal += value.prefix(row.write(piece.slot, to: start))
            }
        }
        form.literal += literal[end...]
        return form
    }

    func append(_ row: inout ProductRow, to buffer: ByteBuffer) {
        literal.withUnsafeBufferPointer { literal in
            guard let base = literal.baseAddress else { return }
            buffer.write(room: Self.room) { start in
                var target = start
                for piece in pieces {
                    target.update(from: base + piece.start, count: piece.length)
                    target += piece.length
                    target += row.write(piece.slot, to: target)
                }
                target.update(from: base + end, count: literal.count - end)
                return target + (literal.count - end) - start
            }
        }
    }
}

/// A place for a value in the template.
enum ProductSlot: Sendable {
    case code, barcode, name, posName, brand, price, club, normalPrice, offer, offerFrom, offerTo, unit, department, active, status, blocked
    case scale, changedAt
    /// Some amount, some count, some date: the number tells one from the other.
    case money(UInt8), count(UInt8), dashedDate(UInt8), slashedDate(UInt8)

    /// Whether its value depends on who sells the product.
    var differsByStore: Bool {
        switch self {
        case .price, .club, .normalPrice, .unit, .active, .status, .blocked: true
        case .code, .barcode, .name, .posName, .brand, .offer, .offerFrom, .offerTo, .department, .scale, .changedAt: false
        case .money, .count, .dashedDate, .slashedDate: false
        }
    }

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
