import Postgres
import TestSupport
import Testing

@testable import Notifications

/// What a failed sync means for the shops, read from the campaigns of the stores' own day.
@Suite struct ClubTodayTests {
    @Test("a message so far is read in one snapshot: stores that fail meanwhile are in none of its counts")
    func oneSnapshot() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("sync", "job_type = 'SYNC_PRODUCTS'")
            var stores: [Int] = []
            for number in 1...4 {
                stores.append(
                    try await outbox.number(
                        "INSERT INTO stores (name, registration, document) VALUES (\("s\(number)"), \("10\(number)"), '') RETURNING id"))
            }
            let (_, children) = try await outbox.fanOut(job, stores: stores, worker: outbox.addWorker())
            let failure = Outbox.error("TOO_LATE", "x")
            try await outbox.finish([children[0]], as: "FAILED", error: failure)
            let transport = FakeTransport()
            let sender = outbox.sender(channel, transport)
            // What stands in the club cannot be read until the others have failed.
            let sending = try await outbox.pool.transaction { transaction in
                try await transaction.script("LOCK TABLE campaigns")
                let sending = Task { _ = try await sender.turn() }
                try await eventually("the reader waits") {
                    try await outbox.number("SELECT count(*) FROM pg_locks WHERE relation = 'campaigns'::regclass AND NOT granted") == 1
                }
                try await outbox.finish([children[1], children[2]], as: "FAILED", error: failure)
                return sending
            }
            try await sending.value
            guard case .single(let delivery)? = transport.messages.first?.content, case .execution(let facts) = delivery.subject else {
                throw Unexpected("it is not about an execution")
            }
            #expect([facts.failedCount, facts.failedChildren, facts.failedParts.count, facts.clubToday?.without] == [1, 1, 1, 1])
        }
    }

    @Test("more stores than are listed failed for one cause: its line counts all of them, and there is no other line")
    func moreThanListed() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("sync")
            let (_, children) = try await outbox.fanOut(job, stores: Array(1...131), worker: outbox.addWorker())
            try await outbox.finish(Array(children.dropLast()), as: "FAILED", error: Outbox.error("TOO_LATE", "x"))
            try await outbox.finish([children[130]], as: "FAILED", error: Outbox.error("STORE_INACTIVE", "x"))
            let transport = FakeTransport()
            _ = try await outbox.sender(channel, transport).turn()
            let lines = transport.messages.first?.text.plain.components(separatedBy: "\n") ?? []
            #expect(lines.first == "❌ sync falhou em todas as 131 lojas")
            #expect(lines.filter { $0.hasPrefix("• ") }.count == 2, "\(lines)")
            #expect(
                lines.contains { $0.hasPrefix("• tarde demais para uma campanha de hoje: reg-1, ") && $0.hasSuffix(", reg-10 e mais 120") })
            #expect(lines.contains("• e mais 1 loja"))
        }
    }

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
