/// Which statements a connection has prepared, by their text. A statement is prepared when it comes for the second time.
struct StatementCache {
    enum Plan: Equatable {
        /// Send the text.
        case unprepared
        /// Prepare it under this name, then run it.
        case prepare(name: String)
        /// Run the prepared statement of this name.
        case prepared(name: String)
    }

    private struct Entry {
        var name: String?
        var lastUse: Int
    }

    /// A server keeps every plan in its memory, so the least recently used one goes.
    private let capacity: Int
    private var entries: [String: Entry] = [:]
    private var clock = 0

    init(capacity: Int = 256) { self.capacity = capacity }

    /// What to do with this text now.
    mutating func plan(for text: String) -> Plan {
        clock += 1
        if let entry = entries[text] {
            entries[text]?.lastUse = clock
            return entry.name.map { .prepared(name: $0) } ?? .prepare(name: "s\(clock)")
        }
        if entries.count >= capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })?.key,
            let name = entries.removeValue(forKey: oldest)?.name
        {
            forgotten.append(name)
        }
        entries[text] = Entry(name: nil, lastUse: clock)
        return .unprepared
    }

    /// Names the server still keeps though no text leads to them any more.
    private(set) var forgotten: [String] = []

    /// The server has prepared this text.
    mutating func prepared(_ text: String, name: String) {
        if let earlier = entries[text]?.name { forgotten.append(earlier) }
        entries[text]?.name = name
    }

    /// The server knows the statement no longer, or (`isKept`) in a form that does not fit.
    mutating func forget(_ text: String, isKept: Bool) {
        if let name = entries.removeValue(forKey: text)?.name, isKept { forgotten.append(name) }
    }

    /// Takes the names to drop on the server.
    mutating func takeForgotten() -> [String] {
        defer { forgotten = [] }
        return forgotten
    }
}
