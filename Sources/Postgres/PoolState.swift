import Runtime

/// Who waits for a connection.
struct PoolWaiter: Sendable {
    let id: UInt64
    let since: ContinuousClock.Instant
    let deadline: ContinuousClock.Instant
    let answer: Suspension<Result<Session, PostgresError>>
}

/// The pool's decisions, without its effects: every change returns what is to be done outside the lock.
struct PoolState {
    enum Action: Sendable {
        case answer(Suspension<Result<Session, PostgresError>>, Result<Session, PostgresError>)
        case open
        case close(Session)
        /// Call `retry` after this time.
        case retry(after: Duration)
        /// Call `expire(armedFor:)` at this time.
        case expire(at: ContinuousClock.Instant)
        /// Call `trim` after `idleLimit`.
        case trim
        /// The pool is closed and nothing is out any more: tell who waits for that.
        case drained([Suspension<Void>])
    }

    /// How long a connection may lie idle.
    static let idleLimit = Duration.seconds(60)
    /// How long somebody waits before there are more connections than usual.
    static let patience = Duration.milliseconds(100)

    private let maximum: Int
    private let usual: Int
    /// The most recently used one is last, and is lent first.
    private(set) var idle: [(session: Session, since: ContinuousClock.Instant)] = []
    private(set) var leased = 0
    private(set) var opening = 0
    private var waiters: [PoolWaiter] = []
    private var nextID: UInt64 = 0
    private var failures = 0
    private var lastFailure: PostgresError?
    private var notBefore: ContinuousClock.Instant?
    private var isRetryArmed = false
    private var isTrimArmed = false
    private var expiryArmedFor: ContinuousClock.Instant?
    private(set) var isClosed = false
    private var closers: [Suspension<Void>] = []

    /// `usual`: so many are opened as soon as somebody waits, and more only when he goes on waiting.
    init(maximum: Int, usual: Int) {
        self.maximum = max(1, maximum)
        self.usual = min(max(1, usual), self.maximum)
    }

    var waiting: Int { waiters.count }

    /// Asks for a connection; the answer comes through the suspension. Returns the waiter's number for `withdraw`.
    mutating func acquire(
        _ answer: Suspension<Result<Session, PostgresError>>, deadline: ContinuousClock.Instant, now: ContinuousClock.Instant
    ) -> (id: UInt64, actions: [Action]) {
        nextID += 1
        guard !isClosed else { return (nextID, [.answer(answer, .failure(.poolIsClosed))]) }
        if waiters.isEmpty, let session = idle.popLast()?.session {
            leased += 1
            return (nextID, [.answer(answer, .success(session))] + grow(now: now))
        }
        waiters.append(PoolWaiter(id: nextID, since: now, deadline: deadline, answer: answer))
        var actions = grow(now: now)
        if expiryArmedFor.map({ deadline < $0 }) ?? true {
            expiryArmedFor = deadline
            actions.append(.expire(at: deadline))
        }
        return (nextID, actions)
    }

    /// Takes a waiter out of the queue; nil when it has its answer already.
    mutating func withdraw(_ id: UInt64) -> PoolWaiter? {
        guard let index = waiters.firstIndex(where: { $0.id == id }) else { return nil }
        return waiters.remove(at: index)
    }

    /// A leased connection comes back in order.
    mutating func giveBack(_ session: Session, now: ContinuousClock.Instant) -> [Action] {
        leased -= 1
        return place(session, now: now)
    }

    /// A leased connection is gone.
    mutating func discard(now: ContinuousClock.Instant) -> [Action] {
        leased -= 1
        if isClosed { return drainedActions() }
        return grow(now: now)
    }

    /// An attempt to connect succeeded. Tells whether others had failed before it.
    mutating func opened(_ session: Session, now: ContinuousClock.Instant) -> (isRecovery: Bool, actions: [Action]) {
        opening -= 1
        let isRecovery = failures > 0
        failures = 0
        lastFailure = nil
        notBefore = nil
        return (isRecovery, place(session, now: now) + (isClosed ? [] : grow(now: now)))
    }

    /// An attempt to connect failed; `jitter` in 0..<1 spreads the next one. Tells whether the reason is another than last time.
    mutating func openFailed(
        _ error: PostgresError, now: ContinuousClock.Instant, jitter: Double
    ) -> (isNews: Bool, actions: [Action]) {
        opening -= 1
        guard !isClosed else { return (false, []) }
        let isNews = lastFailure?.message != error.message
        lastFailure = error
        // Attempts that began together and failed together are one failure.
        if notBefore.map({ now >= $0 }) ?? true {
            let ceiling = min(2.0, 0.1 * Double(1 << min(failures, 5)))
            notBefore = now + .seconds(ceiling * (0.5 + jitter / 2))
            failures += 1
        }
        var actions: [Action] = []
        if error.refusesForGood {
            actions = waiters.map { .answer($0.answer, .failure(error)) }
            waiters = []
        }
        return (isNews, actions + grow(now: now))
    }

    /// The time of a retry has come.
    mutating func retry(now: ContinuousClock.Instant) -> [Action] {
        isRetryArmed = false
        return isClosed ? [] : grow(now: now)
    }

    /// Fails the waiters whose deadline has passed. Only the timer that is armed for the earliest deadline arms the next one.
    mutating func expire(armedFor instant: ContinuousClock.Instant, now: ContinuousClock.Instant) -> [Action] {
        let late = waiters.filter { $0.deadline <= now }
        waiters.removeAll { $0.deadline <= now }
        var actions = late.map { Action.answer($0.answer, .failure(reasonForWaiting)) }
        guard instant == expiryArmedFor else { return actions }
        expiryArmedFor = waiters.map(\.deadline).min()
        if let expiryArmedFor { actions.append(.expire(at: expiryArmedFor)) }
        return actions
    }

    /// Closes what lay idle for long.
    mutating func trim(now: ContinuousClock.Instant) -> [Action] {
        isTrimArmed = false
        var actions: [Action] = []
        while let oldest = idle.first, now - oldest.since >= Self.idleLimit {
            actions.append(.close(idle.removeFirst().session))
        }
        return actions + armTrim()
    }

    /// Fails all waiters and closes what is idle; what is leased is closed when it comes back.
    mutating func close(_ closer: Suspension<Void>) -> [Action] {
        closers.append(closer)
        guard !isClosed else { return drainedActions() }
        isClosed = true
        let actions =
            waiters.map { Action.answer($0.answer, .failure(.poolIsClosed)) } + idle.map { Action.close($0.session) }
        waiters = []
        idle = []
        return actions + drainedActions()
    }

    /// Opens what is missing: first attempts side by side, more than usual for those who waited long, after a failure one at a time and not
    /// before its time.
    mutating func grow(now: ContinuousClock.Instant) -> [Action] {
        let total = leased + idle.count + opening
        let missing = min(waiters.count - opening, maximum - total)
        let impatient = waiters.count { now - $0.since >= Self.patience } - opening
        var attempts = min(missing, max(usual - total, impatient))
        if failures > 0 { attempts = min(attempts, 1 - opening) }
        if attempts > 0, let notBefore, now < notBefore { return armRetry(after: now.duration(to: notBefore)) }
        attempts = max(attempts, 0)
        opening += attempts
        let opens = Array(repeating: Action.open, count: attempts)
        // After a failure the end of an attempt on its way looks again.
        guard missing > attempts, failures == 0 || opening == 0,
            let next = waiters.first(where: { now - $0.since < Self.patience })
        else { return opens }
        return opens + armRetry(after: now.duration(to: max(next.since + Self.patience, notBefore ?? now)))
    }

    private mutating func armRetry(after delay: Duration) -> [Action] {
        guard !isRetryArmed else { return [] }
        isRetryArmed = true
        return [.retry(after: delay)]
    }

    private mutating func place(_ session: Session, now: ContinuousClock.Instant) -> [Action] {
        if isClosed { return [.close(session)] + drainedActions() }
        if !waiters.isEmpty {
            leased += 1
            return [.answer(waiters.removeFirst().answer, .success(session))]
        }
        idle.append((session, now))
        return armTrim()
    }

    private mutating func armTrim() -> [Action] {
        guard !isTrimArmed, !idle.isEmpty else { return [] }
        isTrimArmed = true
        return [.trim]
    }

    private mutating func drainedActions() -> [Action] {
        guard leased == 0, !closers.isEmpty else { return [] }
        defer { closers = [] }
        return [.drained(closers)]
    }

    private var reasonForWaiting: PostgresError {
        guard let lastFailure else {
            // Nobody has a connection: the first one is still being opened.
            guard leased > 0 else { return .deadlineHasPassed }
            return PostgresError(
                kind: .deadlineExceeded, message: "no connection to the database became free within the deadline (\(leased) in use)")
        }
        return PostgresError(
            kind: .connectionLost, sqlState: lastFailure.sqlState, message: "the database cannot be reached: \(lastFailure.message)")
    }
}

extension PostgresError {
    static var poolIsClosed: PostgresError { PostgresError(kind: .connectionLost, message: "the connections to the database were closed") }
}
