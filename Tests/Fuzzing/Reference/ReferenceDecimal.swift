/// An amount of money read as people do on paper: digits in a row, a point that is moved, a last digit that is rounded.
enum ReferenceDecimal {
    /// The cents of a JSON number, rounded half away from zero; nil for what is none, or exceeds `numeric(12,2)`.
    static func cents(_ text: [UInt8]) -> Int64? {
        guard let paper = Paper(text), let (digits, next) = paper.shifted(2) else { return nil }
        var value = digits
        if next { value += 1 }
        guard value <= 999_999_999_999 else { return nil }
        return Int64(paper.isNegative ? -value : value)
    }

    /// As `cents`, or with a decimal comma and points between groups of three; blanks around it do not count.
    static func cents(spelled text: [UInt8]) -> Int64? {
        var characters = Array(String(decoding: text, as: UTF8.self).unicodeScalars)
        while let last = characters.last, last.value <= 0x20 { characters.removeLast() }
        while let first = characters.first, first.value <= 0x20 { characters.removeFirst() }
        let trimmed = characters.map(String.init).joined()
        guard trimmed.contains(",") else { return cents(Array(trimmed.utf8)) }
        guard let pattern = try? Regex(#"^-?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+),[0-9]+$"#), (try? pattern.wholeMatch(in: trimmed)) != nil
        else {
            return nil
        }
        return cents(Array(trimmed.filter { $0 != "." }.map { $0 == "," ? "." : $0 }.map(String.init).joined().utf8))
    }

    /// A number without anything behind its point.
    static func whole(_ text: [UInt8]) -> Int64? {
        guard let paper = Paper(text), paper.isWhole, let (digits, _) = paper.shifted(0) else { return nil }
        let value = paper.isNegative ? -digits : digits
        // The code under test does not know the smallest Int64; no product has it.
        return value >= -Int128(Int64.max) && value <= Int128(Int64.max) ? Int64(value) : nil
    }

    private struct Paper {
        var isNegative = false
        var digits: [Int]
        /// How many of the digits stand before the point.
        var point: Int

        init?(_ text: [UInt8]) {
            let string = String(decoding: text, as: UTF8.self)
            guard let pattern = try? Regex(#"^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?$"#),
                let match = try? pattern.wholeMatch(in: string)
            else { return nil }
            let groups = match.output.map { $0.substring.map(String.init) ?? "" }
            isNegative = groups[1] == "-"
            digits = (groups[2] + groups[3]).compactMap(\.wholeNumberValue)
            point = groups[2].count
            // Nobody writes a million zeros: what is beyond is as good as a million.
            let size = groups[5].drop { $0 == "0" }
            let exponent = size.count > 6 ? 1_000_000 : Int(size) ?? 0
            point += groups[4] == "-" ? -exponent : exponent
            while let last = digits.last, last == 0 { digits.removeLast() }
            while digits.first == 0 {
                digits.removeFirst()
                point -= 1
            }
            if digits.isEmpty { point = 0 }
        }

        var isWhole: Bool { digits.count <= point }

        /// The digits up to `places` behind the point as a number, and whether the next one rounds up; nil when there are too many.
        func shifted(_ places: Int) -> (Int128, Bool)? {
            let count = point + places
            guard count <= 30 else { return nil }
            var value: Int128 = 0
            for index in 0..<max(0, count) { value = value * 10 + (index < digits.count ? Int128(digits[index]) : 0) }
            return (value, count >= 0 && count < digits.count && digits[count] >= 5)
        }
    }
}
