import Foundation
import Postgres
import Runtime
import TestSupport

/// A row of `job_executions`.
package struct Execution: Sendable {
    package let id: String
    package let status: String
    package let attempt: Int
    package let maxAttempts: Int
    package let rescues: Int
    package let storeID: Int?
    package let worker: String?
    package let metrics: JSONValue?
    package let error: JSONValue?
    /// Unix seconds.
    package let started: Double?
    package let finished: Double?

    package init(_ row: PostgresRow) throws {
        id = try row.get("id")
        status = try row.get("status")
        attempt = try row.get("attempt")
        maxAttempts = try row.get("max_attempts")
        rescues = try row.get("rescues")
        storeID = try row.getIfPresent("store_id")
        worker = row["worker"]
        metrics = try row.getIfPresent("metrics")
        error = try row.getIfPresent("error_details")
        started = try row.getIfPresent("started")
        finished = try row.getIfPresent("finished")
    }

    package var code: String { error?["code"]?.stringValue ?? "" }
    package var message: String { error?["message"]?.stringValue ?? "" }
    package var severity: String { metrics?["severity"]?.stringValue ?? "" }
}

/// A row of `campaigns`.
package struct Campaign: Sendable {
    package let id: Int64
    package let status: String
    package let lineCount: Int
    package let name: String
    package let reason: String
    package let excerpt: String
    package let httpStatus: Int?
    package let startsAt: Int64
    package let endsAt: Int64

    package init(_ row: PostgresRow) throws {
        id = try row.get("id")
        status = try row.get("status")
        lineCount = try row.get("line_count")
        name = try row.get("name")
        reason = try row.get("reason")
        excerpt = try row.get("response_excerpt")
        httpStatus = try row.getIfPresent("http_status")
        startsAt = try row.get("starts_at")
        endsAt = try row.get("ends_at")
    }
}

/// A zone of `Etc/` in which it is a given hour of the day now.
package struct LocalZone: Sendable {
    package let offsetHours: Int
    /// `Etc/GMT+3` lies three hours *behind* UTC.
    package var name: String { offsetHours == 0 ? "Etc/GMT" : "Etc/GMT\(offsetHours < 0 ? "+" : "-")\(abs(offsetHours))" }

    /// -12 to 14: those have a zone.
    package init(offsetHours: Int) { self.offsetHours = offsetHours }

    package init(localHour: Int, now: Date = Date()) {
        let hour = Int(now.timeIntervalSince1970) / 3600 % 24
        let offset = localHour - hour
        offsetHours = offset < -12 ? offset + 24 : offset > 12 ? offset - 24 : offset
    }

    /// `2026-11-21T06:00` of a moment in Unix seconds.
    package func wallTime(_ instant: Int64) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(secondsFromGMT: offsetHours * 3600) ?? .gmt
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute], from: Date(timeIntervalSince1970: Double(instant)))
        func two(_ value: Int?) -> String { String(format: "%02d", value ?? 0) }
        return "\(parts.year ?? 0)-\(two(parts.month))-\(two(parts.day))T\(two(parts.hour)):\(two(parts.minute))"
    }
}

/// How many rigs may stand at once.
package actor Places {
    package static let shared = Places()
    private var free = 7
    private var waiting: [Suspension<Void>] = []

    package func take() async {
        if free > 0 {
            free -= 1
            return
        }
        let turn = Suspension<Void>()
        waiting.append(turn)
        await turn.wait(cancelled: ())
    }

    package func giveBack() {
        if waiting.isEmpty {
            free += 1
        } else {
            waiting.removeFirst().resume(with: ())
        }
    }
}
