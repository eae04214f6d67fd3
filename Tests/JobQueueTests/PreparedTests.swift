import Foundation
import Postgres
import Runtime
import Testing

@testable import JobQueue

/// Every statement that the queue builds is one that PostgreSQL understands.
@Suite struct PreparedTests {
    private var statements: [SQL] {
        let run = ClaimedRun.sample()
        let error = RunError(code: "X", message: "x", isRetryable: true)
        let identity = WorkerIdentity(id: run.id, host: "h", pid: 1, version: "v", slots: 1)
        let line = LogLine(run: run, level: .info, message: "m", fields: "{}", writtenAt: .zero)
        return [
            QueueStatements.configurations(ids: [1]), QueueStatements.fence(id: run.id, token: 1),
            QueueStatements.progress(id: run.id, token: 1, progress: [:]),
            QueueStatements.claim(worker: run.id, batch: 1, after: .start),
            QueueStatements.finish([
                FinishedRun(run: run, status: "FAILED", attemptOutcome: "FAILED", metrics: nil, error: error.details(for: run))
            ]),
            QueueStatements.giveBack([ReturnedRun(run: run, attemptOutcome: "RETRY", error: "{}", delay: nil)]),
            QueueStatements.giveBack(rows: [HeldRow(id: run.id, token: 1)]),
            QueueStatements.fanOut(run, children: [PlannedChild(params: [:])], unit: "stores"),
            QueueStatements.logs([line], now: .zero, isLate: true)[1],
            QueueStatements.lostRuns([run]), QueueStatements.heldRows(worker: run.id),
            QueueStatements.renewLease(identity, lease: .seconds(30), running: 0), QueueStatements.releaseLease(worker: run.id),
            QueueStatements.createPartitions, QueueStatements.sweepParents, QueueStatements.expireWaits, QueueStatements.rescue(batch: 5),
            QueueStatements.forgetWorkers,
            CleanupStatements.expired("job_finished", days: 90), CleanupStatements.drop("execution_logs_20200101", days: 7),
            RetentionRule.scheduleTicks.page(RetentionPage(after: nil, days: 90, isDryRun: false)),
            RetentionRule.scheduleTicks.page(RetentionPage(after: "7", days: 90, isDryRun: true)), MigrationStatements.lock,
            MigrationStatements.currentSchema, MigrationStatements.hasTable, MigrationStatements.foreignRelations,
            MigrationStatements.applied, MigrationStatements.isApplied(1), MigrationStatements.record(.m01Foundations),
            MigrationStatements.forget(1),
        ]
    }

    @Test("every statement of the queue and the migrator can be prepared and run against a migrated database")
    func prepare() async throws {
        try await Queue.withDatabase { queue in
            try await queue.pool.withConnection { connection in
                try await connection.script(MigrationStatements.createTable)
                for (place, statement) in statements.enumerated() {
                    await #expect(throws: Never.self, "\(statement.text)") {
                        try await connection.script("PREPARE statement_\(place) AS \(statement.text)")
                        _ = try await connection.query(statement)
                    }
                }
                try await connection.script(MigrationStatements.dropTable)
            }
        }
    }
}
