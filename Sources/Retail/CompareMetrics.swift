import Runtime

/// What one store's comparison counted, as it becomes `metrics` (SPEC §2 Shapes).
struct CompareMetrics: Sendable {
    private let startedAt = MonotonicClock.now()
    var fetched = 0
    var accepted = 0
    var listed = 0
    var differences: [DifferenceKind: Int] = [:]

    /// A store that was compared.
    func successDocument(_ thresholds: DifferenceThresholds) -> JSONValue {
        document(end: .succeeded, severity: thresholds.severity(of: differences.values.reduce(0, +)))
    }

    /// A store with nothing on either side.
    var skippedDocument: JSONValue { document(end: .skipped, severity: "warning") }
    var failureDocument: JSONValue { document(end: .failed, severity: "critical") }

    /// No store at all.
    var emptyDocument: JSONValue { document(end: nil, severity: "warning") }

    private func document(end: StoreEnd?, severity: String) -> JSONValue {
        [
            "severity": .string(severity), "stores": StoreEnd.count(end),
            "differences": .object(Dictionary(uniqueKeysWithValues: differences.map { ($0.key.rawValue, .integer(Int64($0.value))) })),
            "products": ["fetched": .integer(Int64(fetched)), "accepted": .integer(Int64(accepted)), "listed": .integer(Int64(listed))],
            "duration_ms": .integer(Int64((MonotonicClock.now() - startedAt) / .milliseconds(1))),
        ]
    }
}
