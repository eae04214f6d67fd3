import Postgres
import Synchronization
import TestSupport
import Testing

@testable import JobQueue

/// Everything that may happen to a row, from three sessions that run side by side (R28): they meet in the midst of their statements, at
/// moments that no isolation tester can choose, and many operations deep. What each pair does in every order is for `PermutationTests`.
@Suite struct InterleavingTests {
    @Test("R28: thousands of random steps of three sessions on a few rows leave a consistent queue, without a deadlock")
    func interleavings() async throws {
        let seed = SeededGenerator().seed
        try await Queue.withDatabase { queue in
            let chaos = Chaos(queue: queue, seed: seed)
            try await queue.addJob("limited", type: "NOOP", "max_concurrency = 3")
            try await queue.addJob("free")
            for _ in 0..<3 { chaos.workers.withLock { $0.append("") } }
            for place in 0..<3 {
                let worker = try await queue.addWorker()
                chaos.workers.withLock { $0[place] = worker }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for session in 0..<3 { group.addTask { try await chaos.run(session: session, steps: 2500) } }
                try await group.waitForAll()
            }
            try await chaos.drain()
            try await checkTables(queue, seed: seed)
            let seen = try await queue.texts(
                "SELECT DISTINCT outcome FROM job_attempts UNION SELECT DISTINCT status FROM job_executions ORDER BY 1")
            #expect(seen == ["CANCELLED", "FAILED", "INTERRUPTED", "RESCUED", "RETRY", "SUCCESS"], "not enough happened, seed \(seed)")
            for (id, status) in chaos.acknowledged.withLock({ $0 }) {
                #expect(try await queue.status(id) == status, "\(id), seed \(seed)")
            }
        }
    }

    private func checkTables(_ queue: Queue, seed: UInt64) async throws {
        let faults: [(String, SQL)] = [
            ("live rows are left", "SELECT id FROM job_live"),
            ("a row stands twice", "SELECT id FROM job_executions GROUP BY id HAVING count(*) > 1"),
            (
                "attempts without a record, or with two",
                "SELECT id FROM job_executions AS e WHERE attempt <> (SELECT count(*) FROM job_attempts AS a WHERE a.execution_id = e.id)"
            ),
            ("more attempts than allowed", "SELECT id FROM job_executions WHERE attempt > max_attempts"),
            (
                "a parent whose end does not follow from its children",
                """
                SELECT p.id FROM job_executions AS p JOIN job_executions AS c ON c.parent_id = p.id WHERE p.status <> 'CANCELLED'
                GROUP BY p.id, p.status HAVING (p.status = 'SUCCESS') <> bool_and(c.status = 'SUCCESS')
                """
            ),
            (
                "a cancelled parent's child that ended later by itself",
                """
                SELECT p.id FROM job_finished AS p JOIN job_finished AS c ON c.parent_id = p.id
                WHERE p.status = 'CANCELLED' AND c.status IN ('SUCCESS', 'FAILED') AND c.finished_at > p.finished_at + interval '1 second'
                """
            ),
        ]
        for (what, statement) in faults {
            let rows = try await queue.texts(statement)
            #expect(rows == [], "\(what), seed \(seed)")
        }
    }
}

/// Three sessions' worth of mischief.
private final class Chaos: Sendable {
    let queue: Queue
    let seed: UInt64
    let workers = Mutex<[String]>([])
    private let held = Mutex<[ClaimedRun]>([])
    /// What the database said had ended, and how.
    let acknowledged = Mutex<[ExecutionID: String]>([:])

    init(queue: Queue, seed: UInt64) {
        self.queue = queue
        self.seed = seed
    }

    func run(session: Int, steps: Int) async throws {
        var generator = SeededGenerator(seed: seed &+ UInt64(session))
        for step in 0..<steps {
            do {
                try await take(Int.random(in: 0..<20, using: &generator), using: &generator)
            } catch let error as PostgresError {
                // 40001: a row was moved by an UPDATE by hand (QUEUE §8). The others are refusals of what came too late.
                guard
                    ["40001", "55000", "P0002"].contains(error.sqlState) || error.message.hasPrefix("status: ")
                        || error.message.hasPrefix("job_config_id: job")
                else {
                    Issue.record("step \(step) of session \(session), seed \(seed): \(error)")
                    throw error
                }
            }
        }
    }

    private func take(_ step: Int, using generator: inout SeededGenerator) async throws {
        switch step {
        case 0...2:
            try await queue.run(
                """
                INSERT INTO job_executions (job_config_id) SELECT \(Int.random(in: 1...2, using: &generator))
                WHERE (SELECT count(*) FROM job_live) < 12
                """)
        case 3...6:
            let worker = workers.withLock { $0.randomElement(using: &generator) ?? "" }
            let runs = try await queue.claim(worker, batch: Int.random(in: 1...4, using: &generator))
            held.withLock { $0 += runs }
        case 7...9: try await end(try await taken(Int.random(in: 1...3, using: &generator), using: &generator))
        case 10: try await comeBack(try await taken(2, using: &generator), using: &generator)
        case 11: try await plan(try await taken(1, using: &generator), using: &generator)
        case 12:
            let place = Int.random(in: 0..<3, using: &generator)
            try await queue.kill(workers.withLock { $0[place] })
            let next = try await queue.addWorker()
            workers.withLock { $0[place] = next }
        case 13: try await queue.rescue()
        case 14: try await onSomeRow("SELECT cancel_execution(", ")", using: &generator)
        case 15: try await onSomeRow("UPDATE job_executions SET status = 'CANCELLED' WHERE id = ", "", using: &generator)
        case 16: try await onSomeRow("SELECT retry_execution(", ")", using: &generator)
        case 17:
            try await onSomeRow(
                "UPDATE job_executions SET priority = priority + 1 WHERE status = 'PENDING' AND id = ", "", using: &generator)
        case 18:
            let job = Bool.random(using: &generator) ? "limited" : "free"
            try await queue.run("SELECT pause_job(\(job))")
            try await queue.run("SELECT resume_job(\(job))")
        case 19 where Int.random(in: 0..<4, using: &generator) == 0:
            try await queue.run("UPDATE job_configurations SET deleted_at = now() WHERE name = 'free'")
            try await queue.run("UPDATE job_configurations SET deleted_at = NULL WHERE name = 'free'")
        default:
            try await queue.run(
                "UPDATE job_configurations SET max_concurrency = \(Int.random(in: 2...9, using: &generator)) WHERE name = 'free'")
            try await queue.run("UPDATE job_configurations SET max_concurrency = NULL WHERE name = 'free'")
            try await queue.run(QueueStatements.sweepParents)
        }
    }

    private func taken(_ count: Int, using generator: inout SeededGenerator) async throws -> [ClaimedRun] {
        let dice = generator.next()
        return held.withLock { held in
            var generator = SeededGenerator(seed: dice)
            held.shuffle(using: &generator)
            let taken = Array(held.suffix(count))
            held.removeLast(taken.count)
            return taken.sorted { $0.id < $1.id }
        }
    }

    private func end(_ runs: [ClaimedRun]) async throws {
        guard !runs.isEmpty else { return }
        let status = runs.count == 2 ? "FAILED" : "SUCCESS"
        do {
            let ended = try await queue.finish(runs, as: status)
            acknowledged.withLock { for id in ended { $0[id] = status } }
        } catch {
            held.withLock { $0 += runs }
            throw error
        }
    }

    private func comeBack(_ runs: [ClaimedRun], using generator: inout SeededGenerator) async throws {
        let isInterrupted = Bool.random(using: &generator)
        let returning = runs.filter { isInterrupted || $0.attempt < $0.maxAttempts }
        let last = runs.filter { !isInterrupted && $0.attempt >= $0.maxAttempts }
        if !returning.isEmpty {
            do {
                try await queue.giveBack(returning, as: isInterrupted ? "INTERRUPTED" : "RETRY")
            } catch {
                held.withLock { $0 += runs }
                throw error
            }
        }
        try await end(last)
    }

    private func plan(_ runs: [ClaimedRun], using generator: inout SeededGenerator) async throws {
        guard let run = runs.first else { return }
        guard run.parentID == nil else { return try await end(runs) }
        let children = (0..<Int.random(in: 1...3, using: &generator)).map { PlannedChild(params: [:], storeID: $0, targetID: 1) }
        do {
            try await queue.fanOut(run, children)
        } catch {
            held.withLock { $0.append(run) }
            throw error
        }
    }

    private func onSomeRow(_ before: String, _ after: String, using generator: inout SeededGenerator) async throws {
        let offset = Int.random(in: 0..<12, using: &generator)
        let ids = try await queue.texts(
            "SELECT id FROM job_executions ORDER BY (status IN ('PENDING', 'RUNNING')) DESC, id DESC OFFSET \(offset) LIMIT 1")
        guard let id = ids.first else { return }
        try await queue.run("\(spliced(before))\(id)::uuid\(spliced(after))")
    }

    /// Ends everything, as workers would when nobody disturbs them any more.
    func drain() async throws {
        try await queue.run("UPDATE workers SET lease = '1 ms', lease_until = clock_timestamp() - interval '1 s'")
        try await queue.rescue()
        let worker = try await queue.addWorker()
        var idle = 0
        while idle < 3 {
            let runs = try await queue.claim(worker)
            try await queue.run(QueueStatements.sweepParents)
            try await queue.finish(runs)
            idle = runs.isEmpty ? idle + 1 : 0
        }
    }
}
