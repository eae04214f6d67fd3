import Runtime

/// Makes lines of what a program writes: so many are kept while it runs, of the rest the last ones.
struct ProgramOutput: Sendable {
    /// Where a line was written.
    enum Stream: Sendable {
        case output, error
    }

    /// A line for `execution_logs`.
    struct Line: Hashable, Sendable {
        let level: LogLevel
        let text: String
    }

    /// Lines kept of one attempt while it runs.
    static let mostLines = 5_000
    /// Their bytes, as far as a log keeps them.
    static let mostBytes = 1 << 20
    /// Lines kept at the end when there were more.
    static let lastLines = 20
    /// Bytes of one line that are held, for metrics may be long; a log keeps fewer of them.
    static let longestLine = 65_536
    private static let longestLastLine = 1_000
    private static let newline = UInt8(ascii: "\n")

    /// A line as it was written.
    private struct RawLine {
        let stream: Stream
        var bytes: [UInt8] = []
        /// It was longer than is held.
        var isCut = false

        var isBlank: Bool { bytes.allSatisfy(Self.isBlank) }
        /// Only an object or a list is ever that long.
        var beginsLikeJSON: Bool {
            let first = bytes.first { !Self.isBlank($0) }
            return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
        }
        /// What is no UTF-8 comes out as U+FFFD.
        var text: String { String(decoding: bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes[...], as: UTF8.self) }

        private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    }

    private var unfinishedOutput = RawLine(stream: .output)
    private var unfinishedError = RawLine(stream: .error)
    private var lastOutput: RawLine?
    private var lastError: RawLine?
    private var keptLines = 0
    private var keptBytes = 0
    private var leftOut = 0
    private var ring: [RawLine] = []
    private let mask: @Sendable (String) -> String

    /// `mask` hides secrets in a line.
    init(mask: @escaping @Sendable (String) -> String) {
        self.mask = mask
    }

    /// Gives the lines that these bytes complete and that are to be kept now.
    mutating func take(_ bytes: ArraySlice<UInt8>, from stream: Stream) -> [Line] {
        var lines: [Line] = []
        var rest = leftOut > ring.count ? skim(bytes, from: stream) : bytes
        while let end = rest.firstIndex(of: Self.newline) {
            hold(rest[..<end], of: stream)
            lines += complete(stream)
            rest = rest[(end + 1)...]
        }
        hold(rest, of: stream)
        return lines
    }

    /// Gives what is left when the program is gone: lines without an end, and the last ones of those that were left out.
    mutating func finish() -> [Line] {
        var lines: [Line] = []
        if !unfinishedOutput.bytes.isEmpty { lines += complete(.output) }
        if !unfinishedError.bytes.isEmpty { lines += complete(.error) }
        if leftOut > ring.count {
            lines.append(Line(level: .warning, text: "\(leftOut - ring.count) lines were left out here; the last \(ring.count) follow"))
        }
        lines += ring.map { Line(level: Self.level($0), text: mask($0.text).cut(toBytes: Self.longestLastLine)) }
        if let lastOutput, lastOutput.isCut, lastOutput.beginsLikeJSON {
            let limit = "is longer than \(Self.longestLine) bytes"
            lines.append(Line(level: .warning, text: "the last line of standard output begins like JSON, but \(limit): it is no metrics"))
        }
        return lines
    }

    /// The last line of standard output that is not blank, when it is JSON (SPEC §5); `null` counts nothing, so it is none.
    var metrics: JSONValue? {
        guard let lastOutput, !lastOutput.isCut, let document = try? JSONValue(parsing: lastOutput.text), !document.isNull
        else { return .none }
        return document
    }

    /// What it said last: the last line of standard error, else of standard output, that is not blank.
    var lastWords: String? { (lastError ?? lastOutput).map { mask($0.text) } }

    /// Once lines are left out only the last ones of a piece matter: a program that writes without end must not cost a core.
    private mutating func skim(_ bytes: ArraySlice<UInt8>, from stream: Stream) -> ArraySlice<UInt8> {
        var start = bytes.endIndex
        var ends = 0
        while start > bytes.startIndex {
            if bytes[start - 1] == Self.newline {
                ends += 1
                if ends > Self.lastLines { break }
            }
            start -= 1
        }
        guard start > bytes.startIndex else { return bytes }
        leftOut += bytes[..<start].count { $0 == Self.newline }
        if stream == .output { unfinishedOutput = RawLine(stream: .output) } else { unfinishedError = RawLine(stream: .error) }
        return bytes[start...]
    }

    private mutating func hold(_ bytes: ArraySlice<UInt8>, of stream: Stream) {
        if stream == .output { Self.hold(bytes, in: &unfinishedOutput) } else { Self.hold(bytes, in: &unfinishedError) }
    }

    private static func hold(_ bytes: ArraySlice<UInt8>, in line: inout RawLine) {
        let room = longestLine - line.bytes.count
        line.bytes.append(contentsOf: bytes.prefix(room))
        if bytes.count > room { line.isCut = true }
    }

    private mutating func complete(_ stream: Stream) -> [Line] {
        let line = stream == .output ? unfinishedOutput : unfinishedError
        if stream == .output { unfinishedOutput = RawLine(stream: .output) } else { unfinishedError = RawLine(stream: .error) }
        if !line.isBlank {
            if stream == .output { lastOutput = line } else { lastError = line }
        }
        let bytes = min(line.bytes.count, ExecutionLogWriter.longestMessage)
        if leftOut == 0, keptLines < Self.mostLines, keptBytes + bytes <= Self.mostBytes {
            keptLines += 1
            keptBytes += bytes
            return [Line(level: Self.level(line), text: mask(line.text))]
        }
        leftOut += 1
        if ring.count == Self.lastLines { ring.removeFirst() }
        ring.append(line)
        guard leftOut == 1 else { return [] }
        let limit = "\(Self.mostLines) lines and \(Self.mostBytes >> 20) MiB"
        return [Line(level: .warning, text: "it writes more than is kept of one attempt, \(limit); its last lines will follow")]
    }

    private static func level(_ line: RawLine) -> LogLevel { line.stream == .output ? .info : .warning }
}

extension String {
    /// The beginning of it, with ` …` behind it when that is not all.
    func cut(toBytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var end = utf8.index(startIndex, offsetBy: limit)
        while end > startIndex, String.Index(end, within: unicodeScalars) == nil { end = utf8.index(before: end) }
        return self[..<end] + " …"
    }
}
