import Runtime
import TestRig
import TestSupport
import Testing

/// What a rate does to runs that need two requests (SPEC §3 Rates, R64).
@Suite struct RateTests {
    @Test("R64: an upload of unknown fate gets its turn although others wait: looking at the listing does not cost it")
    func unknownFateUnderARate() async throws {
        let settings = RigSettings(stores: 1, products: 20, club: ["max_requests_per_minute": 30], maxAttempts: 2)
        try await Rig.with(settings) { rig in
            try await rig.sandbox.setFaults(["cv-upload-503:1x"])
            // Ten minutes of other stores' requests stand before every new one.
            _ = try await rig.pool.query(
                """
                INSERT INTO integration_state (integration_id, next_request_at)
                SELECT id, clock_timestamp() + interval '10 min' FROM integrations WHERE name = 'club'
                """)
            let id = try await rig.trigger()
            for _ in 1...7 {
                // Its moment has come.
                _ = try await rig.pool.query("UPDATE request_reservations SET at = clock_timestamp()")
                _ = try await rig.pool.query("UPDATE job_executions SET run_at = now() WHERE status = 'PENDING'")
                try await rig.drain()
            }
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["VERIFIED"])
            #expect(try await rig.execution(id).status == "SUCCESS")
            let state = try await rig.sandbox.state()
            #expect(state.uploadRequests(of: rig.sandbox.registration(1)) == 2)
        }
    }
}
