import CJSON
import Glibc
import Networking
import Retail
import Synchronization

/// Where a list of like objects stands in an answer, and what is wanted of each.
struct JSONTableLayout: Sendable {
    /// The key of the object that holds the list; nil when the document itself does.
    let parent: String?
    let list: String
    /// At most eight; a cell is addressed by its index here.
    let columns: [String]
    /// Keys beside the list, looked up in the document and in the parent; at most eight.
    let marks: [String]
    let maximumRows: Int
}

/// Why an answer is no such table.
enum JSONTableError: Error {
    case empty
    case notJSON
    case notUTF8
    case wrongShape
    case tooManyRows
    case outOfMemory
}

/// Reads tables out of answers.
final class JSONTableReader: Sendable {
    private let layout: JSONTableLayout
    /// The layout's names as C strings, which live as long as the reader.
    private let names: CNames

    init(_ layout: JSONTableLayout) {
        precondition(layout.columns.count <= Int(CJSON_MAXIMUM_NAMES) && layout.marks.count <= Int(CJSON_MAXIMUM_NAMES))
        self.layout = layout
        names = CNames(layout.columns + layout.marks + [layout.list] + (layout.parent.map { [$0] } ?? []))
    }

    /// Lends the table to `body`; cells are valid inside it only.
    func read<T: Sendable>(
        _ answer: ResponseBody, _ body: (JSONTable) throws(PartnerFailure) -> T
    ) throws(PartnerFailure) -> Result<T, JSONTableError> {
        let memory = ParserMemory.take()
        defer { memory.giveBack(after: answer.count) }
        let outcome: Result<Result<T, JSONTableError>, PartnerFailure> = answer.withPaddedBytes { bytes, capacity in
            guard let start = bytes.baseAddress else { return .success(.failure(.empty)) }
            var table = cjson_table()
            let status = withCLayout { layout in
                withUnsafePointer(to: layout) {
                    cjson_read(memory.reader, start.assumingMemoryBound(to: CChar.self), bytes.count, capacity, $0, &table)
                }
            }
            if let error = JSONTableError(status) { return .success(.failure(error)) }
            return Result { () throws(PartnerFailure) in .success(try body(JSONTable(table: table, layout: self.layout))) }
        }
        return try outcome.get()
    }

    private func withCLayout<T>(_ body: (cjson_layout) -> T) -> T {
        let markStart = layout.columns.count
        let listIndex = markStart + layout.marks.count
        var raw = cjson_layout()
        raw.list = names[listIndex]
        raw.parent = layout.parent == nil ? nil : names[listIndex + 1]
        raw.maximum_rows = layout.maximumRows
        withUnsafeMutableBytes(of: &raw.columns) { names.copy(0..<markStart, to: $0) }
        withUnsafeMutableBytes(of: &raw.marks) { names.copy(markStart..<listIndex, to: $0) }
        return body(raw)
    }
}

/// What a parser needs for a page, kept for the next page of whichever store: made anew, it is hundreds of page faults.
// @unchecked: it has one owner at a time, either a call or the list of those that are kept.
private final class ParserMemory: @unchecked Sendable {
    /// As many as pages are parsed at once; what has read more than this is let go.
    private static let keptCount = 4
    private static let largestKeptBytes = 2 << 20
    private static let kept = Mutex<[ParserMemory]>([])

    let reader: OpaquePointer

    private init() {
        guard let reader = cjson_reader_create() else { preconditionFailure("no memory for a JSON reader") }
        self.reader = reader
    }

    deinit {
        cjson_reader_free(reader)
    }

    static func take() -> ParserMemory {
        kept.withLock { $0.popLast() } ?? ParserMemory()
    }

    /// `bytes`: how large what it read was.
    func giveBack(after bytes: Int) {
        guard bytes <= Self.largestKeptBytes else { return }
        Self.kept.withLock { kept in
            if kept.count < Self.keptCount { kept.append(self) }
        }
    }
}

/// A table that was read; lives as long as the scope it was lent to.
struct JSONTable {
    private let table: cjson_table
    private let layout: JSONTableLayout

    fileprivate init(table: cjson_table, layout: JSONTableLayout) {
        self.table = table
        self.layout = layout
    }

    var hasParent: Bool { table.has_parent != 0 }
    var hasList: Bool { table.has_list != 0 }
    var rowCount: Int { table.row_count }

    func cell(row: Int, column: Int) -> JSONCell {
        JSONCell(raw: table.cells[row * table.column_count + column])
    }

    /// The mark as a key of the document.
    func outerMark(_ index: Int) -> JSONCell {
        withUnsafeBytes(of: table.outer) { JSONCell(raw: $0.bindMemory(to: cjson_cell.self)[index]) }
    }

    /// The mark as a key of the parent.
    func innerMark(_ index: Int) -> JSONCell {
        withUnsafeBytes(of: table.inner) { JSONCell(raw: $0.bindMemory(to: cjson_cell.self)[index]) }
    }
}

/// One value of a table; points into the answer.
struct JSONCell {
    fileprivate let raw: cjson_cell

    var isAbsent: Bool { raw.kind == CJSON_ABSENT.rawValue }
    var isNull: Bool { raw.kind == CJSON_NULL.rawValue }
    var isFalse: Bool { raw.kind == CJSON_FALSE.rawValue }
    var isString: Bool { raw.kind == CJSON_STRING.rawValue }
    var isNumber: Bool { raw.kind == CJSON_NUMBER.rawValue }
    var isList: Bool { raw.kind == CJSON_LIST.rawValue }
    var isObject: Bool { raw.kind == CJSON_OBJECT.rawValue }
    var isRepeated: Bool { raw.kind == CJSON_REPEATED.rawValue }
    /// An empty text; as a mark, also a list or an object without anything in it.
    var isEmpty: Bool { raw.length == 0 && (isString || isList || isObject) }

    /// A string's text or a literal's; nothing for lists, objects and absent values.
    var bytes: UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(
            start: UnsafeRawPointer(raw.bytes)?.assumingMemoryBound(to: UInt8.self), count: raw.bytes == nil ? 0 : Int(raw.length))
    }

    /// The text of a string or a number without the white space around it; nil for everything else.
    var text: String? {
        guard isString || isNumber else { return nil }
        var rest = bytes[...]
        while rest.last == 0x20 { rest = rest.dropLast() }
        while rest.first == 0x20 { rest = rest.dropFirst() }
        return String(decoding: UnsafeBufferPointer(rebasing: rest), as: UTF8.self)
    }

    /// A whole number, also when it stands in a string.
    var wholeNumber: Int64? {
        isNumber || isString ? DecimalText.whole(bytes) : nil
    }

    /// A price, from the literal text of a number or from a string.
    var price: PriceReading {
        if isAbsent || isNull { return .absent }
        let cents = isNumber ? DecimalText.cents(number: bytes) : isString ? DecimalText.cents(string: bytes) : nil
        return cents.map { .amount($0) } ?? .unreadable
    }
}

extension JSONCell: Equatable {
    /// The same kind of value with the same bytes.
    static func == (left: JSONCell, right: JSONCell) -> Bool {
        guard left.raw.kind == right.raw.kind, left.bytes.count == right.bytes.count else { return false }
        guard let first = left.raw.bytes, let second = right.raw.bytes else { return left.bytes.isEmpty }
        return memcmp(first, second, left.bytes.count) == 0
    }
}

extension JSONTableError {
    fileprivate init?(_ status: cjson_status) {
        switch status {
        case CJSON_OK: return nil
        case CJSON_EMPTY: self = .empty
        case CJSON_NOT_UTF8: self = .notUTF8
        case CJSON_WRONG_SHAPE: self = .wrongShape
        case CJSON_TOO_MANY_ROWS: self = .tooManyRows
        case CJSON_OUT_OF_MEMORY: self = .outOfMemory
        default: self = .notJSON
        }
    }
}

/// C strings that live as long as this object.
// @unchecked: the strings are written in init, freed in deinit and only read between.
private final class CNames: @unchecked Sendable {
    private let pointers: [UnsafeMutablePointer<CChar>]

    init(_ names: [String]) {
        pointers = names.map { name in
            let bytes = name.utf8CString
            let pointer = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
            for (index, byte) in bytes.enumerated() { pointer[index] = byte }
            return pointer
        }
    }

    deinit {
        for pointer in pointers { pointer.deallocate() }
    }

    subscript(index: Int) -> UnsafePointer<CChar> { UnsafePointer(pointers[index]) }

    func copy(_ range: Range<Int>, to slots: UnsafeMutableRawBufferPointer) {
        let typed = slots.bindMemory(to: UnsafePointer<CChar>?.self)
        for (slot, index) in range.enumerated() { typed[slot] = self[index] }
    }
}
