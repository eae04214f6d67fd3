import Postgres
import TestSupport
import Testing

@testable import Notifications

/// What a failed sync means for the shops, read from the campaigns of the stores' own day.
@Suite struct ClubTodayTests {
    @Test(
        "a failed sync counts its stores by what stands in the club: today's newest campaign, sent or verified; dry runs and other days are none"
    )
    func states() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("sync", "job_type = 'SYNC_PRODUCTS'")
            // Sao Paulo's today, and the day before it.
            let campaigns: [(name: String, rows: [String])] = [
                ("verified", ["'VERIFIED', 0, false, NULL"]), ("sent", ["'VERIFIED', 0, false, NULL", "'SENT', 0, false, now()"]),
                ("unknown fate", ["'PLANNED', 0, false, now()"]), ("planned", ["'PLANNED', 0, false, NULL"]),
                ("refused", ["'FAILED', 0, false, now()"]), ("dry run", ["'VERIFIED', 0, true, NULL"]),
                ("yesterday", ["'VERIFIED', 1, false, NULL"]), ("skipped", ["'SKIPPED', 0, false, NULL"]),
                ("first verified", ["'VERIFIED', 0, false, NULL", "'FAILED', 0, false, now()"]),
            ]
            var stores: [Int] = []
            for (name, rows) in campaigns {
                let store = try await outbox.number(
                    "INSERT INTO stores (name, registration, document) VALUES (\(name), \("10\(stores.count)"), '') RETURNING id")
                stores.append(store)
                for row in rows {
                    try await outbox.run(
                        """
                        INSERT INTO campaigns (execution_id, store_id, name, starts_at, ends_at, line_count, status, day, dry_run, upload_started_at)
                        SELECT uuid_v7(), \(store), 'c', now(), now(), 1, r.status, (now() AT TIME ZONE 'America/Sao_Paulo')::date - r.age, r.dry, r.started
                        FROM (VALUES (\(spliced(row))::timestamptz)) AS r(status, age, dry, started)
                        """)
                }
            }
            try await outbox.run("INSERT INTO stores (name, registration, document) VALUES ('not of this sync', '99', '')")
            let (_, children) = try await outbox.fanOut(job, stores: stores, worker: outbox.addWorker())
            try await outbox.finish(children, as: "FAILED", error: Outbox.error("TOO_LATE", "x"))
            let transport = FakeTransport()
            _ = try await outbox.sender(channel, transport).turn()
            let message = try #require(transport.messages.first)
            guard case .single(let delivery) = message.content, case .execution(let facts) = delivery.subject else {
                throw Unexpected("it is not about an execution")
            }
            #expect(facts.clubToday.map { [$0.published, $0.unverified, $0.without] } == [2, 2, 5])
            #expect(message.subject == "sync falhou em todas as 9 lojas")
            #expect(message.text.plain.contains("Sem preços de clube hoje: 5 lojas\nCampanha enviada, mas não conferida: 2 lojas\n"))
        }
    }
}
