import Postgres
import TestSupport

@testable import JobQueue

/// One thing that a program or an operator does, in one statement of the product.
struct InterleavingOperation: Sendable {
    let name: String
    let sql: String
    /// Beginnings of the errors that are promised to whoever comes too late.
    var refusals: [String] = []
    /// An UPDATE by hand, which moves a row to another partition.
    var isByHand = false
    /// A worker's statement, which it repeats when it is told 40001 because the row it waited for was moved by hand.
    var isRepeated = false
    /// Much like another operation: left out of the pairs unless all are asked for.
    var isSpare = false

    init(_ name: String, _ sql: SQL, refusals: [String] = [], isByHand: Bool = false, isRepeated: Bool = false, isSpare: Bool = false) {
        (self.name, self.sql, self.refusals) = (name, sql.literalText, refusals)
        (self.isByHand, self.isRepeated, self.isSpare) = (isByHand, isRepeated, isSpare)
    }

    /// What is told to somebody who waited for a row that was moved.
    static let moved = "was already moved to another partition due to concurrent"

    static func all(_ world: InterleavingWorld) -> [InterleavingOperation] {
        workers(world) + operators(world) + [
            InterleavingOperation("replace", ScheduleStatements.cancelLiveExecutions(of: [1]), isSpare: true),
            InterleavingOperation("gateStragglers", QueueStatements.gateStragglers(looksAtAll: true, batch: 100)),
            InterleavingOperation("sweepParents", QueueStatements.sweepParents, isSpare: true),
        ]
    }

    /// Each tells what the database said, in the same transaction.
    private static func workers(_ world: InterleavingWorld) -> [InterleavingOperation] {
        let dead = WorkerIdentity(id: InterleavingWorld.deadWorker, host: "h", pid: 1, version: "v", slots: 9)
        let runs = world.heldRuns
        let claim = QueueStatements.claim(worker: InterleavingWorld.worker, batch: 50, after: .start)
        let ends = runs.map { FinishedRun(run: $0, status: "SUCCESS", attemptOutcome: "SUCCESS", metrics: nil, error: nil) }
        let failures = runs.map { FinishedRun(run: $0, status: "FAILED", attemptOutcome: "FAILED", metrics: nil, error: "{}") }
        let returns = runs.map { ReturnedRun(run: $0, attemptOutcome: "RETRY", error: "{}", delay: .zero) }
        let children = (1...2).map { PlannedChild(params: [:], storeID: 20 + $0) }
        let isDeleted = "job_config_id: job 1 was deleted"
        return [
            InterleavingOperation("claim", "INSERT INTO claims SELECT id, attempt, token, job_config_id FROM (" + claim + ") AS c"),
            InterleavingOperation("renew", QueueStatements.renewLease(dead, lease: .seconds(30), running: 4)),
            InterleavingOperation(
                "forgive", QueueStatements.forgiveRescues(worker: InterleavingWorld.lostWorker), isRepeated: true, isSpare: true),
            InterleavingOperation(
                "finish", "INSERT INTO said SELECT id::uuid, 'SUCCESS' FROM (" + QueueStatements.finish(ends) + ") AS e",
                isRepeated: true),
            InterleavingOperation(
                "failForGood", "INSERT INTO said SELECT id::uuid, 'FAILED' FROM (" + QueueStatements.finish(failures) + ") AS e",
                isRepeated: true),
            InterleavingOperation("fail", QueueStatements.giveBack(returns), isRepeated: true),
            InterleavingOperation(
                "plan", QueueStatements.fanOut(world.held(.run), children: children, unit: "stores"), refusals: [isDeleted],
                isRepeated: true),
            InterleavingOperation("rescue", QueueStatements.rescue(batch: 500)),
        ]
    }

    private static func operators(_ world: InterleavingWorld) -> [InterleavingOperation] {
        func cancel(_ row: InterleavingWorld.Row) -> SQL {
            """
            INSERT INTO said SELECT \(world.id(row))::uuid, 'CANCELLED' WHERE cancel_execution(\(world.id(row))::uuid)
            """
        }
        func cancelByHand(_ row: InterleavingWorld.Row) -> SQL {
            """
            WITH u AS (UPDATE job_executions SET status = 'CANCELLED' WHERE id = \(world.id(row))::uuid AND status IN ('PENDING', 'RUNNING') RETURNING id)
            INSERT INTO said SELECT id, 'CANCELLED' FROM u
            """
        }
        func retry(_ row: InterleavingWorld.Row) -> SQL { "SELECT retry_execution(\(world.id(row))::uuid) IS NULL AS refused" }
        func change(_ change: String) -> SQL { "UPDATE job_configurations SET \(spliced(change)) WHERE id = 1" }
        let isDeleted = "job_config_id: job 1 was deleted"
        return [
            InterleavingOperation("cancelParent", cancel(.parent)), InterleavingOperation("cancelChild", cancel(.child)),
            InterleavingOperation("cancelGone", cancel(.goneParent), isSpare: true),
            InterleavingOperation("handParent", cancelByHand(.parent), isByHand: true),
            InterleavingOperation("handChild", cancelByHand(.child), isByHand: true),
            InterleavingOperation("retryFailed", retry(.failed), refusals: [isDeleted]),
            InterleavingOperation(
                "retryWaiting", retry(.waiting), refusals: [isDeleted, "execution \(world.id(.waiting)) is "]),
            InterleavingOperation("retryRun", retry(.run), refusals: [isDeleted, "execution \(world.id(.run)) is "]),
            InterleavingOperation("pause", "SELECT pause_job('open')", refusals: ["there is no job named \"open\""]),
            InterleavingOperation("resume", "SELECT resume_job('paused')"),
            InterleavingOperation("limit", change("max_concurrency = 1"), isSpare: true),
            InterleavingOperation("delete", change("deleted_at = now()")),
            InterleavingOperation(
                "enqueue", "SELECT enqueue_job('open', dedupe_key => 'key') IS NULL AS refused",
                refusals: ["there is no job named \"open\"", isDeleted]),
        ]
    }
}
