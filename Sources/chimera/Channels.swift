import Networking
import Notifications

/// What carries messages to each type of channel.
enum Channels {
    /// On a loop and connections of their own, beside those of the jobs.
    static func transports() -> [ChannelType: any ChannelTransport] {
        let client = HTTPClient()
        return [.telegram: TelegramChannel(client: client), .email: EmailChannel(), .webhook: WebhookChannel(client: client)]
    }
}
