import Runtime
import Synchronization

/// What a worker needs to run one claimed execution.
struct Assignment: Sendable {
    let run: ClaimedRun
    /// Nil: the job's configuration no longer exists.
    let configuration: JobConfiguration?
    /// The term of the worker's lease in which it was claimed.
    let term: Lease.Term
}

/// The runs of a worker: at most `count` at once, in the order in which they were claimed; claimed ones that wait for a slot; and the
/// end of each, which is settled exactly once, by the job or by whoever stops it first.
final class Slots: Sendable {
    private final class ActiveRun {
        let assignment: Assignment
        let startedAt: Duration
        let deadline: Duration
        var task: Task<Void, Never>?
        /// It waits for a moment and leaves its slot to others.
        var isPaused = false

        init(assignment: Assignment, startedAt: Duration) {
            self.assignment = assignment
            self.startedAt = startedAt
            self.deadline = startedAt + (assignment.configuration?.timeout ?? .seconds(900))
        }
    }

    private struct State {
        var waiting: [Assignment] = []
        var nextWaiting = 0
        /// When a slot was last given to one that waited, or the first began to wait.
        var movedAt = Duration.zero
        var active: [ExecutionID: ActiveRun] = [:]
        var sizing = ClaimSizing()
        var isClosed = false
        /// Whether somebody who asked for room was given none.
        var awaitsRoom = false
        var pausedCount = 0

        /// Slots in use.
        var busyCount: Int { active.count - pausedCount }

        var waitingCount: Int { waiting.count - nextWaiting }

        /// The first `kept` of them stay.
        mutating func takeWaiting(beyond kept: Int = 0) -> [ClaimedRun] {
            let all = waiting[nextWaiting...]
            waiting = Array(all.prefix(kept))
            nextWaiting = 0
            return all.dropFirst(kept).map(\.run)
        }

        mutating func nextAssignment() -> Assignment? {
            guard nextWaiting < waiting.count else { return nil }
            defer {
                nextWaiting += 1
                if nextWaiting == waiting.count {
                    waiting.removeAll(keepingCapacity: true)
                    nextWaiting = 0
                }
            }
            return waiting[nextWaiting]
        }
    }

    let count: Int
    private let state = Mutex(State())
    private let execute: @Sendable (Assignment, SlotPause) async -> RunOutcome
    private let onSettled: @Sendable (ClaimedRun, RunOutcome) -> Void
    private let onRoom: @Sendable () -> Void

    /// `onSettled` gets every run's outcome once; `onRoom` is called when more may be claimed.
    init(
        count: Int, onRoom: @escaping @Sendable () -> Void, execute: @escaping @Sendable (Assignment, SlotPause) async -> RunOutcome,
        onSettled: @escaping @Sendable (ClaimedRun, RunOutcome) -> Void
    ) {
        self.count = count
        self.onRoom = onRoom
        self.execute = execute
        self.onSettled = onSettled
    }

    /// How many more rows to claim now: free slots, and a little ahead of quick jobs. After a 0 `onRoom` is called when there is room; who
    /// was given room and found less than that finds nothing more in more.
    func takeRoom() -> Int {
        state.withLock { state in
            let room = room(state)
            state.awaitsRoom = room == 0
            return room
        }
    }

    /// The same for who only looks.
    var room: Int { state.withLock { room($0) } }

    private func room(_ state: borrowing State) -> Int {
        state.isClosed ? 0 : max(0, count + state.sizing.ahead(slots: count) - state.busyCount - state.waitingCount)
    }

    /// Runs that run or wait here.
    var heldCount: Int { state.withLock { $0.active.count + $0.waitingCount } }
    var activeCount: Int { state.withLock { $0.active.count } }

    /// Everything held, with how long each has run (nil: it waits for a slot).
    func held() -> [(run: ClaimedRun, runningFor: Duration?)] {
        let now = MonotonicClock.now()
        return state.withLock { state in
            state.active.values.map { ($0.assignment.run, now - $0.startedAt) } + state.waiting[state.nextWaiting...].map { ($0.run, nil) }
        }
    }

    func submit(_ assignments: [Assignment]) {
        let started: [ActiveRun] = state.withLock { state in
            if state.waitingCount == 0 { state.movedAt = MonotonicClock.now() }
            state.waiting.append(contentsOf: assignments)
            return fill(&state)
        }
        started.forEach(start)
    }

    /// Ends the given runs, by id and token, without waiting for their code; their tasks are cancelled.
    func stop(_ runs: [ExecutionID: Int64], as outcome: @Sendable (ClaimedRun, JobConfiguration?) -> RunOutcome) {
        stop(where: { runs[$0.run.id] == $0.run.token }, as: outcome)
    }

    /// Ends all runs that were claimed in other terms of the lease than this one, and hands them back; nil: all.
    func interrupt(
        claimedOutside term: Lease.Term? = nil,
        as outcome: @Sendable (ClaimedRun, JobConfiguration?) -> RunOutcome = { _, _ in .interrupted(.interruption, delay: nil) }
    ) {
        stop(where: { $0.term != term }, as: outcome)
    }

    private func stop(where isMeant: (Assignment) -> Bool, as outcome: @Sendable (ClaimedRun, JobConfiguration?) -> RunOutcome) {
        var stopped: [Assignment] = []
        var tasks: [Task<Void, Never>] = []
        let started: [ActiveRun] = state.withLock { state in
            for (id, active) in state.active where isMeant(active.assignment) {
                state.active[id] = nil
                if active.isPaused { state.pausedCount -= 1 }
                stopped.append(active.assignment)
                if let task = active.task { tasks.append(task) }
            }
            let waiting = state.waiting[state.nextWaiting...]
            stopped.append(contentsOf: waiting.filter(isMeant))
            state.waiting = waiting.filter { !isMeant($0) }
            state.nextWaiting = 0
            return fill(&state)
        }
        tasks.forEach { $0.cancel() }
        stopped.forEach { onSettled($0.run, outcome($0.run, $0.configuration)) }
        started.forEach(start)
        onRoom()
    }

    /// How long every one of them has run at least; zero when there is none.
    private static func leastRunningTime(of runs: [ExecutionID: ActiveRun], at now: Duration) -> Duration {
        runs.values.map { now - $0.startedAt }.min() ?? .zero
    }

    /// Hands back what was claimed ahead of quick runs when long ones came: all when no slot came free for `limit`, else those that would
    /// wait longer than that. Others may have room.
    func handBackWaiting(after limit: Duration) -> Int {
        let waiting: [ClaimedRun] = state.withLock { state in
            guard state.waitingCount > 0 else { return [] }
            let now = MonotonicClock.now()
            let least = Self.leastRunningTime(of: state.active, at: now)
            let isStuck = now - state.movedAt >= limit
            // Until quick runs come again nothing is claimed ahead.
            state.sizing.note(isStuck ? max(limit, least) : least)
            let kept = isStuck ? 0 : state.sizing.reachable(within: limit, slots: count)
            guard state.waitingCount > kept else { return [] }
            return state.takeWaiting(beyond: kept)
        }
        let error = RunError(code: "NO_SLOT", message: "its worker had no free slot for it; it is handed back", isRetryable: true)
        waiting.forEach { onSettled($0, .interrupted(error, delay: nil)) }
        return waiting.count
    }

    /// Runs whose `timeout_seconds` passed, by id and token.
    func overdue() -> [ExecutionID: Int64] {
        let now = MonotonicClock.now()
        return state.withLock { state in state.active.filter { $0.value.deadline <= now }.mapValues(\.assignment.run.token) }
    }

    /// Hands claimed runs back that cannot be started.
    func refuse(_ runs: [ClaimedRun]) {
        runs.forEach { onSettled($0, .interrupted(.interruption, delay: nil)) }
    }

    /// Takes nothing more: `room` is 0 from now on. Gives back what waited for a slot.
    func close() -> [ClaimedRun] {
        state.withLock { state in
            state.isClosed = true
            return state.takeWaiting()
        }
    }

    private func fill(_ state: inout State) -> [ActiveRun] {
        var started: [ActiveRun] = []
        while state.busyCount < count, let assignment = state.nextAssignment() {
            let active = ActiveRun(assignment: assignment, startedAt: MonotonicClock.now())
            // Claimed here once more while its run before, which had lost it, has not ended.
            if let replaced = state.active.updateValue(active, forKey: assignment.run.id) {
                if replaced.isPaused { state.pausedCount -= 1 }
                replaced.task?.cancel()
            }
            started.append(active)
            state.movedAt = active.startedAt
        }
        return started
    }

    /// Runs in a task of its own that nobody awaits: a job that ignores its timeout must not hold the slot.
    private func start(_ active: ActiveRun) {
        let assignment = active.assignment
        let token = assignment.run.token
        let task = Task { [self] in
            let outcome = await execute(assignment, SlotPause { [self] in try await pause(assignment.run, for: $0) })
            settle(assignment.run, token: token, outcome)
        }
        state.withLock { _ in active.task = task }
        let isStopped = state.withLock { $0.active[assignment.run.id]?.assignment.run.token != token }
        // Stopped before it had a task to cancel, or at its end already, where this changes nothing.
        if isStopped { task.cancel() }
    }

    /// Waits while others use the run's slot; afterwards it runs on at once, be it beside more runs than there are slots, by as many as
    /// waited.
    private func pause(_ run: ClaimedRun, for length: Duration) async throws {
        let started = setPaused(run, true)
        started.forEach(start)
        if !started.isEmpty || room > 0 { onRoom() }
        defer { _ = setPaused(run, false) }
        try await Task.sleep(for: length)
    }

    private func setPaused(_ run: ClaimedRun, _ isPaused: Bool) -> [ActiveRun] {
        state.withLock { state in
            guard let active = state.active[run.id], active.assignment.run.token == run.token, active.isPaused != isPaused else {
                return []
            }
            active.isPaused = isPaused
            state.pausedCount += isPaused ? 1 : -1
            return fill(&state)
        }
    }

    private func settle(_ run: ClaimedRun, token: Int64, _ outcome: RunOutcome) {
        let (isOurs, started, hasRoom): (Bool, [ActiveRun], Bool) = state.withLock { state in
            guard let active = state.active[run.id], active.assignment.run.token == token else { return (false, [], false) }
            state.active[run.id] = nil
            if active.isPaused { state.pausedCount -= 1 }
            let now = MonotonicClock.now()
            state.sizing.record(now - active.startedAt, at: now, least: Self.leastRunningTime(of: state.active, at: now))
            let started = fill(&state)
            let hasRoom = !state.isClosed && state.awaitsRoom && state.waitingCount * 2 <= state.sizing.ahead(slots: count)
            return (true, started, hasRoom)
        }
        guard isOurs else { return }
        onSettled(run, outcome)
        started.forEach(start)
        if hasRoom { onRoom() }
    }
}

/// How a run waits without holding its slot.
struct SlotPause: Sendable {
    /// Returns after the time, or throws when the run is stopped meanwhile.
    let wait: @Sendable (Duration) async throws -> Void

    init(_ wait: @escaping @Sendable (Duration) async throws -> Void) {
        self.wait = wait
    }
}
