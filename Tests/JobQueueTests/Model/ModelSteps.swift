import Postgres
import Runtime
import TestSupport

@testable import JobQueue

/// What each step does to the model and to the queue.
extension ModelSession {
    func take(_ step: ModelStep) async throws {
        let fault = step.fault
        switch step.action {
        case .enqueue(let job, let priority, let delay, let key): try await enqueue(job, priority, delay, key, fault)
        case .insert(let job, let store, let key): try await insert(job, store, key, fault)
        case .leaveInsertOpen(let job, let store): try await leaveInsertOpen(job, store)
        case .commitInsert: try await finishInsert(commit: true)
        case .rollBackInsert: try await finishInsert(commit: false)
        case .claim(let worker, let batch): try await claim(worker, batch, fault)
        case .end(let worker, let runs, let ends): try await end(worker, runs, ends, fault)
        case .endAgain(let worker, let run, let end): try await endAgain(worker, run, end, fault)
        case .write(let worker, let run): try await write(worker, run)
        case .forgetLost(let worker): try await forgetLost(worker)
        case .reconcile(let worker): try await reconcile(worker)
        case .lapse(let worker): try await lapse(workers[worker].process)
        case .renew(let worker): try await renew(workers[worker].process)
        case .restart(let worker): try await restart(worker)
        case .maintain(let housekeeping): try await maintain(housekeeping, fault)
        case .cancel(let pick): try await cancel(pick, fault)
        case .cancelByHand(let pick): try await cancelByHand(pick, fault)
        case .retry(let pick): try await retry(pick, fault)
        case .replace(let job): try await replace(job, fault)
        case .prioritize(let pick): try await prioritize(pick, fault)
        case .pass(let hours): try await pass(hours)
        default: try await configure(step.action, fault)
        }
    }

    // MARK: New rows

    /// Takes the prediction over when the statement's effect stays, and holds the answer to it.
    private func settle(_ next: QueueModel, _ answer: ModelAnswer, _ fault: ModelFault, refusal: Bool, _ what: String) throws {
        switch answer {
        case .rows where refusal: throw ModelDivergence("\(what) was not refused")
        case .refused(let error) where !refusal: throw ModelDivergence("\(what) was refused: \(error)")
        default: if fault.hasEffect, !refusal { model = next }
        }
    }

    private var isCrowded: Bool { model.live.count >= 20 }

    private func enqueue(_ job: Int, _ priority: Int?, _ delay: Int, _ dedupe: Int?, _ fault: ModelFault) async throws {
        guard !isCrowded else { return }
        var next = model
        let standing = dedupe.flatMap { dedupe in model.live.first { model.rows[$0]?.job == job && model.rows[$0]?.dedupe == dedupe } }
        let made = next.make(job, trigger: "MANUAL") { row in
            row.priority = priority ?? row.priority
            row.dedupe = dedupe
            row.dueAfter = Int64(delay) * QueueModel.hour...Int64(delay) * QueueModel.hour
        }
        if standing != nil { next.rows[made] = nil }
        let number = "\"n\": \(made)"
        let runAt: SQL = "now() + \(delay) * interval '1 hour'"
        let answer = try await carryOut(
            """
            SELECT enqueue_job(\("job-\(job)"), \("{\(number)}")::jsonb, \(runAt), \(orNull: priority)::int, \(orNull: dedupe.map { "key-\($0)" })::text)
            """, fault, marker: number)
        try settle(next, answer, fault, refusal: model.jobs[job]?.isDeleted == true, "enqueue_job")
        if standing != nil { note("dedupe_key taken") }
        if let standing, let id = answer.firstText { try agree("the id of enqueue_job", keys[id], standing) }
    }

    private func insertion(_ job: Int, _ store: Int?, _ dedupe: Int?, number: Int) -> SQL {
        """
        INSERT INTO job_executions (job_config_id, params, store_id, source_id, target_id, dedupe_key)
        SELECT \(job), \("{\"n\": \(number)}")::jsonb, \(orNull: store)::int, \(store == nil ? 0 : 2), \(store == nil ? 0 : 3),
          \(orNull: dedupe.map { "key-\($0)" })::text
        """ + (store == nil ? "" : " FROM " + asTheQueue)
    }

    private func insert(_ job: Int, _ store: Int?, _ dedupe: Int?, _ fault: ModelFault) async throws {
        guard !isCrowded else { return }
        var next = model
        let made = next.make(job, trigger: "MANUAL", store: store, source: store == nil ? 0 : 2, target: store == nil ? 0 : 3) { row in
            row.dedupe = dedupe
            if job == 3 { row.source = 1 }
        }
        let isTaken =
            dedupe.map { dedupe in model.live.contains { model.rows[$0]?.job == job && model.rows[$0]?.dedupe == dedupe } } ?? false
        let answer = try await carryOut(insertion(job, store, dedupe, number: made), fault, marker: "\"n\": \(made)")
        try settle(next, answer, fault, refusal: isTaken || model.jobs[job]?.isDeleted == true, "an INSERT")
    }

    private func leaveInsertOpen(_ job: Int, _ store: Int?) async throws {
        guard openInsert == nil, !isCrowded else { return }
        var next = model
        let made = next.make(job, trigger: "MANUAL", store: store, source: store == nil ? 0 : 2, target: store == nil ? 0 : 3) { row in
            if job == 3 { row.source = 1 }
        }
        guard let row = next.rows.removeValue(forKey: made) else { return }
        do {
            let insert = try await OpenInsert(insertion(job, store, nil, number: made), on: queue.pool)
            openInsert = (insert, row, clock)
            model = next
        } catch let error as PostgresError where error.sqlState == "23514" {
            guard model.jobs[job]?.isDeleted == true else { throw ModelDivergence("an INSERT was refused: \(error)") }
        }
    }

    private func finishInsert(commit: Bool) async throws {
        guard let open = openInsert else { return }
        openInsert = nil
        try await open.insert.finish(commit: commit)
        guard commit else { return }
        note("late commit")
        if model.jobs[open.row.job]?.isDeleted == true { note("late commit for a deleted job") }
        var row = open.row
        row.dueAfter = open.since - clock...0
        model.rows[row.key] = row
    }

    // MARK: Workers

    private func claim(_ worker: Int, _ batch: Int, _ fault: ModelFault) async throws {
        let process = workers[worker].process
        var next = model
        var heldKey: Int?
        if case .held(let pick) = fault { heldKey = self.heldKey(pick) }
        let expected = next.claim(by: process, batch: batch, now: clock, held: heldKey)
        let id = processes[process].identity.id
        let answer = try await carryOut(
            QueueStatements.claim(worker: id, batch: batch, after: .start), fault, marker: id)
        if case .rows(let rows) = answer {
            let runs = try rows.map(ClaimedRun.init).sorted { $0.comesBefore($1) }
            try agree("claimed", runs.map { keys[$0.id] ?? -1 }, expected)
            if !runs.isEmpty { note("claim") }
            if runs.contains(where: \.isGated) { note("gated claim") }
            if runs.count > 1 { note("claim of several") }
            if runs.isEmpty, model.rows.values.contains(where: { $0.status == "PENDING" && $0.dueAt <= clock }) { note("claim held back") }
            for run in runs {
                guard let row = keys[run.id].flatMap({ next.rows[$0] }) else { continue }
                let told = [run.attempt, run.maxAttempts, run.failures, run.isGated ? 1 : 0, run.storeID ?? 0, run.jobConfigID]
                try agree(
                    "what a claim tells", told, [row.attempt, row.maxAttempts, row.failures, row.isGated ? 1 : 0, row.store ?? 0, row.job])
                if fault != .rolledBack {
                    let known = QueueModel.Run(key: row.key, generation: row.generation)
                    workers[worker].held.append(ModelRun(run: run, known: known, process: process))
                }
            }
        }
        if case .lost = answer, fault.hasEffect, !expected.isEmpty { note("claim whose answer was lost") }
        try settle(next, answer, fault, refusal: false, "a claim")
    }

    private func write(_ worker: Int, _ pick: Int) async throws {
        let held = workers[worker].held
        let all = pick % 2 == 0 && !held.isEmpty ? held : held + workers[worker].past
        guard !all.isEmpty else { return }
        let taken = all[pick % all.count]
        // It stood still and did not notice that its lease ended: only the database can tell.
        let lease = processes[taken.process].lease
        lease.renewed(askedAt: MonotonicClock.now())
        guard let term = lease.term else { throw ModelDivergence("a lease that was renewed is not held") }
        let context = RunContext(
            run: taken.run, configuration: ModelJob.configuration(taken.run.jobConfigID), options: [:], pool: queue.pool, lease: lease,
            term: term, logWriter: ExecutionLogWriter(wakeup: Wakeup()), slotPause: SlotPause { _ in })
        let id = taken.run.id
        do {
            try await context.fenced { transaction in _ = try await transaction.query("INSERT INTO effects VALUES (\(id))") }
            guard model.isCurrent(taken.known) else { throw ModelDivergence("a write with an old token was committed") }
            effects += 1
            note("write")
        } catch is FencedOff {
            guard !model.isCurrent(taken.known) else { throw ModelDivergence("a write with the current token was fenced off") }
            note("write fenced off")
        }
        try agree("writes", try await queue.number("SELECT count(*) FROM effects"), effects)
    }

    private func forgetLost(_ worker: Int) async throws {
        let held = workers[worker].held
        guard !held.isEmpty else { return }
        let lost = Set(try await queue.texts(QueueStatements.lostRuns(held.map(\.run))))
        let expected = Set(held.filter { !model.isCurrent($0.known) }.map(\.run.id))
        try agree("lost runs", lost, expected)
        if !lost.isEmpty { note("lost runs noticed") }
        workers[worker].past += held.filter { !model.isCurrent($0.known) }
        workers[worker].held = held.filter { model.isCurrent($0.known) }
    }

    private func reconcile(_ worker: Int) async throws {
        let process = workers[worker].process
        let rows = try await queue.pool.query(QueueStatements.heldRows(worker: processes[process].identity.id)).map {
            HeldRow(id: try $0.get("id"), token: try $0.get("token"))
        }
        let known = Set(workers[worker].held.map(\.run.id))
        let unknown = rows.filter { !known.contains($0.id) }
        guard !unknown.isEmpty else { return }
        note("unknown rows given back")
        try await queue.run(QueueStatements.giveBack(rows: unknown))
        for key in model.live where model.rows[key].map({ $0.worker == process && !known.contains($0.id) }) ?? false {
            model.giveBack(key, as: "INTERRUPTED", code: "INTERRUPTED", dueAfter: nil)
        }
    }

    private func lapse(_ process: Int) async throws {
        try await queue.kill(processes[process].identity.id)
        model.holdsLease[process] = false
    }

    private func renew(_ process: Int) async throws {
        if !model.holdsLease[process] { processes[process].lease.released() }
        guard await processes[process].keeper.renewOnce() else { throw ModelDivergence("a lease could not be renewed") }
        model.holdsLease[process] = true
        model.forgive(process)
    }

    private func restart(_ worker: Int) async throws {
        try await lapse(workers[worker].process)
        workers[worker].past += workers[worker].held
        workers[worker].held = []
        workers[worker].process = try await startProcess()
    }

    private func maintain(_ housekeeping: Bool, _ fault: ModelFault) async throws {
        var heldKey: Int?
        // A cancellation waits for whoever holds a row, and this test's session would wait for itself.
        if case .held(let pick) = fault, !model.jobs.values.contains(where: \.isDeleted) { heldKey = self.heldKey(pick) }
        let expected = model.maintain(held: heldKey)
        let rescued = try await whileHolding(heldKey) {
            try await Maintenance(pool: self.queue.pool, interval: .seconds(1)).runOnce(withHousekeeping: housekeeping)
        }
        try agree("rescued", rescued, expected)
        if case .held = fault, expected > 0 { note("rescue beside a lock") }
    }
}
