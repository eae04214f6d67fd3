import Glibc
import Synchronization

/// A time zone as the system's zone files describe it, so that an update of Debian's `tzdata` is enough to learn a new law.
package struct TimeZoneRules: Sendable {
    /// The name as it was given, such as `America/Sao_Paulo`.
    package let name: String
    let table: ZoneTable

    /// The years that schedules and texts cover: 0001-01-02 to 9999-12-30 in UTC, so that every zone's wall clock stays within 1 to 9999.
    static let instants: ClosedRange<Int64> =
        Int64(Gregorian.firstDay + 1) * 86_400...Int64(Gregorian.lastDay) * 86_400 - 1

    /// Universal time, which needs no file.
    package static let utc = TimeZoneRules(name: "UTC", table: ZoneTable(initialOffset: 0, changes: [], rule: nil))

    init(name: String, table: ZoneTable) {
        self.name = name
        self.table = table
    }

    /// Finds a zone by its exact name in `directory`, by default `$TZDIR` or `/usr/share/zoneinfo`; a zone once read stays in memory.
    package init(named name: String, directory: String? = nil) throws(TimeZoneError) {
        if name == "UTC" {
            self = .utc
            return
        }
        guard Self.isName(name) else { throw TimeZoneError(name: name, reason: "that is no zone's name") }
        let folder = directory ?? Self.systemDirectory
        let path = "\(folder)/\(name)"
        if let loaded = Self.loaded.withLock({ $0[path] }) {
            self.init(name: name, table: loaded)
            return
        }
        guard let bytes = contents(ofFile: path) else { throw TimeZoneError(name: name, reason: "\(printable(folder)) holds no such zone") }
        do {
            self.init(name: name, table: try ZoneFile.table(of: bytes))
        } catch {
            throw TimeZoneError(name: name, reason: "its file cannot be used, \(error.reason)")
        }
        let table = table
        Self.loaded.withLock { $0[path] = table }
    }

    /// Forgets the zones in memory, so that the files are read again: what a SIGHUP after an update of `tzdata` asks for.
    package static func forgetLoadedZones() {
        loaded.withLock { $0.removeAll() }
    }

    /// The offset in force at an instant (Unix seconds), in seconds east of UTC.
    package func offset(at instant: Int64) -> Int {
        Int(table.stretch(at: Self.clamped(instant)).offset)
    }

    /// What a wall clock shows at an instant (Unix seconds); instants outside the years 1 to 9999 are taken as the nearest inside.
    package func local(at instant: Int64) -> LocalDateTime {
        let instant = Self.clamped(instant)
        return LocalDateTime(wall: instant + table.stretch(at: instant).offset)
    }

    /// The instant (Unix seconds) at which a wall clock shows a time: of two the first; for one that is skipped, the gap's end.
    package func instant(of local: LocalDateTime) -> Int64 {
        table.instant(ofWall: local.wall)
    }

    /// The instant at which a wall clock shows a time for the last time: of two the second; else that of `instant(of:)`.
    package func lastInstant(of local: LocalDateTime) -> Int64 {
        let first = instant(of: local)
        // Clocks are set back by an hour or two, and what lies behind the change tells the offset that is in force then.
        let second = local.wall - Int64(offset(at: first + 3 * 3600))
        return second > first && self.local(at: second) == local ? second : first
    }

    static func clamped(_ instant: Int64) -> Int64 {
        min(max(instant, instants.lowerBound), instants.upperBound)
    }

    /// Zones by path. Only files that could be used get in, so the system's own list bounds it.
    private static let loaded = Mutex<[String: ZoneTable]>([:])

    private static var systemDirectory: String {
        guard let value = getenv("TZDIR"), value.pointee != 0 else { return "/usr/share/zoneinfo" }
        return String(cString: value)
    }

    /// Letters, digits, `_`, `+` and `-`, in parts joined by `/`: no dots, so no way out of the directory.
    private static func isName(_ name: String) -> Bool {
        guard (1...64).contains(name.utf8.count) else { return false }
        let parts = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return parts.allSatisfy { part in
            !part.isEmpty
                && part.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "-"):
                        true
                    default: false
                    }
                }
        }
    }
}

/// Why a name gives no time zone.
package struct TimeZoneError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The name, printable and at most 40 characters long.
    package let name: String
    /// What is wrong with it.
    package let reason: String

    init(name: String, reason: String) {
        self.name = printable(name)
        self.reason = reason
    }

    /// One sentence with the name, what is wrong, and what to write.
    package var description: String {
        "The time zone \"\(name)\" is not known: \(reason); write a name such as America/Sao_Paulo, spelled exactly."
    }
}

/// The bytes of a regular file of at most 256 KiB, or nil.
private func contents(ofFile path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= 262_144 else { return nil }
    let size = Int(status.st_size)
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        while count < size {
            let read = read(descriptor, buffer.baseAddress.map { $0 + count }, size - count)
            if read <= 0 { break }
            count += read
        }
    }
    return bytes.count == size ? bytes : nil
}
