import Testing

/// What a rule found: one line each, `path:line: what is wrong`.
struct Findings {
    private(set) var lines: [String] = []

    mutating func add(_ path: String, _ line: Int? = nil, _ text: String) {
        lines.append("\(path)\(line.map { ":\($0)" } ?? ""): \(text)")
    }

    /// Fails the test when there is any, and shows them all.
    func expectNone(sourceLocation: SourceLocation = #_sourceLocation) {
        if !lines.isEmpty { Issue.record("\(lines.joined(separator: "\n"))", sourceLocation: sourceLocation) }
    }
}
