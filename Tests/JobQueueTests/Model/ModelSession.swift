import Foundation
import Postgres
import Runtime
import TestSupport

@testable import JobQueue

/// The database did something else than the model.
struct ModelDivergence: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// A worker's process as the model and the database know it.
struct ModelProcess {
    let identity: WorkerIdentity
    let lease = Lease(length: .seconds(3600))
    let keeper: LeaseKeeper

    init(queue: Queue) {
        identity = WorkerIdentity(id: UUID().uuidString.lowercased(), host: "host", pid: 1, version: "v", slots: 4)
        keeper = LeaseKeeper(
            identity: identity, lease: lease, pool: queue.pool, runningCount: { 0 }, onRenewed: {}, onLost: { _ in })
    }
}

/// One of the two workers: the process that it is now, what it runs, and what it ran before.
struct ModelWorker {
    var process: Int
    var held: [ModelRun] = []
    var past: [ModelRun] = []
}

/// A run as the worker got it, and as the model knows it.
struct ModelRun {
    let run: ClaimedRun
    let known: QueueModel.Run
    let process: Int
}

/// What came of a history: how often each thing happened, and where it came apart, if it did.
struct ModelHistory {
    let end: (step: Int, divergence: ModelDivergence)?
    let seen: [String: Int]
}

/// Takes the steps of a history, each on the model and on a real queue, and compares the two after every one.
final class ModelSession {
    let queue: Queue
    let cuts: ModelCuts
    var model = QueueModel()
    var processes: [ModelProcess] = []
    var workers: [ModelWorker] = []
    var openInsert: (insert: OpenInsert, row: QueueModel.Row, since: Int64)?
    var keys: [ExecutionID: Int] = [:]
    var tokens: [Int: (token: Int64, generation: Int)] = [:]
    var effects = 0
    var seen: [String: Int] = [:]
    /// The database's clock at the last look, microseconds.
    var clock: Int64 = 0

    private init(_ queue: Queue, _ cuts: ModelCuts) {
        self.queue = queue
        self.cuts = cuts
    }

    /// Takes the steps on an empty queue; gives what happened, and where and how it came apart.
    static func run(_ steps: [ModelStep], on queue: Queue, _ cuts: ModelCuts) async throws -> ModelHistory {
        let session = ModelSession(queue, cuts)
        try await session.begin()
        let end = await session.take(steps)
        await session.end()
        return ModelHistory(end: end, seen: session.seen)
    }

    private func take(_ steps: [ModelStep]) async -> (step: Int, divergence: ModelDivergence)? {
        for (place, step) in steps.enumerated() {
            do {
                try await take(step)
                try await compare()
            } catch {
                return (place, error as? ModelDivergence ?? ModelDivergence("\(error)"))
            }
        }
        for row in model.rows.values {
            note("\(row.trigger) \(row.status)")
            if !row.isLive { note([row.status, row.code, row.outcome.map { "in \($0)" }].compactMap { $0 }.joined(separator: " ")) }
            for attempt in row.past { note("attempt \(attempt.outcome ?? "-")") }
        }
        return nil
    }

    func note(_ what: String) { seen[what, default: 0] += 1 }

    private func begin() async throws {
        try await queue.pool.withConnection { connection in
            try await connection.script(
                """
                BEGIN;
                SET LOCAL session_replication_role = replica;
                DELETE FROM job_live; DELETE FROM job_finished; DELETE FROM job_attempts_past; DELETE FROM workers;
                DELETE FROM job_configurations; DELETE FROM integrations; DELETE FROM audit_log; DELETE FROM job_failures;
                DELETE FROM notification_deliveries; DELETE FROM job_notifications; DELETE FROM notification_channels;
                INSERT INTO notification_channels (id, name, type) VALUES (1, 'one', 'WEBHOOK'), (2, 'two', 'WEBHOOK');
                INSERT INTO job_notifications (job_config_id, notification_channel_id, on_start, on_success) VALUES (1, 2, true, true);
                CREATE TABLE IF NOT EXISTS effects (id text);
                DELETE FROM effects;
                INSERT INTO integrations (id, name, type, config) VALUES (1, 'hook', 'WEBHOOK', '{"max_concurrency": 3}'), (2, 'rp', 'RP', '{}'),
                  (3, 'club', 'CRESCEVENDAS', '{}');
                INSERT INTO job_configurations (id, name, job_type, max_concurrency, priority, max_attempts, integration_id) VALUES
                  (1, 'job-1', 'NOOP', NULL, 0, 3, NULL), (2, 'job-2', 'NOOP', 2, -1, 3, NULL), (3, 'job-3', 'NOOP', NULL, 0, 1, 1),
                  (4, 'job-4', 'NOOP', NULL, 0, 2, NULL);
                COMMIT
                """)
        }
        for _ in 0..<2 { workers.append(ModelWorker(process: try await startProcess())) }
        try await compare()
    }

    private func end() async {
        if let open = openInsert { try? await open.insert.finish(commit: false) }
        openInsert = nil
    }

    func startProcess() async throws -> Int {
        let process = ModelProcess(queue: queue)
        processes.append(process)
        model.holdsLease.append(true)
        guard await process.keeper.renewOnce() else { throw ModelDivergence("a lease could not be taken") }
        return processes.count - 1
    }

    /// The row that a step means, among the newest; nil when there is none.
    func row(_ pick: Int) -> QueueModel.Row? {
        let newest = model.rows.keys.sorted().suffix(20)
        return newest.isEmpty ? nil : model.rows[newest[newest.startIndex + pick % newest.count]]
    }

    func agree<Value: Equatable>(_ what: String, _ real: Value, _ expected: Value) throws {
        guard real == expected else { throw ModelDivergence("\(what): \(real), expected \(expected)") }
    }
}

/// What came back from a statement that something may have gone wrong with.
enum ModelAnswer {
    case rows(PostgresRows)
    case refused(PostgresError)
    /// The connection was cut; nobody knows.
    case lost

    var firstText: String? {
        if case .rows(let rows) = self { rows.first?[0] } else { nil }
    }
}

extension ModelFault {
    /// Whether what the statement did stays.
    var hasEffect: Bool { self != .rolledBack && self != .cutBefore }
}

extension ModelSession {
    /// Runs a statement with the fault. `marker`: bytes that only this statement sends.
    func carryOut(_ sql: SQL, _ fault: ModelFault, marker: String) async throws -> ModelAnswer {
        switch fault {
        case .none: return try await answer(sql, on: queue.pool)
        case .rolledBack:
            return try await queue.pool.withConnection { connection in
                try await connection.script("BEGIN")
                let answer = try await self.answer(sql, on: connection)
                try await connection.script("ROLLBACK")
                return answer
            }
        case .cutBefore, .cutAfter:
            try await cuts.cut(fault == .cutBefore ? .before(marker) : .after(marker)) { pool in _ = try await pool.query(sql) }
            return .lost
        case .held(let pick):
            return try await whileHolding(heldKey(pick)) { try await self.answer(sql, on: self.queue.pool) }
        }
    }

    /// The row that another session holds.
    func heldKey(_ pick: Int) -> Int? {
        let live = model.live
        return live.isEmpty ? nil : live[pick % live.count]
    }

    func whileHolding<T: Sendable>(_ key: Int?, _ body: () async throws -> T) async throws -> T {
        guard let id = key.flatMap({ model.rows[$0]?.id }) else { return try await body() }
        return try await queue.pool.withConnection { holder in
            try await holder.script("BEGIN")
            _ = try await holder.query("SELECT FROM job_live WHERE id = \(id)::uuid FOR UPDATE")
            let value = try await body()
            try await holder.script("ROLLBACK")
            return value
        }
    }

    private func answer(_ sql: SQL, on executor: some PostgresExecutor) async throws -> ModelAnswer {
        do {
            return .rows(try await executor.query(sql))
        } catch {
            guard let state = error.sqlState, ["23505", "23514", "55000", "P0002"].contains(state) else { throw error }
            return .refused(error)
        }
    }
}

/// Connections through a proxy that cuts them at a statement.
struct ModelCuts: Sendable {
    private let proxy: TCPProxy
    private let pool: PostgresPool

    init(_ database: TestDatabase) throws {
        guard let url = URLComponents(string: database.url), let port = url.port else {
            throw ModelDivergence("the server is not reached by an URL with a port")
        }
        proxy = try TCPProxy(to: port)
        var cut = url
        cut.port = proxy.port
        pool = PostgresPool(try PostgresConfiguration(url: cut.string ?? ""), maximumConnections: 1)
    }

    /// Runs `body`, which must fail because its connection is cut.
    func cut(_ cut: TCPProxy.Cut, _ body: (PostgresPool) async throws -> Void) async throws {
        let before = proxy.cutsMade
        proxy.cutOnce(cut)
        do {
            try await body(pool)
        } catch let error as PostgresError where error.isWorthReconnecting {
            guard proxy.cutsMade == before + 1 else { throw ModelDivergence("the connection was lost before it was cut: \(error)") }
            return
        }
        throw ModelDivergence("nobody noticed that the connection was cut, or it was not")
    }

    func withPool(_ body: (PostgresPool) async throws -> Void) async throws { try await body(pool) }

    func close() async { await pool.close() }
}

/// A transaction with an INSERT in it that stays open over many steps.
final class OpenInsert: Sendable {
    private let decision: AsyncStream<Bool>.Continuation
    private let session: Task<Void, any Error>

    /// Returns once the row is inserted; throws what refuses it.
    init(_ sql: SQL, on pool: PostgresPool) async throws {
        let (decisions, decision) = AsyncStream.makeStream(of: Bool.self)
        let (inserted, insertion) = AsyncStream.makeStream(of: Result<Void, PostgresError>.self)
        self.decision = decision
        session = Task {
            try await pool.withConnection { connection in
                try await connection.script("BEGIN")
                do throws(PostgresError) {
                    _ = try await connection.query(sql)
                    insertion.yield(.success(()))
                } catch {
                    insertion.yield(.failure(error))
                    throw error
                }
                var isCommitted = false
                for await decided in decisions {
                    isCommitted = decided
                    break
                }
                try await connection.script(isCommitted ? "COMMIT" : "ROLLBACK")
            }
            insertion.finish()
        }
        for await result in inserted {
            try result.get()
            return
        }
    }

    func finish(commit: Bool) async throws {
        decision.yield(commit)
        decision.finish()
        try await session.value
    }
}
