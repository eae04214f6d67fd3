/// One step of a random history. A list of them as it is printed is Swift source: it can be pasted as a regression test.
struct ModelStep: Sendable, CustomStringConvertible {
    var action: ModelAction
    var fault: ModelFault

    init(_ action: ModelAction, _ fault: ModelFault = .none) {
        self.action = action
        self.fault = fault
    }

    var description: String { fault == .none ? "ModelStep(.\(action))" : "ModelStep(.\(action), .\(fault))" }
}

/// What goes wrong while a step is carried out.
enum ModelFault: Sendable, Equatable {
    case none
    /// It is carried out, answered, and rolled back.
    case rolledBack
    /// The connection is cut before the database sees the statement.
    case cutBefore
    /// The connection is cut when the statement was carried out, before its answer arrives.
    case cutAfter
    /// Another session holds a row meanwhile.
    case held(Int)
}

/// What is done. Numbers that choose a run or a row are taken modulo how many there are, so that a step means something in any history;
/// one that cannot be done is skipped.
enum ModelAction: Sendable {
    /// `enqueue_job`; `delay` in hours, `key` a dedupe_key.
    case enqueue(job: Int, priority: Int?, delay: Int, key: Int?)
    /// A plain INSERT, for a store when one is given.
    case insert(job: Int, store: Int?, key: Int?)
    /// A plain INSERT that is left uncommitted until `commitInsert` or `rollBackInsert`.
    case leaveInsertOpen(job: Int, store: Int?)
    case commitInsert
    case rollBackInsert
    case claim(worker: Int, batch: Int)
    /// Runs that the worker holds end, all in one round of its outcome writer.
    case end(worker: Int, runs: [Int], as: [ModelEnd])
    /// The worker writes the end of a run that it ended or lost before: late, with an old token.
    case endAgain(worker: Int, run: Int, as: ModelEnd)
    /// A run writes to the database in a fenced transaction.
    case write(worker: Int, run: Int)
    /// The worker asks which of its runs are lost, and forgets them.
    case forgetLost(worker: Int)
    /// The worker gives back rows that carry its id and that it does not know.
    case reconcile(worker: Int)
    /// The lease ends; the worker does not know.
    case lapse(worker: Int)
    case renew(worker: Int)
    /// The process dies, and another one begins in its place.
    case restart(worker: Int)
    /// One round of maintenance.
    case maintain(housekeeping: Bool)
    case cancel(row: Int)
    /// `UPDATE … SET status = 'CANCELLED'`.
    case cancelByHand(row: Int)
    case retry(row: Int)
    /// What a schedule whose overlap policy is REPLACE does.
    case replace(job: Int)
    case prioritize(row: Int)
    case pause(job: Int)
    case resume(job: Int)
    case limit(job: Int, to: Int?)
    case limitPartner(Int, to: Int?)
    case activate(job: Int, Bool)
    case delete(job: Int)
    case restore(job: Int)
    /// Hours pass.
    case pass(hours: Int)
}

/// How a run ends, as its job or its worker sees it.
enum ModelEnd: Sendable, Equatable, CustomDebugStringConvertible {
    case succeed
    /// It succeeds with a result that PostgreSQL refuses.
    case refuse
    case failForGood
    case mayPass
    case timeOut
    case postpone(hours: Int)
    case interrupt
    /// It plans children; a run that may not have any succeeds instead.
    case plan(Int)

    var debugDescription: String {
        switch self {
        case .succeed: ".succeed"
        case .refuse: ".refuse"
        case .failForGood: ".failForGood"
        case .mayPass: ".mayPass"
        case .timeOut: ".timeOut"
        case .postpone(let hours): ".postpone(hours: \(hours))"
        case .interrupt: ".interrupt"
        case .plan(let count): ".plan(\(count))"
        }
    }
}
