import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// A clean-up beside everything else: it waits for nobody long, and nobody waits for it.
@Suite struct CleanupLockTests {
    private func drop(_ queue: Queue, _ partition: String) async throws -> String {
        try await queue.text(CleanupStatements.drop(partition, days: 7))
    }

    private func withOldDay(_ body: (Queue, _ suffix: String) async throws -> Void) async throws {
        try await Queue.withDatabase { queue in
            try await queue.addJob()
            let suffix = try await queue.text(
                "SELECT to_char((now() AT TIME ZONE 'UTC')::date - 50, 'YYYYMMDD') FROM create_day_partitions((now() AT TIME ZONE 'UTC')::date - 50)"
            )
            try await body(queue, suffix)
        }
    }

    @Test("somebody who reads a table keeps its partition for now; who ends a run meanwhile waits a moment at most")
    func reader() async throws {
        try await withOldDay { queue, suffix in
            let worker = try await queue.addWorker()
            let ids = try await queue.enqueue(1, count: 40)
            var runs = try await queue.claim(worker)
            #expect(runs.count == ids.count)
            try await queue.pool.transaction { reader in
                _ = try await reader.query("SELECT count(*) FROM job_executions")
                let over = Heard()
                let tries = Task {
                    var outcomes: Set<String> = []
                    while over.all.isEmpty { outcomes.insert(try await drop(queue, "job_finished_\(suffix)")) }
                    return outcomes
                }
                var longest = Duration.zero
                while let run = runs.popLast() {
                    let begun = ContinuousClock.now
                    #expect(try await queue.finish([run]) == [run.id])
                    longest = max(longest, begun.duration(to: .now))
                }
                over.append("now")
                #expect(try await tries.value == ["LOCKED"])
                // 50 ms by the server's clock; the rest is this machine's load.
                #expect(longest < .seconds(2), "\(longest)")
            }
            #expect(try await drop(queue, "job_finished_\(suffix)") == "DROPPED")
            #expect(try await drop(queue, "job_finished_\(suffix)") == "GONE")
        }
    }

    @Test("a try that met a lock leaves no lock behind in its transaction")
    func releases() async throws {
        try await withOldDay { queue, suffix in
            try await queue.pool.transaction { reader in
                _ = try await reader.query("SELECT count(*) FROM \(spliced("execution_logs_\(suffix)"))")
                try await queue.pool.transaction { dropper in
                    let outcome = try await dropper.query(CleanupStatements.drop("execution_logs_\(suffix)", days: 7)).first?["outcome"]
                    #expect(outcome == "LOCKED")
                    let held = try await queue.number(
                        """
                        SELECT count(*) FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
                        WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                          AND c.relname LIKE 'execution_logs%' AND l.mode = 'AccessExclusiveLock'
                        """
                    )
                    #expect(held == 0)
                }
            }
        }
    }

    @Test("of two that drop the same partition one drops it and the other says so, whoever comes first")
    func twoAtOnce() async throws {
        try await Queue.withDatabase { queue in
            for age in 20...39 { try await queue.run("SELECT create_day_partitions((now() AT TIME ZONE 'UTC')::date - \(age)::int)") }
            let names = try await queue.texts("SELECT partition FROM expired_partitions('execution_logs', retention_cutoff(7))")
            #expect(names.count == 20)
            let dropped = Heard()
            try await withThrowingDiscardingTaskGroup { group in
                for _ in 1...3 {
                    group.addTask {
                        for name in names {
                            var outcome = "LOCKED"
                            while outcome == "LOCKED" { outcome = try await drop(queue, name) }
                            if outcome == "DROPPED" { dropped.append(name) } else { #expect(outcome == "GONE") }
                        }
                    }
                }
            }
            #expect(dropped.all.sorted() == names.sorted())
            #expect(try await queue.number("SELECT count(*) FROM expired_partitions('execution_logs', retention_cutoff(7))") == 0)
        }
    }

    @Test("a run that is no longer ours drops nothing")
    func fenced() async throws {
        try await withOldDay { queue, suffix in
            let worker = try await queue.addWorker()
            try await queue.enqueue(1)
            let run = try await queue.claimOne(worker)
            try await queue.run("SELECT cancel_execution(\(run.id)::uuid)")
            let lease = Lease(length: .seconds(600))
            lease.renewed(askedAt: MonotonicClock.now())
            let context = RunContext(
                run: run, configuration: .sample(), options: [:], pool: queue.pool, lease: lease,
                term: Lease.Term(number: 1), logWriter: ExecutionLogWriter(wakeup: Wakeup()), slotPause: SlotPause { _ in })
            await #expect(throws: FencedOff.self) { try await CleanupJob(rules: []).run(context) }
            #expect(try await queue.text("SELECT to_regclass('execution_logs_' || \(suffix)) IS NOT NULL") == "t")
        }
    }
}
