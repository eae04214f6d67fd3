import Foundation
import JobQueue
import Postgres
import Runtime
import Secrets

/// Reads what deliveries tell, right before they are sent: the execution as it stands then, secrets masked.
struct DeliveryReader: Sendable {
    let pool: PostgresPool

    /// What a message is made of.
    struct Reading: Sendable {
        let content: NotificationMessage.Content
        let reached: Set<String>
        let now: Date
        /// How many failed parts the message counts, for each delivery.
        let told: [Int]

        /// The same as the delivery's row has it now, by `DeliveryStatements.counted`.
        func renewed(by row: PostgresRow) throws -> Reading {
            guard case .single(let old) = content else { return self }
            let delivery = Delivery(
                id: old.id, edition: try row.get("edition"), event: old.event, subject: old.subject, occurredAt: old.occurredAt)
            return Reading(content: .single(delivery), reached: Set(try row.get("reached", as: [String].self)), now: now, told: told)
        }
    }

    /// Nil: the deliveries are gone. Throws `UnreadableDelivery` where it is one row's own fault that there is no message.
    func read(_ claimed: ClaimedDeliveries) async throws -> Reading? {
        let newest: Int64? =
            claimed.ids.count > 1
            ? try await pool.query(DeliveryStatements.newest(of: claimed.ids)).first?.get("id") : claimed.ids.first
        guard let newest, let (row, delivery) = try await facts(newest) else { return nil }
        let reached = Set(try row.get("reached", as: [String].self))
        let now: Date = try row.get("now")
        guard claimed.ids.count > 1 else {
            var told = claimed.failures
            if case .execution(let facts) = delivery.subject { told = told.map { max($0, facts.failedChildren) } }
            return Reading(content: .single(delivery), reached: reached, now: now, told: told)
        }
        let rows = try await pool.query(DeliveryStatements.groups(ids: claimed.ids))
        let groups = try rows.map { row in
            FoldedDeliveries.Group(jobName: row["job_name"], event: try Self.event(row), count: try row.get("count"))
        }
        let span: Double = try rows.first?.getIfPresent("span") ?? 0
        let folded = FoldedDeliveries(count: claimed.ids.count, groups: groups, span: .seconds(span), newest: delivery)
        return Reading(content: .folded(folded), reached: reached, now: now, told: claimed.failures)
    }

    /// All of it from one snapshot: what it counts agrees, also while the execution goes on. A message without what stands in the club is better
    /// than none.
    private func facts(_ id: Int64, readsClub: Bool = true) async throws -> (PostgresRow, Delivery)? {
        do {
            return try await pool.transaction(after: [DeliveryStatements.oneSnapshot]) { snapshot, _ in
                guard let row = try await snapshot.query(DeliveryStatements.facts(id: id)).first else { return nil }
                return (row, try await delivery(row, snapshot, readsClub: readsClub))
            }
        } catch is ClubUnreadable {
            return try await facts(id, readsClub: false)
        } catch let error as PostgresError where error.kind == .decoding || error.kind == .invalidInput {
            throw UnreadableDelivery(id: id, reason: "what it tells cannot be read: \(error.message)")
        }
    }

    private func delivery(_ row: PostgresRow, _ snapshot: PostgresTransaction, readsClub: Bool) async throws -> Delivery {
        let event = try Self.event(row)
        let subject: Delivery.Subject
        if event == .late {
            let job = try Self.job(row)
            let today =
                job.type == "SYNC_PRODUCTS" && readsClub ? try await clubToday(PartStatements.clubToday(ofJob: job.id), snapshot) : nil
            subject = .lateness(try Self.lateness(row, job, clubToday: today))
        } else if row["execution_id"] != nil {
            subject = .execution(try await execution(row, event, snapshot, readsClub: readsClub))
        } else if let channel: Int = try row.getIfPresent("about_channel_id") {
            subject = .channel(
                SwitchedOffChannel(
                    id: channel, name: row["about_name"] ?? "#\(channel)", reason: row["about_problem"].map(Masking.mask(text:))))
        } else {
            subject = .schedule(ScheduleFacts(job: try Self.job(row), problem: row["problem"].map(Masking.mask(text:))))
        }
        return Delivery(
            id: try row.get("id"), edition: try row.get("edition"), event: event, subject: subject, occurredAt: try row.get("occurred_at"))
    }

    private func execution(
        _ row: PostgresRow, _ event: NotificationEvent, _ snapshot: PostgresTransaction, readsClub: Bool
    ) async throws -> ExecutionFacts {
        let id: String = try row.get("execution_id")
        let details: JSONValue = (try? row.get("error_details")) ?? .null
        let metrics: JSONValue = (try? row.get("metrics")) ?? .null
        let progress: JSONValue = (try? row.get("progress")) ?? .null
        let counts = ExecutionCounts(metrics)
        let job = try Self.job(row)
        let failedChildren: Int = try row.get("failed_children")
        var parts: [FailedPart] = []
        var clubToday: ClubToday?
        if event == .failure {
            if job.type == "SYNC_PRODUCTS", readsClub {
                clubToday = try await self.clubToday(PartStatements.clubToday(of: id), snapshot)
            }
            parts = try await snapshot.query(PartStatements.failedParts(of: id, limit: ExecutionFacts.mostParts)).map(Self.part)
        }
        var (remarks, remarkCount): ([RemarkedPart], Int?) = ([], nil)
        if event == .warning || event == .recovery {
            let rows = try await snapshot.query(PartStatements.remarkedParts(of: id, limit: ExecutionFacts.mostParts))
            remarks = try rows.map(Self.remark)
            remarkCount = try rows.first?.get("count")
        }
        let more = failedChildren == 0 ? details["more"]?.count ?? 0 : 0
        return ExecutionFacts(
            job: job, id: id, status: row["status"], scheduledFor: try row.getIfPresent("scheduled_for"),
            wallTime: row["wall"].flatMap(WallTime.init), startedAt: try row.getIfPresent("started_at"),
            finishedAt: try row.getIfPresent("finished_at"), severity: metrics["severity"]?.stringValue, error: Self.reason(details),
            failedParts: parts, failedCount: max(failedChildren, parts.count + more), failedChildren: failedChildren,
            partCount: counts.stores?.total ?? progress["total"]?.count, remarks: remarks, remarkCount: remarkCount, clubToday: clubToday,
            counts: counts, isDryRun: try row.getIfPresent("is_dry_run") ?? false)
    }

    private func clubToday(_ statement: SQL, _ snapshot: PostgresTransaction) async throws -> ClubToday? {
        guard let rows = try? await snapshot.query(statement) else { throw ClubUnreadable() }
        guard !rows.isEmpty else { return nil }
        var today = ClubToday()
        for row in rows {
            let count = (try? row.get("count", as: Int.self)) ?? 0
            switch row["state"] {
            case "VERIFIED": today.published += count
            case "SENT": today.unverified += count
            default: today.without += count
            }
        }
        return today
    }

    private static func lateness(_ row: PostgresRow, _ job: JobFacts, clubToday: ClubToday?) throws -> LatenessFacts {
        let execution = row["found_execution_id"].flatMap { id in row["status"].map { (id: id, status: $0) } }
        return LatenessFacts(
            job: job, dueAt: try row.get("due_at"), dueWallTime: row["due_wall"].flatMap(WallTime.init),
            expectedWithin: .seconds(try row.getIfPresent("expected_within", as: Double.self) ?? 0),
            isScheduled: try row.getIfPresent("is_scheduled") ?? true, tickOutcome: row["tick_outcome"], execution: execution,
            clubToday: clubToday)
    }

    private static func job(_ row: PostgresRow) throws -> JobFacts {
        JobFacts(id: try row.getIfPresent("job_config_id") ?? 0, name: row["job_name"] ?? "?", type: row["job_type"])
    }

    private static func event(_ row: PostgresRow) throws -> NotificationEvent {
        guard let event = NotificationEvent(rawValue: try row.get("event")) else {
            throw PostgresError(kind: .decoding, message: "an event is none that this program knows")
        }
        return event
    }

    private static func part(_ row: PostgresRow) throws -> FailedPart {
        FailedPart(
            storeID: try row.getIfPresent("store_id"), registration: row["registration"], name: row["name"],
            reason: FailureReason(code: row["code"] ?? "", message: Masking.mask(text: row["message"] ?? "")),
            codeCount: try row.getIfPresent("code_count"))
    }

    private static func remark(_ row: PostgresRow) throws -> RemarkedPart {
        let differences: Int = try row.get("differences")
        let reason = Masking.mask(text: row["reason"] ?? "")
        let remark: RemarkedPart.Remark =
            switch row["campaign"] {
            case _ where differences > 0: .differences(differences)
            case "SENT": .unverified(FailureReason(ofSentence: reason))
            case "SKIPPED": .skipped
            default: .other
            }
        return RemarkedPart(name: row["name"] ?? "?", remark: remark)
    }

    private static func reason(_ details: JSONValue) -> FailureReason? {
        guard let message = details["message"]?.stringValue else { return nil }
        return FailureReason(code: details["code"]?.stringValue ?? "", message: Masking.mask(text: message))
    }
}

/// A row whose values make no message, whoever tries and whenever.
struct UnreadableDelivery: Error {
    let id: Int64
    let reason: String
}

/// What stands in the club could not be read.
private struct ClubUnreadable: Error {}

extension ExecutionCounts {
    /// What `metrics` counted (SPEC §2 Shapes).
    init(_ metrics: JSONValue) {
        self.init()
        if metrics["stores"]?.objectValue != nil {
            let counted = { (key: String) in metrics["stores"]?[key]?.count }
            stores = Stores(
                total: counted("total"), succeeded: counted("succeeded"), skipped: counted("skipped"), failed: counted("failed"))
        }
        if metrics["products"]?.objectValue != nil {
            let counted = { (key: String) in metrics["products"]?[key]?.count }
            let rejected = metrics["products"]?["rejected"]?.objectValue?.compactMapValues(\.count)
            products = Products(
                fetched: counted("fetched"), accepted: counted("accepted"), rejected: rejected, uploaded: counted("uploaded"),
                verified: counted("verified"))
        }
        differences = metrics["differences"]?.objectValue?.compactMapValues(\.count) ?? [:]
        keptPartitions = metrics["skipped"]?.arrayValue?.count ?? 0
        isDryRun = metrics["dry_run"]?.boolValue ?? false
        removed = metrics["removed"]?.objectValue?.compactMapValues(\.count) ?? [:]
    }
}

extension JSONValue {
    /// A count as some program wrote it, from none to a million millions: sums of such counts fit a number. Nil for what is no whole number.
    fileprivate var count: Int? {
        guard let number = doubleValue, number == number.rounded() else { return nil }
        return Int(min(max(number, 0), 1e12))
    }
}
