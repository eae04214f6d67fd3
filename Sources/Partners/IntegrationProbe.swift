import Networking
import Retail
import Runtime

/// What `chimera integration test NAME` does: a real login and one page, or one listing; writes nothing, here or there.
package struct IntegrationProbe: Sendable {
    private let integration: Integration
    private let secrets: [String]
    private let client: HTTPClient

    /// Takes an integration of type RP or CRESCEVENDAS, and what stood sealed in its configuration.
    package init(integration: Integration, secrets: [String] = [], client: HTTPClient) {
        self.integration = integration
        self.secrets = secrets
        self.client = client
    }

    /// Talks to the partner and returns a short report, a sentence a line; throws the `PartnerFailure` that a job would meet.
    ///
    /// `unit` is what RP calls a store (its document), `registration` what CresceVendas does; without one, RP is asked for a login only
    /// and CresceVendas for nothing. `day` is `yyyy-MM-dd`.
    package func run(unit: String?, registration: String?, day: String, gate: any RequestGate) async throws -> [String] {
        switch integration.type {
        case "RP": return try await probeRP(unit: unit, gate: gate)
        case "CRESCEVENDAS": return try await probeCresceVendas(registration: registration, day: day, gate: gate)
        default:
            throw ConfigurationFields(integration: integration)
                .defect("type \(integration.type) is no partner that can be tried; use 'chimera channel test' for channels")
        }
    }

    private func probeRP(unit: String?, gate: any RequestGate) async throws -> [String] {
        let vault = SoloTokenVault()
        let source = try RPSource(integration: integration, secrets: secrets, client: client, tokens: vault)
        var report: [String] = []
        if source.hasLogin {
            let token = try await source.logInAnew(gate: gate)
            _ = try await vault.renew(refused: nil) { token }
            report.append(
                token.lifetime.map { "Login accepted; the token is good for \($0.components.seconds / 60) min." } ?? "Login accepted.")
        }
        guard let unit else { return report + ["No store to read: give one to read a page of its products."] }
        let page = try await source.readPage(unit: unit, after: 0, gate: gate)
        guard let first = page.first, let last = page.last else { return report + ["Unit \(unit): no products."] }
        let discounted = page.count { $0.isDiscounted }
        let codes = "\(first.code.map { "\($0)" } ?? "none") to \(last.code.map { "\($0)" } ?? "none")"
        return report + [
            "Unit \(unit): \(page.count) products in the first page, codes \(codes), \(discounted) with a club price below the regular one."
        ]
    }

    private func probeCresceVendas(registration: String?, day: String, gate: any RequestGate) async throws -> [String] {
        let target = try CresceVendasTarget(integration: integration, secrets: secrets, client: client)
        guard let registration else { return ["Configuration accepted; no store to list: give one to read its campaign of the day."] }
        let listing = try await target.list(registration: registration, day: day, gate: gate)
        return ["Store \(registration): \(listing.lines.count) lines listed for \(day)."]
    }
}

extension OfferedProduct {
    fileprivate var isDiscounted: Bool {
        guard case .amount(let regular) = price, case .amount(let club) = clubPrice else { return false }
        return club.rawValue > 0 && club < regular
    }
}
