/// What the queue is to be, as plainly as it can be said: rows, and what each step makes of them. It knows no SQL and no tokens; where the
/// database's clock or its ids decide, the driver tells what it saw.
struct QueueModel: Sendable {
    struct Job: Sendable {
        var limit: Int?
        var isPaused = false
        var isDeleted = false
        var priority = 0
        var maxAttempts = 3
        /// The integration that all of its runs count for; 0: none.
        var integration = 0
    }

    struct Row: Sendable {
        let key: Int
        let job: Int
        let trigger: String
        /// What tells the row from others in its params, besides `retryOf`.
        let number: Int
        var storeIDs: [Int]?
        var parent: Int?
        var retryOf: Int?
        var dedupe: Int?
        var store: Int?
        var source = 0
        var target = 0
        var status = "PENDING"
        var priority = 0
        var attempt = 0
        var maxAttempts = 3
        var rescues = 0
        var rescuedFrom: [Int] = []
        var failures = 0
        /// The process that runs it; null while a parent waits.
        var worker: Int?
        var isGated = false
        var children: (done: Int, total: Int)?
        var code: String?
        var outcome: String?
        var past: [Attempt] = []
        /// Grows with every change that fences a run off.
        var generation = 0
        /// When it is due, microseconds; as the database said, or how long after the step that set it.
        var dueAt: Int64 = 0
        var dueAfter: ClosedRange<Int64>?
        var id = ""

        var isLive: Bool { status == "PENDING" || status == "RUNNING" }
        /// Whether it may be what killed its workers: of such runs a worker has one at a time.
        var isSuspect: Bool { rescues >= 2 }
        var isWaitingParent: Bool { status == "RUNNING" && worker == nil }
    }

    struct Attempt: Sendable, Equatable {
        let number: Int
        let worker: Int?
        let outcome: String?
    }

    /// A run as its worker holds it.
    struct Run: Sendable {
        let key: Int
        let generation: Int
    }

    static let hour: Int64 = 3_600_000_000

    /// By id: open, limited, counting for a partner, and with stores.
    var jobs: [Int: Job] = [
        1: Job(), 2: Job(limit: 2, priority: -1), 3: Job(maxAttempts: 1, integration: 1), 4: Job(maxAttempts: 2),
    ]
    /// How many runs at once each integration takes; the second is RP, whose default is 4.
    var partnerLimits: [Int: Int] = [1: 3, 2: 4]
    /// By key, in the order in which they were made.
    var rows: [Int: Row] = [:]
    /// Whether each process's lease holds.
    var holdsLease: [Bool] = []
    private var nextKey = 0

    var live: [Int] { rows.keys.filter { rows[$0]?.isLive == true }.sorted() }

    func isClosed(_ job: Int) -> Bool { jobs[job].map { $0.isPaused || $0.limit != nil } ?? true }

    mutating func change(_ key: Int, _ body: (inout Row) -> Void) {
        guard var row = rows[key] else { return }
        body(&row)
        rows[key] = row
    }

    /// A new PENDING row with what its job says; gives its key.
    mutating func make(
        _ job: Int, trigger: String, number: Int? = nil, store: Int? = nil, source: Int = 0, target: Int = 0,
        _ fill: (inout Row) -> Void = { _ in }
    ) -> Int {
        let key = nextKey
        nextKey += 1
        let configuration = jobs[job] ?? Job()
        var row = Row(key: key, job: job, trigger: trigger, number: number ?? key)
        (row.store, row.source, row.target) = (store, source == 0 ? configuration.integration : source, target)
        (row.priority, row.maxAttempts) = (configuration.priority, configuration.maxAttempts)
        row.isGated = isClosed(job) || store != nil || row.source != 0 || target != 0
        row.dueAfter = 0...0
        fill(&row)
        rows[key] = row
        return key
    }

    // MARK: Claims

    /// Rows in the queue's order that are PENDING and due.
    private func due(_ now: Int64, gated: Bool) -> [Row] {
        rows.values.filter { $0.status == "PENDING" && $0.isGated == gated && $0.dueAt <= now && jobs[$0.job]?.isDeleted == false }
            .sorted { ($0.priority, $0.dueAt, $0.id) < ($1.priority, $1.dueAt, $1.id) }
    }

    /// Gated rows that limits, pauses and store locks let through.
    private func admitted(_ batch: Int, _ now: Int64, by process: Int, except held: Int?) -> [Row] {
        let runs = rows.values.filter { $0.status == "RUNNING" && $0.worker != nil && $0.isGated }
        var ofJob = Dictionary(grouping: runs, by: \.job).mapValues(\.count)
        var ofPartner: [Int: Int] = [:]
        for run in runs { for partner in Set([run.source, run.target]) { ofPartner[partner, default: 0] += 1 } }
        var stores = Set(runs.compactMap { run in run.store.map { [run.target, $0] } })
        var hasSuspect = runs.contains { $0.worker == process && $0.isSuspect }
        var admitted: [Row] = []
        for row in due(now, gated: true) where admitted.count < batch && row.key != held && jobs[row.job]?.isPaused == false {
            let partners = Set([row.source, row.target])
            if let store = row.store, stores.contains([row.target, store]) { continue }
            if let limit = jobs[row.job]?.limit, ofJob[row.job, default: 0] >= limit { continue }
            if partners.contains(where: { ofPartner[$0, default: 0] >= partnerLimits[$0] ?? .max }) { continue }
            if row.isSuspect && hasSuspect { continue }
            hasSuspect = hasSuspect || row.isSuspect
            admitted.append(row)
            ofJob[row.job, default: 0] += 1
            for partner in partners { ofPartner[partner, default: 0] += 1 }
            if let store = row.store { stores.insert([row.target, store]) }
        }
        return admitted
    }

    /// Gives the keys in order. `held`: a row that another session has locked.
    mutating func claim(by process: Int, batch: Int, now: Int64, held: Int?) -> [Int] {
        guard holdsLease[process] else { return [] }
        let gated = admitted(batch, now, by: process, except: held)
        let open = due(now, gated: false).filter { !isClosed($0.job) && $0.key != held }.prefix(batch)
        let taken = (gated + open).sorted { ($0.priority, $0.dueAt, $0.id) < ($1.priority, $1.dueAt, $1.id) }.prefix(batch).map(\.key)
        for key in taken {
            change(key) { row in
                (row.status, row.worker) = ("RUNNING", process)
                row.attempt += 1
                row.generation += 1
            }
        }
        return taken
    }

    // MARK: Processes

    mutating func forgive(_ process: Int) {
        for key in live {
            change(key) { row in
                row.rescues -= min(row.rescues, row.rescuedFrom.count { $0 == process })
                row.rescuedFrom.removeAll { $0 == process }
            }
        }
    }

    // MARK: Configuration

    mutating func configure(_ job: Int, _ body: (inout Job) -> Void) {
        guard let before = jobs[job] else { return }
        var after = before
        body(&after)
        jobs[job] = after
        if after.isDeleted && !before.isDeleted {
            cancel(live.filter { key in rows[key].map { $0.job == job && ($0.status == "PENDING" || $0.worker == nil) } ?? false })
        } else if after.isPaused && !before.isPaused || after.limit != nil && before.limit == nil {
            for key in live where rows[key]?.job == job { change(key) { $0.isGated = true } }
        }
    }

    mutating func pass(hours: Int) {
        for key in rows.keys { change(key) { $0.dueAt -= Int64(hours) * Self.hour } }
    }
}
