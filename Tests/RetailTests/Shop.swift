import Foundation
import JobQueue
import Notifications
import Postgres
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import JobQueue
@testable import Retail

extension DatabaseTemplate {
    /// All tables of the product, nothing in them.
    static let shop = DatabaseTemplate("shop") { pool in
        _ = try await Migrator(pool: pool, migrations: Shop.migrations).up()
    }
}

/// A database with all tables, and what tests say to it and ask of it.
struct Shop: DatabaseFixture {
    static let migrations: [Migration] = Migration.ofQueue + [.m10Stores, .m11Notifications]

    let database: TestDatabase
    var pool: PostgresPool { database.pool }

    nonisolated(nonsending) static func withDatabase<T: Sendable>(_ body: (Shop) async throws -> T) async throws -> T {
        try await TestDatabase.withDatabase(template: .shop) { database in try await body(Shop(database: database)) }
    }

    func addIntegration(_ name: String, type: String, config: String = "{}") async throws -> IntegrationRow {
        try await run("INSERT INTO integrations (name, type, config) VALUES (\(name), \(type), \(config)::jsonb)")
        return try IntegrationRow(try #require(try await pool.query(RetailStatements.integration(named: name)).first))
    }

    func addStore(_ name: String, config: String = "{}") async throws -> Int {
        try #require(
            Int(try await text("INSERT INTO stores (name, registration, config) VALUES (\(name), \(name), \(config)::jsonb) RETURNING id")))
    }

    /// A run of a store that holds its lease.
    func context(store: Int, token: Int64 = 1, holdsLease: Bool = true) -> RunContext {
        let run = ClaimedRun(
            id: "00000000-0000-7000-8000-000000000001", token: token, jobConfigID: 1, attempt: 1, maxAttempts: 3, paramsText: nil,
            parentID: nil,
            storeID: store, registration: nil, sourceID: 0, targetID: 0, scheduledFor: nil, priority: 0, runAtText: "", retryOf: nil,
            isGated: true)
        let configuration = JobConfiguration(
            id: 1, name: "sync", jobType: "SYNC_PRODUCTS", timeZone: "America/Sao_Paulo", config: [:], integrationProblem: nil,
            retryDelay: .seconds(30),
            timeout: .seconds(900))
        let lease = Lease(length: .seconds(600))
        lease.renewed(askedAt: MonotonicClock.now())
        return RunContext(
            run: run, configuration: configuration, options: [:], pool: pool, lease: lease, term: Lease.Term(number: holdsLease ? 1 : 2),
            logWriter: ExecutionLogWriter(wakeup: Wakeup()), slotPause: SlotPause { _ = await Wakeup().wait(upTo: $0) })
    }
}

/// Unix seconds of an ISO 8601 moment.
func unix(_ text: String) throws -> Int64 {
    Int64(try Date(text, strategy: .iso8601).timeIntervalSince1970)
}
