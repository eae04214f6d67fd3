import Networking
import Runtime
import TestSupport
import Testing

@testable import Notifications

/// A `ca_file` that is missing on this machine may stand on another one, or come back.
@Suite(.timeLimit(.minutes(3)))
struct MissingAuthorityTests {
    @Test("a ca_file that cannot be read ends no message for good, through whatever channel")
    func missing() async throws {
        let sandbox = try await ChannelSandbox()
        let address = JSONValue.string("https://" + sandbox.fact("smtps").dropFirst("smtps://".count))
        let nothing: JSONValue = "/nowhere/authorities.pem"
        let outcomes = [
            await WebhookChannel(client: HTTPClient(), requestTimeout: .seconds(20)).deliver(
                failureMessage(), through: sandbox.webhook(["url": address, "ca_file": nothing])),
            await TelegramChannel(client: HTTPClient(), requestTimeout: .seconds(20)).deliver(
                failureMessage(), through: sandbox.telegram(["api_base_url": address, "ca_file": nothing])),
            await EmailChannel().deliver(failureMessage(), through: sandbox.email(["ca_file": nothing])),
            await EmailChannel().deliver(
                failureMessage(), through: sandbox.email(["smtp_url": .string(sandbox.fact("smtps")), "ca_file": nothing])),
        ]
        for outcome in outcomes { #expect(outcome.isRetry && outcome.reason.contains("/nowhere/authorities.pem"), "\(outcome)") }
    }
}
