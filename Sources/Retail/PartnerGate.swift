import JobQueue
import Postgres
import Runtime
import Synchronization

/// Stands before every request of a run: the lease must hold, the breaker be closed, and the request's moment have come (PARTNERS §3,
/// SPEC §3 Rates).
struct PartnerGate: RequestGate {
    /// CresceVendas answers 30 requests a minute unless its configuration says otherwise; RP has no rate.
    private static let defaultRequestsPerMinute = ["CRESCEVENDAS": 30]

    /// A moment further ahead than this is kept in the database (`reserve_request` knows the same figure).
    private static let longestWait: Duration = .seconds(30)

    let integration: IntegrationRow
    let context: RunContext
    /// Whether a postponed run goes on where it stopped: an upload does, the reading of pages would begin anew.
    let mayPostpone: Bool
    let breakers: BreakerMemory

    private var requestsPerMinute: Int? {
        integration.config["max_requests_per_minute"]?.intValue ?? Self.defaultRequestsPerMinute[integration.type]
    }

    func admitsNow() -> Bool {
        requestsPerMinute == nil && breakers.openFor(integration.id) == nil && (try? context.checkHold()) != nil
    }

    func admit() async throws {
        try context.checkHold()
        if let openFor = breakers.openFor(integration.id) { throw Self.postponed(integration, openFor) }
        if let perMinute = requestsPerMinute {
            try await waitForTurn(perMinute: perMinute)
            try context.checkHold()
        }
        if let openFor = breakers.openFor(integration.id) { throw Self.postponed(integration, openFor) }
    }

    /// Waits for the request's moment beside its slot; a run that can be taken up again is postponed to a moment far ahead.
    private func waitForTurn(perMinute: Int) async throws {
        while true {
            let row = try await context.pool.query(
                RetailStatements.reserveRequest(integration: integration.id, perMinute: perMinute, execution: context.run.id)
            ).first
            let wait = Duration.seconds(try row?.get("wait", as: Double.self) ?? 0)
            guard wait > Self.longestWait else {
                if wait > .zero { try await context.wait(for: wait) }
                return
            }
            guard !mayPostpone else {
                throw RunPostponed(
                    code: "RATE_LIMIT", message: "\(integration.name) takes \(perMinute) requests a minute; its turn comes later",
                    delay: wait)
            }
            try await context.wait(for: wait - Self.longestWait / 2)
        }
    }

    func record(_ failure: PartnerFailure?) async {
        if let failure, failure.isRetryable {
            breakers.failed(integration.id)
            let row = try? await context.pool.query(
                RetailStatements.recordFailure(integration: integration.id, store: context.run.storeID ?? 0)
            ).first
            if let openFor = try? row?.getIfPresent("open_for", as: Double.self), openFor > 0 {
                breakers.open(integration.id, for: .seconds(openFor))
            }
        } else if breakers.hasFailed(integration.id) {
            await recordSuccess()
        }
    }

    /// The partner answered: failures in a row are forgotten, by all workers.
    func recordSuccess() async {
        breakers.succeeded(integration.id)
        _ = try? await context.pool.query(RetailStatements.recordSuccess(integration: integration.id))
    }

    private static func postponed(_ integration: IntegrationRow, _ openFor: Duration) -> RunPostponed {
        RunPostponed(
            code: "BREAKER_OPEN", message: "\(integration.name) failed too often in a row; it is left alone for a while", delay: openFor)
    }
}

/// What this process knows of each partner's circuit breaker; the database knows for all.
final class BreakerMemory: Sendable {
    private struct Entry {
        var hasFailed = false
        var openUntil: Duration?
    }
    private let entries = Mutex<[Int: Entry]>([:])

    func failed(_ integration: Int) {
        entries.withLock { $0[integration, default: Entry()].hasFailed = true }
    }

    func open(_ integration: Int, for length: Duration) {
        entries.withLock { $0[integration, default: Entry()].openUntil = MonotonicClock.now() + length }
    }

    func succeeded(_ integration: Int) {
        entries.withLock { $0[integration] = nil }
    }

    func hasFailed(_ integration: Int) -> Bool {
        entries.withLock { $0[integration]?.hasFailed ?? false }
    }

    /// How long the breaker stays open; nil when requests may be sent.
    func openFor(_ integration: Int) -> Duration? {
        entries.withLock { entries in
            guard let until = entries[integration]?.openUntil, until > MonotonicClock.now() else { return nil }
            return until - MonotonicClock.now()
        }
    }
}

extension RunError {
    /// A partner's failure as a run's.
    init(_ failure: PartnerFailure, metrics: JSONValue? = nil) {
        self.init(
            code: failure.code, message: failure.message, isRetryable: failure.isRetryable, retryAfter: failure.retryAfter, metrics: metrics
        )
    }
}
