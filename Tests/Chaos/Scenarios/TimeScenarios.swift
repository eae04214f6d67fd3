import Foundation
import Postgres
import TestRig
import TestSupport

/// R50 to R54: schedules.
extension Catalogue {
    static let time: [Failure] = [
        Failure(
            number: "R50", name: "a scheduler is stopped past its turn, twenty run at once",
            evidence: [
                .scenario(stoppedScheduler), .scenario(twentySchedulers),
                .tests(["JobQueueTests.SchedulerCrowdTests/crowd", "JobQueueTests.SchedulerCrowdTests/sleeper"]),
            ]),
        Failure(
            number: "R51", name: "no scheduler for hours, a deploy, a kill between enqueue and advance",
            evidence: [
                .scenario(absentScheduler), .scenario(replacedSchedulers),
                .tests([
                    "JobQueueTests.SchedulerTests/rolledBack", "JobQueueTests.ScheduleDecisionTests/pieces",
                    "JobQueueTests.ScheduleDecisionTests/countedRow",
                ]),
            ]),
        Failure(
            number: "R52", name: "clocks that change: gaps, overlaps, abolished zones, days that do not exist",
            evidence: [
                .tests([
                    "CronTests.CronScheduleTests/specialDays", "CronTests.CronPatternTests/never", "CronTests.CronPatternTests/longestWait",
                    "CronTests.CronOracleTests/minutes", "JobQueueTests.ScheduleDecisionTests/daylightTime",
                    "JobQueueTests.SchedulerTests/zoneFiles",
                ])
            ]),
        Failure(
            number: "R53", name: "runs longer than their interval, 10,000 schedules due at once",
            evidence: [.scenario(longRuns), .tests(["JobQueueTests.SchedulerCrowdTests/tenThousand"])]),
    ]

    /// Every policy has a job that is due every second; no worker runs.
    private static let everySecond = ["ALLOW", "SKIP", "QUEUE", "REPLACE"]

    private static func judge(_ rig: Rig, leastTicks: Int) async throws -> Int {
        let drills = Drills(rig: rig)
        var ticks = 0
        for policy in everySecond { ticks += try await drills.requireEveryTick(of: policy, atLeast: leastTicks) }
        let strangers: Int = try await rig.value(
            """
            SELECT count(*) AS value FROM job_executions AS e WHERE NOT EXISTS (
              SELECT FROM schedule_ticks AS t WHERE t.execution_id = e.id AND t.due_at = e.scheduled_for AND t.outcome = 'ENQUEUED')
            """)
        try require(strangers == 0, "\(strangers) executions have no due time")
        let doubled: Int = try await rig.value(
            """
            SELECT count(*) AS value FROM (SELECT job_config_id, scheduled_for FROM job_executions GROUP BY 1, 2 HAVING count(*) > 1) AS d
            """)
        try require(doubled == 0, "\(doubled) due times have two executions")
        try await Oracle(rig: rig).judge()
        return ticks
    }

    /// Of two schedulers now one and now the other is stopped for longer than a turn, in the middle of whatever it does.
    static let stoppedScheduler = Scenario(
        number: "R50", injected: "two schedulers, one after the other stopped past its turn and woken", isQuick: true
    ) { trial in
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            let drills = Drills(rig: rig)
            for policy in everySecond { try await drills.addJob(policy, pattern: "* * * * * *", overlap: policy) }
            let schedulers = [try rig.scheduler(), try rig.scheduler()]
            for scheduler in schedulers { _ = try await scheduler.line(containing: "schedules", within: .seconds(60)) }
            for turn in 0..<4 {
                try await trial.pause(0...700)
                schedulers[turn % 2].signal(SIGSTOP)
                try await trial.pause(1_200...2_200)
                schedulers[turn % 2].signal(SIGCONT)
            }
            for scheduler in schedulers { try await scheduler.leave("scheduler") }
            let ticks = try await judge(rig, leastTicks: 6)
            try await Oracle(rig: rig).requireNoSessions()
            trial.figure("4 stops, \(ticks) due times, each once")
        }
    }

    /// Twenty at once for ten seconds.
    static let twentySchedulers = Scenario(number: "R50", injected: "twenty schedulers, four patterns due every second", isQuick: true) {
        trial in
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            let drills = Drills(rig: rig)
            let schedulers = try (0..<20).map { _ in try rig.scheduler() }
            for scheduler in schedulers { _ = try await scheduler.line(containing: "schedules", within: .seconds(60)) }
            for policy in everySecond { try await drills.addJob(policy, pattern: "* * * * * *", overlap: policy) }
            try await eventually(within: .seconds(60), "ten ticks of each job") {
                try await rig.value(
                    "SELECT count(*) = 4 AS value FROM (SELECT FROM schedule_ticks GROUP BY job_config_id HAVING count(*) >= 10) AS t")
            }
            for scheduler in schedulers { try await scheduler.leave("scheduler") }
            let ticks = try await judge(rig, leastTicks: 10)
            try await Oracle(rig: rig).requireNoSessions()
            trial.figure("\(ticks) due times, each once")
        }
    }
}
