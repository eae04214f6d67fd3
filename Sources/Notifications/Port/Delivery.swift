import Foundation

/// What a delivery tells, as `notification_deliveries.event` spells it.
package enum NotificationEvent: String, Sendable, CaseIterable {
    /// The first attempt of an execution began.
    case start = "START"
    /// It succeeded, and there is nothing more to say.
    case success = "SUCCESS"
    /// It failed for good, or a part of it has already; or a schedule or a channel cannot be used.
    case failure = "FAILURE"
    /// It succeeded with a severity.
    case warning = "WARNING"
    /// The first success after a failure, whatever its severity.
    case recovery = "RECOVERY"
    /// A due time's success did not come in time.
    case late = "LATE"
}

/// One row of `notification_deliveries` with the facts of what it tells, read right before it is sent.
package struct Delivery: Sendable {
    /// What it is about.
    package enum Subject: Sendable {
        case execution(ExecutionFacts)
        case lateness(LatenessFacts)
        /// The scheduler cannot use the job's pattern or zone: a FAILURE without an execution.
        case schedule(ScheduleFacts)
        /// Another channel was switched off: a FAILURE without job and execution.
        case channel(SwitchedOffChannel)
    }

    /// The row's id.
    package let id: Int64
    /// 1, and one more each time that the same event is told again because more failed since it was told.
    package let edition: Int
    /// What happened.
    package let event: NotificationEvent
    /// What it happened to.
    package let subject: Subject
    /// When it happened, by the database's clock: the same at every attempt.
    package let occurredAt: Date

    /// Takes the row and its facts.
    package init(id: Int64, edition: Int = 1, event: NotificationEvent, subject: Subject, occurredAt: Date) {
        self.id = id
        self.edition = edition
        self.event = event
        self.subject = subject
        self.occurredAt = occurredAt
    }

    /// What makes a repetition recognisable (`webhook-id`, `Message-ID`): the same at every attempt, another one for another edition.
    package var messageID: String { edition == 1 ? "msg_\(id)" : "msg_\(id)_\(edition)" }
}

/// The job whose delivery it is.
package struct JobFacts: Sendable {
    /// The row's id.
    package let id: Int
    /// The name that operators use.
    package let name: String
    /// `SYNC_PRODUCTS`, `COMPARE_DATA` …; nil when its row is gone.
    package let type: String?

    /// Takes all.
    package init(id: Int, name: String, type: String? = nil) {
        self.id = id
        self.name = name
        self.type = type
    }
}

/// An execution as it stands when its delivery is sent.
package struct ExecutionFacts: Sendable {
    /// Its job.
    package let job: JobFacts
    /// Its id.
    package let id: String
    /// `RUNNING`, `SUCCESS`, `FAILED` …; nil when its row is no longer kept.
    package let status: String?
    /// The due time that it stands for.
    package let scheduledFor: Date?
    /// The same on the wall of the job's zone; of an execution that no pattern made, when its last attempt began.
    package let wallTime: WallTime?
    /// When its last attempt began.
    package let startedAt: Date?
    /// When it ended; nil while it runs.
    package let finishedAt: Date?
    /// `ok`, `warning` or `critical`.
    package let severity: String?
    /// Its own error; of a parent whose children failed `code` is `CHILDREN_FAILED`.
    package let error: FailureReason?
    /// Those of its stores (or other parts) that failed for good, at most `mostParts`, in order.
    package let failedParts: [FailedPart]
    /// How many failed, those that are not listed included.
    package let failedCount: Int
    /// How many of its children failed.
    package let failedChildren: Int
    /// How many parts it has in all; nil: not known.
    package let partCount: Int?
    /// Those of its stores that succeeded with something to look at, at most `mostParts`, the most differences first.
    package let remarks: [RemarkedPart]
    /// How many there are, those that are not listed included.
    package let remarkCount: Int
    /// What stands in the club today for the stores that a sync failed for; nil: not a sync, or not known.
    package let clubToday: ClubToday?
    /// What it counted.
    package let counts: ExecutionCounts
    /// Whether it only shows what it would do.
    package let isDryRun: Bool

    /// How many failed or remarked parts are listed.
    package static let mostParts = 100

    /// Whether it has not ended: what failed is told "so far".
    package var isSoFar: Bool { status == "RUNNING" || status == "PENDING" }

    /// From the beginning of its last attempt to its end.
    package var duration: Duration? {
        guard let startedAt, let finishedAt else { return nil }
        return .milliseconds(Int64((finishedAt.timeIntervalSince(startedAt) * 1000).rounded()))
    }

    /// Takes the facts.
    package init(
        job: JobFacts, id: String, status: String?, scheduledFor: Date? = nil, wallTime: WallTime? = nil, startedAt: Date? = nil,
        finishedAt: Date? = nil, severity: String? = nil, error: FailureReason? = nil, failedParts: [FailedPart] = [],
        failedCount: Int? = nil, failedChildren: Int = 0, partCount: Int? = nil, remarks: [RemarkedPart] = [],
        remarkCount: Int? = nil, clubToday: ClubToday? = nil, counts: ExecutionCounts = ExecutionCounts(), isDryRun: Bool = false
    ) {
        self.job = job
        self.id = id
        self.status = status
        self.scheduledFor = scheduledFor
        self.wallTime = wallTime
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.severity = severity
        self.error = error
        self.failedParts = failedParts
        self.failedCount = failedCount ?? failedParts.count
        self.failedChildren = failedChildren
        self.partCount = partCount
        self.remarks = remarks
        self.remarkCount = remarkCount ?? remarks.count
        self.clubToday = clubToday
        self.counts = counts
        self.isDryRun = isDryRun
    }
}

/// What `metrics` counted; nil where it says nothing.
package struct ExecutionCounts: Sendable, Hashable {
    /// Stores by how they ended.
    package var stores: Stores?
    /// Products of a sync or a comparison.
    package var products: Products?
    /// Differences of a comparison by kind.
    package var differences: [String: Int] = [:]
    /// Rows or partitions that a clean-up removed, by table.
    package var removed: [String: Int] = [:]
    /// Partitions that a clean-up left because somebody read them.
    package var keptPartitions = 0
    /// Whether it only says what it would have done.
    package var isDryRun = false

    /// Stores by how they ended; nil where `metrics` says nothing.
    package struct Stores: Sendable, Hashable {
        /// All of them.
        package var total: Int?
        /// Those that were published.
        package var succeeded: Int?
        /// Those that had nothing to publish.
        package var skipped: Int?
        /// Those that failed.
        package var failed: Int?
    }

    /// Products of a sync or a comparison; nil where `metrics` says nothing.
    package struct Products: Sendable, Hashable {
        /// Read at the source.
        package var fetched: Int?
        /// Fit to be published.
        package var accepted: Int?
        /// Not fit, by reason.
        package var rejected: [String: Int]?
        /// Sent to the target.
        package var uploaded: Int?
        /// Seen in the target's listing.
        package var verified: Int?

        /// Not fit, for any reason.
        var rejectedCount: Int { rejected?.values.reduce(0, +) ?? 0 }
    }

    /// Counts nothing.
    package init() {}
}

/// A due time whose success did not come within `expect_success_within`.
package struct LatenessFacts: Sendable {
    /// Its job.
    package let job: JobFacts
    /// The due time; of a job without a pattern its last success, or its creation when there was none.
    package let dueAt: Date
    /// The due time on the job's own wall; nil when the job is gone.
    package let dueWallTime: WallTime?
    /// `expect_success_within`.
    package let expectedWithin: Duration
    /// Whether the job has a cron pattern.
    package let isScheduled: Bool
    /// What the scheduler made of the due time, as `schedule_ticks.outcome` spells it; nil: it has not looked.
    package let tickOutcome: String?
    /// The execution that stands for the due time, or the newest one: its id and status.
    package let execution: (id: String, status: String)?
    /// How a sync's stores stand now; nil: not a sync, or not known.
    package let clubToday: ClubToday?

    /// Takes the facts.
    package init(
        job: JobFacts, dueAt: Date, dueWallTime: WallTime?, expectedWithin: Duration, isScheduled: Bool,
        tickOutcome: String? = nil, execution: (id: String, status: String)?, clubToday: ClubToday? = nil
    ) {
        self.job = job
        self.dueAt = dueAt
        self.dueWallTime = dueWallTime
        self.expectedWithin = expectedWithin
        self.isScheduled = isScheduled
        self.tickOutcome = tickOutcome
        self.execution = execution
        self.clubToday = clubToday
    }
}

/// A job that the scheduler cannot use.
package struct ScheduleFacts: Sendable {
    /// The job.
    package let job: JobFacts
    /// Why, as `job_configurations.problem` says it now; nil when it was mended meanwhile.
    package let problem: String?

    /// Takes both.
    package init(job: JobFacts, problem: String?) {
        self.job = job
        self.problem = problem
    }
}

/// A channel that was switched off.
package struct SwitchedOffChannel: Sendable {
    /// The row's id.
    package let id: Int
    /// The name that operators use.
    package let name: String
    /// Why.
    package let reason: String?

    /// Takes the facts.
    package init(id: Int, name: String, reason: String?) {
        self.id = id
        self.name = name
        self.reason = reason
    }
}
