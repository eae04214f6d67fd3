import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// Claims of several sessions at once never go past a limit (SPEC §3 Concurrency: derived from the leases, so it cannot drift).
@Suite struct ClaimRaceTests {
    /// Places taken beyond what is allowed, in one snapshot.
    private static let excess: SQL = """
        WITH runs AS (SELECT * FROM job_live WHERE status = 'RUNNING' AND worker IS NOT NULL)
        SELECT 'job ' || j.name || ': ' || count(*) FROM runs AS r JOIN job_configurations AS j ON j.id = r.job_config_id
        GROUP BY j.name, j.max_concurrency HAVING count(*) > j.max_concurrency
        UNION ALL
        SELECT 'integration ' || i.name || ': ' || count(*) FROM runs AS r JOIN integrations AS i ON i.id IN (r.source_id, r.target_id)
        GROUP BY i.name, i.config, i.type HAVING count(*) > coalesce((i.config ->> 'max_concurrency')::int, CASE i.type WHEN 'RP' THEN 4 ELSE 1000 END)
        UNION ALL
        SELECT 'store ' || store_id || ': ' || count(*) FROM runs WHERE store_id IS NOT NULL GROUP BY target_id, store_id HAVING count(*) > 1
        """

    @Test("four sessions that claim, finish and give back at random keep every limit, and everything ends")
    func race() async throws {
        let seed = SeededGenerator().seed
        try await Queue.withDatabase { queue in
            let rp = try await queue.addIntegration("rp", type: "RP")
            let club = try await queue.addIntegration("club", type: "CRESCEVENDAS", config: #"{"max_concurrency": 3}"#)
            let jobs = [
                try await queue.addJob("limited", type: "NOOP", "max_concurrency = 2"), try await queue.addJob("free"),
                try await queue.addJob("other", type: "NOOP", "max_concurrency = 5"),
            ]
            for place in 0..<240 {
                let job = jobs[place % 3]
                if place % 2 == 0 {
                    try await queue.enqueue(job)
                } else {
                    try await queue.enqueue(job, store: place % 7, source: place % 3 == 0 ? rp : 0, target: club)
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for session in 0..<4 {
                    group.addTask { try await work(queue, seed: seed &+ UInt64(session)) }
                }
                try await group.waitForAll()
            }
            #expect(try await queue.number("SELECT count(*) FROM job_live") == 0, "seed \(seed)")
            #expect(try await queue.number("SELECT count(*) FROM job_finished WHERE status = 'SUCCESS'") == 240)
            #expect(
                try await queue.number(
                    "SELECT count(*) FROM job_executions AS e WHERE attempt <> (SELECT count(*) FROM job_attempts AS a WHERE a.execution_id = e.id)"
                ) == 0)
        }
    }

    private func work(_ queue: Queue, seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        let worker = try await queue.addWorker()
        var held: [ClaimedRun] = []
        while true {
            let claimed = try await queue.claim(worker, batch: Int.random(in: 1...6, using: &generator))
            held += claimed
            let excess = try await queue.texts(Self.excess)
            #expect(excess == [], "seed \(seed)")
            held.shuffle(using: &generator)
            let ending = Array(held.suffix(Int.random(in: 1...4, using: &generator)))
            held.removeLast(ending.count)
            let isReturned = Int.random(in: 0..<6, using: &generator) == 0
            let done = isReturned ? try await queue.giveBack(ending, delay: .zero) : try await queue.finish(ending)
            #expect(done.count == ending.count)
            if claimed.isEmpty, held.isEmpty, try await queue.number("SELECT count(*) FROM job_live") == 0 { return }
        }
    }
}
