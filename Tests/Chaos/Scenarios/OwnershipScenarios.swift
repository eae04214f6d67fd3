/// R01 to R14: who owns a run, and for how long.
extension Catalogue {
    static let ownership: [Failure] = [
        Failure(
            number: "R01", name: "a worker is killed at any moment",
            evidence: [
                .scenario(killedWorkers),
                .tests([
                    "Acceptance.FailpointTests/killed", "Acceptance.KillTests/kills", "Acceptance.NotificationTests/killedAfterAcceptance",
                ]),
            ]),
        Failure(
            number: "R02", name: "a worker is stopped past its lease and wakes after another one finished",
            evidence: [
                .scenario(stoppedWorkers),
                .tests([
                    "Acceptance.FencingTests/frozenUntilTheEnd", "Acceptance.FailpointTests/stopped",
                    "JobQueueTests.OwnershipTests/claimAcrossTheEndOfALease", "JobQueueTests.OwnershipTests/terms",
                ]),
            ]),
        Failure(
            number: "R03", name: "a worker is stopped and wakes while the second attempt runs",
            evidence: [.scenario(sleepersWakeEarly), .tests(["Acceptance.FencingTests/frozenUntilTheSecondAttempt"])]),
        Failure(number: "R04", name: "a rescuer and a finisher race for one row", evidence: [.scenario(rescuersAgainstFinishers)]),
        Failure(number: "R05", name: "a job lasts many leases", evidence: [.scenario(longJob)]),
        Failure(
            number: "R07", name: "the write of an end fails while the worker lives",
            evidence: [.scenario(lostEnds), .tests(["JobQueueTests.OwnershipTests/unknownRows"])]),
        Failure(
            number: "R10", name: "a job kills its workers; the database is away three times",
            evidence: [.tests(["Acceptance.KillTests/quarantine", "Acceptance.DatabaseOutageTests/outagesAreNobodysFault"])]),
        Failure(
            number: "R11", name: "a worker is alive and deaf",
            evidence: [
                .scenario(deafWorker),
                .tests([
                    "Acceptance.ShutdownTests/watchdogFollowsTheLoop", "Acceptance.ShutdownTests/hangingClaim",
                    "JobQueueTests.OwnershipTests/silentDatabase",
                ]),
            ]),
        Failure(
            number: "R12", name: "a job is to stop while the database is slow",
            evidence: [.scenario(stoppedJobs), .tests(["JobQueueTests.OwnershipTests/timeoutUnderASlowDatabase"])]),
        Failure(
            number: "R13", name: "a worker is asked to leave, at any moment",
            evidence: [
                .scenario(leavingWorkers)
            ]),
        Failure(number: "R14", name: "an advisory lock outlives its holder", evidence: [.scenario(advisoryLocks)]),
    ]
}
