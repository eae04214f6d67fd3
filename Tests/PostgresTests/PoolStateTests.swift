import Runtime
import Testing

@testable import Postgres

/// The pool's decisions without a server: the clock is a number here.
@Suite("Pool decisions")
struct PoolStateTests {
    private typealias Answer = Suspension<Result<Session, PostgresError>>

    private let configuration: PostgresConfiguration
    private let start = ContinuousClock.now
    private let lost = PostgresError(kind: .connectionLost, message: "nobody listens")

    init() throws {
        configuration = try PostgresConfiguration(url: "host=nowhere")
    }

    private func opens(_ actions: [PoolState.Action]) -> Int {
        actions.count { if case .open = $0 { true } else { false } }
    }

    private func retryDelay(_ actions: [PoolState.Action]) -> Duration? {
        actions.compactMap { if case .retry(let delay) = $0 { delay } else { nil } }.first
    }

    @Test("a hundred waiters open as many connections as are allowed, and not one more")
    func opensUpToTheLimit() {
        var state = PoolState(maximum: 4, usual: 4)
        var opened = 0
        for _ in 0..<100 { opened += opens(state.acquire(Answer(), deadline: start + .seconds(30), now: start).actions) }
        #expect(opened == 4 && state.opening == 4 && state.waiting == 100)
    }

    @Test("after a failure one attempt at a time, at growing distances between 50 ms and 2 s, for an hour if need be")
    func backoff() {
        var state = PoolState(maximum: 8, usual: 8)
        var now = start
        for _ in 0..<20 { _ = state.acquire(Answer(), deadline: start + .seconds(7200), now: now) }
        var actions: [PoolState.Action] = []
        for _ in 0..<8 { actions += state.openFailed(lost, now: now, jitter: 0).actions }
        var delays: [Duration] = []
        while now < start + .seconds(3600), let delay = retryDelay(actions) {
            delays.append(delay)
            now += delay
            let attempt = state.retry(now: now)
            #expect(opens(attempt) == 1)
            actions = state.openFailed(lost, now: now, jitter: Double(delays.count % 10) / 10).actions
        }
        #expect(now >= start + .seconds(3600), "the retries stopped")
        #expect(delays.first == .milliseconds(50))
        #expect(delays.allSatisfy { $0 >= .milliseconds(50) && $0 <= .seconds(2) })
        #expect(delays.count < 3700)
        #expect(delays.dropFirst(6).allSatisfy { $0 >= .seconds(1) })
    }

    @Test("success ends the backoff and serves the waiters side by side again")
    func recovery() {
        var state = PoolState(maximum: 3, usual: 3)
        for _ in 0..<5 { _ = state.acquire(Answer(), deadline: start + .seconds(30), now: start) }
        for _ in 0..<3 { _ = state.openFailed(lost, now: start, jitter: 0.5) }
        let attempt = state.retry(now: start + .seconds(1))
        #expect(opens(attempt) == 1)
        let (isRecovery, actions) = state.opened(Session(configuration), now: start + .seconds(1))
        #expect(isRecovery && opens(actions) == 2 && state.leased == 1 && state.waiting == 4)
    }

    @Test("only the first failure of its kind is news")
    func news() {
        var state = PoolState(maximum: 1, usual: 1)
        _ = state.acquire(Answer(), deadline: start + .seconds(30), now: start)
        #expect(state.openFailed(lost, now: start, jitter: 0).isNews)
        _ = state.retry(now: start + .seconds(1))
        #expect(!state.openFailed(lost, now: start + .seconds(1), jitter: 0).isNews)
        _ = state.retry(now: start + .seconds(2))
        #expect(state.openFailed(PostgresError(kind: .connectionLost, message: "else"), now: start + .seconds(2), jitter: 0).isNews)
    }

    @Test("who waited is told whether the connections were in use or the database was silent")
    func reasons() async throws {
        var state = PoolState(maximum: 1, usual: 1)
        func expired() async -> String {
            let answer = Answer()
            let end = start + .seconds(5)
            for case .answer(_, let result) in state.acquire(answer, deadline: end, now: start).actions
                + state.expire(armedFor: end, now: end)
            {
                answer.resume(with: result)
            }
            guard case .failure(let error) = await answer.wait(onCancel: {}) else { return "" }
            return error.message
        }
        #expect(await expired() == "the database did not answer within the deadline")
        _ = state.acquire(Answer(), deadline: start + .seconds(60), now: start)
        _ = state.opened(Session(configuration), now: start)
        #expect(await expired() == "no connection to the database became free within the deadline (1 in use)")
    }

    @Test("one timer watches the deadlines, whatever their order")
    func expiry() async {
        var state = PoolState(maximum: 1, usual: 1)
        let answers = (0..<3).map { _ in Answer() }
        var armed: [ContinuousClock.Instant] = []
        func note(_ actions: [PoolState.Action]) {
            for case .expire(let instant) in actions { armed.append(instant) }
        }
        for (answer, seconds) in zip(answers, [20, 10, 30]) {
            note(state.acquire(answer, deadline: start + .seconds(seconds), now: start).actions)
        }
        #expect(armed == [start + .seconds(20), start + .seconds(10)])
        note(state.expire(armedFor: start + .seconds(10), now: start + .seconds(10)))
        #expect(state.waiting == 2 && armed.last == start + .seconds(20))
        note(state.expire(armedFor: start + .seconds(20), now: start + .seconds(20)))
        #expect(state.waiting == 1 && armed.last == start + .seconds(30))
        let before = armed.count
        note(state.expire(armedFor: start + .seconds(20), now: start + .seconds(20)))
        #expect(armed.count == before, "a timer that came too late armed another one")
    }

    @Test("more than the usual connections are opened for those who waited 100 ms, and for nobody else")
    func patience() {
        var state = PoolState(maximum: 8, usual: 3)
        var now = start
        var actions: [PoolState.Action] = []
        for _ in 0..<5 { actions += state.acquire(Answer(), deadline: start + .seconds(30), now: now).actions }
        #expect(opens(actions) == 3 && retryDelay(actions) == PoolState.patience)
        for _ in 0..<3 { _ = state.opened(Session(configuration), now: now) }
        now += .milliseconds(60)
        actions = state.acquire(Answer(), deadline: start + .seconds(30), now: now).actions
        #expect(opens(actions) == 0 && retryDelay(actions) == nil, "a timer is armed already")
        now += .milliseconds(40)
        actions = state.retry(now: now)
        #expect(opens(actions) == 2 && state.opening == 2, "two waited 100 ms, one 40")
        #expect(retryDelay(actions) == .milliseconds(60))
        // Those two are served by a connection that came back and by the first new one: the other new one is for the third.
        _ = state.giveBack(Session(configuration), now: now)
        for _ in 0..<2 { _ = state.opened(Session(configuration), now: now) }
        #expect(state.waiting == 0 && state.leased == 5)
        #expect(opens(state.retry(now: now + .milliseconds(60))) == 0)
    }

    @Test("an attempt at one more than usual that failed takes nobody's patience away who comes later")
    func patienceAfterFailure() {
        var state = PoolState(maximum: 8, usual: 3)
        var now = start
        for _ in 0..<4 { _ = state.acquire(Answer(), deadline: start + .seconds(30), now: now) }
        for _ in 0..<3 { _ = state.opened(Session(configuration), now: now) }
        now += PoolState.patience
        #expect(opens(state.retry(now: now)) == 1)
        let delay = retryDelay(state.openFailed(lost, now: now, jitter: 0).actions)
        #expect(delay == .milliseconds(50))
        // A connection comes back and serves the one who waited: the retry finds nobody.
        _ = state.giveBack(Session(configuration), now: now)
        now += .milliseconds(50)
        #expect(state.retry(now: now).isEmpty && state.waiting == 0)
        now += .seconds(60)
        #expect(retryDelay(state.acquire(Answer(), deadline: now + .seconds(30), now: now).actions) == PoolState.patience)
        now += PoolState.patience
        #expect(opens(state.retry(now: now)) == 1)
    }

    @Test("what lies idle is closed after a minute, the oldest first")
    func trimming() {
        var state = PoolState(maximum: 4, usual: 4)
        for _ in 0..<3 { _ = state.acquire(Answer(), deadline: start + .seconds(30), now: start) }
        let sessions = (0..<3).map { _ in Session(configuration) }
        for session in sessions { _ = state.opened(session, now: start) }
        for (index, session) in sessions.enumerated() { _ = state.giveBack(session, now: start + .seconds(index)) }
        let closed = state.trim(now: start + .seconds(61)).compactMap { if case .close(let session) = $0 { session } else { nil } }
        #expect(closed.count == 2 && closed[0] === sessions[0] && closed[1] === sessions[1])
        #expect(state.idle.count == 1)
    }
}
