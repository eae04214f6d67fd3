import Foundation
import Runtime

/// The JSON body of a webhook: `{"type", "timestamp", "data"}`.
struct WebhookBody {
    let document: JSONValue

    init(_ message: NotificationMessage) {
        var data: [String: JSONValue]
        let type: String
        var occurredAt = message.now
        switch message.content {
        case .single(let delivery):
            occurredAt = delivery.occurredAt
            (type, data) = Self.content(of: delivery)
            if delivery.edition > 1 { data["edition"] = .integer(Int64(delivery.edition)) }
        case .folded(let folded):
            // Never asked for: webhooks are not folded.
            (type, data) = Self.content(of: folded.newest)
            data["count"] = .integer(Int64(folded.count))
        case .test: (type, data) = ("channel.test", [:])
        }
        data["text"] = .string(message.text.plain)
        document = ["type": .string(type), "timestamp": Self.text(occurredAt), "data": .object(data)]
    }

    private static func content(of delivery: Delivery) -> (String, [String: JSONValue]) {
        switch delivery.subject {
        case .execution(let facts): (type(delivery.event), data(facts, delivery.event))
        case .lateness(let facts): ("job.late", data(facts))
        case .schedule(let facts):
            ("job.problem", ["job": .string(facts.job.name), "job_id": .integer(Int64(facts.job.id)), "problem": text(facts.problem)])
        case .channel(let facts):
            (
                "channel.switched_off",
                ["channel": .string(facts.name), "channel_id": .integer(Int64(facts.id)), "reason": text(facts.reason)]
            )
        }
    }

    private static func type(_ event: NotificationEvent) -> String {
        switch event {
        case .start: "execution.started"
        case .success: "execution.succeeded"
        case .failure: "execution.failed"
        case .warning: "execution.warning"
        case .recovery: "execution.recovered"
        case .late: "job.late"
        }
    }

    private static func data(_ facts: ExecutionFacts, _ event: NotificationEvent) -> [String: JSONValue] {
        [
            "execution_id": .string(facts.id), "job": .string(facts.job.name), "job_id": .integer(Int64(facts.job.id)),
            "status": text(facts.status), "so_far": .bool(event == .failure && facts.isSoFar), "severity": text(facts.severity),
            "scheduled_for": text(facts.scheduledFor), "started_at": text(facts.startedAt), "finished_at": text(facts.finishedAt),
            "duration_ms": facts.duration.map { .integer(Int64($0 / .milliseconds(1))) } ?? .null,
            "error": facts.error.map { ["code": .string($0.code), "message": .string($0.message)] } ?? .null,
            "stores": .array(facts.failedParts.map(part)), "failed_count": .integer(Int64(facts.failedCount)),
            "metrics": metrics(facts.counts),
        ]
    }

    /// A store that failed, in the shape of `error_details`.
    private static func part(_ part: FailedPart) -> JSONValue {
        [
            "store_id": part.storeID.map { .integer(Int64($0)) } ?? .null, "registration": text(part.registration), "name": text(part.name),
            "code": .string(part.reason.code), "message": .string(part.reason.message),
        ]
    }

    /// What was counted, under the names of the execution's own `metrics`; what they do not have is left out.
    private static func metrics(_ counts: ExecutionCounts) -> JSONValue {
        var metrics: [String: JSONValue] = [:]
        if let stores = counts.stores {
            let shown = ["total": stores.total, "succeeded": stores.succeeded, "skipped": stores.skipped, "failed": stores.failed]
            metrics["stores"] = .object(shown.compactMapValues(number))
        }
        if let products = counts.products {
            var shown = ["fetched": products.fetched, "accepted": products.accepted].compactMapValues(number)
            shown["rejected"] = products.rejected.map(numbers)
            metrics["products"] = .object(shown)
        }
        if !counts.differences.isEmpty { metrics["differences"] = numbers(counts.differences) }
        if !counts.removed.isEmpty { metrics["removed"] = numbers(counts.removed) }
        return .object(metrics)
    }

    private static func data(_ facts: LatenessFacts) -> [String: JSONValue] {
        [
            "job": .string(facts.job.name), "job_id": .integer(Int64(facts.job.id)), "due_at": text(facts.dueAt),
            "expected_within_seconds": .integer(Int64(facts.expectedWithin.components.seconds)),
            "execution_id": text(facts.execution?.id), "status": text(facts.execution?.status), "stores": [],
        ]
    }

    private static func number(_ count: Int?) -> JSONValue? { count.map { .integer(Int64($0)) } }
    private static func numbers(_ counts: [String: Int]) -> JSONValue { .object(counts.compactMapValues(number)) }
    private static func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }

    /// ISO 8601 in UTC, with milliseconds.
    private static func text(_ moment: Date?) -> JSONValue {
        moment.map { .string($0.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))) } ?? .null
    }
}
