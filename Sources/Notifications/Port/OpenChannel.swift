import Runtime

/// The types of `notification_channels`.
package enum ChannelType: String, Sendable, CaseIterable {
    /// A chat of a Telegram bot.
    case telegram = "TELEGRAM"
    /// Mail to a list of recipients.
    case email = "EMAIL"
    /// An HTTP endpoint that takes Standard Webhooks.
    case webhook = "WEBHOOK"
}

/// A channel as its row describes it, opened for one message: every secret is in the clear. Never log or store it.
package struct OpenChannel: Sendable, CustomStringConvertible, CustomReflectable {
    /// The row's id.
    package let id: Int
    /// The name that operators use.
    package let name: String
    /// What carries its messages.
    package let type: ChannelType
    /// The column `config` (SPEC §6) laid over the config, the keys and the `base_url` of the integration that it names.
    package let config: JSONValue
    /// What stood sealed in `config`, under whatever key: it is shown in no message.
    package let secrets: [String]

    /// Takes a row whose secrets are already opened.
    package init(id: Int, name: String, type: ChannelType, config: JSONValue, secrets: [String] = []) {
        self.id = id
        self.name = name
        self.type = type
        self.config = config
        self.secrets = secrets
    }

    /// The name alone.
    package var description: String { "channel \(name)" }

    /// The name alone, so that `dump` shows no secret.
    package var customMirror: Mirror { Mirror(self, children: ["id": id, "name": name]) }
}
