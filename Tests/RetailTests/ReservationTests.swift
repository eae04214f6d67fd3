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
            for (begun, wait) in [("2 minutes", "0"), ("30 seconds", "900")] {
                try await shop.plant(
                    "UPDATE job_live SET status = 'RUNNING', worker = uuid_v7(), started_at = now() - \(begun)::interval")
                try await shop.run(
                    "INSERT INTO request_reservations VALUES (\(club.id), \(execution)::uuid, clock_timestamp() - interval '1 minute')")
                let given = try await shop.text("SELECT ceil(extract(epoch FROM reserve_request(\(club.id), 30, \(execution)::uuid)))")
                #expect(given == wait, "begun \(begun) ago")
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
}
