/// Failures that tests alone show, and those that nothing shows yet.
extension Catalogue {
    static let tested: [Failure] = [
        Failure(
            number: "R04", name: "rescuer and finisher race for one row",
            evidence: [.tests(["JobQueueTests.RescueTests/race", "JobQueueTests.InterleavingTests/interleavings"])]),
        Failure(number: "R06", name: "thousands of stuck rows", evidence: [.tests(["JobQueueTests.RescueTests/pages"])]),
        Failure(
            number: "R08", name: "a row that cannot come back to PENDING",
            evidence: [.tests(["JobQueueTests.RescueTests/uniqueViolation"])]),
        Failure(
            number: "R09", name: "two workers on one host, a reused pid",
            evidence: [.tests(["JobQueueTests.RescueTests/identity", "Acceptance.KillTests/identities"])]),
        Failure(
            number: "R13", name: "a worker is asked to leave, at any moment",
            evidence: [.tests(["NotificationsTests.IndependenceTests/leavesInAnOutage"])]),
        Failure(
            number: "R24", name: "disk full, too many connections, deadlock, serialisation, time limits",
            evidence: [
                .tests([
                    "Acceptance.DiskTests/dataIsFull", "Acceptance.DiskTests/walIsFull", "Acceptance.DiskTests/logsHaveNoRoom",
                    "JobQueueTests.StatementFaultTests/limits", "PostgresTests.ErrorsTests/kinds",
                    "PostgresTests.FaultTests/tooManyConnections", "PostgresTests.TransactionTests/serialization",
                    "PostgresTests.TransactionTests/deadlock",
                ])
            ]),
        Failure(
            number: "R26", name: "a long history, statistics missing or wrong",
            evidence: [.tests(["JobQueueTests.PlanTests/reads", "Acceptance.LongHistoryTests/blocks"])]),
        Failure(
            number: "R27", name: "paused, limited and unknown jobs at the head of the queue",
            evidence: [.tests(["JobQueueTests.ClaimTests/headOfTheQueue", "Acceptance.QueueTests/headOfTheQueue"])]),
        Failure(
            number: "R28", name: "two sessions at once, in every order",
            evidence: [
                .tests([
                    "JobQueueTests.PermutationTests/pairs", "JobQueueTests.PermutationTests/threes",
                    "JobQueueTests.InterleavingTests/interleavings", "JobQueueTests.ModelTests/randomHistories",
                    "JobQueueTests.LockOrderTests/partitionsFirst",
                ])
            ]),
        Failure(
            number: "R29", name: "a partition missing, an index invalid",
            evidence: [
                .tests([
                    "JobQueueTests.PartitionTests/madeAhead", "JobQueueTests.PartitionTests/madeOnTheSpot",
                    "JobQueueTests.PartitionTests/othersGoOn", "JobQueueTests.EndTests/missingPartition",
                    "Acceptance.SchemaFaultTests/damages",
                ])
            ]),
        Failure(
            number: "R31", name: "clocks that are wrong",
            evidence: [
                .scenario(wrongClocks), .scenario(serverJumps),
                .tests([
                    "JobQueueTests.RescueTests/clockJump", "JobQueueTests.ClockTests/ranAhead", "JobQueueTests.ClockTests/setBack",
                    "JobQueueTests.ClockTests/endsInOrder", "PartnersTests.CresceVendasTests/rateLimitAsADate",
                ]),
            ]),
        Failure(
            number: "R32", name: "a pooler, other schema versions, migrations at once or killed half-way",
            evidence: [
                .tests([
                    "PostgresTests.PoolerTests/alternating", "JobQueueTests.MigrationTests/atOnce", "JobQueueTests.MigrationTests/halfWay",
                    "JobQueueTests.MigrationTests/versions", "Acceptance.SchemaFaultTests/versions",
                    "Acceptance.SchemaFaultTests/upgradeUnderWork", "Acceptance.SchemaFaultTests/migrateAtOnce",
                    "Acceptance.SchemaFaultTests/migrationKilled",
                ])
            ]),
        Failure(
            number: "R40", name: "what the wake-up costs",
            evidence: [
                .scenario(insertsWithWakeup), .tests(["JobQueueTests.OperationTests/notifications"]),
            ]),
        Failure(
            number: "R41", name: "the listener's connection dies silently",
            evidence: [.tests(["PostgresTests.ListenerTests/terminated", "PostgresTests.ListenerTests/silence"])]),
        Failure(
            number: "R42", name: "many workers and one job",
            evidence: [.scenario(oneJob), .scenario(commonStart), .tests(["JobQueueTests.ClaimSpreadTests/commonStart"])]),
        Failure(
            number: "R54", name: "the watcher is not watched by what it watches",
            evidence: [.tests(["NotificationsTests.LateTests/withoutWorkers", "NotificationsTests.LateTests/withoutSchedulers"])]),
    ]
}
