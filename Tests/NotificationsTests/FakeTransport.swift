import Runtime
import Synchronization

@testable import Notifications

/// A channel's other side: keeps what it was given and answers as it is told.
final class FakeTransport: ChannelTransport {
    let folds: Bool
    private let spacing: Duration
    private let perMinute: Int?
    private let answer: @Sendable (NotificationMessage, OpenChannel) async -> DeliveryOutcome
    private let received = Mutex<[NotificationMessage]>([])

    /// `answer` is asked for every message; `.sent` when left out.
    init(
        folds: Bool = false, spacing: Duration = .zero, perMinute: Int? = nil,
        answer: @escaping @Sendable (NotificationMessage, OpenChannel) async -> DeliveryOutcome = { _, _ in .sent() }
    ) {
        self.folds = folds
        self.spacing = spacing
        self.perMinute = perMinute
        self.answer = answer
    }

    func lane(of channel: OpenChannel) -> SendingLane {
        let key = channel.config["chat_id"]?.stringValue.map { "fake:\($0)" } ?? "channel:\(channel.id)"
        return SendingLane(key: key, spacing: spacing, perMinute: perMinute)
    }

    func deliver(_ message: NotificationMessage, through channel: OpenChannel) async -> DeliveryOutcome {
        received.withLock { $0.append(message) }
        return await answer(message, channel)
    }

    /// Every message that arrived, accepted or not.
    var messages: [NotificationMessage] { received.withLock { $0 } }

    /// How many deliveries they told, folded ones counted.
    var toldCount: Int {
        messages.reduce(0) { sum, message in
            if case .folded(let folded) = message.content { return sum + folded.count }
            return sum + 1
        }
    }
}

/// Answers one after the other; the last one goes on.
final class Answers: Sendable {
    private let answers: Mutex<[DeliveryOutcome]>

    init(_ answers: DeliveryOutcome...) {
        self.answers = Mutex(answers)
    }

    var next: DeliveryOutcome {
        answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
    }
}
