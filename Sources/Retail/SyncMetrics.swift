import Runtime

/// How one store's run ended, for `metrics.stores`.
enum StoreEnd {
    case succeeded, skipped, failed

    /// `{"total", "succeeded", "skipped", "failed"}`; nil: no store at all.
    static func count(_ end: StoreEnd?) -> JSONValue {
        [
            "total": end == nil ? 0 : 1, "succeeded": end == .succeeded ? 1 : 0, "skipped": end == .skipped ? 1 : 0,
            "failed": end == .failed ? 1 : 0,
        ]
    }
}

/// What one store's sync counted, as it becomes `metrics` (SPEC §2 Shapes).
struct SyncMetrics: Sendable {
    private var startedAt = MonotonicClock.now()
    /// What an earlier attempt counted when it read the products that this one goes on with, as it stands in the campaign; nil: this one reads.
    var readBefore: JSONValue?
    var fetched = 0
    var accepted = 0
    var rejected: JSONValue = [:]
    var uploaded = 0
    var verified = 0

    /// The same attempt, as if nothing had been read or sent yet.
    var anew: SyncMetrics {
        var anew = SyncMetrics()
        anew.startedAt = startedAt
        return anew
    }

    mutating func take(_ selection: ProductSelection) {
        fetched = selection.fetched
        accepted = selection.acceptedCount
        rejected = selection.rejectedDocument
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
        let before = readBefore?["products"]
        return [
            "severity": .string(severity),
            "stores": StoreEnd.count(end),
            "products": [
                "fetched": before?["fetched"] ?? .integer(Int64(fetched)), "accepted": before?["accepted"] ?? .integer(Int64(accepted)),
                "rejected": before?["rejected"] ?? rejected,
                "uploaded": .integer(Int64(uploaded)), "verified": .integer(Int64(verified)),
            ],
            "duration_ms": .integer(Int64((MonotonicClock.now() - startedAt) / .milliseconds(1))),
        ]
    }
}
