import Runtime
import Testing

@testable import JobQueue

/// Waits between attempts, and how much a worker claims ahead.
@Suite struct PolicyTests {
    @Test("the wait doubles from the base, is scattered by a fifth at most, and never passes an hour")
    func retryDelays() {
        func delay(_ failures: Int, base: Duration = .seconds(30), jitter: Double = 0, retryAfter: Duration? = nil) -> Duration {
            RetryPolicy.delay(afterFailures: failures, base: base, retryAfter: retryAfter, jitter: jitter)
        }
        #expect((1...9).map { delay($0) / .seconds(1) } == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600])
        #expect(delay(1, jitter: 0.2) == .seconds(36) && delay(1, jitter: -0.2) == .seconds(24) && delay(1, jitter: 5) == .seconds(36))
        #expect(
            delay(7, jitter: 0.2) == .seconds(2304) && delay(8, jitter: 0.2) == .seconds(3600) && delay(8, jitter: -0.2) == .seconds(2880))
        #expect(delay(1_000_000) == .seconds(3600) && delay(0) == .seconds(30) && delay(-4) == .seconds(30))
        #expect(delay(5, base: .zero) == .zero)
        #expect(delay(1, retryAfter: .seconds(100)) == .seconds(100), "Retry-After is honoured when it is longer")
        #expect(delay(3, retryAfter: .seconds(100)) == .seconds(120) && delay(1, retryAfter: .seconds(999_999_999)) == .seconds(3600))
        #expect(delay(1, jitter: -0.2, retryAfter: .seconds(-5)) == .seconds(24))
    }

    @Test("quick jobs are claimed ahead in large batches, a job of a second never, and one long run counts at once")
    func claimAhead() {
        var sizing = ClaimSizing()
        #expect(sizing.ahead(slots: 10) == 0, "nothing is known yet")
        for _ in 0..<3 { sizing.record(.microseconds(100)) }
        #expect(sizing.ahead(slots: 1) == 500 && sizing.ahead(slots: 1000) == ClaimSizing.mostAhead)
        sizing.record(.seconds(1))
        #expect(sizing.ahead(slots: 10) == 0)
        for _ in 0..<60 { sizing.record(.milliseconds(5)) }
        #expect(sizing.ahead(slots: 4) == 39 || sizing.ahead(slots: 4) == 40)
        sizing.record(.zero)
        #expect(sizing.ahead(slots: 0) == 0)
    }

    @Test("what was quick a while ago says nothing of what comes now: after a pause nothing is claimed ahead until a run has ended")
    func claimAheadAfterPause() {
        var sizing = ClaimSizing()
        sizing.record(.microseconds(100), at: .seconds(10))
        #expect(sizing.ahead(slots: 4, at: .seconds(11)) == 500)
        #expect(sizing.ahead(slots: 4, at: .milliseconds(11_001)) == 0)
        sizing.record(.milliseconds(10), at: .seconds(30))
        #expect(sizing.ahead(slots: 4, at: .seconds(30)) == 20, "of runs of today")
        sizing.record(.milliseconds(5), at: .seconds(60), least: .seconds(20))
        #expect(sizing.ahead(slots: 4, at: .seconds(60)) == 0, "the others are long")
    }

    @Test("durations are told as people say them")
    func durations() {
        let texts: [(Duration, String)] = [
            (.milliseconds(450), "450 ms"), (.zero, "0 ms"), (.seconds(1), "1 s"), (.milliseconds(1500), "1.5 s"), (.seconds(119), "119 s"),
            (.seconds(120), "2 min"), (.seconds(3600), "60 min"),
        ]
        for (duration, text) in texts { #expect(duration.operatorText == text) }
    }

    @Test("the queue's order is priority, run_at, id")
    func order() {
        let (one, two) = (ClaimedRun.sample(1), ClaimedRun.sample(2))
        #expect(one.comesBefore(two) && !two.comesBefore(one) && !one.comesBefore(one))
    }

    @Test("error_details name the store of a store's run, and only then")
    func details() throws {
        let error = RunError(code: "HTTP_503", message: "it said \"503\"", isRetryable: true)
        #expect(
            try JSONValue(parsing: error.details(for: .sample())) == ["code": "HTTP_503", "message": "it said \"503\"", "retryable": true])
        let store: JSONValue = ["store_id": 7, "registration": "reg-7", "message": "it said \"503\""]
        #expect(
            try JSONValue(parsing: error.details(for: .sample(store: 7)))
                == ["code": "HTTP_503", "message": "it said \"503\"", "retryable": true, "stores": [store], "more": 0])
    }
}
