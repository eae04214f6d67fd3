import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// What becomes of an attempt, from what its job gave or threw.
@Suite struct AttemptTests {
    private struct Script: Job {
        let body: @Sendable (RunContext) async throws -> JobResult
        func run(_ context: RunContext) async throws -> JobResult { try await body(context) }
    }

    /// The outcome as a sentence.
    private func outcome(
        attempt: Int = 1, params: String? = nil, configuration: JobConfiguration? = .sample(),
        logs: ExecutionLogWriter = ExecutionLogWriter(wakeup: Wakeup()),
        _ body: @escaping @Sendable (RunContext) async throws -> JobResult
    ) async throws -> String {
        let pool = PostgresPool(try PostgresConfiguration(url: "host=127.0.0.1 port=1"), maximumConnections: 1)
        let lease = Lease(length: .seconds(900))
        lease.renewed(askedAt: MonotonicClock.now())
        let runner = Attempt(jobs: ["TEST": Script(body: body)], pool: pool, lease: lease, logs: logs)
        let run = ClaimedRun.sample(attempt: attempt, params: params)
        let outcome = await runner.run(
            Assignment(run: run, configuration: configuration, term: Lease.Term(number: 1)), pause: SlotPause { _ in })
        await pool.close()
        switch outcome {
        case .succeeded(let metrics): return "succeeded \(metrics ?? "nothing")"
        case .failed(let error, let timedOut): return "failed \(error.code)\(timedOut ? " timed out" : "")"
        case .retried(let error, let timedOut, let delay):
            return
                "retried \(error.code)\(timedOut ? " timed out" : "") after \(delay >= .seconds(24) && delay <= .seconds(36) ? "30 s" : delay.operatorText)"
        case .interrupted(let error, let delay): return "interrupted \(error.code) \(delay?.operatorText ?? "in place")"
        case .fannedOut(let children, let unit): return "fanned out \(children.count) \(unit)"
        case .fencedOff: return "fenced off"
        }
    }

    @Test("what a job gives and throws decides")
    func outcomes() async throws {
        let retryable = RunError(code: "LATER", message: "m", isRetryable: true)
        let lost = PostgresError(kind: .connectionLost, message: "gone")
        let refused = PostgresError(kind: .constraint(name: "c"), sqlState: "23514", message: "no")
        let full = PostgresError(kind: .resourcesExhausted, sqlState: "53100", message: "disk full")
        #expect(try await outcome { _ in .succeeded(metrics: nil) } == "succeeded nothing")
        #expect(try await outcome { _ in .succeeded(metrics: ["n": 1]) } == "succeeded {\"n\":1}")
        #expect(try await outcome { _ in .fanOut([PlannedChild(params: [:])], unit: "stores") } == "fanned out 1 stores")
        #expect(try await outcome { _ in .fanOut([], unit: "stores") } == "succeeded nothing")
        #expect(try await outcome { _ in throw retryable } == "retried LATER after 30 s")
        #expect(try await outcome(attempt: 3) { _ in throw retryable } == "failed LATER", "its attempts are used up")
        #expect(try await outcome { _ in throw RunError(code: "NEVER", message: "m", isRetryable: false) } == "failed NEVER")
        #expect(
            try await outcome { _ in throw RunError(code: "BUSY", message: "m", isRetryable: true, retryAfter: .seconds(300)) }
                == "retried BUSY after 5 min")
        #expect(
            try await outcome(attempt: 3) { _ in throw RunPostponed(code: "BREAKER_OPEN", message: "m", delay: .seconds(20)) }
                == "interrupted BREAKER_OPEN 20 s")
        #expect(try await outcome(attempt: 3) { _ in throw LeaseLost() } == "interrupted INTERRUPTED in place")
        #expect(try await outcome { _ in throw FencedOff() } == "fenced off")
        #expect(try await outcome(attempt: 3) { _ in throw lost } == "interrupted DATABASE_AWAY 1 s")
        #expect(try await outcome { _ in throw refused } == "failed DATABASE")
        #expect(try await outcome(attempt: 3) { _ in throw full } == "interrupted DATABASE_AWAY 5 s")
        #expect(try await outcome { _ in throw CancellationError() } == "retried INTERRUPTED after 30 s")
        #expect(try await outcome { _ in throw Unexpected("odd") } == "retried INTERNAL after 30 s")
    }

    @Test("a run that was stopped did not fail, and no line says that it did")
    func stopped() async throws {
        let logs = ExecutionLogWriter(wakeup: Wakeup())
        let (lastAttempt, task) = (3, Wakeup())
        let ended = Task {
            try await outcome(attempt: lastAttempt, logs: logs) { _ in
                task.signal()
                try await Task.sleep(for: .seconds(3600))
                return .succeeded(metrics: nil)
            }
        }
        _ = await task.wait(upTo: .seconds(30))
        ended.cancel()
        #expect(try await ended.value == "fenced off")
        #expect(logs.isEmpty)
    }

    @Test("what cannot be run fails for good and says why")
    func notRun() async throws {
        let unusable = JobConfiguration.sample(integrationProblem: "integration erp is inactive")
        #expect(try await outcome(configuration: unusable) { _ in .succeeded(metrics: nil) } == "failed INTEGRATION")

        #expect(try await outcome(configuration: nil) { _ in .succeeded(metrics: nil) } == "failed JOB_DELETED")
        #expect(try await outcome(configuration: .sample(type: "LATER")) { _ in .succeeded(metrics: nil) } == "failed UNSUPPORTED")
        #expect(try await outcome(configuration: .sample(config: .null)) { _ in .succeeded(metrics: nil) } == "failed CONFIG_UNREADABLE")
        for params in ["[]", "{", #"{"a": 1e999}"#] {
            #expect(try await outcome(params: params) { _ in .succeeded(metrics: nil) } == "failed PARAMS_UNREADABLE")
        }
    }

    @Test("an inactive integration stops the CUSTOM and NOOP jobs that count for it, and no other")
    func inactiveIntegration() async throws {
        try await Queue.withDatabase { queue in
            let rp = try await queue.addIntegration("erp", type: "RP")
            var jobs: [Int] = []
            for type in ["CUSTOM", "NOOP", "SYNC_PRODUCTS"] {
                jobs.append(try await queue.addJob(type, type: type, "integration_id = \(rp)"))
            }
            func problems() async throws -> [String?] {
                let known = try await ConfigurationCache(pool: queue.pool).configurations(of: Set(jobs))
                return jobs.map { known[$0]?.integrationProblem }
            }
            #expect(try await problems() == [nil, nil, nil])
            try await queue.run("UPDATE integrations SET active = false")
            let problem = "integration erp is inactive or deleted; activate it or choose another"
            #expect(try await problems() == [problem, problem, nil])
        }
    }

    @Test("params lie over the config, key by key")
    func options() async throws {
        let configuration = JobConfiguration.sample(config: ["a": 1, "b": ["x": 1], "c": 3])
        let seen = try await outcome(params: #"{"b": {"y": 2}, "c": null}"#, configuration: configuration) {
            .succeeded(metrics: $0.options)
        }
        #expect(seen == #"succeeded {"a":1,"b":{"y":2},"c":null}"#)
    }

    @Test("a timeout is a failure like any other, and is told as one")
    func timeouts() throws {
        let attempt = Attempt(
            jobs: [:], pool: PostgresPool(try PostgresConfiguration(url: "host=127.0.0.1 port=1"), maximumConnections: 1),
            lease: Lease(length: .seconds(900)), logs: ExecutionLogWriter(wakeup: Wakeup()))
        guard case .retried(let error, true, _) = attempt.timeout(.sample(), .sample(timeout: .seconds(90))) else {
            throw Unexpected("not retried")
        }
        #expect(error.code == "TIMEOUT" && error.message.contains("90 s"))
        guard case .failed(_, true) = attempt.timeout(.sample(attempt: 3), .sample()) else { throw Unexpected("not failed") }
        guard case .interrupted = attempt.timeout(.sample(), nil) else { throw Unexpected("not interrupted") }
    }

    @Test("a run may cause effects only while the lease holds, with a margin, and its task is not cancelled")
    func holds() async throws {
        let lease = Lease(length: .seconds(900))
        #expect(!lease.isHeld)
        lease.renewed(askedAt: MonotonicClock.now() - .seconds(600))
        #expect(lease.isHeld)
        lease.renewed(askedAt: MonotonicClock.now() - .seconds(780))
        #expect(!lease.isHeld, "a sixth of it is kept as a margin")
        lease.renewed(askedAt: MonotonicClock.now())
        lease.released()
        #expect(!lease.isHeld)
        let seen = try await outcome { context in
            let task = Task { () -> JobResult in
                try context.checkHold()
                return .succeeded(metrics: nil)
            }
            return try await task.value
        }
        #expect(seen == "succeeded nothing")
    }

    @Test("a config that jsonb holds and nobody can read fails that job's runs and no other's")
    func unreadableConfig() async throws {
        try await Queue.withDatabase { queue in
            let bad = try await queue.addJob("bad", type: "NOOP")
            let deep = try await queue.addJob("deep", type: "NOOP")
            try await queue.plantPastTriggers(
                """
                UPDATE job_configurations SET config = CASE name WHEN 'bad' THEN '{"x": 1e400}'
                  ELSE jsonb_build_object('x', (repeat('[', 70) || repeat(']', 70))::jsonb) END
                """)
            let good = try await queue.addJob("good", type: "NOOP", #"config = '{"x": 4.0}'"#)
            let known = try await ConfigurationCache(pool: queue.pool).configurations(of: [bad, deep, good, 99])
            #expect(
                known.count == 3 && known[bad]?.config == .null && known[deep]?.config == .null && known[good]?.config["x"]?.intValue == 4)
        }
    }
}
