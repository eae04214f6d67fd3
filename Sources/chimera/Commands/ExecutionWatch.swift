import Postgres
import Runtime

/// Looks at an execution again and again until it has ended, through restarts of the database too.
struct ExecutionWatch {
    /// How often it looks.
    private static let period: Duration = .milliseconds(300)
    /// How long the database may be away in the middle.
    private static let patience: Duration = .seconds(300)
    /// How long it may take to answer, should less time than that be left.
    private static let lookPatience: Duration = .seconds(10)

    let id: String
    let database: OperatorDatabase
    /// Waits without end when nil.
    let timeout: Duration?

    /// True once it has ended; false when the time was over before. Shows its progress on a terminal; `eachTime` runs after every look,
    /// once more after the last.
    func waitForEnd(eachTime: () async throws -> Void = {}) async throws -> Bool {
        let deadline = timeout.map { MonotonicClock.now() + $0 }
        var lastAnswer = MonotonicClock.now()
        defer { StandardOutput.progress("") }
        while true {
            do {
                let patience = max(
                    .milliseconds(500), min(Self.lookPatience, deadline.map { $0 - MonotonicClock.now() } ?? Self.lookPatience))
                let row = try await withDeadline(patience) { [database, id] in
                    try await database.rows(ExecutionStatements.status(of: id)).first
                }
                guard let row else { throw ExecutionCommands.unknown(id) }
                lastAnswer = MonotonicClock.now()
                try await eachTime()
                let status = Cell.text(row["status"])
                if ["SUCCESS", "FAILED", "CANCELLED"].contains(status) { return true }
                StandardOutput.progress("\(status) \(ExecutionCommands.progress(row["progress"] ?? .null))")
            } catch  where Self.mayPass(error) && MonotonicClock.now() - lastAnswer < Self.patience {
                StandardOutput.progress("waits for the database")
            }
            let left = deadline.map { $0 - MonotonicClock.now() } ?? Self.period
            guard left > .zero else { return false }
            try await Task.sleep(for: min(left, Self.period))
        }
    }

    private static func mayPass(_ error: any Error) -> Bool {
        guard let error = error as? PostgresError else { return error is DeadlineExceeded }
        return error.isWorthReconnecting || error.kind == .deadlineExceeded
    }
}
