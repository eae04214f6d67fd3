/// Carries messages to one type of channel (Telegram, email, webhook): the port behind which the outbox knows no protocol.
///
/// The outbox calls it beside the jobs, never twice at once for a channel that folds, and again after a crash whose outcome is not
/// known: a message may arrive twice, under the same `Delivery.messageID`.
package protocol ChannelTransport: Sendable {
    /// Whether deliveries that wait too long become one message with a count (SPEC §6: Telegram and email do, webhooks never).
    var folds: Bool { get }

    /// Where the channel's messages go and how many may go there. Called before every message; a configuration that cannot be used gives
    /// `SendingLane(own: channel)`, and `deliver` says what is wrong with it.
    func lane(of channel: OpenChannel) -> SendingLane

    /// Sends one message and tells how it ended; throws nothing. Returns soon after its task is cancelled, which happens after
    /// `DeliveryLoop.patience` and at shutdown.
    func deliver(_ message: NotificationMessage, through channel: OpenChannel) async -> DeliveryOutcome
}

/// Where messages go, and the rate that holds there for all workers and all channels that lead there.
package struct SendingLane: Sendable, Hashable {
    /// Names the place (`telegram:-100123`) and is stored: no secret may stand in it.
    package let key: String
    /// The least time between two messages.
    package let spacing: Duration
    /// How many in any 60 s; nil: the spacing alone counts.
    package let perMinute: Int?

    /// Takes the rate; `.zero` and nil: none.
    package init(key: String, spacing: Duration = .zero, perMinute: Int? = nil) {
        self.key = key
        self.spacing = spacing
        self.perMinute = perMinute
    }

    /// A lane that no other channel shares.
    package init(own channel: OpenChannel, spacing: Duration = .zero) {
        self.init(key: "channel:\(channel.id)", spacing: spacing)
    }
}

/// How one message ended and what the outbox does with its deliveries. Reasons are one sentence for the operator, without secrets, without
/// URLs that hold any; they are stored in `last_error`.
package enum DeliveryOutcome: Sendable, Equatable {
    /// The other side took it. `note`: what went wrong for some recipients for good, while others have it.
    case sent(note: String? = nil)
    /// It may succeed later, after the outbox's own backoff at least. `after`: the other side asked to wait so long (a 429's `retry_after`), and
    /// the whole lane waits. `reached`: recipients that have the message already; they come back in `NotificationMessage.reached`.
    case retry(after: Duration? = nil, reason: String, reached: [String] = [])
    /// This message fails for good; the channel goes on with others.
    case refused(reason: String)
    /// The channel fails for good (401, 403, 410): it is switched off with the reason, and the other channels say so.
    case switchedOff(reason: String)
    /// The chat has another id now: it is stored, and the message sent again at once. `from` is the id that was used.
    case migrated(from: String, to: String)
}
