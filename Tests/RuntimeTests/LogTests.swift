import Foundation
import Glibc
import Testing

@testable import Runtime

@Suite("Log")
struct LogTests {
    private static let event = LogEvent(
        level: .warning, label: "queue", message: "lease lost", fields: ["b": "two words", "a": "1", "c": ""],
        time: 1_772_343_000_042_999_999)

    private func text(_ event: LogEvent, _ format: LogFormat) -> String { String(decoding: event.line(format), as: UTF8.self) }

    @Test("an event has one line in each format")
    func formats() {
        #expect(text(Self.event, .text) == "2026-03-01T05:30:00.042Z WARNING queue: lease lost a=1 b=\"two words\" c=\"\"\n")
        #expect(text(Self.event, .journal) == "<4>queue: lease lost a=1 b=\"two words\" c=\"\"\n")
        let json = #"{"time":"2026-03-01T05:30:00.042Z","level":"warning","label":"queue","message":"lease lost","#
        #expect(text(Self.event, .json) == json + #""fields":{"a":"1","b":"two words","c":""}}"# + "\n")
    }

    @Test("priorities are those of syslog(3)")
    func priorities() {
        #expect(LogLevel.allCases.map(\.syslogPriority) == [7, 6, 5, 4, 3])
        #expect(LogLevel.allCases == LogLevel.allCases.sorted())
    }

    @Test("nothing in an event can begin a line or steer the terminal", arguments: LogFormat.allCases)
    func oneLine(_ format: LogFormat) throws {
        var event = Self.event
        event.message = "first\nERROR forged\r\t\u{1B}[31m é"
        event.fields = ["k\ne y": "v\n<0>x", "plain": #"a"b"#, "back": #"C:\n"#]
        let line = text(event, format)
        #expect(line.utf8.filter { $0 < 0x20 } == [0x0A] && line.hasSuffix("\n"))
        #expect(line.contains(#"first\nERROR forged\r\t"#) && line.contains("é"))
        if format == .json {
            let value = try JSONValue(parsing: line)
            #expect(value["message"]?.stringValue == event.message)
            #expect(value["fields"] == .object(event.fields.mapValues(JSONValue.string)))
        }
    }

    @Test("no control of the second kind and no mark of a direction turns a line round", arguments: LogFormat.allCases)
    func marks(_ format: LogFormat) throws {
        let marks: [UInt32] = [0x80, 0x85, 0x9B, 0x9F, 0x200E, 0x200F, 0x202A, 0x202E, 0x2066, 0x2069]
        let name = "é" + String(String.UnicodeScalarView(marks.compactMap { Unicode.Scalar($0) })) + "\u{A0}ü\u{200D}\u{2065}"
        var event = Self.event
        (event.label, event.message) = (name, name)
        event.fields = [name: name, "quoted": name + " x"]
        let line = text(event, format)
        #expect(!line.unicodeScalars.contains { marks.contains($0.value) })
        #expect(line.contains("\u{A0}ü\u{200D}\u{2065}"))
        if format == .json {
            #expect(try JSONValue(parsing: line)["fields"] == .object(event.fields.mapValues(JSONValue.string)))
        } else {
            #expect(line.contains(#"\u{9b}"#) && line.contains(#"\u{202e}"#))
        }
    }

    @Test("a line never has more than 4,096 bytes and stays whole", arguments: LogFormat.allCases)
    func longLines(_ format: LogFormat) throws {
        var event = Self.event
        event.message = String(repeating: "é\n", count: 50_000)
        var line = event.line(format)
        #expect(line.count <= 4096 && line.last == 0x0A && line.filter { $0 == 0x0A }.count == 1)
        event.fields = Dictionary(uniqueKeysWithValues: (0..<500).map { ("field\($0)", String(repeating: "\u{1}", count: 500)) })
        line = event.line(format)
        #expect(line.count <= 4096 && line.last == 0x0A)
        if format == .json { _ = try JSONValue(parsing: String(decoding: line, as: UTF8.self)) }
        event.message = "short"
        event.fields = ["big": String(repeating: "x", count: 3_000)]
        #expect(event.line(format).count > 3_000, "what fits is not cut")
    }

    @Test(
        "times are right at the edges", arguments: [(0, "1970-01-01T00:00:00.000Z"), (951_782_400_999_000_000, "2000-02-29T00:00:00.999Z")])
    func times(_ nanoseconds: Int64, _ expected: String) {
        #expect(LogEvent.isoTime(nanoseconds: nanoseconds) == expected)
    }

    @Test("what is below the level is neither written nor made")
    func levels() throws {
        let pipe = try PipeEnds()
        let logger = Logger(label: "part", sink: LogSink(level: .notice, format: .journal, descriptor: pipe.writing))
        func unwanted() -> String {
            Issue.record("made")
            return ""
        }
        logger.debug(unwanted())
        logger.info(unwanted())
        logger.notice("one")
        logger.warning("two")
        logger.error("three")
        #expect(pipe.readAvailable() == "<5>part: one\n<4>part: two\n<3>part: three\n")
    }

    @Test("a full device, a closed pipe and a closed descriptor stop nobody")
    func failingDescriptors() throws {
        Logging.configure(level: .error, format: .text)
        let full = open("/dev/full", O_WRONLY)
        defer { close(full) }
        Logger(label: "full", sink: LogSink(level: .info, format: .text, descriptor: full)).info("x")
        let pipe = try PipeEnds()
        pipe.closeReading()
        Logger(label: "closed", sink: LogSink(level: .info, format: .text, descriptor: pipe.writing)).info("x")
        Logger(label: "absent", sink: LogSink(level: .info, format: .text, descriptor: -1)).info("x")
        #expect(full >= 0)
    }

    @Test("a reader that does not read costs little, and is told later how much it missed")
    func stalledReader() throws {
        let pipe = try PipeEnds()
        let logger = Logger(label: "busy", sink: LogSink(level: .info, format: .text, descriptor: pipe.writing))
        let start = MonotonicClock.now()
        let line = String(repeating: "x", count: 900)
        for _ in 0..<500 { logger.info(line) }
        #expect(MonotonicClock.now() - start < .seconds(60))
        let firstPart = pipe.readAvailable()
        #expect(firstPart.split(separator: "\n").count < 500 && firstPart.hasSuffix("\n"))
        logger.info("again")
        let secondPart = pipe.readAvailable().split(separator: "\n")
        let missed = 500 - firstPart.split(separator: "\n").count
        try #require(secondPart.count == 2)
        #expect(secondPart[0].hasSuffix("WARNING busy: \(missed) lines were dropped because nobody read them"))
        #expect(secondPart[1].hasSuffix("INFO busy: again"))
    }

    @Test("the journal is recognised by the device and inode of the stream")
    func journalDetection() throws {
        let pipe = try PipeEnds()
        var status = stat()
        fstat(pipe.writing, &status)
        func detected(_ stream: String?) -> LogFormat {
            LogFormat.detected(environment: stream.map { ["JOURNAL_STREAM": $0] } ?? [:], descriptor: pipe.writing)
        }
        #expect(detected("\(status.st_dev):\(status.st_ino)") == .journal)
        #expect(detected("\(status.st_dev):\(status.st_ino + 1)") == .text)
        #expect(detected("") == .text && detected(nil) == .text)
        #expect(LogFormat.detected(environment: ["JOURNAL_STREAM": "1:2"], descriptor: -1) == .text)
    }

    @Test("an unknown level or format is an error of configuration that names the choices")
    func choices() throws {
        #expect(try Logging.choice(LogLevel.self, "CHIMERA_LOG_LEVEL", ["CHIMERA_LOG_LEVEL": "debug"]) == .debug)
        #expect(try Logging.choice(LogLevel.self, "CHIMERA_LOG_LEVEL", [:]) == nil)
        let error = #expect(throws: OperatorError.self) {
            try Logging.choice(LogFormat.self, "CHIMERA_LOG_FORMAT", ["CHIMERA_LOG_FORMAT": "xml"])
        }
        #expect(error?.exitCode == .configuration && error?.exitCode.rawValue == 78)
        #expect(error?.description == "CHIMERA_LOG_FORMAT is \"xml\"; set it to one of text, json, journal")
    }
}

/// Both ends of a pipe, closed with the value's owner.
final class PipeEnds {
    private(set) var reading: Int32
    let writing: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        reading = ends[0]
        writing = ends[1]
    }

    deinit {
        closeReading()
        close(writing)
    }

    func closeReading() {
        if reading >= 0 { close(reading) }
        reading = -1
    }

    /// All that can be read without waiting.
    func readAvailable() -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            var request = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
            guard poll(&request, 1, 0) > 0 else { break }
            let count = read(reading, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes.append(contentsOf: buffer[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
