import JobQueue
import Postgres
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import Retail

/// What all workers know together about a partner: its rate, its breaker, its login (SPEC §3 Rates, PARTNERS §3).
@Suite struct PartnerGateTests {
    private let passing = PartnerFailure(code: "HTTP_503", message: "down", isRetryable: true)

    @Test("requests reserve their moments one after the other, over all sessions")
    func rate() async throws {
        try await Shop.withDatabase { shop in
            let club = try await shop.addIntegration("club", type: "CRESCEVENDAS")
            let moments = try await withThrowingTaskGroup(of: Double.self) { group in
                for _ in 0..<12 {
                    group.addTask {
                        let row = try await shop.pool.query(
                            "SELECT extract(epoch FROM clock_timestamp() + reserve_request(\(club.id), 30, gen_random_uuid()))::float8 AS moment"
                        ).first
                        return try #require(row).get("moment")
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }.sorted()
            }
            for (earlier, later) in zip(moments, moments.dropFirst()) {
                #expect(abs(later - earlier - 2) < 0.5, "2 s apart at 30 a minute")
            }
            try await shop.run("UPDATE integration_state SET next_request_at = now() - interval '1 hour'")
            #expect(
                try await shop.text("SELECT reserve_request(\(club.id), 30, gen_random_uuid()) = interval '0'") == "t",
                "what was not used is not saved up")
            #expect(try await shop.text("SELECT reserve_request(\(club.id), 30, gen_random_uuid()) > interval '1.5 s'") == "t")
        }
    }

    @Test("the gate waits for the reserved moment; CresceVendas has 30 a minute unless its config says otherwise, RP no rate")
    func admission() async throws {
        try await Shop.withDatabase { shop in
            let quick = try await shop.addIntegration("quick", type: "CRESCEVENDAS", config: #"{"max_requests_per_minute": 600}"#)
            let club = try await shop.addIntegration("club", type: "CRESCEVENDAS")
            let rp = try await shop.addIntegration("rp", type: "RP")
            let context = shop.context(store: 1)
            let gate = PartnerGate(integration: quick, context: context, mayPostpone: true, breakers: BreakerMemory())
            let start = ContinuousClock.now
            for _ in 0..<4 { try await gate.admit() }
            #expect(ContinuousClock.now - start >= .milliseconds(280))
            let before = try await shop.text("SELECT clock_timestamp()::text")
            try await PartnerGate(integration: club, context: context, mayPostpone: true, breakers: BreakerMemory()).admit()
            #expect(
                try await shop.text(
                    "SELECT next_request_at >= \(before)::timestamptz + interval '2 s' FROM integration_state WHERE integration_id = \(club.id)"
                ) == "t")
            for _ in 0..<50 {
                try await PartnerGate(integration: rp, context: context, mayPostpone: true, breakers: BreakerMemory()).admit()
            }
            #expect(try await shop.texts("SELECT 1 FROM integration_state WHERE integration_id = \(rp.id)") == [])
        }
    }

    @Test("a moment more than half a minute ahead is kept for its execution, which is postponed to it when it can go on later")
    func postponed() async throws {
        try await Shop.withDatabase { shop in
            let club = try await shop.addIntegration("club", type: "CRESCEVENDAS")
            try await shop.run(
                "INSERT INTO integration_state (integration_id, next_request_at) VALUES (\(club.id), clock_timestamp() + interval '5 min')")
            let gate = PartnerGate(integration: club, context: shop.context(store: 1), mayPostpone: true, breakers: BreakerMemory())
            for _ in 0..<2 {
                let error = await #expect(throws: RunPostponed.self) { try await gate.admit() }
                #expect(error?.code == "RATE_LIMIT" && (error?.delay).map { $0 > .seconds(200) && $0 <= .seconds(300) } == true)
            }
            #expect(try await shop.text("SELECT count(*) FROM request_reservations") == "1", "one moment for one execution")
            try await shop.run("UPDATE request_reservations SET at = clock_timestamp() - interval '1 s'")
            try await gate.admit()
            #expect(try await shop.text("SELECT count(*) FROM request_reservations") == "0")
        }
    }

    @Test("the breaker opens after 20 failures in a row over three stores, for half a minute, for all workers")
    func breaker() async throws {
        try await Shop.withDatabase { shop in
            let rp = try await shop.addIntegration("rp", type: "RP")
            let memory = BreakerMemory()
            func gate(_ store: Int, _ memory: BreakerMemory) -> PartnerGate {
                PartnerGate(integration: rp, context: shop.context(store: store), mayPostpone: true, breakers: memory)
            }
            for failure in 0..<19 { await gate(failure % 3, memory).record(passing) }
            try await gate(1, memory).admit()
            await gate(1, memory).record(passing)
            let postponed = await #expect(throws: RunPostponed.self) { try await gate(2, memory).admit() }
            #expect(postponed?.code == "BREAKER_OPEN" && (postponed?.delay).map { $0 > .seconds(20) && $0 <= .seconds(30) } == true)
            #expect(try await shop.text("SELECT open_until > clock_timestamp() + interval '20 s' FROM integration_state") == "t")

            // Half-open: one more failure opens it again, one success closes it.
            try await shop.run("UPDATE integration_state SET open_until = clock_timestamp() - interval '1 s'")
            let other = BreakerMemory()
            try await gate(1, other).admit()
            await gate(1, other).record(passing)
            #expect(try await shop.text("SELECT open_until > clock_timestamp() FROM integration_state") == "t")
            await #expect(throws: RunPostponed.self) { try await gate(2, other).admit() }
            await gate(1, other).record(nil)
            try await gate(2, other).admit()
            #expect(
                try await shop.text(
                    "SELECT failures || ' ' || cardinality(failing_stores) || ' ' || (open_until IS NULL) FROM integration_state")
                    == "0 0 true")
        }
    }

    @Test("one store's failures never open it, nor do answers that are no outage")
    func oneStore() async throws {
        try await Shop.withDatabase { shop in
            let rp = try await shop.addIntegration("rp", type: "RP")
            let memory = BreakerMemory()
            let gate = PartnerGate(integration: rp, context: shop.context(store: 7), mayPostpone: true, breakers: memory)
            let neighbour = PartnerGate(integration: rp, context: shop.context(store: 8), mayPostpone: true, breakers: memory)
            for _ in 0..<60 { await gate.record(passing) }
            await neighbour.record(passing)
            try await neighbour.admit()
            #expect(try await shop.text("SELECT failures || ' ' || failing_stores::text FROM integration_state") == "61 {7,8}")
            await gate.record(PartnerFailure(code: "HTTP_422", message: "no", isRetryable: false))
            #expect(try await shop.text("SELECT failures FROM integration_state") == "0", "it answered")
        }
    }

    @Test("at once goes what needs no turn, while the breaker is closed and the lease holds")
    func admissionAtOnce() async throws {
        try await Shop.withDatabase { shop in
            let rp = try await shop.addIntegration("rp", type: "RP")
            let slow = try await shop.addIntegration("slow", type: "RP", config: #"{"max_requests_per_minute": 600}"#)
            let club = try await shop.addIntegration("club", type: "CRESCEVENDAS")
            let memory = BreakerMemory()
            func gate(_ integration: IntegrationRow, holdsLease: Bool = true) -> PartnerGate {
                PartnerGate(
                    integration: integration, context: shop.context(store: 1, holdsLease: holdsLease), mayPostpone: false, breakers: memory)
            }
            #expect(gate(rp).admitsNow())
            #expect(!gate(slow).admitsNow() && !gate(club).admitsNow())
            #expect(!gate(rp, holdsLease: false).admitsNow())
            await #expect(throws: LeaseLost.self) { try await gate(rp, holdsLease: false).admit() }
            memory.open(rp.id, for: .seconds(30))
            #expect(!gate(rp).admitsNow())
        }
    }

    @Test("a run that was cancelled sends nothing more")
    func cancelled() async throws {
        try await Shop.withDatabase { shop in
            let rp = try await shop.addIntegration("rp", type: "RP")
            let gate = PartnerGate(integration: rp, context: shop.context(store: 7), mayPostpone: true, breakers: BreakerMemory())
            let started = Suspension<Void>()
            let task = Task {
                await started.wait(onCancel: {})
                try await gate.admit()
            }
            task.cancel()
            started.resume(with: ())
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }
}

/// One login for all workers (PARTNERS §1).
@Suite struct SharedTokenVaultTests {
    private struct Refused: Error {}

    /// Logins that take a moment, counted.
    private final class Logins: Sendable {
        private let pool: PostgresPool
        private let state = Mutex((under: 0, most: 0, all: 0))

        init(pool: PostgresPool) { self.pool = pool }

        /// How many there were at once, and in all.
        var counts: [Int] { state.withLock { [$0.most, $0.all] } }

        func logIn() async throws -> LoginToken {
            state.withLock {
                $0.under += 1
                $0.all += 1
                $0.most = max($0.most, $0.under)
            }
            _ = try await pool.query("SELECT pg_sleep(0.05)")
            state.withLock { $0.under -= 1 }
            return LoginToken(token: "good-1", lifetime: .seconds(3600))
        }
    }

    private func vault(_ shop: Shop, _ integration: IntegrationRow) -> SharedTokenVault {
        SharedTokenVault(
            integrationID: integration.id, pool: shop.pool, seal: { "enc:v1:" + $0 },
            open: { sealed in
                guard sealed.hasPrefix("enc:v1:good") else { throw Refused() }
                return String(sealed.dropFirst(7))
            })
    }

    @Test("two workers' vaults log in once at a time, and the second takes the first one's token")
    func oneLogin() async throws {
        try await Shop.withDatabase { shop in
            let rp = try await shop.addIntegration("rp", type: "RP")
            let logins = Logins(pool: shop.pool)
            let vaults = [vault(shop, rp), vault(shop, rp)]
            let tokens = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<8 {
                    let vault = vaults[number % 2]
                    group.addTask { try await vault.renew(refused: nil) { try await logins.logIn() } }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(tokens == ["good-1"])
            #expect(logins.counts == [1, 1])
            #expect(try await vault(shop, rp).current() == "good-1")
            #expect(try await shop.text("SELECT value FROM integration_keys") == "enc:v1:good-1")
            #expect(try await shop.text("SELECT login_until IS NULL FROM integration_state") == "t")
        }
    }

    @Test("a refused token is replaced once: who comes later with the old one takes the new one without a login")
    func replaced() async throws {
        try await Shop.withDatabase { shop in
            let rp = try await shop.addIntegration("rp", type: "RP")
            let (one, two) = (vault(shop, rp), vault(shop, rp))
            _ = try await one.renew(refused: nil) { LoginToken(token: "good-1", lifetime: nil) }
            #expect(try await two.renew(refused: "good-1") { LoginToken(token: "good-2", lifetime: nil) } == "good-2")
            #expect(try await one.renew(refused: "good-1") { throw Refused() } == "good-2")
        }
    }

    @Test("a login that takes longer than its turn leaves the turn of the next one alone, be it of the same worker")
    func overlong() async throws {
        try await Shop.withDatabase { shop in
            let rp = try await shop.addIntegration("rp", type: "RP")
            let vault = vault(shop, rp)
            let (begun, mayEnd) = (Wakeup(), Wakeup())
            let next = Task {
                _ = await begun.wait(upTo: .seconds(60))
                return try await vault.renew(refused: nil) {
                    _ = await mayEnd.wait(upTo: .seconds(60))
                    return LoginToken(token: "good-2", lifetime: nil)
                }
            }
            _ = try await vault.renew(refused: nil) {
                try await shop.run("UPDATE integration_state SET login_until = clock_timestamp() - interval '1 s'")
                begun.signal()
                try await eventually("the next one's turn") {
                    try await shop.text("SELECT login_until > clock_timestamp() FROM integration_state") == "t"
                }
                return LoginToken(token: "good-1", lifetime: nil)
            }
            #expect(try await shop.text("SELECT login_until > clock_timestamp() FROM integration_state") == "t")
            mayEnd.signal()
            _ = try await next.value
            #expect(try await shop.text("SELECT login_until IS NULL FROM integration_state") == "t")
        }
    }

    @Test("a login that fails lets the next one in; a token that expires within half a minute or cannot be opened is none")
    func failures() async throws {
        try await Shop.withDatabase { shop in
            let rp = try await shop.addIntegration("rp", type: "RP")
            let vault = vault(shop, rp)
            await #expect(throws: Refused.self) { try await vault.renew(refused: nil) { throw Refused() } }
            #expect(try await vault.current() == nil)
            _ = try await vault.renew(refused: nil) { LoginToken(token: "good-1", lifetime: .seconds(20)) }
            #expect(try await vault.current() == nil)
            _ = try await vault.renew(refused: nil) { LoginToken(token: "bad-key", lifetime: .seconds(3600)) }
            #expect(try await vault.current() == nil)
            try await shop.run(
                "UPDATE integration_state SET login_by = gen_random_uuid(), login_until = clock_timestamp() - interval '1 s'")
            #expect(
                try await vault.renew(refused: nil) { LoginToken(token: "good-2", lifetime: nil) } == "good-2",
                "whoever logged in there is gone")
        }
    }
}
