import Foundation
import Postgres
import Retail
import Runtime
import TestSupport
import Testing

@testable import JobQueue
@testable import Notifications

extension DatabaseTemplate {
    /// All tables of the product, nothing in them.
    static let outbox = DatabaseTemplate("outbox") { pool in
        _ = try await Migrator(pool: pool, migrations: Outbox.migrations).up()
    }
}

/// A database with all tables, and what tests of the outbox say to it and ask of it.
struct Outbox: DatabaseFixture {
    static let migrations: [Migration] = Migration.ofQueue + [.m10Stores, .m11Notifications]

    let database: TestDatabase
    var pool: PostgresPool { database.pool }

    nonisolated(nonsending) static func withDatabase<T: Sendable>(_ body: (Outbox) async throws -> T) async throws -> T {
        try await TestDatabase.withDatabase(template: .outbox) { database in try await body(Outbox(database: database)) }
    }

    // MARK: Rows

    /// Adds a NOOP job; `settings` are further columns: `"max_attempts = 1"`.
    @discardableResult
    func addJob(_ name: String = "job", _ settings: String...) async throws -> Int {
        let id = try await number("INSERT INTO job_configurations (name, job_type) VALUES (\(name), 'NOOP') RETURNING id")
        for setting in settings { try await run("UPDATE job_configurations SET \(spliced(setting)) WHERE id = \(id)") }
        return id
    }

    /// What `config` leaves out is such as it must be.
    @discardableResult
    func addChannel(_ name: String = "channel", _ type: ChannelType = .webhook, config: String = "{}") async throws -> Int {
        let usual =
            switch type {
            case .telegram: #"{"bot_token": "1:a", "chat_id": "2"}"#
            case .email: #"{"smtp_url": "smtp://mail.example", "from": "a@mail.example", "to": ["b@mail.example"]}"#
            case .webhook: #"{"url": "https://hooks.example", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#
            }
        return try await number(
            """
            INSERT INTO notification_channels (name, type, config) VALUES (\(name), \(type.rawValue), \(usual)::jsonb || \(config)::jsonb)
            RETURNING id
            """)
    }

    /// A row of `job_notifications`; `events` as columns: `"on_start", "on_success"`; the others are false.
    func subscribe(_ job: Int, _ channel: Int, to events: String...) async throws {
        let flags = ["on_start", "on_success", "on_failure", "on_warning", "on_recovery", "on_late"].map {
            events.contains($0) ? "true" : "false"
        }
        try await run("INSERT INTO job_notifications VALUES (\(job), \(channel), \(spliced(flags.joined(separator: ", "))))")
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

    func addWorker() async throws -> String {
        try await text(
            """
            INSERT INTO workers (id, host, pid, version, lease, lease_until, slots)
            VALUES (gen_random_uuid(), 'host', 1, 'test', '1 hour', clock_timestamp() + interval '30 minutes', 4) RETURNING id
            """)
    }

    // MARK: What workers do

    func claim(_ worker: String, batch: Int = 1000) async throws -> [ClaimedRun] {
        try await pool.query(QueueStatements.claim(worker: worker, batch: batch, after: .start)).map(ClaimedRun.init)
            .sorted { $0.comesBefore($1) }
    }

    @discardableResult
    func finish(_ runs: [ClaimedRun], as status: String = "SUCCESS", metrics: String? = nil, error: String? = nil) async throws -> [String]
    {
        let ends = runs.map { FinishedRun(run: $0, status: status, attemptOutcome: status, metrics: metrics, error: error) }
        return try await texts(QueueStatements.finish(ends))
    }

    /// One execution from its INSERT to its end; gives its id.
    @discardableResult
    func complete(_ job: Int, as status: String = "SUCCESS", metrics: String? = nil, error: String? = nil) async throws -> ExecutionID {
        let worker = try await addWorker()
        let id = try await enqueue(job)[0]
        let runs = try await claim(worker)
        #expect(runs.map(\.id) == [id])
        try await finish(runs, as: status, metrics: metrics, error: error ?? (status == "FAILED" ? Self.error("X", "broken") : nil))
        return id
    }

    /// A parent that waits for one child for each store; gives its id and the children's runs in order of stores.
    func fanOut(
        _ job: Int, stores: [Int], worker: String, params: String = "{}"
    ) async throws -> (parent: ExecutionID, children: [ClaimedRun]) {
        let id = try await enqueue(job, params: params)[0]
        let parent = try #require(try await claim(worker).first { $0.id == id })
        let children = stores.map { PlannedChild(params: [:], storeID: $0, registration: "reg-\($0)") }
        #expect(try await text(QueueStatements.fanOut(parent, children: children, unit: "stores")) == "t")
        return (id, try await claim(worker).sorted { ($0.storeID ?? 0) < ($1.storeID ?? 0) })
    }

    /// Changes an execution as no program does: the guards of its tables let the queue's own functions through.
    func edit(_ table: String, _ change: String, _ execution: ExecutionID) async throws {
        try await pool.transaction { transaction in
            try await transaction.script("SET LOCAL session_replication_role = replica")
            try await transaction.script("UPDATE \(table) SET \(change) WHERE id = '\(execution)'")
        }
    }

    static func error(_ code: String, _ message: String) -> String {
        JSONValue.object(["code": .string(code), "message": .string(message), "retryable": false]).text
    }

    // MARK: Looks

    /// Deliveries in order, as `channel event status`.
    func deliveries(_ job: Int? = nil) async throws -> [String] {
        try await texts(
            """
            SELECT format('%s %s %s', c.name, d.event, d.status) FROM notification_deliveries AS d JOIN notification_channels AS c ON c.id = d.channel_id
            WHERE \(orNull: job)::int IS NULL OR d.job_config_id = \(orNull: job)::int ORDER BY d.id
            """)
    }

    func status(_ delivery: Int) async throws -> String {
        try await text("SELECT status FROM notification_deliveries WHERE id = \(delivery)")
    }

    // MARK: Sending

    /// Runs all that is due with a worker of its own, as `chimera worker --drain` does.
    func drain(jobs: [String: any Job] = ["NOOP": NoopJob()]) async throws {
        let identity = WorkerIdentity(id: UUID().uuidString.lowercased(), host: "host", pid: 1, version: "test", slots: 16)
        let settings = WorkerSettings(slots: 16, grace: .seconds(30), lease: .seconds(30), drains: true, listens: false)
        let worker = Worker(
            identity: identity, settings: settings, database: try PostgresConfiguration(url: database.url), jobs: jobs)
        await worker.run(until: ShutdownSignal())
    }

    func loop(
        _ transports: [ChannelType: any ChannelTransport], wakeup: Wakeup = Wakeup(), pollInterval: Duration = DeliveryLoop.pollInterval,
        hold: Duration = .seconds(120), patience: Duration = .seconds(45)
    ) -> DeliveryLoop {
        DeliveryLoop(
            pool: pool, transports: transports, directory: ChannelDirectory(pool: pool) { nil }, language: .portuguese, wakeup: wakeup,
            pollInterval: pollInterval, hold: hold, patience: patience)
    }

    func sender(_ channel: Int, _ transport: any ChannelTransport, hold: Duration = .seconds(120)) -> ChannelSender {
        ChannelSender(
            channelID: channel, transport: transport, pool: pool, directory: ChannelDirectory(pool: pool) { nil },
            writer: MessageWriter(language: .portuguese), hold: hold, patience: .seconds(45))
    }

    /// Runs a loop beside `body` and stops it at its end.
    nonisolated(nonsending) func delivering<T: Sendable>(_ loop: DeliveryLoop, _ body: () async throws -> T) async throws -> T {
        let shutdown = ShutdownSignal()
        let running = Task { await loop.run(until: shutdown) }
        do {
            let value = try await body()
            shutdown.request(grace: .seconds(10))
            await running.value
            return value
        } catch {
            shutdown.request(grace: .zero)
            await running.value
            throw error
        }
    }
}
