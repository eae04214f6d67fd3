import Foundation
import Postgres
import Runtime
import TestSupport
import Synchronization

/// What a test's world begins with.
package struct RigSettings: Sendable {
    /// Active stores, numbered from 1.
    package var stores = 3
    /// With a club price, in each store.
    package var products = 60
    /// Arguments of the sandbox beyond its size.
    package var sandbox: [String] = []
    /// Configuration of the RP integration laid over the rig's own.
    package var rp: [String: JSONValue] = [:]
    /// Configuration of the CresceVendas integration laid over the rig's own.
    package var club: [String: JSONValue] = [:]
    /// Configuration of the sync job.
    package var job: [String: JSONValue] = [:]
    /// `max_attempts` of the sync job.
    package var maxAttempts = 3
    /// `retry_delay_seconds` of the sync job.
    package var retryDelaySeconds = 0
    /// Local hour of the stores: the sync is refused late in the evening and starts at 06:00 when that lies ahead.
    package var localHour = 12
    /// Another server than the shared one.
    package var server: RestartableServer?
    /// How that server is reached in the place of its own address, also by the rig itself: several hosts, a proxy.
    package var serverURL: String?

    /// The defaults, but for what is given.
    package init(
        stores: Int = 3, products: Int = 60, sandbox: [String] = [], rp: [String: JSONValue] = [:], club: [String: JSONValue] = [:],
        job: [String: JSONValue] = [:], maxAttempts: Int = 3, retryDelaySeconds: Int = 0, localHour: Int = 12,
        server: RestartableServer? = nil, serverURL: String? = nil
    ) {
        (self.stores, self.products, self.sandbox, self.rp, self.club) = (stores, products, sandbox, rp, club)
        (self.job, self.maxAttempts, self.retryDelaySeconds) = (job, maxAttempts, retryDelaySeconds)
        (self.localHour, self.server, self.serverURL) = (localHour, server, serverURL)
    }
}

/// A migrated database, a sandbox with its rows in it, and workers: the real programs, torn down with the test.
package final class Rig: DatabaseFixture {
    /// The test's own connections.
    package let pool: PostgresPool
    /// A connection string for programs.
    package let url: String
    /// Both partners.
    package let sandbox: Sandbox
    /// The job's zone, whose clock the sandbox shares.
    package let zone: LocalZone
    private let programs = Mutex<[RunningProgram]>([])

    private init(pool: PostgresPool, url: String, sandbox: Sandbox, zone: LocalZone) {
        self.pool = pool
        self.url = url
        self.sandbox = sandbox
        self.zone = zone
    }

    /// A migrated database.
    package static let template = DatabaseTemplate("acceptance") { pool in
        let name = try await pool.query("SELECT current_database()::text AS name").first?.get("name", as: String.self) ?? ""
        try await migrate(TestCluster.shared.url(database: name))
    }

    /// Migrates the database of a connection string with the real program; throws unless it left with 0.
    package static func migrate(_ url: String) async throws {
        let program = try RunningProgram("chimera", ["migrate", "up"], environment: ["DATABASE_URL": url])
        let end = try await program.waitForExit(within: .seconds(60))
        guard end == .exited(0) else { throw RigError("chimera migrate up: \(end) \(program.errors)") }
    }

    /// Makes it all, lends it, and takes it down. Only so many stand at once: the machine may be small.
    package nonisolated(nonsending) static func with(_ settings: RigSettings = RigSettings(), _ body: (Rig) async throws -> Void)
        async throws
    {
        await Places.shared.take()
        do {
            if let server = settings.server {
                let url = settings.serverURL ?? server.url()
                try await migrate(url)
                let pool = PostgresPool(try PostgresConfiguration(url: url), maximumConnections: 4)
                try await lend(settings, pool: pool, url: url, body)
                await pool.close()
            } else {
                try await TestDatabase.withDatabase(template: template) { database in
                    try await lend(settings, pool: database.pool, url: database.url, body)
                }
            }
            await Places.shared.giveBack()
        } catch {
            await Places.shared.giveBack()
            throw error
        }
    }

    nonisolated(nonsending) private static func lend(
        _ settings: RigSettings, pool: PostgresPool, url: String, _ body: (Rig) async throws -> Void
    ) async throws {
        let zone = LocalZone(localHour: settings.localHour)
        let arguments = [
            "--stores", "\(settings.stores)", "--products", "\(settings.products)", "--utc-offset-minutes", "\(zone.offsetHours * 60)",
        ]
        let rig = Rig(pool: pool, url: url, sandbox: try await Sandbox(arguments + settings.sandbox), zone: zone)
        do {
            try await rig.insertRows(settings)
            try await body(rig)
            rig.end()
        } catch {
            let logs = rig.programs.withLock { $0 }.map { $0.errors.suffix(40).joined(separator: "\n") }.joined(separator: "\n---\n")
            rig.end()
            throw RigError("\(error)\n\(logs)")
        }
    }

    private func end() {
        programs.withLock { programs in
            for program in programs { program.signal(SIGKILL) }
            programs = []
        }
    }

    private func insertRows(_ settings: RigSettings) async throws {
        let announced = sandbox.announced
        let rp: [String: JSONValue] = [
            "username": .string(announced.credentials.rp.username), "password": .string(announced.credentials.rp.password),
            "max_concurrency": 8,
        ]
        let headers: [String: JSONValue] = [
            "X-AdminUser-Email": .string(announced.credentials.crescevendas.email),
            "X-AdminUser-Token": .string(announced.credentials.crescevendas.token),
        ]
        let club: [String: JSONValue] = ["auth_headers": .object(headers), "max_requests_per_minute": 600_000]
        try await insertIntegration("rp", "RP", announced.rp, rp.merging(settings.rp) { $1 })
        try await insertIntegration("club", "CRESCEVENDAS", announced.crescevendas, club.merging(settings.club) { $1 })
        for store in announced.stores {
            _ = try await pool.query(
                "INSERT INTO stores (name, registration, document) VALUES (\(store.name), \(store.registration), \(store.document))")
        }
        _ = try await pool.query(
            """
            INSERT INTO job_configurations (name, job_type, config, retry_delay_seconds, max_attempts, time_zone)
            VALUES ('sync-products', 'SYNC_PRODUCTS', \(JSONValue.object(settings.job)), \(settings.retryDelaySeconds), \(settings.maxAttempts),
              \(zone.name))
            """)
    }

    /// Adds an integration; its type is one of SPEC §2.
    package func insertIntegration(_ name: String, _ type: String, _ baseURL: String, _ config: [String: JSONValue]) async throws {
        _ = try await pool.query(
            "INSERT INTO integrations (name, type, base_url, config) VALUES (\(name), \(type), \(baseURL), \(JSONValue.object(config)))")
    }

    // MARK: programs

    /// Starts a worker; `url` in the place of the database's own goes through a proxy.
    package func worker(_ arguments: [String] = [], url: String? = nil, environment: [String: String] = [:]) throws -> RunningProgram {
        try service(["worker"] + arguments, url: url, environment: environment)
    }

    /// Starts a scheduler, as `worker` does.
    package func scheduler(url: String? = nil, environment: [String: String] = [:]) throws -> RunningProgram {
        try service(["scheduler"], url: url, environment: environment)
    }

    private func service(_ arguments: [String], url: String?, environment: [String: String]) throws -> RunningProgram {
        var all = [
            "DATABASE_URL": url ?? self.url, "CHIMERA_KEY_FILE": "", "CHIMERA_LOG_LEVEL": "info", "CHIMERA_LOG_FORMAT": "text",
            "NOTIFY_SOCKET": "",
        ]
        all.merge(environment) { $1 }
        let program = try RunningProgram("chimera", arguments, environment: all)
        programs.withLock { $0.append(program) }
        return program
    }

    /// Runs what is due with a worker that leaves by itself.
    package func drain(_ arguments: [String] = []) async throws {
        let worker = try worker(["--drain", "--slots", "8"] + arguments)
        let end = try await worker.waitForExit(within: .seconds(60))
        guard end == .exited(0) else { throw RigError("worker --drain: \(end)") }
    }

    // MARK: executions

    /// Runs the sync job now; gives the execution's id.
    package func trigger(_ job: String = "sync-products", params: JSONValue = .object([:])) async throws -> String {
        try await pool.query("SELECT enqueue_job(\(job), \(params))::text AS id").first?.get("id", as: String.self) ?? ""
    }

    /// Triggers the sync, runs it with a draining worker and gives how it ended.
    package func sync(params: JSONValue = .object([:])) async throws -> Execution {
        let id = try await trigger(params: params)
        try await drain()
        return try await execution(id)
    }

    /// The execution of that id; throws when there is none.
    package func execution(_ id: String) async throws -> Execution {
        try await executions("WHERE id = '\(id)'").first ?? { throw RigError("execution \(id) is gone") }()
    }

    /// A finished parent's children by the number of their store from 1, which is its id.
    package func children(of id: String) async throws -> [Int: Execution] {
        let rows = try await executions("WHERE parent_id = '\(id)'")
        return Dictionary(rows.map { ($0.storeID ?? -1, $0) }) { first, _ in first }
    }

    /// All executions that a condition chooses, a WHERE clause that is the test's own text.
    package func executions(_ condition: String) async throws -> [Execution] {
        // `condition` is the test's own text.
        try await pool.query(
            """
            SELECT id::text AS id, status, attempt, max_attempts, rescues, metrics, error_details, store_id, worker::text AS worker,
              extract(epoch FROM started_at)::float8 AS started, extract(epoch FROM finished_at)::float8 AS finished
            FROM job_executions \(unsafe: condition)
            """
        ).map(Execution.init)
    }

    /// Waits for the end of an execution.
    @discardableResult
    package func finished(_ id: String, within limit: Duration = .seconds(60)) async throws -> Execution {
        try await eventually(within: limit, "the end of execution \(id)") {
            ["SUCCESS", "FAILED", "CANCELLED"].contains(try await execution(id).status)
        }
        return try await execution(id)
    }

    /// Waits for a status.
    package func waitFor(_ status: String, _ id: String, within limit: Duration = .seconds(30)) async throws {
        try await eventually(within: limit, "execution \(id) \(status)") { try await execution(id).status == status }
    }

    /// Outcomes of all attempts in order.
    package func attempts(of id: String) async throws -> [String] {
        try await pool.query(
            "SELECT coalesce(outcome, 'RUNNING') AS outcome FROM job_attempts WHERE execution_id = \(id)::uuid ORDER BY attempt"
        )
        .map { try $0.get("outcome") }
    }

    /// A store's campaigns, oldest first.
    package func campaigns(of store: Int) async throws -> [Campaign] {
        try await pool.query(
            """
            SELECT id, status, line_count, name, coalesce(reason, '') AS reason, coalesce(response_excerpt, '') AS response_excerpt, http_status,
              extract(epoch FROM starts_at)::bigint AS starts_at, extract(epoch FROM ends_at)::bigint AS ends_at
            FROM campaigns WHERE store_id = \(store) ORDER BY id
            """
        ).map(Campaign.init)
    }

    /// The store's products as lines.
    package func products(of store: Int) async throws -> Set<Line> {
        let rows = try await pool.query(
            "SELECT code, price::text AS price, final_price::text AS final_price, quantity_limit FROM products WHERE store_id = \(store)")
        return Set(
            try rows.map { row in
                Line(
                    code: try row.get("code"), price: try Self.decimal(row, "price"), finalPrice: try Self.decimal(row, "final_price"),
                    limit: try row.get("quantity_limit"))
            })
    }

    private static func decimal(_ row: PostgresRow, _ column: String) throws -> Decimal {
        let text: String = try row.get(column)
        guard let value = Decimal(string: text) else { throw RigError("\(column) is no number: \(text)") }
        return value
    }

    /// One value of the first row.
    package func value<T: PostgresDecodable>(_ sql: SQL, as: T.Type = T.self) async throws -> T {
        guard let row = try await pool.query(sql).first else { throw RigError("no row: \(sql.text)") }
        return try row.get("value")
    }
}
