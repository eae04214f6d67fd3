import CPostgres
import Glibc
import Synchronization

/// What a blocked `poll` can be woken with: owns one eventfd, or -1 when the process has no file descriptor left.
final class Wake: Sendable {
    let descriptor: Int32

    init() {
        descriptor = chimera_eventfd()
    }

    deinit {
        if isUsable { close(descriptor) }
    }

    var isUsable: Bool { descriptor >= 0 }

    func signal() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    func drain() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}

/// One piece of work on a connection: when it must be over, and whether its task was cancelled.
final class Operation: Sendable {
    let deadline: ContinuousClock.Instant
    private let cancelled = Atomic(false)
    private let whole: Operation?

    /// `whole` is the larger operation this one is a step of: its cancellation counts here as well.
    init(deadline: ContinuousClock.Instant, stepOf whole: Operation? = nil) {
        self.deadline = deadline
        self.whole = whole
    }

    var isCancelled: Bool { cancelled.load(ordering: .acquiring) || (whole?.isCancelled ?? false) }
    func cancel() { cancelled.store(true, ordering: .releasing) }

    /// Milliseconds left for `poll`, rounded up; throws when none are.
    func remainingMilliseconds() throws(PostgresError) -> Int32 {
        if isCancelled { throw .cancelledByCaller }
        let left = ContinuousClock.now.duration(to: deadline)
        guard left > .zero else { throw .deadlineHasPassed }
        let (seconds, attoseconds) = left.components
        guard seconds < 1_000_000 else { return 1_000_000_000 }
        return Int32(seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
    }
}

extension PostgresError {
    static var cancelledByCaller: PostgresError { PostgresError(kind: .cancelled, message: "the database statement was cancelled") }
    static var deadlineHasPassed: PostgresError {
        PostgresError(kind: .deadlineExceeded, message: "the database did not answer within the deadline")
    }
}
