/// The error of `withDeadline`: the time was over before the work was.
package struct DeadlineExceeded: Error, Hashable, CustomStringConvertible {
    /// The time that was given.
    package let limit: Duration

    /// Takes the time that was given.
    package init(limit: Duration) { self.limit = limit }

    /// One sentence for the operator.
    package var description: String { "It took longer than the \(limit) allowed; try again later or allow more time." }
}

/// Runs `body` for at most `limit`, then cancels it and throws `DeadlineExceeded`.
///
/// It returns only after `body` did, so a body that ignores cancellation makes it late; what such a body still returns is returned.
/// An error of `body` before the deadline is thrown as it is.
package func withDeadline<T: Sendable>(_ limit: Duration, _ body: @escaping @Sendable () async throws -> T) async throws -> T {
    guard limit > .zero else { throw DeadlineExceeded(limit: limit) }
    return try await withThrowingTaskGroup(of: T?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            _ = await Wakeup().wait(upTo: limit)
            return nil
        }
        defer { group.cancelAll() }
        // The first to end is the body, or the clock (also when this task was cancelled: then the body is told as well).
        if let value = try await group.next() ?? nil { return value }
        let wasCancelled = Task.isCancelled
        group.cancelAll()
        do {
            if let value = try await group.next() ?? nil { return value }
        } catch {
            throw wasCancelled ? error : DeadlineExceeded(limit: limit)
        }
        throw DeadlineExceeded(limit: limit)
    }
}
