import Runtime

/// What mends the stores of `chimera status`.
struct StoreMends {
    let hasWorkers: Bool
    let retries: RetryAdvice
    /// Sync jobs by which no sync comes, as `StatusStatements.idleSyncs` gives them.
    let idleSyncs: [JSONValue]

    /// The row with `mend`: the commands that mend it, or null; and with the reason why no sync came.
    func row(_ store: JSONValue) -> JSONValue {
        guard case .object(var members) = store else { return store }
        members["mend"] = mend(store).map { .string(Mend.command($0.steps)) } ?? .null
        if let reason = reason(store) { members["reason"] = .string(reason) }
        return .object(members)
    }

    /// What mends several stores at once, with their number, where there are such: the most first.
    func together(_ stores: [JSONValue]) -> [JSONValue] {
        let mends = stores.compactMap(mend)
        return Dictionary(grouping: mends) { $0.forAll.last ?? "" }.filter { $0.value.count > 1 }
            .sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
            .map { last, mends in
                let before = Set(mends.flatMap { $0.forAll.dropLast() }).sorted()
                return ["command": .string(Mend.command(before + [last])), "stores": .integer(Int64(mends.count))]
            }
    }

    private func mend(_ store: JSONValue) -> Mend? {
        guard ["MISSING", "FAILED", "SENT"].contains(Cell.text(store["state"])) else { return nil }
        // Before anything else: whatever is made meanwhile waits for it.
        let before = store["job_paused_at"]?.stringValue == nil ? [] : [Self.resuming(store["job"])]
        if let id = store["execution_id"]?.stringValue {
            switch store["execution_status"]?.stringValue {
            // It is queued: one more run would do the same work once more.
            case "PENDING":
                guard before.isEmpty else { return Mend(before) }
                return Mend([hasWorkers ? "chimera execution wait \(id)" : "chimera worker"])
            case "FAILED", "CANCELLED":
                func retry(_ id: String) -> [String] {
                    let steps = retries.steps(after: id)
                    return steps.dropLast() + before + steps.suffix(1)
                }
                return Mend(retry(id), forAll: retry(retries.parent(of: id) ?? id))
            default: break
            }
        }
        guard let job = store["job"]?.stringValue else { return Mend(["chimera job add sync-products --type SYNC_PRODUCTS"]) }
        let forAll = before + [Mend.run(of: job)]
        guard before.isEmpty else { return Mend(forAll) }
        return Mend([Mend.run(of: job, params: #"{"store_ids":[\#(Cell.text(store["store_id"]))]}"#)], forAll: forAll)
    }

    /// Why no sync came for a store for which none was made; nil where the store's own reason says it.
    private func reason(_ store: JSONValue) -> String? {
        guard store["state"] == "MISSING", store["execution_id"]?.stringValue == nil, let job = store["job"], job.stringValue != nil,
            store["job_paused_at"]?.stringValue == nil, let idle = idleSyncs.first(where: { $0["name"] == job }) ?? idleSyncs.first
        else { return nil }
        return "the job \(Cell.text(idle["name"])) \(Self.idleness(idle))"
    }

    static func resuming(_ job: JSONValue?) -> String { "chimera job resume \(shellWord(Cell.text(job)))" }

    /// Why no sync comes by a job.
    static func idleness(_ job: JSONValue) -> String { job["state"] == "INACTIVE" ? "is inactive" : "has no cron pattern" }
}
