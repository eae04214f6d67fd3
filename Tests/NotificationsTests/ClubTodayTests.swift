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

    @Test("more stores than are listed failed for one cause: its line counts all of them, and the other cause has its own")
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
                lines.contains { $0.hasPrefix("• tarde demais para uma campanha de hoje: reg-1, ") && $0.hasSuffix(", reg-9 e mais 121") })
            #expect(lines.contains("• reg-131: a loja está inativa"), "\(lines)")
        }
    }

    @Test("a warning names the stores that it is about: where most differs, what was empty, what the listing did not show and why")
    func warning() async throws {
        try await Outbox.withDatabase { outbox in
            try await outbox.addChannel()
            let job = try await outbox.addJob("sync", "job_type = 'SYNC_PRODUCTS'")
            var stores: [Int] = []
            for name in ["fine", "few", "many", "empty", "unseen"] {
                let place = stores.count
                stores.append(
                    try await outbox.number(
                        "INSERT INTO stores (name, registration, document) VALUES (\(name), \("10\(place)"), '') RETURNING id"))
            }
            let (_, children) = try await outbox.fanOut(job, stores: stores, worker: outbox.addWorker())
            for (child, status) in [(children[3], "SKIPPED"), (children[4], "SENT")] {
                try await outbox.run(
                    """
                    INSERT INTO campaigns (execution_id, store_id, name, starts_at, ends_at, line_count, status, reason)
                    VALUES (\(child.id)::uuid, \(child.storeID ?? 0), 'c', now(), now(), 1, \(status),
                      'the club accepted the campaign but its listing does not show 2 of 7 lines as sent')
                    """)
            }
            let metrics = [
                #"{"severity": "ok", "differences": {"PRICE": 0}}"#, #"{"severity": "ok", "differences": {"PRICE": 1, "LIMIT": 2}}"#,
                #"{"severity": "critical", "differences": {"PRICE": 1204, "WINDOW": "x"}}"#, #"{"severity": "warning"}"#,
                #"{"severity": "warning"}"#,
            ]
            for (child, counted) in zip(children, metrics) { try await outbox.finish([child], metrics: counted) }
            let transport = FakeTransport()
            _ = try await outbox.sender(1, transport).turn()
            let message = try #require(transport.messages.first)
            let lines = message.text.plain.components(separatedBy: "\n")
            #expect(lines.first?.hasPrefix("🚨 sync terminou com ") == true, "\(lines)")
            #expect(
                Array(lines.dropFirst().prefix(3)) == [
                    "Por loja: many (1.204), few (3)", "• empty: sem produtos de clube",
                    "• unseen: enviada, mas não conferida: o clube aceitou a campanha, mas a listagem difere em 2 de 7 produtos",
                ])
        }
    }

    @Test("a late sync says how its stores stand meanwhile: somebody may have published them by hand")
    func late() async throws {
        try await Outbox.withDatabase { outbox in
            let channel = try await outbox.addChannel()
            let job = try await outbox.addJob("sync", "job_type = 'SYNC_PRODUCTS'", "cron_pattern = '10 5 * * *'")
            for place in 1...3 {
                try await outbox.run("INSERT INTO stores (name, registration) VALUES (\("s\(place)"), \("10\(place)"))")
            }
            try await outbox.run("UPDATE job_configurations SET config = '{\"store_ids\": [1, 2]}' WHERE id = \(job)")
            func publish(_ store: Int) async throws {
                try await outbox.run(
                    """
                    INSERT INTO campaigns (execution_id, store_id, name, starts_at, ends_at, line_count, status)
                    VALUES (uuid_v7(), \(store), 'c', now(), now(), 1, 'VERIFIED')
                    """)
            }
            func told(_ hoursAgo: Int) async throws -> [String] {
                try await outbox.run(
                    """
                    INSERT INTO notification_deliveries (channel_id, job_config_id, event, due_at)
                    VALUES (\(channel), \(job), 'LATE', now() - \(hoursAgo) * interval '1 hour')
                    """)
                let transport = FakeTransport()
                _ = try await outbox.sender(channel, transport).turn()
                return transport.messages.first?.text.plain.components(separatedBy: "\n") ?? []
            }
            try await publish(1)
            #expect(
                Array(try await told(2).dropFirst(3).prefix(2)) == ["Sem preços de clube hoje: 1 loja", "Com preços de clube hoje: 1 loja"])
            try await publish(2)
            let lines = try await told(1)
            #expect(lines[3] == "Com preços de clube hoje: 2 lojas")
            #expect(!lines.contains { $0.hasPrefix("Sem preços") }, "\(lines)")
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
