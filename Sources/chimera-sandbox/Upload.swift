/// One product of a campaign. Prices are cents.
struct CampaignLine: Hashable, Sendable {
    var code: Int
    var price: Int
    var finalPrice: Int
    var limit: Int
}

/// The body of an upload, checked as strictly as a careful partner would.
struct Upload: Sendable {
    var override = false
    var start: LocalMinute?
    var end: LocalMinute?
    var startText = ""
    var endText = ""
    var name = ""
    var registrations: [String] = []
    var lines: [CampaignLine] = []
    /// Sentences about what is wrong with values; a wrong shape is thrown instead.
    private(set) var problems: [String] = []

    init(_ body: [UInt8]) throws {
        var seen: Set<String> = []
        try body.withUnsafeBufferPointer { bytes in
            var scanner = JSONScanner(bytes)
            try scanner.object { scanner, key in
                guard seen.insert(key).inserted else { throw scanner.problem("the member \(key) stands there twice") }
                try read(key, &scanner)
            }
            try scanner.expectEnd()
        }
        let needed = ["override", "start_date", "end_date", "store_registrations", "name", "discount_store_lines"]
        for key in needed where !seen.contains(key) { note("\(key) is missing") }
        var codes: Set<Int> = []
        for line in lines where !codes.insert(line.code).inserted { note("code \(line.code) stands there twice") }
        check()
    }

    private mutating func note(_ sentence: String) {
        if problems.count < 20 { problems.append(sentence) }
    }

    private mutating func check() {
        if name.isEmpty { note("name is empty") }
        if registrations.isEmpty { note("store_registrations is empty") }
        if lines.isEmpty { note("discount_store_lines is empty") }
        if start == nil { note("start_date must be yyyy-MM-ddTHH:mm") }
        if end == nil { note("end_date must be yyyy-MM-ddTHH:mm") }
        if let start, let end, start >= end { note("start_date must lie before end_date") }
    }

    private mutating func read(_ key: String, _ scanner: inout JSONScanner) throws {
        switch key {
        case "override":
            let number = try scanner.number()
            guard number.elementsEqual("0".utf8) || number.elementsEqual("1".utf8) else { throw scanner.problem("override must be 0 or 1") }
            override = number.elementsEqual("1".utf8)
        case "start_date":
            startText = try scanner.string()
            start = LocalMinute(startText)
        case "end_date":
            endText = try scanner.string()
            end = LocalMinute(endText)
        case "name": name = try scanner.string()
        case "store_registrations": try scanner.array { registrations.append(try $0.string()) }
        case "discount_store_lines": try scanner.array { try readLine(&$0) }
        default: throw scanner.problem("the member \(key) is unknown")
        }
    }

    private mutating func readLine(_ scanner: inout JSONScanner) throws {
        var code: Int?
        var price: Int?
        var finalPrice: Int?
        var limit: Int?
        try scanner.object { scanner, key in
            switch key {
            case "code":
                // A number or a string of digits: the partner's documents do not say which.
                code = scanner.peek() == UInt8(ascii: "\"") ? Int(try scanner.string()) : try scanner.integer()
            case "price": price = Self.cents(try scanner.number())
            case "final_price": finalPrice = Self.cents(try scanner.number())
            case "limit": limit = try scanner.integer()
            default: throw scanner.problem("the member \(key) of a line is unknown")
            }
        }
        guard let code, code > 0 else { return note("line \(lines.count + 1): code must be a positive whole number") }
        guard let price, price > 0 else { return note("code \(code): price must be positive, in whole cents") }
        guard let finalPrice, finalPrice > 0 else { return note("code \(code): final_price must be positive, in whole cents") }
        guard finalPrice < price else { return note("code \(code): final_price must be below price") }
        guard let limit, limit > 0 else { return note("code \(code): limit must be a positive whole number") }
        lines.append(CampaignLine(code: code, price: price, finalPrice: finalPrice, limit: limit))
    }

    /// `8`, `8.9`, `8.90` as cents; nil for more decimals than two, for signs and exponents.
    static func cents(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
        var whole = 0
        var decimals = -1
        for byte in text {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                guard decimals < 2, whole < 1_000_000_000_000 else { return nil }
                whole = whole * 10 + Int(byte) - 48
                if decimals >= 0 { decimals += 1 }
            case UInt8(ascii: "."):
                guard decimals < 0 else { return nil }
                decimals = 0
            default: return nil
            }
        }
        return whole * (decimals == 2 ? 1 : decimals == 1 ? 10 : 100)
    }
}

/// Digests that tell whether two things are the same; not for secrets.
enum Digest {
    /// Of a set of lines, whatever their order.
    static func of(_ lines: [CampaignLine]) -> String {
        var sums: (UInt64, UInt64) = (UInt64(lines.count), 0)
        for line in lines {
            var bits = SeededNumbers.at(seed: 1, line.code, line.price)
            bits = SeededNumbers.mixed(bits ^ SeededNumbers.at(seed: 2, line.finalPrice, line.limit))
            sums.0 &+= bits
            sums.1 &+= SeededNumbers.mixed(bits &+ 1)
        }
        return hexadecimal(SeededNumbers.mixed(sums.0)) + hexadecimal(SeededNumbers.mixed(sums.1))
    }

    static func of(_ bytes: [UInt8]) -> String {
        var state: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hexadecimal(SeededNumbers.mixed(state ^ UInt64(bytes.count)))
    }

    private static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
