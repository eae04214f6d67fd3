import Runtime
import Testing

@testable import Notifications

/// What stood sealed in a channel's configuration is shown in no message, under whatever key it stood.
@Suite struct SealedSettingTests {
    private func channel(_ type: ChannelType, _ config: JSONValue) -> OpenChannel {
        OpenChannel(id: 7, name: "aviso", type: type, config: config, secrets: ["loja-7781"])
    }

    @Test("each type of channel hides it")
    func hidden() throws {
        let telegram = try TelegramConfiguration(channel(.telegram, ["bot_token": "1:abcd", "chat_id": "@loja-7781"]))
        let email = try EmailConfiguration(
            channel(.email, ["smtp_url": "smtp://loja-7781.example", "from": "a@example.com", "to": "b@example.com"]))
        let webhook = try WebhookConfiguration(
            channel(.webhook, ["url": "https://h.example/loja-7781", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]))
        for redactor in [telegram.redactor, email.redactor, webhook.redactor] {
            #expect(redactor.line("chat loja-7781 is gone") == "chat •••• is gone")
        }
    }

    @Test("a proxy without a scheme, whose password no URL shows, is refused by its field", arguments: ChannelType.allCases)
    func proxy(type: ChannelType) {
        let config: JSONValue = [
            "bot_token": "1:abcd", "chat_id": "1", "smtp_url": "smtp://h.example", "from": "a@example.com", "to": "b@example.com",
            "url": "https://h.example/", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "allow_private_network": true,
            "proxy": "someone:geheim@proxy.example:3128",
        ]
        let error = #expect(throws: ChannelConfigDefect.self) {
            switch type {
            case .telegram: _ = try TelegramConfiguration(channel(type, config))
            case .email: _ = try EmailConfiguration(channel(type, config))
            case .webhook: _ = try WebhookConfiguration(channel(type, config))
            }
        }
        #expect(error?.reason.hasPrefix("config.proxy must ") == true && error?.reason.contains("geheim") == false)
    }
}
