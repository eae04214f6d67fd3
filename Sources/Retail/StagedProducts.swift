/// A store's accepted products, kept as text in the campaign's row from before the upload until they are swapped, so that whoever finishes the
/// campaign can compare and swap without asking the source again.
package struct StagedProducts: Sendable, Equatable {
    /// In the order in which they are sent.
    package private(set) var products: [SelectedProduct] = []
    private var bytes: [UInt8] = []

    private static let tab = UInt8(ascii: "\t")
    private static let lineEnd = UInt8(ascii: "\n")

    /// None yet.
    package init() {}

    /// Takes what is sent.
    package init(_ products: [SelectedProduct]) {
        for product in products { append(product) }
    }

    /// Reads the text that an earlier attempt stored. Throws `StagedProductsUnreadable` when it is not of the form of `text`.
    package init(text: String) throws {
        var text = text
        try text.withUTF8 { bytes in
            var reader = StagedReader(bytes: bytes)
            products.reserveCapacity(bytes.count / 64)
            while !reader.isAtEnd {
                guard let product = reader.product() else { throw StagedProductsUnreadable() }
                append(product)
            }
        }
    }

    /// Adds what is sent next, and its text.
    package mutating func append(_ product: SelectedProduct) {
        let line = product.line
        products.append(product)
        bytes.append(decimal: line.code)
        bytes.append(Self.tab)
        Self.append(product.name, to: &bytes)
        bytes.append(Self.tab)
        Self.append(product.barcode, to: &bytes)
        bytes.append(Self.tab)
        bytes.append(line.price)
        bytes.append(Self.tab)
        bytes.append(line.finalPrice)
        bytes.append(Self.tab)
        bytes.append(decimal: Int64(line.limit))
        bytes.append(Self.lineEnd)
    }

    /// The lines of the campaign.
    package var lines: [CampaignLine] { products.map(\.line) }

    /// In COPY's text form, lines `code \t name \t barcode \t price \t final_price \t quantity_limit`; without NUL, which no text of PostgreSQL
    /// can hold.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// What two campaigns have in common when they publish the same: the set of code, price, final price and limit.
    package static func content(of lines: [CampaignLine]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(lines.count * 32)
        for line in lines.sorted(by: { $0.code < $1.code }) {
            text.append(decimal: line.code)
            text.append(UInt8(ascii: " "))
            text.append(decimal: line.price.rawValue)
            text.append(UInt8(ascii: " "))
            text.append(decimal: line.finalPrice.rawValue)
            text.append(UInt8(ascii: " "))
            text.append(decimal: Int64(line.limit))
            text.append(lineEnd)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Escapes what would be read as a field's or a row's end; leaves out NUL.
    private static func append(_ field: String, to text: inout [UInt8]) {
        let isPlain: Bool? = field.utf8.withContiguousStorageIfAvailable { bytes in
            guard !bytes.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\\") }) else { return false }
            text.append(contentsOf: bytes)
            return true
        }
        guard isPlain != true else { return }
        for byte in field.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): text += [byte, byte]
            case tab: text += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
            case lineEnd: text += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case UInt8(ascii: "\r"): text += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
            case 0: break
            default: text.append(byte)
            }
        }
    }
}

/// A stored campaign's products cannot be read back.
package struct StagedProductsUnreadable: Error, Sendable {
    /// Carries nothing.
    package init() {}
}

/// Reads back what `StagedProducts` wrote.
private struct StagedReader {
    let bytes: UnsafeBufferPointer<UInt8>
    private var place = 0

    init(bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { place >= bytes.count }

    mutating func product() -> SelectedProduct? {
        guard let code = number(until: "\t"), let name = field(), let barcode = field(), let price = cents(), let finalPrice = cents(),
            let limit = number(until: "\n"), limit <= Int32.max
        else { return nil }
        let line = CampaignLine(code: code, price: price, finalPrice: finalPrice, limit: Int(limit))
        return SelectedProduct(line: line, name: name, barcode: barcode)
    }

    /// A field's text and the tab behind it; a tab inside one is escaped, and NUL stands in none.
    private mutating func field() -> String? {
        var text: [UInt8] = []
        while !isAtEnd, bytes[place] != UInt8(ascii: "\n") {
            let byte = bytes[place]
            place += 1
            switch byte {
            case UInt8(ascii: "\t"): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let escaped = escapedByte() else { return nil }
                text.append(escaped)
            case 0: return nil
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func escapedByte() -> UInt8? {
        guard !isAtEnd else { return nil }
        defer { place += 1 }
        switch bytes[place] {
        case UInt8(ascii: "\\"): return bytes[place]
        case UInt8(ascii: "t"): return UInt8(ascii: "\t")
        case UInt8(ascii: "n"): return UInt8(ascii: "\n")
        case UInt8(ascii: "r"): return UInt8(ascii: "\r")
        default: return nil
        }
    }

    /// Digits, and the byte behind them.
    private mutating func number(until end: Unicode.Scalar) -> Int64? {
        var value: Int64 = 0
        let first = place
        while !isAtEnd {
            let digit = bytes[place] &- UInt8(ascii: "0")
            guard digit < 10 else { break }
            let (scaled, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = scaled.addingReportingOverflow(Int64(digit))
            guard !overflows, !overflowsToo else { return nil }
            value = sum
            place += 1
        }
        guard place > first, !isAtEnd, bytes[place] == UInt8(ascii: end) else { return nil }
        place += 1
        return value
    }

    /// An amount with two places, and the tab behind it.
    private mutating func cents() -> Cents? {
        guard let whole = number(until: ".") else { return nil }
        let first = place
        guard let fraction = number(until: "\t"), place - first == 3 else { return nil }
        let (scaled, overflows) = whole.multipliedReportingOverflow(by: 100)
        let (sum, overflowsToo) = scaled.addingReportingOverflow(fraction)
        return overflows || overflowsToo ? nil : Cents(sum)
    }
}
