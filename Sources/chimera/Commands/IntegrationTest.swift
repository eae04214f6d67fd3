import Networking
import Partners
import Postgres
import Retail
import Runtime

/// `chimera integration test`: a real login and one page; writes nothing.
enum IntegrationTest {
    static let command = Command(
        words: ["integration", "test"], summary: "Logs in for real and reads one page; writes nothing",
        operands: [Operand(name: "NAME", help: "its name or id")],
        options: [
            Option(
                name: "--store", value: "STORE", help: "whose products or campaign to read: registration, name or id (the first active one)"
            ), .json,
        ],
        notes: "Exit code 69 when the partner cannot be reached or has a problem of its own, 78 when it refuses what is configured."
    ) { invocation in
        let keyring = try Keyring(invocation.settings)
        let (integration, secrets, sample) = try await OperatorDatabase(invocation).transaction { transaction in
            let id = try await Noun.integration.find(invocation.operand("NAME"), in: transaction).id
            let (integration, secrets) = try await read(id: id, keyring: keyring, in: transaction)
            return (integration, secrets, try await Sample(invocation.text("--store"), in: transaction))
        }
        let report: [String]
        do {
            report = try await IntegrationProbe(integration: integration, secrets: secrets, client: HTTPClient())
                .run(unit: sample.unit, registration: sample.registration, day: sample.day, gate: OpenGate())
        } catch let failure as PartnerFailure {
            throw OperatorError(
                exitCode: failure.isRetryable ? .unavailable : .configuration,
                message: "integration \(shown(integration.name)): \(failure.message)")
        }
        if invocation.wantsJSON {
            let answer: JSONValue = [
                "name": .string(integration.name), "type": .string(integration.type), "report": .array(report.map { .string($0) }),
            ]
            StandardOutput.write(answer.text)
        } else {
            for line in report { StandardOutput.write(printableLine(line)) }
        }
        return .ok
    }

    /// The row as a job uses it, with what `integration_keys` says, its secrets in the clear, and which of them stood sealed.
    private static func read(
        id: Int, keyring: Keyring, in transaction: PostgresTransaction
    ) async throws -> (Integration, secrets: [String]) {
        guard let row = try await transaction.query(RetailStatements.integration(id: id)).first.map(IntegrationRow.init) else {
            throw OperatorError(exitCode: .badData, message: "the integration was removed meanwhile; `chimera integration list` shows all")
        }
        let opened = try keyring.opened(row.config)
        return (Integration(row, config: opened.value), opened.secrets)
    }
}

/// The store that a partner is asked about, and its day.
private struct Sample: Sendable {
    let registration: String?
    /// What the ERP calls it.
    let unit: String?
    let day: String

    /// The store named, else the first active one; none when there is none.
    init(_ name: String?, in transaction: PostgresTransaction) async throws {
        var id: Int?
        if let name { id = try await Noun.store.find(name, in: transaction).id }
        let store = try await transaction.query(IntegrationStatements.sampleStore(id: id)).first
        let today = try await transaction.query(IntegrationStatements.today).first
        registration = store?["registration"]
        unit = store?["unit"]
        day = store?["day"] ?? today?["day"] ?? ""
    }
}

/// Lets every request through: a test by hand counts for no limit.
private struct OpenGate: RequestGate {
    func admit() async throws {}
    func admitsNow() -> Bool { true }
    func record(_ failure: PartnerFailure?) async {}
}
