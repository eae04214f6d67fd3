import Foundation
import Postgres
import Runtime

/// What `chimera channel test NAME` does: one real message, past the outbox, through a channel that may be switched off.
package struct ChannelProbe: Sendable {
    /// What came of it.
    package struct Report: Sendable {
        /// How the message ended.
        package let outcome: DeliveryOutcome
        /// The chat's new id, when it had moved; it is stored.
        package let movedTo: String?
    }

    private let transports: [ChannelType: any ChannelTransport]
    private let directory: ChannelDirectory
    private let pool: PostgresPool
    private let writer: MessageWriter

    /// Takes what the outbox takes.
    package init(
        transports: [ChannelType: any ChannelTransport], directory: ChannelDirectory, pool: PostgresPool, language: MessageLanguage
    ) {
        self.transports = transports
        self.directory = directory
        self.pool = pool
        writer = MessageWriter(language: language)
    }

    /// Sends the message; follows a chat that has moved.
    package func run(channel id: Int) async throws -> Report {
        let first = try await send(to: id)
        guard case .migrated(let old, let new) = first else { return Report(outcome: first, movedTo: nil) }
        _ = try await pool.query(DeliveryStatements.moveChat(channel: id, from: old, to: new))
        return Report(outcome: try await send(to: id), movedTo: new)
    }

    private func send(to id: Int) async throws -> DeliveryOutcome {
        switch try await directory.open(id, evenInactive: true) {
        case .gone: return .refused(reason: "it was removed meanwhile")
        case .unusable(.retry(_, let reason, _)): return .refused(reason: reason)
        case .unusable(let outcome): return outcome
        case .open(let channel):
            guard let transport = transports[channel.type] else {
                return .refused(reason: "this version has no \(channel.type.rawValue) channels")
            }
            let written = writer.test(channel: channel.name)
            let message = NotificationMessage(content: .test, subject: written.subject, text: written.text, now: Date())
            do {
                return try await withDeadline(DeliveryLoop.patience) { await transport.deliver(message, through: channel) }
            } catch is DeadlineExceeded {
                return .retry(reason: "it took longer than \(MessageLanguage.duration(DeliveryLoop.patience))")
            }
        }
    }
}
