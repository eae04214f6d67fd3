import Networking
import Retail
import Runtime
import Synchronization
import TestSupport

@testable import Partners

/// A running `chimera-sandbox` and the adapters that talk to it.
final class SandboxRun: Sendable {
    let client = HTTPClient()
    let gate = OpenGate()
    private let program: RunningProgram
    private let facts: JSONValue

    init(products: Int = 250) async throws {
        program = try RunningProgram("chimera-sandbox", ["--products", "\(products)", "--stores", "2"])
        facts = try JSONValue(parsing: try await program.line(containing: "{"))
    }

    deinit {
        program.signal(15)
    }

    private func fact(_ path: String...) -> String {
        path.reduce(Optional(facts)) { $0?[$1] }?.stringValue ?? ""
    }

    private func store(_ field: String) -> String {
        facts["stores"]?.arrayValue?.first?[field]?.stringValue ?? ""
    }

    var unit: String { store("document") }
    var registration: String { store("registration") }

    struct UnknownFault: Error {
        let answer: String
    }

    /// Replaces the faults.
    func use(_ faults: [String]) async throws {
        var request = HTTPRequest(.post, fact("control") + "/faults", headers: [("Content-Type", "application/json")])
        request.body = Array(JSONValue.object(["faults": .array(faults.map { .string($0) })]).text.utf8)
        let response = try await client.send(request)
        guard response.isSuccess else { throw UnknownFault(answer: String(decoding: response.body.prefix(300), as: UTF8.self)) }
    }

    func source(_ changes: [String: JSONValue] = [:]) throws -> RPSource {
        let credentials: [String: JSONValue] = [
            "username": .string(fact("credentials", "rp", "username")), "password": .string(fact("credentials", "rp", "password")),
        ]
        let config = credentials.merging(changes) { $1 }
        return try RPSource(
            integration: Integration(id: 1, name: "rp", type: "RP", baseURL: fact("rp"), config: .object(config)), client: client,
            tokens: SoloTokenVault())
    }

    func target(_ changes: [String: JSONValue] = [:]) throws -> CresceVendasTarget {
        let headers: JSONValue = [
            "X-AdminUser-Email": .string(fact("credentials", "crescevendas", "email")),
            "X-AdminUser-Token": .string(fact("credentials", "crescevendas", "token")),
        ]
        let config = ["auth_headers": headers].merging(changes) { $1 }
        return try CresceVendasTarget(
            integration: Integration(id: 2, name: "cv", type: "CRESCEVENDAS", baseURL: fact("crescevendas"), config: .object(config)),
            client: client)
    }

    /// Everything that a source gives for the first store.
    func products(_ source: RPSource) async throws -> [OfferedProduct] {
        let all = Mutex<[OfferedProduct]>([])
        try await source.readProducts(unit: unit, gate: gate) { page in all.withLock { $0 += page } }
        return all.withLock { $0 }
    }
}
