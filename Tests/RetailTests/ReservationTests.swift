import JobQueue
import Postgres
import Runtime
import TestSupport
import Testing

@testable import Retail

/// Moments of requests that were reserved and not used (SPEC §3 Rates).
@Suite struct ReservationTests {
    @Test("a moment that its execution missed is lost: after a pause not all of them come at once")
    func missedMoments() async throws {
        try await Shop.withDatabase { shop in
            let club = try await shop.addIntegration("club", type: "CRESCEVENDAS")
            for store in 1...3 {
                let execution = shop.context(store: store).run.id
                try await shop.run(
                    """
                    INSERT INTO request_reservations
                    VALUES (\(club.id), \(execution)::uuid, clock_timestamp() - interval '20 minutes')
                    ON CONFLICT (integration_id, execution_id) DO UPDATE SET at = excluded.at
                    """)
                let wait = try await shop.text(
                    "SELECT round(extract(epoch FROM reserve_request(\(club.id), 30, \(execution)::uuid)))")
                #expect(wait == "\(2 * (store - 1))", "paced like requests that had no moment")
            }
            #expect(try await shop.text("SELECT count(*) FROM request_reservations") == "0")
        }
    }

    @Test("a moment that passed while a run which had begun before it read pages is the run's all the same")
    func moments() async throws {
        try await Shop.withDatabase { shop in
            let club = try await shop.addIntegration("club", type: "CRESCEVENDAS")
            try await shop.run("INSERT INTO job_configurations (name, job_type) VALUES ('sync', 'NOOP')")
            try await shop.run(
                "INSERT INTO integration_state (integration_id, next_request_at) VALUES (\(club.id), clock_timestamp() + interval '15 min')"
            )
            let execution = try await shop.text("INSERT INTO job_executions (job_config_id) SELECT id FROM job_configurations RETURNING id")
            for (begun, isKept) in [("2 minutes", true), ("30 seconds", false)] {
                try await shop.plant(
                    "UPDATE job_live SET status = 'RUNNING', worker = uuid_v7(), started_at = now() - \(begun)::interval")
                try await shop.run(
                    "INSERT INTO request_reservations VALUES (\(club.id), \(execution)::uuid, clock_timestamp() - interval '1 minute')")
                let given = try await shop.text("SELECT ceil(extract(epoch FROM reserve_request(\(club.id), 30, \(execution)::uuid)))")
                // The next free moment lies a quarter of an hour ahead.
                #expect((given == "0") == isKept, "begun \(begun) ago: \(given)")
            }
        }
    }

    @Test("a moment whose execution ended before it is the next one's who asks")
    func freedMoments() async throws {
        try await Shop.withDatabase { shop in
            let club = try await shop.addIntegration("club", type: "CRESCEVENDAS")
            try await shop.run(
                "INSERT INTO integration_state (integration_id, next_request_at) VALUES (\(club.id), clock_timestamp() + interval '15 min')"
            )
            try await shop.run(
                """
                INSERT INTO request_reservations SELECT \(club.id), gen_random_uuid(), clock_timestamp() + place * interval '1 minute'
                FROM generate_series(1, 3) AS place
                """)
            let gate = PartnerGate(integration: club, context: shop.context(store: 1), mayPostpone: true, breakers: BreakerMemory())
            let error = await #expect(throws: RunPostponed.self) { try await gate.admit() }
            #expect((error?.delay).map { $0 > .seconds(50) && $0 <= .seconds(60) } == true)
            #expect(try await shop.text("SELECT count(*) FROM request_reservations") == "3", "it has become its own")
        }
    }

    @Test("another rate counts at once for what waits under the old one, and for what comes")
    func raisedRate() async throws {
        try await Shop.withDatabase { shop in
            let club = try await shop.addIntegration("club", type: "CRESCEVENDAS", config: #"{"max_requests_per_minute": 1}"#)
            try await shop.run("INSERT INTO job_configurations (name, job_type) VALUES ('sync', 'NOOP')")
            let ids = try await shop.texts(
                """
                INSERT INTO job_executions (job_config_id, run_at)
                SELECT id, now() + n * interval '1 minute' FROM job_configurations, generate_series(0, 9) AS n ORDER BY n RETURNING id
                """)
            func wait(_ id: String, _ perMinute: Int) async throws -> Int? {
                Int(try await shop.text("SELECT round(extract(epoch FROM reserve_request(\(club.id), \(perMinute), \(id)::uuid)))"))
            }
            for id in ids { _ = try await wait(id, 1) }
            #expect(try await wait(ids[9], 1) ?? 0 > 500)
            try await shop.run("UPDATE integrations SET config = '{\"max_requests_per_minute\": 60}' WHERE id = \(club.id)")
            #expect(try await shop.text("SELECT count(*) FROM job_live WHERE run_at > clock_timestamp()") == "0", "they are due")
            for (place, id) in ids.enumerated() { #expect(try await wait(id, 60) ?? 99 <= place) }
            #expect(try await wait("01900000-0000-7000-8000-000000000000", 60) ?? 99 <= 10)
        }
    }

    @Test("the login that workers share is forgotten when the address, the credentials or a key changes, and by nothing else")
    func forgottenLogin() async throws {
        try await Shop.withDatabase { shop in
            let rp = try await shop.addIntegration("rp", type: "RP", config: #"{"username": "a"}"#)
            let changes: [(SQL, String)] = [
                ("UPDATE integrations SET config = config || '{\"username\": \"b\"}'", "0"),
                ("UPDATE integrations SET base_url = 'http://elsewhere:9000'", "0"),
                ("INSERT INTO integration_keys VALUES (\(rp.id), 'password', 'enc:v1:k1:AAAA')", "0"),
                ("UPDATE integration_keys SET value = 'enc:v1:k1:BBBB' WHERE key = 'password'", "0"),
                ("DELETE FROM integration_keys WHERE key = 'password'", "0"),
                ("UPDATE integrations SET name = 'rp2'", "1"),
                ("UPDATE integration_keys SET value = 'enc:v1:k1:CCCC' WHERE key = 'login_token'", "1"),
            ]
            for (change, left) in changes {
                try await shop.run(
                    "INSERT INTO integration_keys VALUES (\(rp.id), 'login_token', 'enc:v1:k1:AAAA') ON CONFLICT DO NOTHING")
                try await shop.run(change)
                #expect(
                    try await shop.text("SELECT count(*) FROM integration_keys WHERE key = 'login_token'") == left, "\(change.text)")
            }
        }
    }
}
