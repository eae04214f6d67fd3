import Glibc
import Testing

@testable import Cron

/// Which names are zones, and what a damaged file does.
@Suite struct ZoneNameTests {
    @Test(
        "a name that is spelled otherwise, or is no zone, is refused by name",
        arguments: [
            "", "america/sao_paulo", "America/Sao Paulo", "BRT", "Foo3", "America", "zone.tab", "leapseconds", "right/UTC", "-03:00",
            "../../../etc/passwd", "America/../UTC", "/usr/share/zoneinfo/UTC", "./UTC", "America//Sao_Paulo", "UTC/", "América", "UTC\n",
        ])
    func refused(name: String) throws {
        let error = try #require(throws: TimeZoneError.self) { try TimeZoneRules(named: name) }
        #expect(error.description.hasPrefix("The time zone \"\(printable(name))\" is not known: "))
        #expect(error.description.hasSuffix("write a name such as America/Sao_Paulo, spelled exactly."))
    }

    @Test("a huge name is refused with a short message")
    func hugeName() throws {
        let error = try #require(throws: TimeZoneError.self) { try TimeZoneRules(named: String(repeating: "A/", count: 1_000_000)) }
        #expect(error.description.count < 200)
    }

    @Test("UTC needs no zone files")
    func universalTime() throws {
        #expect(try TimeZoneRules(named: "UTC", directory: "/nowhere").offset(at: 0) == 0)
        #expect(throws: TimeZoneError.self) { try TimeZoneRules(named: "America/Sao_Paulo", directory: "/nowhere") }
    }

    @Test("a zone once read stays in memory until it is forgotten")
    func forgotten() throws {
        let folder = try ZoneFolder()
        try folder.write(zoneFile(rule: "<-03>3"), as: "Somewhere")
        #expect(try TimeZoneRules(named: "Somewhere", directory: folder.path).offset(at: 0) == -10_800)
        try folder.write(zoneFile(rule: "<-04>4"), as: "Somewhere")
        #expect(try TimeZoneRules(named: "Somewhere", directory: folder.path).offset(at: 0) == -10_800)
        TimeZoneRules.forgetLoadedZones()
        #expect(try TimeZoneRules(named: "Somewhere", directory: folder.path).offset(at: 0) == -14_400)
    }

    @Test("a file of the first version, with times of 32 bits and no rule, can be read")
    func firstVersion() throws {
        let table = try ZoneFile.table(
            of: zoneBlock(version: 0, width: 4, changes: [(-1_000, 1), (1_000, 0)], offsets: [-10_800, -7_200]))
        #expect(
            [-1_001, -1_000, 999, 1_000, 9_999_999_999].map { table.stretch(at: $0).offset } == [-10_800, -7_200, -7_200, -10_800, -10_800])
    }

    @Test("a file cut anywhere, or with a flipped byte, is refused or read, and never traps")
    func damaged() throws {
        let whole = zoneFile(changes: [(-1_000, 1), (1_000, 0)], offsets: [-10_800, -7_200], rule: "WET0WEST,M3.5.0/1,M10.5.0")
        _ = try ZoneFile.table(of: whole)
        for length in 0..<whole.count - 1 {
            #expect(throws: ZoneFile.Fault.self) { try ZoneFile.table(of: Array(whole[..<length])) }
        }
        var refused = 0
        for index in whole.indices {
            for bit in 0..<8 {
                var bytes = whole
                bytes[index] ^= 1 << UInt8(bit)
                do {
                    let table = try ZoneFile.table(of: bytes)
                    for instant in [-4_000_000_000, 0, 1_700_000_000, 200_000_000_000 as Int64] {
                        _ = table.instant(ofWall: instant + table.stretch(at: instant).offset)
                    }
                } catch { refused += 1 }
            }
        }
        #expect(refused > 100)
    }

    @Test("a file that counts leap seconds is refused")
    func leapSeconds() throws {
        var bytes = zoneBlock(version: 0, width: 4, changes: [], offsets: [0])
        bytes[31] = 1
        bytes += [UInt8](repeating: 0, count: 8)
        let fault = try #require(throws: ZoneFile.Fault.self) { try ZoneFile.table(of: bytes) }
        #expect(fault.reason.contains("leap seconds"))
    }
}

/// The rule that a zone file ends with.
@Suite struct ZoneRuleTests {
    @Test(
        "a rule changes the clock when POSIX and RFC 8536 say",
        arguments: [
            ("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00 -14400 2026-11-01T06:00:00 -18000"),
            ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-04-04T15:00:00 37800 2026-10-03T15:30:00 39600"),
            ("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-03-29T01:00:00 3600 2026-10-25T01:00:00 0"),
            ("EET-2EEST,M4.5.5/0,M10.5.4/24", "2026-04-23T22:00:00 10800 2026-10-29T21:00:00 7200"),
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00 -3600 2026-10-25T01:00:00 -7200"),
            ("AAA3BBB,J60/0,J300", "2026-03-01T03:00:00 -7200 2026-10-27T04:00:00 -10800"),
            ("AAA3BBB,59/0:30:15,299", "2026-03-01T03:30:15 -7200 2026-10-27T04:00:00 -10800"),
            ("IST-2IDT,M3.4.4/26,M10.5.0", "2026-03-27T00:00:00 10800 2026-10-24T23:00:00 7200"),
        ])
    func changes(text: String, expected: String) throws {
        let rule = try #require(ZoneRule(Substring(text)))
        let shown = rule.changes(inYear: 2026).map { "\(LocalDateTime(wall: $0.at)) \($0.offset)" }
        #expect(shown.joined(separator: " ") == expected)
    }

    @Test("1 March is day J60 in a leap year too, and day 60 counted from 0")
    func leapYear() throws {
        for text in ["AAA0BBB,J60/0,J300", "AAA0BBB,60/0,J300"] {
            let rule = try #require(ZoneRule(Substring(text)))
            #expect("\(LocalDateTime(wall: rule.changes(inYear: 2024)[0].at))" == "2024-03-01T00:00:00")
        }
    }

    @Test("daylight time all year is one offset")
    func allYear() throws {
        let table = try ZoneFile.table(of: zoneFile(rule: "XXX3EDT4,0/0,J365/23"))
        for step in 0..<400 { #expect(table.stretch(at: 1_600_000_000 + Int64(step) * 86_400).offset == -14_400) }
    }

    @Test(
        "what breaks the grammar is no rule",
        arguments: [
            "", "AB3", "ABC", "ABC25", "ABC3DEF", "ABC3DEF,M3.2.0", "ABC3DEF,M13.1.0,M11.1.0", "ABC3DEF,M3.6.0,M11.1.0",
            "ABC3DEF,M3.2.7,M11.1.0", "ABC3DEF,J0,J365", "ABC3DEF,J366,J1", "ABC3DEF,366,1", "<-03", "ABC3x", "ABC3DEF,M3.2.0,M11.1.0x",
            "ABC3DEF,M3.2.0/168,M11.1.0", "ABC3:60",
        ])
    func refused(text: String) {
        #expect(ZoneRule(Substring(text)) == nil)
    }
}

/// A directory of zone files for one test.
final class ZoneFolder {
    let path: String
    private var names: [String] = []

    init() throws {
        var template = Array("/tmp/chimera-zones-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func write(_ bytes: [UInt8], as name: String) throws {
        let file = try #require(fopen("\(path)/\(name)", "w"))
        names.append(name)
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
        fclose(file)
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }
}

/// A zone file of version 2 whose first block is empty.
func zoneFile(changes: [(Int64, UInt8)] = [], offsets: [Int32] = [0], rule: String) -> [UInt8] {
    zoneBlock(version: 0x32, width: 4, changes: [], offsets: [0])
        + zoneBlock(version: 0x32, width: 8, changes: changes, offsets: offsets) + Array("\n\(rule)\n".utf8)
}

func zoneBlock(version: UInt8, width: Int, changes: [(Int64, UInt8)], offsets: [Int32]) -> [UInt8] {
    func bigEndian(_ number: Int64, _ width: Int) -> [UInt8] {
        (0..<width).reversed().map { UInt8(truncatingIfNeeded: number >> Int64($0 * 8)) }
    }
    var bytes = Array("TZif".utf8) + [version] + [UInt8](repeating: 0, count: 15)
    for count in [0, 0, 0, changes.count, offsets.count, 4] { bytes += bigEndian(Int64(count), 4) }
    for change in changes { bytes += bigEndian(change.0, width) }
    bytes += changes.map { $0.1 }
    for offset in offsets { bytes += bigEndian(Int64(offset), 4) + [0, 0] }
    return bytes + Array("ABC\0".utf8)
}
