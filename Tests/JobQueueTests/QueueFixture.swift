import Foundation
import Postgres
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import JobQueue

/// A database with the queue's tables, and what tests say to it and ask of it.
struct Queue: DatabaseFixture {
    let database: TestDatabase
    var pool: PostgresPool { database.pool }

    nonisolated(nonsending) static func withDatabase<T: Sendable>(
        template: DatabaseTemplate = .queue, _ body: (Queue) async throws -> T
    ) async throws -> T {
        try await TestDatabase.withDatabase(template: template) { database in try await body(Queue(database: database)) }
    }

    // MARK: Rows

    /// Adds a NOOP job; `settings` are further columns: `"max_concurrency = 2"`.
    @discardableResult
    func addJob(_ name: String = "job", type: String = "NOOP", _ settings: String...) async throws -> Int {
        let id = try await number("INSERT INTO job_configurations (name, job_type) VALUES (\(name), \(type)) RETURNING id")
        for setting in settings { try await run("UPDATE job_configurations SET \(spliced(setting)) WHERE id = \(id)") }
        return id
    }

    func addIntegration(_ name: String, type: String, config: String = "{}") async throws -> Int {
        try await number("INSERT INTO integrations (name, type, config) VALUES (\(name), \(type), \(config)::jsonb) RETURNING id")
    }

    /// Adds executions that are due; gives their ids in order.
    @discardableResult
    func enqueue(_ job: Int, count: Int = 1, params: String = "{}") async throws -> [ExecutionID] {
        try await texts(
            """
            INSERT INTO job_executions (job_config_id, params, run_at)
            SELECT \(job), \(params)::jsonb, now() - interval '1 second' FROM generate_series(1, \(count)) RETURNING id
            """
        ).sorted()
    }

    /// Adds an execution for one store of a target, as a parent would make it.
    @discardableResult
    func enqueue(_ job: Int, store: Int, source: Int = 0, target: Int = 0) async throws -> ExecutionID {
        try await text(
            """
            INSERT INTO job_executions (job_config_id, store_id, registration, source_id, target_id)
            SELECT \(job), \(store), \("reg-\(store)"), \(source), \(target) FROM
            """ + asTheQueue + " RETURNING id")
    }

    /// Adds a worker whose lease holds, or ended a minute ago.
    func addWorker(holdsLease: Bool = true) async throws -> String {
        try await text(
            """
            INSERT INTO workers (id, host, pid, version, lease, lease_until, slots)
            VALUES (gen_random_uuid(), 'host', 1, 'test', '1 hour', clock_timestamp() + \(holdsLease ? "30 minutes" : "-1 minute")::interval, 4)
            RETURNING id
            """)
    }

    /// The worker's lease ends now, as if it had died; it was short, for nothing is rescued in the first lease time of the server.
    func kill(_ worker: String) async throws {
        try await run("UPDATE workers SET lease = '1 ms', lease_until = clock_timestamp() - interval '1 second' WHERE id = \(worker)::uuid")
    }

    // MARK: What workers do

    func claim(_ worker: String, batch: Int = 100, after mark: Watermark = .start) async throws -> [ClaimedRun] {
        try await Self.claim(worker, batch: batch, after: mark, on: pool)
    }

    static func claim(
        _ worker: String, batch: Int, after mark: Watermark = .start, on executor: some PostgresExecutor
    ) async throws -> [ClaimedRun] {
        try await executor.query(QueueStatements.claim(worker: worker, batch: batch, after: mark)).map(ClaimedRun.init)
            .sorted { $0.comesBefore($1) }
    }

    /// Claims what is due, in order of stores: ids made in one millisecond have none.
    func claimChildren(_ worker: String) async throws -> [ClaimedRun] {
        try await claim(worker, batch: 1000).sorted { ($0.storeID ?? 0) < ($1.storeID ?? 0) }
    }

    /// Claims exactly one.
    func claimOne(_ worker: String) async throws -> ClaimedRun {
        let claimed = try await claim(worker, batch: 1)
        return try #require(claimed.first, "nothing was claimed")
    }

    /// Gives the ids that ended.
    @discardableResult
    func finish(_ runs: [ClaimedRun], as status: String = "SUCCESS", metrics: String? = nil, error: String? = nil) async throws -> [String]
    {
        let ends = runs.map { FinishedRun(run: $0, status: status, attemptOutcome: status, metrics: metrics, error: error) }
        return try await texts(QueueStatements.finish(ends))
    }

    /// Gives the ids that are PENDING again.
    @discardableResult
    func giveBack(
        _ runs: [ClaimedRun], as outcome: String = "RETRY", error: String = #"{"code": "X", "message": "broken"}"#, delay: Duration? = .zero
    ) async throws -> [String] {
        try await texts(
            QueueStatements.giveBack(runs.map { ReturnedRun(run: $0, attemptOutcome: outcome, error: error, delay: delay) }))
    }

    @discardableResult
    func fanOut(_ run: ClaimedRun, _ children: [PlannedChild]) async throws -> Bool {
        try await text(QueueStatements.fanOut(run, children: children, unit: "stores")) == "t"
    }

    /// A parent that waits for these stores' children; gives its id.
    @discardableResult
    func addParent(_ job: Int, stores: [Int], worker: String, target: Int = 0) async throws -> ExecutionID {
        let id = try await enqueue(job)[0]
        let parent = try #require(try await claim(worker).first { $0.id == id })
        let children = stores.map { PlannedChild(params: [:], storeID: $0, registration: "reg-\($0)", targetID: target) }
        #expect(try await fanOut(parent, children))
        return id
    }

    @discardableResult
    func rescue(batch: Int = 500) async throws -> Int {
        try await number(QueueStatements.rescue(batch: batch))
    }

    // MARK: Looks

    /// Returns once so many sessions wait for a lock.
    func waitForLocks(_ count: Int) async throws {
        let deadline = MonotonicClock.now() + .seconds(60)
        while try await number(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") < count
        {
            guard MonotonicClock.now() < deadline else { throw Unexpected("not \(count) sessions wait for a lock") }
        }
    }

    func status(_ id: ExecutionID) async throws -> String {
        try await text("SELECT status FROM job_executions WHERE id = \(id)::uuid")
    }

    /// One column of an execution, as text.
    func column(_ column: String, of id: ExecutionID) async throws -> String {
        try await text("SELECT (\(spliced(column)))::text FROM job_executions WHERE id = \(id)::uuid")
    }

    /// Attempts of an execution: `1 RETRY`, `2 SUCCESS`.
    func attempts(_ id: ExecutionID) async throws -> [String] {
        try await texts(
            "SELECT attempt || ' ' || coalesce(outcome, 'under way') FROM job_attempts WHERE execution_id = \(id)::uuid ORDER BY attempt")
    }
}

/// What callbacks of other threads told, in order.
final class Heard: Sendable {
    private let texts = Mutex<[String]>([])

    func append(_ text: String) { texts.withLock { $0.append(text) } }
    var all: [String] { texts.withLock { $0 } }
}

extension ClaimedRun {
    /// A run that no database knows.
    static func sample(
        _ number: Int = 1, token: Int64 = 1, attempt: Int = 1, maxAttempts: Int = 3, params: String? = nil, store: Int? = nil
    ) -> ClaimedRun {
        let digits = String(number)
        return ClaimedRun(
            id: "00000000-0000-7000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits, token: token, jobConfigID: 1,
            attempt: attempt, maxAttempts: maxAttempts, paramsText: params, parentID: nil, storeID: store,
            registration: store.map { "reg-\($0)" },
            sourceID: 0, targetID: 0, scheduledFor: nil, priority: 0, runAtText: "2026-01-01 00:00:00+00", retryOf: nil, isGated: false)
    }
}

extension JobConfiguration {
    /// A job that no database knows.
    static func sample(
        type: String = "TEST", config: JSONValue = [:], timeout: Duration = .seconds(900), integrationProblem: String? = nil
    ) -> JobConfiguration {
        JobConfiguration(
            id: 1, name: "job", jobType: type, timeZone: "UTC", config: config, integrationProblem: integrationProblem,
            retryDelay: .seconds(30), timeout: timeout)
    }
}

extension WorkerIdentity {
    /// One with four slots.
    static func sample(_ id: String) -> WorkerIdentity { WorkerIdentity(id: id, host: "h", pid: 1, version: "v", slots: 4) }
}

extension Slots {
    /// Slots whose runs wait until they are stopped.
    static func patient(_ count: Int = 4, onSettled: @escaping @Sendable (ClaimedRun, RunOutcome) -> Void) -> Slots {
        Slots(
            count: count, onRoom: {},
            execute: { _, _ in
                _ = await Wakeup().wait(upTo: .seconds(3600))
                return .succeeded(metrics: nil)
            }, onSettled: onSettled)
    }
}
