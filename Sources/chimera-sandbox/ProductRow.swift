/// The values of one row.
struct ProductRow {
    let catalogue: Catalogue
    let wares: Wares
    let store: Store
    let position: Int
    let offer: Offer
    let style: RowStyle
    let patch: RowPatch?
    private let code: Int
    private let luck: UInt64
    private let ware: Wares.Ware

    @inline(__always)
    init(catalogue: Catalogue, wares: Wares, store: Store, position: Int, offer: Offer, style: RowStyle, patch: RowPatch?) {
        self.catalogue = catalogue
        self.wares = wares
        self.store = store
        self.position = position
        self.offer = offer
        self.style = style
        self.patch = patch
        code = catalogue.code(at: position)
        luck = SeededNumbers.at(seed: catalogue.seed &+ 6, position, 0)
        ware = wares.ware(at: position)
    }

    /// Writes the value at `target` and returns its length.
    @inline(__always)
    mutating func write(_ slot: ProductSlot, to target: UnsafeMutablePointer<UInt8>) -> Int {
        switch slot {
        case .money(let which): return DecimalText.write(tenThousandths: Int(number(which) % 90_000) * 100, to: target)
        case .count(let which): return DecimalText.write(Int(number(which) % 90) + 10, to: target)
        case .dashedDate(let which): return date(number(which), separator: UInt8(ascii: "-"), to: target)
        case .slashedDate(let which): return date(number(which), separator: UInt8(ascii: "/"), to: target)
        case .price: return amount(offer.price, to: target)
        case .club: return clubPrice(to: target)
        case .normalPrice: return amount(isOffer ? offer.price + offer.price / 5_000 * 1_000 : 0, to: target)
        case .code: return patch?.code.map { put($0, to: target) } ?? DecimalText.write(code, to: target)
        case .barcode: return DecimalText.write(wares.barcode(at: position), width: 13, to: target)
        case .name: return patch?.name.map { put($0, to: target) } ?? wares.writeName(ware, of: position, to: target)
        case .posName: return put(ware.shortName, to: target)
        case .brand: return put(ware.brand, to: target)
        case .department: return put(ware.department, to: target)
        case .unit: return put(store.branch, to: target)
        case .offer: return put(isOffer ? "S" : "N", to: target)
        case .offerFrom, .offerTo: return isOffer ? date(luck >> 24, separator: UInt8(ascii: "-"), to: target) : 0
        case .active: return put(offer.isActive ? "true" : "false", to: target)
        case .status: return put(offer.isCancelled ? "CANCELADO" : "NORMAL", to: target)
        case .blocked: return put(blockedText, to: target)
        case .scale: return put(luck & 0x700 == 0 ? "P" : "N", to: target)
        case .changedAt: return changedAt(to: target)
        }
    }

    /// One row in sixteen is in a dated shelf offer, some of which are over.
    private var isOffer: Bool { luck & 0xF == 3 }

    private var blockedText: String {
        if style.writesBlockedAsBool { return offer.isBlocked ? "true" : "false" }
        return offer.isBlocked ? "\"S\"" : "\"N\""
    }

    @inline(__always)
    private func number(_ which: UInt8) -> UInt64 {
        (luck &+ UInt64(which) &* 0x9E37_79B9_7F4A_7C15) >> 33
    }

    @inline(__always)
    private func put(_ text: String, to target: UnsafeMutablePointer<UInt8>) -> Int {
        var text = text
        return text.withUTF8 { bytes in
            if let base = bytes.baseAddress { target.update(from: base, count: bytes.count) }
            return bytes.count
        }
    }

    private func clubPrice(to target: UnsafeMutablePointer<UInt8>) -> Int {
        if let text = patch?.clubPrice { return put(text, to: target) }
        return amount(style.hasNoClubPrices ? 0 : offer.clubPrice, to: target)
    }

    /// Whole amounts come as `10` and as `10.0`, as the real service mixes them.
    private func amount(_ value: Int, to target: UnsafeMutablePointer<UInt8>) -> Int {
        guard style.writesPricesWithComma else {
            return DecimalText.write(tenThousandths: value, keepsOneDecimal: value > 0 && luck & 1 == 0, to: target)
        }
        target[0] = UInt8(ascii: "\"")
        // Two decimals at least: "8,90".
        let separator = UInt8(ascii: ",")
        var length = 1 + DecimalText.write(tenThousandths: value, keepsOneDecimal: true, separator: separator, to: target + 1)
        if target[length - 2] == separator {
            target[length] = UInt8(ascii: "0")
            length += 1
        }
        target[length] = UInt8(ascii: "\"")
        return length + 1
    }

    private func date(_ bits: UInt64, separator: UInt8, to target: UnsafeMutablePointer<UInt8>) -> Int {
        _ = DecimalText.write(Int(bits % 28) + 1, width: 2, to: target)
        target[2] = separator
        _ = DecimalText.write(Int((bits >> 8) % 12) + 1, width: 2, to: target + 3)
        target[5] = separator
        _ = DecimalText.write(2_020 + Int((bits >> 16) % 6), width: 4, to: target + 6)
        return 10
    }

    /// `dd/MM/yyyy HH:mm:ss.SSS`
    private func changedAt(to target: UnsafeMutablePointer<UInt8>) -> Int {
        var length = date(number(61), separator: UInt8(ascii: "/"), to: target)
        let time = Int(number(62))
        let fields = [(" ", time % 24, 2), (":", time / 32 % 60, 2), (":", time / 2_048 % 60, 2), (".", time / 65_536 % 1_000, 3)]
        for (separator, value, width) in fields {
            length += put(separator, to: target + length)
            length += DecimalText.write(value, width: width, to: target + length)
        }
        return length
    }
}
