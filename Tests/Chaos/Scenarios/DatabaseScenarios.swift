import TestRig
import TestSupport

/// R20 to R32: what happens to PostgreSQL.
extension Catalogue {
    static let database: [Failure] = [
        Failure(
            number: "R20", name: "PostgreSQL restarts, its postmaster is killed, every session is terminated",
            evidence: [
                .scenario(restarts), .scenario(terminations), .scenario(badNetwork),
                .tests([
                    "PostgresTests.FaultTests/terminated", "PostgresTests.FaultTests/restart", "PostgresTests.FaultTests/killed",
                    "PostgresTests.FaultTests/refused", "Acceptance.DatabaseOutageTests/restarts",
                ]),
            ]),
        Failure(
            number: "R21", name: "a connection is lost under COMMIT",
            evidence: [
                .scenario(commitCuts),
                .tests([
                    "PostgresTests.TransactionTests/commitCut", "PostgresTests.TransactionTests/randomCuts",
                    "Acceptance.DatabaseOutageTests/cutCommit",
                ]),
            ]),
        Failure(
            number: "R22", name: "a black hole between a program and PostgreSQL",
            evidence: [.scenario(blackHole), .tests(["PostgresTests.FaultTests/blackHole", "Acceptance.FencingTests/blackHole"])]),
        Failure(
            number: "R23", name: "failover to another server",
            evidence: [.scenario(failover), .tests(["PostgresTests.FaultTests/severalHosts", "PostgresTests.FaultTests/readOnly"])]),
        Failure(number: "R25", name: "a transaction that stays open, readers with old snapshots", evidence: [.scenario(oldSnapshots)]),
        Failure(
            number: "R30", name: "SQL by hand",
            evidence: [
                .scenario(byHand),
                .tests([
                    "JobQueueTests.EnqueueTests/minimal", "JobQueueTests.EnqueueTests/runAt", "JobQueueTests.EnqueueTests/uncommitted",
                    "JobQueueTests.HandTests/pending", "JobQueueTests.HandTests/running", "JobQueueTests.HandTests/finished",
                ]),
            ]),
    ]
}
