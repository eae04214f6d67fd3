import Runtime

/// What one store's sync counted, as it becomes `metrics` (SPEC §2 Shapes).
struct SyncMetrics: Sendable {
    private let startedAt = MonotonicClock.now()
    var fetched = 0
    var accepted = 0
    var rejected: [RejectionReason: Int] = [:]
    var uploaded = 0
    var verified = 0

    private enum StoreEnd: String {
        case succeeded, skipped, failed
    }

    mutating func take(_ selection: ProductSelection) {
        fetched = selection.fetched
        accepted = selection.products.count
        rejected = selection.rejected
    }

    /// A store that succeeded; `ok`, or `warning` when somebody should look.
    func successDocument(severity: String = "ok") -> JSONValue {
        document(end: .succeeded, severity: severity)
    }

    /// A store that was skipped: it makes a warning.
    var skippedDocument: JSONValue { document(end: .skipped, severity: "warning") }
    var failureDocument: JSONValue { document(end: .failed, severity: "critical") }

    /// No store at all.
    func document(severity: String) -> JSONValue {
        document(end: nil, severity: severity)
    }

    private func document(end: StoreEnd?, severity: String) -> JSONValue {
        [
            "severity": .string(severity),
            "stores": [
                "total": end == nil ? 0 : 1, "succeeded": end == .succeeded ? 1 : 0, "skipped": end == .skipped ? 1 : 0,
                "failed": end == .failed ? 1 : 0,
            ],
            "products": [
                "fetched": .integer(Int64(fetched)), "accepted": .integer(Int64(accepted)),
                "rejected": .object(Dictionary(uniqueKeysWithValues: rejected.map { ($0.key.rawValue, .integer(Int64($0.value))) })),
                "uploaded": .integer(Int64(uploaded)), "verified": .integer(Int64(verified)),
            ],
            "duration_ms": .integer(Int64((MonotonicClock.now() - startedAt) / .milliseconds(1))),
        ]
    }
}
