import Foundation
import Postgres
import Runtime

/// A row of `job_executions`.
struct Execution: Sendable {
    let id: String
    let status: String
    let attempt: Int
    let maxAttempts: Int
    let rescues: Int
    let storeID: Int?
    let worker: String?
    let metrics: JSONValue?
    let error: JSONValue?
    /// Unix seconds.
    let started: Double?
    let finished: Double?

    init(_ row: PostgresRow) throws {
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

    var code: String { error?["code"]?.stringValue ?? "" }
    var message: String { error?["message"]?.stringValue ?? "" }
    var severity: String { metrics?["severity"]?.stringValue ?? "" }
}

/// A row of `campaigns`.
struct Campaign: Sendable {
    let id: Int64
    let status: String
    let lineCount: Int
    let name: String
    let reason: String
    let excerpt: String
    let httpStatus: Int?
    let startsAt: Int64
    let endsAt: Int64

    init(_ row: PostgresRow) throws {
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
struct LocalZone: Sendable {
    let offsetHours: Int
    /// `Etc/GMT+3` lies three hours *behind* UTC.
    var name: String { offsetHours == 0 ? "Etc/GMT" : "Etc/GMT\(offsetHours < 0 ? "+" : "-")\(abs(offsetHours))" }

    /// -12 to 14: those have a zone.
    init(offsetHours: Int) { self.offsetHours = offsetHours }

    init(localHour: Int, now: Date = Date()) {
        let hour = Int(now.timeIntervalSince1970) / 3600 % 24
        let offset = localHour - hour
        offsetHours = offset < -12 ? offset + 24 : offset > 12 ? offset - 24 : offset
    }

    /// `2026-11-21T06:00` of a moment in Unix seconds.
    func wallTime(_ instant: Int64) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(secondsFromGMT: offsetHours * 3600) ?? .gmt
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute], from: Date(timeIntervalSince1970: Double(instant)))
        func two(_ value: Int?) -> String { String(format: "%02d", value ?? 0) }
        return "\(parts.year ?? 0)-\(two(parts.month))-\(two(parts.day))T\(two(parts.hour)):\(two(parts.minute))"
    }
}

/// How many rigs may stand at once.
actor Places {
    static let shared = Places()
    private var free = 7
    private var waiting: [Suspension<Void>] = []

    func take() async {
        if free > 0 {
            free -= 1
            return
        }
        let turn = Suspension<Void>()
        waiting.append(turn)
        await turn.wait(cancelled: ())
    }

    func giveBack() {
        if waiting.isEmpty {
            free += 1
        } else {
            waiting.removeFirst().resume(with: ())
        }
    }
}
