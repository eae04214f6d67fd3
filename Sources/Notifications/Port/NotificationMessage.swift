import Foundation

/// One message: a delivery, or several folded into one; written in the program's language, for any channel to render.
package struct NotificationMessage: Sendable {
    /// What it tells.
    package enum Content: Sendable {
        case single(Delivery)
        /// Only where `ChannelTransport.folds`.
        case folded(FoldedDeliveries)
        /// Somebody asked whether the channel works.
        case test
    }

    /// What it tells.
    package let content: Content
    /// One line that says the most important: a mail's subject.
    package let subject: String
    /// The whole text.
    package let text: MessageText
    /// Recipients that have it already from an attempt before.
    package let reached: Set<String>
    /// Remembers at once that a recipient has the message, so that the next attempt leaves them out however this one ends. For a channel that
    /// sends to several recipients one by one; the outcome still names all of them.
    package let remember: @Sendable (String) async -> Void
    /// The database's clock when the message was made: the time of this attempt.
    package let now: Date

    /// Takes what was written.
    package init(
        content: Content, subject: String, text: MessageText, reached: Set<String> = [], now: Date,
        remember: @escaping @Sendable (String) async -> Void = { _ in }
    ) {
        self.content = content
        self.subject = subject
        self.text = text
        self.reached = reached
        self.remember = remember
        self.now = now
    }

    /// What makes a repetition recognisable: a folded message carries the id of its newest delivery.
    package var messageID: String {
        switch content {
        case .single(let delivery): delivery.messageID
        case .folded(let deliveries): "\(deliveries.newest.messageID)_\(deliveries.count)"
        case .test: "msg_test_\(Int64(now.timeIntervalSince1970 * 1000))"
        }
    }
}

/// Deliveries of one channel that waited longer than they could be sent: one message counts them all.
package struct FoldedDeliveries: Sendable {
    /// How often something happened to one job.
    package struct Group: Sendable, Hashable {
        /// The job's name; nil: not about a job.
        package let jobName: String?
        /// What happened.
        package let event: NotificationEvent
        /// How often.
        package let count: Int

        /// Takes all.
        package init(jobName: String?, event: NotificationEvent, count: Int) {
            self.jobName = jobName
            self.event = event
            self.count = count
        }
    }

    /// All of them.
    package let count: Int
    /// By job and event, the weightiest event first (failures, then what is late), then the most frequent.
    package let groups: [Group]
    /// From the first to the last of them.
    package let span: Duration
    /// The newest of the weightiest event that is not over, told in full.
    package let newest: Delivery

    /// Takes all.
    package init(count: Int, groups: [Group], span: Duration, newest: Delivery) {
        self.count = count
        self.groups = groups
        self.span = span
        self.newest = newest
    }
}
