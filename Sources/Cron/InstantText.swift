/// Writes an instant (Unix seconds) as ISO 8601 with the offset in force, `2026-11-21T05:10:00-03:00`; offsets of the nineteenth
/// century have seconds too.
package func iso8601(_ instant: Int64, in zone: TimeZoneRules) -> String {
    let offset = zone.offset(at: instant)
    let size = abs(offset)
    let seconds = size % 60 == 0 ? "" : ":\(padded(size % 60, to: 2))"
    return "\(zone.local(at: instant))\(offset < 0 ? "-" : "+")\(padded(size / 3_600, to: 2)):\(padded(size / 60 % 60, to: 2))\(seconds)"
}

/// A time as a text in ISO 8601 names it: `2026-11-21T05:10:00-03:00`, with `Z`, without seconds, with a space for the `T`, or a date
/// alone, which is its midnight. Fractions of a second are cut off.
package enum WrittenTime: Hashable, Sendable {
    /// Without an offset: what a wall clock shows somewhere.
    case wall(LocalDateTime)
    /// With one: Unix seconds.
    case instant(Int64)

    /// Throws when the text names no time.
    package init(_ text: String) throws(InstantError) {
        guard text.utf8.count <= 64 else { throw InstantError(text: text) }
        var scanner = InstantScanner(rest: text.utf8[...])
        guard let local = scanner.localDateTime() else { throw InstantError(text: text) }
        if scanner.rest.isEmpty {
            self = .wall(local)
        } else {
            guard scanner.sawTime, let offset = scanner.offset(), scanner.rest.isEmpty else { throw InstantError(text: text) }
            self = .instant(local.wall - offset)
        }
    }
}

/// Reads a `WrittenTime` as Unix seconds; one without an offset is the wall time of `defaultZone`.
package func parseInstant(_ text: String, defaultZone: TimeZoneRules) throws(InstantError) -> Int64 {
    switch try WrittenTime(text) {
    case .wall(let local): defaultZone.instant(of: local)
    case .instant(let instant): instant
    }
}

/// A text that names no instant.
package struct InstantError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The text, printable and at most 40 characters long.
    package let text: String

    init(text: String) {
        self.text = printable(text)
    }

    /// One sentence with the text and what may stand there.
    package var description: String {
        "The time \"\(text)\" cannot be read: write it as 2026-11-21, 2026-11-21T05:10, 2026-11-21T05:10:00-03:00 or with Z for UTC."
    }
}

private struct InstantScanner {
    var rest: Substring.UTF8View.SubSequence
    private(set) var sawTime = false

    init(rest: Substring.UTF8View) {
        self.rest = rest
    }

    mutating func localDateTime() -> LocalDateTime? {
        guard let year = number(digits: 4), skip("-"), let month = number(digits: 2), skip("-"), let day = number(digits: 2) else {
            return nil
        }
        guard let date = CivilDate(year: year, month: month, day: day) else { return nil }
        if rest.isEmpty { return LocalDateTime(date: date, hour: 0) }
        guard skip("T") || skip("t") || skip(" ") else { return nil }
        sawTime = true
        guard let hour = number(digits: 2), skip(":"), let minute = number(digits: 2) else { return nil }
        var second = 0
        if skip(":") {
            guard let digits = number(digits: 2) else { return nil }
            second = digits
            if skip("."), !skipDigits() { return nil }
        }
        return LocalDateTime(date: date, hour: hour, minute: minute, second: second)
    }

    /// Reads `Z`, `-03`, `-0300`, `-03:00` or `-03:06:28` as seconds east of UTC.
    mutating func offset() -> Int64? {
        if skip("Z") || skip("z") { return 0 }
        let isNegative = skip("-")
        guard isNegative || skip("+"), let hours = number(digits: 2), hours < 24 else { return nil }
        var seconds = hours * 3_600
        if !rest.isEmpty {
            let hasColon = skip(":")
            guard let minutes = number(digits: 2), minutes < 60 else { return nil }
            seconds += minutes * 60
            if hasColon, skip(":") {
                guard let digits = number(digits: 2), digits < 60 else { return nil }
                seconds += digits
            }
        }
        return Int64(isNegative ? -seconds : seconds)
    }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func skipDigits() -> Bool {
        let count = rest.prefix { (0x30...0x39).contains($0) }.count
        rest.removeFirst(count)
        return count > 0
    }

    private mutating func number(digits: Int) -> Int? {
        let text = rest.prefix(digits)
        guard text.count == digits, let number = decimal(Substring(text)) else { return nil }
        rest.removeFirst(digits)
        return number
    }
}
