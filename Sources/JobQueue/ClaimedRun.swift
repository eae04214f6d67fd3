import Foundation
import Runtime

/// An execution's id, as its canonical text.
package typealias ExecutionID = String

/// One attempt of an execution that this worker holds: what the claim gave.
package struct ClaimedRun: Sendable {
    /// The execution's id.
    package let id: ExecutionID
    /// Fences every write of the run; it grew with the claim and grows again when the run is taken away.
    package let token: Int64
    /// The job's id, see `JobConfiguration`.
    package let jobConfigID: Int
    /// Counts claims, from 1.
    package let attempt: Int
    /// The row's own limit: interruptions raise it.
    package let maxAttempts: Int
    /// The params as JSON text; nil when there are none.
    package let paramsText: String?
    /// The parent whose child it is; nil at top level.
    package let parentID: ExecutionID?
    /// The store it runs for, when it is the run of one store.
    package let storeID: Int?
    /// How the target knows the store.
    package let registration: String?
    /// Integrations whose limits it counts for; 0: none.
    package let sourceID: Int
    /// The target's id; 0: none.
    package let targetID: Int
    /// The due time it stands for, when a schedule made it.
    package let scheduledFor: Date?
    /// Smaller runs first.
    package let priority: Int
    /// The place in the queue's order, as PostgreSQL wrote it (microseconds must not get lost).
    package let runAtText: String
    /// The ended execution that it repeats.
    package let retryOf: ExecutionID?
    /// Whether limits, pauses or store locks applied to its claim.
    package let isGated: Bool
    /// How many attempts before this one failed and were tried again; interruptions do not count.
    package var failures: Int = 0

    /// The queue's order: priority, `run_at`, id.
    func comesBefore(_ other: ClaimedRun) -> Bool {
        if priority != other.priority { return priority < other.priority }
        if runAtText != other.runAtText { return runAtText < other.runAtText }
        return id < other.id
    }
}

/// Why a run failed or was cut short, in the operator's words; it becomes `error_details`.
package struct RunError: Error, Sendable, CustomStringConvertible {
    /// A stable word for machines: `TIMEOUT`, `HTTP_503`, `STORE_INACTIVE`.
    package let code: String
    /// One sentence: what happened and, where somebody can do something, what. No secrets.
    package let message: String
    /// Whether another attempt may help.
    package let isRetryable: Bool
    /// How long the other side asked to wait before the next attempt, at most an hour.
    package let retryAfter: Duration?
    /// What is to be recorded in `metrics` although it failed.
    package let metrics: JSONValue?

    /// Takes the facts; `metrics` nil: nothing is recorded.
    package init(code: String, message: String, isRetryable: Bool, retryAfter: Duration? = nil, metrics: JSONValue? = nil) {
        self.code = code
        self.message = message
        self.isRetryable = isRetryable
        self.retryAfter = retryAfter
        self.metrics = metrics
    }

    /// The sentence.
    package var description: String { message }

    /// `{"code", "message", "retryable"}`, and the store when the run was for one. A sentence may quote anything: it holds no NUL.
    func details(for run: ClaimedRun) -> String {
        var details: [String: JSONValue] = ["code": .string(code), "message": .string(message), "retryable": .bool(isRetryable)]
        if let store = run.storeID {
            details["stores"] = .array([
                .object([
                    "store_id": .integer(Int64(store)), "registration": run.registration.map { .string($0) } ?? .null,
                    "message": .string(message),
                ])
            ])
            details["more"] = 0
        }
        return JSONValue.object(details).replacingNUL.text
    }
}

/// A run ends early without fault of its own and without using an attempt: a breaker is open, a login is under way elsewhere.
package struct RunPostponed: Error, Sendable {
    /// A stable word for machines.
    package let code: String
    /// Why, for the attempt's record.
    package let message: String
    /// When it becomes due again, from now.
    package let delay: Duration

    /// Takes the reason and the wait.
    package init(code: String, message: String, delay: Duration) {
        self.code = code
        self.message = message
        self.delay = delay
    }
}

/// One child that a parent plans.
package struct PlannedChild: Sendable {
    /// The child's params.
    package let params: JSONValue
    /// The store it runs for.
    package let storeID: Int?
    /// How the target knows the store.
    package let registration: String?
    /// Integrations whose limits it counts for; 0: none.
    package let sourceID: Int
    /// The target's id; 0: none.
    package let targetID: Int

    /// Takes what the child is to run with.
    package init(params: JSONValue, storeID: Int? = nil, registration: String? = nil, sourceID: Int = 0, targetID: Int = 0) {
        self.params = params
        self.storeID = storeID
        self.registration = registration
        self.sourceID = sourceID
        self.targetID = targetID
    }
}

/// What a job gives when it did not throw.
package enum JobResult: Sendable {
    /// It is done; what it measured becomes `metrics`.
    case succeeded(metrics: JSONValue?)
    /// It planned children (`unit` names them in `progress`) and ends with the last of them.
    case fanOut([PlannedChild], unit: String)
}

/// How an attempt ended and what the queue does with it; made in one place (`Attempt`), carried out in one place (`OutcomeStore`).
enum RunOutcome: Sendable {
    case succeeded(metrics: String?)
    case failed(RunError, timedOut: Bool)
    /// Tried again after `delay`.
    case retried(RunError, timedOut: Bool, delay: Duration)
    /// Handed back without using an attempt; due again after `delay`, or where it stood when nil.
    case interrupted(RunError, delay: Duration?)
    case fannedOut([PlannedChild], unit: String)
    /// Somebody else decided: nothing to write.
    case fencedOff
}
