/// How rows end and come back.
extension QueueModel {
    /// Whether the run's token is current.
    func isCurrent(_ run: Run) -> Bool {
        rows[run.key].map { $0.status == "RUNNING" && $0.generation == run.generation } ?? false
    }

    mutating func finish(_ key: Int, as status: String, outcome: String, code: String?, isQueuesDecision: Bool = true) {
        change(key) { row in
            row.outcome = row.status == "RUNNING" ? outcome : nil
            if outcome == "RESCUED" { row.rescues += 1 }
            row.status = status
            row.code = code
            if isQueuesDecision { row.generation += 1 }
        }
    }

    /// Ends those of the parents whose last child ended. `held`: a row that another session has locked.
    mutating func endParents(_ keys: some Sequence<Int>, held: Int? = nil) {
        for key in Set(keys) {
            guard let parent = rows[key], parent.isWaitingParent, let children = parent.children, key != held else { continue }
            let own = rows.values.filter { $0.parent == key }
            let live = own.count(where: \.isLive)
            change(key) { $0.children = (children.total - live, children.total) }
            guard live == 0 else { continue }
            let isGood = own.allSatisfy { $0.status == "SUCCESS" }
            finish(key, as: isGood ? "SUCCESS" : "FAILED", outcome: isGood ? "SUCCESS" : "FAILED", code: isGood ? nil : "CHILDREN_FAILED")
        }
    }

    /// PENDING again, or CANCELLED when the job was deleted meanwhile.
    mutating func giveBack(_ key: Int, as outcome: String, code: String, dueAfter delay: ClosedRange<Int64>?, held: Int? = nil) {
        guard let row = rows[key], let job = jobs[row.job] else { return }
        let isInterruption = outcome == "INTERRUPTED" || outcome == "RESCUED"
        change(key) { row in
            row.past.append(Attempt(number: row.attempt, worker: row.worker, outcome: outcome))
            if isInterruption { row.maxAttempts += 1 } else { row.failures += 1 }
            row.rescues = outcome == "RESCUED" ? row.rescues + 1 : 0
            row.rescuedFrom = outcome == "RESCUED" ? row.rescuedFrom + [row.worker ?? -1] : []
            (row.status, row.worker, row.code) = ("PENDING", nil, code)
            row.generation += 1
            row.dueAfter = delay
            row.isGated = row.isGated || row.isSuspect || job.isPaused || job.limit != nil
        }
        if job.isDeleted {
            finish(key, as: "CANCELLED", outcome: "CANCELLED", code: nil)
            endParents([row.parent].compactMap { $0 }, held: held)
        }
    }

    /// Ends live rows and their live children. Gives how many of the rows ended.
    @discardableResult
    mutating func cancel(_ keys: [Int]) -> Int {
        let ending = keys.filter { rows[$0]?.isLive == true }
        let children = live.filter { key in rows[key]?.parent.map(ending.contains) ?? false }
        let parents = ending.compactMap { rows[$0]?.parent }
        for key in Set(ending + children) { finish(key, as: "CANCELLED", outcome: "CANCELLED", code: nil) }
        endParents(parents)
        return ending.count
    }

    /// The worker's word, with a token. Gives the keys of children it made.
    mutating func end(_ run: Run, as end: ModelEnd, attempt: Int, maxAttempts: Int) -> [Int] {
        guard isCurrent(run), let row = rows[run.key] else { return [] }
        func fail(_ code: String, _ outcome: String, _ model: inout QueueModel) {
            model.finish(run.key, as: "FAILED", outcome: outcome, code: code, isQueuesDecision: false)
        }
        switch end {
        case .succeed: finish(run.key, as: "SUCCESS", outcome: "SUCCESS", code: nil, isQueuesDecision: false)
        case .refuse: fail("RESULT_REFUSED", "FAILED", &self)
        case .failForGood: fail("BROKEN", "FAILED", &self)
        case .mayPass, .timeOut:
            let (code, outcome) = end == .timeOut ? ("TIMEOUT", "TIMED_OUT") : ("LATER", "RETRY")
            if attempt < maxAttempts {
                giveBack(run.key, as: outcome, code: code, dueAfter: Self.hour * 4 / 5...Self.hour)
            } else {
                fail(code, end == .timeOut ? "TIMED_OUT" : "FAILED", &self)
            }
        case .postpone(let hours):
            giveBack(run.key, as: "INTERRUPTED", code: "BUSY", dueAfter: Int64(hours) * Self.hour...Int64(hours) * Self.hour)
        case .interrupt: giveBack(run.key, as: "INTERRUPTED", code: "INTERRUPTED", dueAfter: nil)
        case .plan(let count):
            if jobs[row.job]?.isDeleted == true {
                fail("RESULT_REFUSED", "FAILED", &self)
            } else {
                return plan(run.key, count)
            }
        }
        return []
    }

    private mutating func plan(_ key: Int, _ count: Int) -> [Int] {
        guard let parent = rows[key] else { return [] }
        change(key) { row in
            row.worker = nil
            row.generation += 1
            row.children = (0, count)
        }
        let hasStores = parent.job == 4
        return (1...count).map { store in
            make(parent.job, trigger: "PARENT", store: hasStores ? store : nil, source: hasStores ? 2 : 0, target: hasStores ? 3 : 0) {
                row in
                row.parent = key
                row.priority = parent.priority
            }
        }
    }

    // MARK: Maintenance

    /// One round. Gives how many runs were rescued.
    mutating func maintain(held: Int?) -> Int {
        let deleted = live.filter { key in
            rows[key].map { jobs[$0.job]?.isDeleted == true && ($0.status == "PENDING" || $0.isWaitingParent) } ?? false
        }
        cancel(deleted)
        for key in live where key != held {
            let isStraggler = rows[key].map { $0.status == "PENDING" && isClosed($0.job) } ?? false
            if isStraggler { change(key) { $0.isGated = true } }
        }
        let lost = live.filter { key in
            key != held && rows[key].map { $0.status == "RUNNING" && $0.worker.map { !holdsLease[$0] } ?? false } ?? false
        }
        let poisoned = lost.filter { (rows[$0]?.rescues ?? 0) >= 2 }
        for key in poisoned { finish(key, as: "FAILED", outcome: "RESCUED", code: "QUARANTINED") }
        endParents(poisoned.compactMap { rows[$0]?.parent }, held: held)
        for key in lost where !poisoned.contains(key) { giveBack(key, as: "RESCUED", code: "WORKER_LOST", dueAfter: nil, held: held) }
        // Parents whose end met a lock.
        endParents(
            live.filter { key in rows[key]?.isWaitingParent == true && !rows.values.contains { $0.parent == key && $0.isLive } }, held: held
        )
        return lost.count
    }

    // MARK: By hand

    /// What `retry_execution` does: the row that becomes due, a new one, or nothing when it is refused.
    mutating func retry(_ key: Int, now: Int64) -> (key: Int?, isNew: Bool) {
        guard let row = rows[key], let job = jobs[row.job] else { return (nil, false) }
        if row.status == "PENDING" {
            change(key) { row in if row.dueAt > now { row.dueAfter = 0...0 } }
            return (key, false)
        }
        guard row.status == "FAILED" || row.status == "CANCELLED", !job.isDeleted else { return (nil, false) }
        let stores = Set(rows.values.filter { $0.parent == key && $0.status != "SUCCESS" }.compactMap(\.store)).sorted()
        let made = make(row.job, trigger: "RETRY", number: row.number, store: row.store, source: row.source, target: row.target) { new in
            new.retryOf = key
            new.priority = row.priority
            new.storeIDs = stores.isEmpty ? row.storeIDs : stores
        }
        return (made, true)
    }
}
