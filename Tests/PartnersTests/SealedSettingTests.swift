import Networking
import Retail
import Runtime
import TestSupport
import Testing

@testable import Partners

/// What stood sealed in a configuration is shown in no message, under whatever key it stood.
@Suite struct SealedSettingTests {
    private let client = HTTPClient()

    @Test("RP repeats a sealed setting that is no password")
    func source() async throws {
        let server = RawServer { _, _ in RawServer.answer(#"{"error":"loja-7781 has no access"}"#, status: 400) }
        let source = try RPSource(
            integration: Fixture.rp(server.url, ["headers": ["X-Shop": "loja-7781"]]), secrets: ["loja-7781"], client: client,
            tokens: SoloTokenVault())
        let failure = try #require(await partnerFailure { _ = try await source.logInAnew(gate: OpenGate()) })
        #expect(failure.message.contains("•••• has no access") && !failure.message.contains("loja-7781"))
    }

    @Test("CresceVendas repeats a sealed setting that is no header of auth_headers")
    func target() async throws {
        let server = RawServer { _, _ in RawServer.answer(#"{"error":"loja-7781 has no access"}"#, status: 400) }
        let target = try CresceVendasTarget(
            integration: Fixture.cresceVendas(server.url, ["headers": ["X-Shop": "loja-7781"]]), secrets: ["loja-7781"], client: client)
        let failure = try #require(await partnerFailure { _ = try await target.upload([UInt8(ascii: "{")], gate: OpenGate()) })
        #expect(failure.message.contains("•••• has no access") && !failure.message.contains("loja-7781"))
    }
}
