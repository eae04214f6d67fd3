/// Reads a compiled zone file (TZif, RFC 8536, versions 1 to 4) into a table.
struct ZoneFile {
    private let bytes: [UInt8]
    private var position = 0

    /// Why a file cannot be used.
    struct Fault: Error {
        let reason: String
    }

    private struct Header {
        let version: UInt8
        let isUTCCount, isStandardCount, leapCount, changeCount, typeCount, nameLength: Int

        /// The length of the block that follows, with `width` bytes for a time.
        func blockLength(width: Int) -> Int {
            changeCount * (width + 1) + typeCount * 6 + nameLength + leapCount * (width + 4) + isStandardCount + isUTCCount
        }
    }

    /// Reads a whole file's content.
    static func table(of bytes: [UInt8]) throws(Fault) -> ZoneTable {
        var file = ZoneFile(bytes: bytes)
        return try file.read()
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// A file of version 2 or more holds everything twice; the second block has times of 64 bits and the rule after it.
    private mutating func read() throws(Fault) -> ZoneTable {
        var header = try readHeader()
        guard header.version >= 0x32 else { return try readBlock(header, width: 4, hasRule: false) }
        try skip(header.blockLength(width: 4))
        header = try readHeader()
        return try readBlock(header, width: 8, hasRule: true)
    }

    private mutating func readHeader() throws(Fault) -> Header {
        guard bytes.count - position >= 44, bytes[position..<position + 4].elementsEqual("TZif".utf8) else {
            throw Fault(reason: "it is no zone file")
        }
        let version = bytes[position + 4]
        position += 20
        var counts: [Int] = []
        for _ in 0..<6 { counts.append(Int(try readNumber(width: 4))) }
        guard counts.allSatisfy({ (0...ZoneTable.largestChangeCount).contains($0) }), counts[4] > 0 else {
            throw Fault(reason: "its header is damaged")
        }
        return Header(
            version: version, isUTCCount: counts[0], isStandardCount: counts[1], leapCount: counts[2], changeCount: counts[3],
            typeCount: counts[4], nameLength: counts[5])
    }

    private mutating func readBlock(_ header: Header, width: Int, hasRule: Bool) throws(Fault) -> ZoneTable {
        guard header.leapCount == 0 else { throw Fault(reason: "it counts leap seconds, which Unix time does not") }
        guard bytes.count - position >= header.blockLength(width: width) else { throw Fault(reason: "it ends too early") }
        var times: [Int64] = []
        for _ in 0..<header.changeCount { times.append(try readNumber(width: width)) }
        let types = bytes[position..<position + header.changeCount].map { Int($0) }
        try skip(header.changeCount)
        var offsets: [Int64] = []
        for _ in 0..<header.typeCount {
            offsets.append(try readNumber(width: 4))
            try skip(2)
        }
        try skip(header.nameLength + header.isStandardCount + header.isUTCCount)
        guard types.allSatisfy({ $0 < offsets.count }), offsets.allSatisfy({ abs($0) < 26 * 3_600 }),
            zip(times, times.dropFirst()).allSatisfy({ $0 < $1 }), times.allSatisfy({ abs($0) < ZoneTable.farFuture })
        else { throw Fault(reason: "its changes are damaged") }
        let changes = zip(times, types).map { (at: $0, offset: offsets[$1]) }
        return ZoneTable(initialOffset: offsets[0], changes: changes, rule: hasRule ? try readRule() : nil)
    }

    /// Reads the line after the second block; an empty one means that the last change holds for good.
    private func readRule() throws(Fault) -> ZoneRule? {
        let rest = bytes[position...]
        guard rest.first == 0x0A, let end = rest.dropFirst().firstIndex(of: 0x0A) else { throw Fault(reason: "it ends too early") }
        guard end - position - 1 > 0 else { return nil }
        guard let rule = ZoneRule(Substring(decoding: bytes[position + 1..<end], as: UTF8.self)) else {
            throw Fault(reason: "its rule for the future is damaged")
        }
        return rule
    }

    private mutating func skip(_ count: Int) throws(Fault) {
        guard bytes.count - position >= count else { throw Fault(reason: "it ends too early") }
        position += count
    }

    private mutating func readNumber(width: Int) throws(Fault) -> Int64 {
        let start = position
        try skip(width)
        let bits = bytes[start..<position].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return width == 8 ? Int64(bitPattern: bits) : Int64(Int32(truncatingIfNeeded: bits))
    }
}
