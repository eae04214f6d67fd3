import Runtime

/// A store's accepted products in COPY's text form: written to the campaign's row before the upload, so that whoever finishes the
/// campaign can compare and swap without asking the source again.
package struct StagedProducts: Sendable {
    /// Lines `code \t name \t barcode \t price \t final_price \t quantity_limit`.
    package let copyText: String

    private static let tab = UInt8(ascii: "\t")
    private static let lineEnd = UInt8(ascii: "\n")

    /// Takes what is sent.
    package init(_ products: [SelectedProduct]) {
        var text: [UInt8] = []
        text.reserveCapacity(products.count * 96)
        for product in products {
            let line = product.line
            text.append(decimal: line.code)
            text.append(Self.tab)
            Self.append(product.name, to: &text)
            text.append(Self.tab)
            Self.append(product.barcode, to: &text)
            text.append(Self.tab)
            text.append(line.price)
            text.append(Self.tab)
            text.append(line.finalPrice)
            text.append(Self.tab)
            text.append(decimal: Int64(line.limit))
            text.append(Self.lineEnd)
        }
        copyText = String(decoding: text, as: UTF8.self)
    }

    /// The text that an earlier attempt stored.
    package init(copyText: String) {
        self.copyText = copyText
    }

    /// The lines of the campaign, in the order in which they were sent. Throws when the text is not of this form.
    package func lines() throws -> [CampaignLine] {
        var text = copyText
        return try text.withUTF8 { bytes in
            var reader = StagedReader(bytes: bytes)
            var lines: [CampaignLine] = []
            lines.reserveCapacity(bytes.count / 64)
            while !reader.isAtEnd {
                guard let line = reader.line() else { throw StagedProductsUnreadable() }
                lines.append(line)
            }
            return lines
        }
    }

    /// The rows as COPY takes them into a store's `products`, in pieces: each with the store and the campaign's window at its end.
    func copyRows(store: Int, startsAt: String, endsAt: String) -> StagedRows {
        StagedRows(text: copyText, ending: Array("\t\(store)\t\(startsAt)\t\(endsAt)\n".utf8))
    }

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

    /// Escapes what COPY would read as a field's or a row's end; leaves out NUL, which no text of PostgreSQL can hold.
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

/// Rows for COPY, in pieces of about 64 KiB.
struct StagedRows: Sequence, IteratorProtocol, Sendable {
    fileprivate let text: String
    /// What stands at the end of every row, its line end included.
    fileprivate let ending: [UInt8]
    private var place = 0

    fileprivate init(text: String, ending: [UInt8]) {
        var text = text
        text.makeContiguousUTF8()
        self.text = text
        self.ending = ending
    }

    mutating func next() -> [UInt8]? {
        guard place < text.utf8.count else { return nil }
        assert(Failpoint.reach("sync.swapping"))
        var piece: [UInt8] = []
        piece.reserveCapacity(66_000)
        text.utf8.withContiguousStorageIfAvailable { bytes in
            while piece.count < 65_536, let end = bytes[place...].firstIndex(of: UInt8(ascii: "\n")) {
                piece.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[place..<end]))
                piece.append(contentsOf: ending)
                place = end + 1
            }
        }
        return piece.isEmpty ? nil : piece
    }
}

/// Reads back what `StagedProducts` wrote.
private struct StagedReader {
    let bytes: UnsafeBufferPointer<UInt8>
    private var place = 0

    init(bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { place >= bytes.count }

    mutating func line() -> CampaignLine? {
        guard let code = number(until: "\t"), skip(), skip(), let price = cents(), let finalPrice = cents(),
            let limit = number(until: "\n")
        else { return nil }
        return CampaignLine(code: code, price: price, finalPrice: finalPrice, limit: Int(limit))
    }

    /// Passes over a field; a tab inside one is escaped.
    private mutating func skip() -> Bool {
        while !isAtEnd, bytes[place] != UInt8(ascii: "\n") {
            place += 1
            if bytes[place - 1] == UInt8(ascii: "\t") { return true }
        }
        return false
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
