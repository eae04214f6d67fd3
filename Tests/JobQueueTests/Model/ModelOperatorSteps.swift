import Postgres
import Runtime
import TestSupport

@testable import JobQueue

/// A job of a model's run that does what the history says.
struct ModelJob: Job {
    let end: ModelEnd
    let numbers: [Int]
    let hasStores: Bool

    static func configuration(_ job: Int) -> JobConfiguration {
        JobConfiguration(
            id: job, name: "job-\(job)", jobType: "TEST", timeZone: "UTC", config: [:], integrationProblem: nil, retryDelay: .seconds(3600),
            timeout: .seconds(900))
    }

    func run(_ context: RunContext) async throws -> JobResult {
        switch end {
        case .succeed: return .succeeded(metrics: nil)
        case .refuse: return .succeeded(metrics: nil)
        case .failForGood: throw RunError(code: "BROKEN", message: "m", isRetryable: false)
        case .mayPass: throw RunError(code: "LATER", message: "m", isRetryable: true)
        case .postpone(let hours): throw RunPostponed(code: "BUSY", message: "m", delay: .seconds(hours * 3600))
        case .interrupt, .timeOut: throw LeaseLost()
        case .plan:
            let children = numbers.enumerated().map { place, number in
                PlannedChild(
                    params: ["n": .integer(Int64(number))], storeID: hasStores ? place + 1 : nil, registration: nil,
                    sourceID: hasStores ? 2 : 0,
                    targetID: hasStores ? 3 : 0)
            }
            return .fanOut(children, unit: "stores")
        }
    }
}

/// Ends of runs, and what operators do.
extension ModelSession {
    func end(_ worker: Int, _ picks: [Int], _ ends: [ModelEnd], _ fault: ModelFault) async throws {
        let held = workers[worker].held
        guard !held.isEmpty else { return }
        var places: [Int] = []
        for pick in picks where !places.contains(pick % held.count) { places.append(pick % held.count) }
        try await write(zip(places, ends).map { (held: held[$0], end: $1) }, fault)
        workers[worker].past += places.map { held[$0] }
        workers[worker].held = held.enumerated().filter { !places.contains($0.offset) }.map(\.element)
    }

    func endAgain(_ worker: Int, _ pick: Int, _ end: ModelEnd, _ fault: ModelFault) async throws {
        let past = workers[worker].past
        guard !past.isEmpty else { return }
        try await write([(held: past[pick % past.count], end: end)], fault)
    }

    /// What the worker's outcome writer is given, in one round; a round whose connection is cut is repeated, as the writer does.
    private func write(_ items: [(held: ModelRun, end: ModelEnd)], _ fault: ModelFault) async throws {
        let items: [(held: ModelRun, end: ModelEnd)] = items.map { item in
            if case .plan = item.end, item.held.run.parentID != nil || item.held.run.storeID != nil { return (item.held, ModelEnd.succeed) }
            return item
        }
        let numbers = predict(items)
        let outcomes = await outcomes(items, numbers)
        func round(_ pool: PostgresPool) async throws {
            let writer = OutcomeWriter(pool: pool, logs: ExecutionLogWriter(wakeup: Wakeup()), wakeup: Wakeup(), onWritten: { _ in })
            for (run, outcome) in outcomes { writer.submit(run, outcome) }
            try await writer.writeOnce()
        }
        guard fault == .cutBefore || fault == .cutAfter, let first = items.map(\.held.run.id).min() else {
            return try await round(queue.pool)
        }
        let marker = first
        try await cuts.cut(fault == .cutBefore ? .before(marker) : .after(marker), round)
        try await round(queue.pool)
    }

    /// What becomes of the rows; gives the numbers of the children of each run.
    private func predict(_ items: [(held: ModelRun, end: ModelEnd)]) -> [[Int]] {
        var numbers = items.map { _ in [Int]() }
        let sorted = items.indices.sorted { items[$0].held.run.id < items[$1].held.run.id }
        func isEnd(_ place: Int) -> Bool {
            let run = items[place].held.run
            switch items[place].end {
            case .succeed, .refuse, .failForGood: return true
            case .mayPass, .timeOut: return run.attempt >= run.maxAttempts
            default: return false
            }
        }
        func apply(_ place: Int) -> Bool {
            let held = items[place].held
            let isCurrent = model.isCurrent(held.known)
            let made = model.end(held.known, as: items[place].end, attempt: held.run.attempt, maxAttempts: held.run.maxAttempts)
            numbers[place] = made.compactMap { model.rows[$0]?.number }
            note(isCurrent ? "end \(items[place].end)" : "late end")
            return isCurrent
        }
        let ending = sorted.filter(isEnd)
        let parents = { (places: [Int]) in places.compactMap { items[$0].held.run.parentID.flatMap { self.keys[$0] } } }
        if ending.contains(where: { items[$0].end == .refuse }) {
            // Refused as a batch, then written one by one.
            for place in ending where apply(place) { model.endParents(parents([place])) }
        } else if !ending.map(apply).allSatisfy({ !$0 }) {
            model.endParents(parents(ending))
        }
        for place in sorted where !isEnd(place) {
            if case .plan = items[place].end { continue }
            _ = apply(place)
        }
        for place in items.indices {
            if case .plan = items[place].end { _ = apply(place) }
        }
        return numbers
    }

    /// What the product makes of the ends: an attempt with a job that gives or throws just that.
    private func outcomes(_ items: [(held: ModelRun, end: ModelEnd)], _ numbers: [[Int]]) async -> [(ClaimedRun, RunOutcome)] {
        var outcomes: [(ClaimedRun, RunOutcome)] = []
        for (item, numbers) in zip(items, numbers) {
            let run = item.held.run
            var children = numbers
            if case .plan(let count) = item.end, children.isEmpty { children = Array(repeating: -1, count: count) }
            let job = ModelJob(end: item.end, numbers: children, hasStores: run.jobConfigID == 4)
            let attempt = Attempt(
                jobs: ["TEST": job], pool: queue.pool, lease: processes[item.held.process].lease, logs: ExecutionLogWriter(wakeup: Wakeup())
            )
            let configuration = ModelJob.configuration(run.jobConfigID)
            let assignment = Assignment(run: run, configuration: configuration, term: Lease.Term(number: 1))
            var outcome =
                item.end == .timeOut
                ? attempt.timeout(run, configuration) : await attempt.run(assignment, pause: SlotPause { _ in })
            // No job's result is refused any more; what a later one gives may be.
            if item.end == .refuse, case .succeeded = outcome { outcome = .succeeded(metrics: #"{"name": "\u0000"}"#) }
            outcomes.append((run, outcome))
        }
        return outcomes
    }

    // MARK: Operators

    private func settle(_ next: QueueModel, _ answer: ModelAnswer, _ fault: ModelFault, isRefused: Bool) throws {
        switch answer {
        case .rows where isRefused: throw ModelDivergence("it was not refused")
        case .refused where isRefused: note("refused by hand")
        case .refused(let error) where !isRefused: throw ModelDivergence("it was refused: \(error)")
        default: if fault.hasEffect { model = next }
        }
    }

    func cancel(_ pick: Int, _ fault: ModelFault) async throws {
        guard let row = row(pick) else { return }
        var next = model
        let isEnded = next.cancel([row.key]) == 1
        let answer = try await carryOut("SELECT cancel_execution(\(row.id)::uuid)", fault, marker: row.id)
        if let told = answer.firstText { try agree("cancel_execution of row \(row.key)", told, isEnded ? "t" : "f") }
        try settle(next, answer, fault, isRefused: false)
    }

    func cancelByHand(_ pick: Int, _ fault: ModelFault) async throws {
        guard let row = row(pick) else { return }
        var next = model
        next.cancel([row.key])
        let isRefused = row.status == "SUCCESS" || row.status == "FAILED"
        let answer = try await carryOut(
            "UPDATE job_executions SET status = 'CANCELLED' WHERE id = \(row.id)::uuid", fault, marker: row.id)
        try settle(isRefused ? model : next, answer, fault, isRefused: isRefused)
    }

    func retry(_ pick: Int, _ fault: ModelFault) async throws {
        guard let row = row(pick) else { return }
        var next = model
        let (key, isNew) = next.retry(row.key, now: clock)
        let answer = try await carryOut("SELECT retry_execution(\(row.id)::uuid)", fault, marker: row.id)
        if !isNew, key != nil, let id = answer.firstText { try agree("retry_execution", id, row.id) }
        try settle(next, answer, fault, isRefused: key == nil)
    }

    func replace(_ job: Int, _ fault: ModelFault) async throws {
        var next = model
        let overlapped = model.live.filter { key in
            model.rows[key].map { $0.job == job && $0.parent == nil && ($0.status == "RUNNING" || $0.dueAt <= clock) } ?? false
        }
        next.cancel(overlapped)
        let answer = try await carryOut(ScheduleStatements.cancelLiveExecutions(of: [job]), fault, marker: "")
        if let told = answer.firstText { try agree("replaced", told, "\(overlapped.count)") }
        try settle(next, answer, fault, isRefused: false)
    }

    func prioritize(_ pick: Int, _ fault: ModelFault) async throws {
        guard let row = row(pick), row.isLive else { return }
        var next = model
        if row.status == "PENDING" { next.change(row.key) { $0.priority += 1 } }
        let answer = try await carryOut(
            "UPDATE job_executions SET priority = priority + 1 WHERE id = \(row.id)::uuid", fault, marker: row.id)
        try settle(next, answer, fault, isRefused: row.status == "RUNNING")
    }

    func pass(_ hours: Int) async throws {
        try await queue.plant("UPDATE job_live SET run_at = run_at - \(hours) * interval '1 hour'")
        model.pass(hours: hours)
    }

    func configure(_ action: ModelAction, _ fault: ModelFault) async throws {
        var next = model
        let statement: SQL
        switch action {
        case .pause(let job):
            next.configure(job) { $0.isPaused = true }
            statement = change(job, "paused_at = coalesce(paused_at, clock_timestamp())")
        case .resume(let job):
            next.configure(job) { $0.isPaused = false }
            statement = change(job, "paused_at = NULL")
        case .limit(let job, let limit):
            next.configure(job) { $0.limit = limit }
            statement = change(job, "max_concurrency = \(limit.map(String.init) ?? "NULL")")
        case .limitPartner(let partner, let limit):
            next.partnerLimits[partner] = limit ?? (partner == 2 ? 4 : nil)
            let config = limit.map { "{\"max_concurrency\": \($0)}" } ?? "{}"
            statement = "UPDATE integrations SET config = \(config)::jsonb WHERE id = \(partner)"
        case .activate(let job, let isActive): statement = change(job, "active = \(isActive)")
        case .delete(let job):
            next.configure(job) { $0.isDeleted = true }
            statement = change(job, "deleted_at = coalesce(deleted_at, clock_timestamp())")
        case .restore(let job):
            next.configure(job) { $0.isDeleted = false }
            statement = change(job, "deleted_at = NULL")
        default: return
        }
        let answer = try await carryOut(statement, fault, marker: "")
        try settle(next, answer, fault, isRefused: false)
    }

    private func change(_ job: Int, _ change: String) -> SQL { "UPDATE job_configurations SET \(spliced(change)) WHERE id = \(job)" }
}
