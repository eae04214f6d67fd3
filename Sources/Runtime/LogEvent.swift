import Glibc

/// One event on its way into a line.
struct LogEvent {
    /// A line that is longer may be torn in a pipe (PIPE_BUF), or block its writer.
    static let maximumLineByteCount = 4096

    var level: LogLevel
    var label: String
    var message: String
    var fields: [String: String]
    /// Nanoseconds since 1970.
    var time: Int64

    /// The line with its line feed, at most 4,096 bytes: what is longer is cut, the longest texts first.
    func line(_ format: LogFormat) -> [UInt8] {
        for limit in [Self.maximumLineByteCount, 1024, 256, 64] {
            let line = shortened(to: limit).completeLine(format)
            if line.count <= Self.maximumLineByteCount { return line }
        }
        var bare = shortened(to: 256)
        bare.fields = ["fields": "left out, too many"]
        return bare.completeLine(format)
    }

    private func shortened(to limit: Int) -> LogEvent {
        func cut(_ text: String) -> String {
            text.utf8.count <= limit ? text : String(decoding: text.utf8.prefix(limit), as: UTF8.self) + "…"
        }
        var event = self
        event.message = cut(message)
        event.label = cut(label)
        event.fields = Dictionary(fields.map { (cut($0.key), cut($0.value)) }, uniquingKeysWith: { first, _ in first })
        return event
    }

    private func completeLine(_ format: LogFormat) -> [UInt8] {
        var bytes: [UInt8] = []
        switch format {
        case .text:
            let name = level.rawValue.uppercased()
            bytes.append(contentsOf: "\(Self.isoTime(nanoseconds: time)) \(name) ".utf8)
            appendLabelMessageAndFields(to: &bytes)
        case .journal:
            bytes.append(contentsOf: "<\(level.syslogPriority)>".utf8)
            appendLabelMessageAndFields(to: &bytes)
        case .json:
            bytes.append(contentsOf: #"{"time":"\#(Self.isoTime(nanoseconds: time))","level":"\#(level.rawValue)","label":"#.utf8)
            Self.appendQuoted(label, to: &bytes)
            bytes.append(contentsOf: #","message":"#.utf8)
            Self.appendQuoted(message, to: &bytes)
            if !fields.isEmpty {
                bytes.append(contentsOf: #","fields":"#.utf8)
                Self.append(JSONValue.object(fields.mapValues(JSONValue.string)).text, to: &bytes) { Self.escape(of: $0, inJSON: true) }
            }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }

    private func appendLabelMessageAndFields(to bytes: inout [UInt8]) {
        Self.appendOnOneLine(label, to: &bytes)
        bytes.append(contentsOf: ": ".utf8)
        Self.appendOnOneLine(message, to: &bytes)
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            bytes.append(UInt8(ascii: " "))
            Self.appendOnOneLine(key, to: &bytes)
            bytes.append(UInt8(ascii: "="))
            if Self.isPlain(value) { bytes.append(contentsOf: value.utf8) } else { Self.appendQuoted(value, to: &bytes) }
        }
    }

    private static func isPlain(_ text: String) -> Bool {
        let special = [0x7F, UInt8(ascii: "\""), UInt8(ascii: "="), UInt8(ascii: "\\")]
        return !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && !special.contains($0) }
            && !text.unicodeScalars.contains(where: \.steersTerminals)
    }

    /// Nil: it stays as it is.
    private static func escape(of scalar: Unicode.Scalar, inJSON: Bool) -> String? {
        guard scalar.steersTerminals else { return nil }
        let digits = String(scalar.value, radix: 16)
        return inJSON ? #"\u"# + String(repeating: "0", count: 4 - digits.count) + digits : "\\u{\(digits)}"
    }

    private static func append(_ text: String, to bytes: inout [UInt8], escaping escape: (Unicode.Scalar) -> String?) {
        for scalar in text.unicodeScalars {
            if let escaped = escape(scalar) { bytes.append(contentsOf: escaped.utf8) } else { bytes.append(contentsOf: scalar.utf8) }
        }
    }

    private static func appendQuoted(_ text: String, to bytes: inout [UInt8]) {
        append(JSONValue.string(text).text, to: &bytes) { escape(of: $0, inJSON: true) }
    }

    /// Escapes what would end the line or steer a terminal.
    private static func appendOnOneLine(_ text: String, to bytes: inout [UInt8]) {
        append(text, to: &bytes) { scalar in
            switch scalar.value {
            case 0x0A: #"\n"#
            case 0x0D: #"\r"#
            case 0x09: #"\t"#
            case 0..<0x20, 0x7F: "\\u{\(String(scalar.value, radix: 16))}"
            default: escape(of: scalar, inJSON: false)
            }
        }
    }

    /// UTC with milliseconds, as in `2026-03-01T05:30:00.042Z`.
    static func isoTime(nanoseconds: Int64) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ value: some BinaryInteger, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let day = "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        let clock = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(day)T\(clock).\(padded(nanoseconds % 1_000_000_000 / 1_000_000, 3))Z"
    }
}

extension Unicode.Scalar {
    /// Whether a terminal that shows it obeys or turns the line round: controls beyond ASCII, marks of a direction.
    package var steersTerminals: Bool {
        switch value {
        case 0x80...0x9F, 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
