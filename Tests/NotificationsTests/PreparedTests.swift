import Postgres
import TestSupport
import Testing

@testable import JobQueue
@testable import Notifications

/// Every statement that the outbox builds is one that PostgreSQL understands.
@Suite struct PreparedTests {
    private var statements: [SQL] {
        let id = "019fa2c0-0000-7000-8000-000000000001"
        let claimed = ClaimedDeliveries(claim: 1, ids: [1, 2], failures: [0, 1], attempts: 1)
        let lane = SendingLane(key: "lane", spacing: .seconds(1), perMinute: 20)
        let look = LateLook(jobConfigID: 1, horizon: 60, untickedDueTimes: [60], nextDueAt: 120)
        return [
            DeliveryStatements.due(types: ["EMAIL"], most: 4), DeliveryStatements.channel(id: 1, evenInactive: true),
            DeliveryStatements.claim(channel: 1, lane: lane, folds: true, hold: .seconds(120)),
            DeliveryStatements.claim(channel: 1, lane: SendingLane(key: "other"), folds: false, hold: .seconds(120)),
            DeliveryStatements.facts(id: 1), PartStatements.failedParts(of: id, limit: 100),
            PartStatements.remarkedParts(of: id, limit: 100),
            PartStatements.clubToday(of: id), PartStatements.clubToday(ofJob: 1),
            DeliveryStatements.groups(ids: [1, 2]), DeliveryStatements.counted(claimed, told: [0, 1]),
            DeliveryStatements.sent(claimed, told: [0, 1], note: nil, lane: "lane"),
            DeliveryStatements.retried(claimed, delay: .seconds(5), pause: .seconds(5), reason: "r", reached: ["a"], lane: "lane"),
            DeliveryStatements.refused(claimed, reason: "r"), DeliveryStatements.switchOff(channel: 1, reason: "r"),
            DeliveryStatements.moveChat(channel: 1, from: "1", to: "2"), DeliveryStatements.giveUp, DeliveryStatements.forgetFailures,
            DeliveryStatements.forgetLanes, LateStatements.glance, LateStatements.follow, LateStatements.watches(limit: 10),
            LateStatements.judge([look]), LateStatements.judge([LateLook(jobConfigID: 2, horizon: 60)]),
            LateStatements.judgeUnscheduled([1]),
            RetentionRule.notificationDeliveries.page(RetentionPage(after: nil, days: 90, isDryRun: false)),
        ]
    }

    @Test("every statement of the outbox can be prepared and run against a migrated database")
    func prepare() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.pool.withConnection { connection in
                for (place, statement) in statements.enumerated() {
                    await #expect(throws: Never.self, "\(statement.text)") {
                        try await connection.script("PREPARE statement_\(place) AS \(statement.text)")
                        _ = try await connection.query(statement)
                    }
                }
            }
        }
    }
}
