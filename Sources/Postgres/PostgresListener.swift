import CPostgres
import Dispatch
import Runtime

/// Hears NOTIFY on a connection of its own, which it proves alive by a ping and replaces when it is not.
package final class PostgresListener: Sendable {
    private let configuration: PostgresConfiguration
    private let channels: [String]
    private let onNotify: @Sendable (_ channel: String, _ payload: String) -> Void
    private let onConnected: @Sendable () -> Void
    private let pingInterval: Duration
    private let pingDeadline: Duration
    private let logger = Logger(label: "postgres.listener")

    /// `onNotify` runs on the listener's own thread and must not block; `onConnected` runs after every connect: whatever was told before it is lost, so poll.
    package init(
        _ configuration: PostgresConfiguration, channels: [String],
        pingInterval: Duration = .seconds(10), pingDeadline: Duration = .seconds(5),
        onNotify: @escaping @Sendable (_ channel: String, _ payload: String) -> Void,
        onConnected: @escaping @Sendable () -> Void
    ) {
        self.configuration = configuration
        self.channels = channels
        self.onNotify = onNotify
        self.onConnected = onConnected
        self.pingInterval = pingInterval
        self.pingDeadline = pingDeadline
    }

    /// Listens until the task is cancelled; failures are logged and followed by another attempt after 0.1 to 2 s.
    package func run() async {
        var backoff = Backoff()
        var lastMessage: String?
        while !Task.isCancelled {
            let session = Session(configuration)
            do throws(PostgresError) {
                try await session.open()
                try await listen(on: session) {
                    backoff.succeeded()
                    lastMessage = nil
                }
            } catch {
                session.close()
                guard !Task.isCancelled else { return }
                if error.message != lastMessage {
                    logger.warning("the connection that listens is gone; trying again", ["reason": error.description])
                }
                lastMessage = error.message
            }
            try? await Task.sleep(for: backoff.failed())
        }
    }

    private func listen(on session: Session, whenListening: () -> Void) async throws(PostgresError) {
        let listen = channels.map { "LISTEN \"\($0.replacingScalars("\"", with: "\"\""))\"" }.joined(separator: "; ")
        try await session.perform(until: .now + pingDeadline) { session, connection, operation throws(PostgresError) in
            try session.runScript(listen, connection, operation)
        }
        whenListening()
        onConnected()
        while true {
            let quietUntil = ContinuousClock.now + pingInterval
            // The work itself ends at the next ping, well before this deadline.
            try await session.perform(until: quietUntil + .seconds(1)) { [self] _, connection, operation throws(PostgresError) in
                try deliver(from: connection, until: Operation(deadline: quietUntil, stepOf: operation))
            }
            try await session.perform(until: .now + pingDeadline) { [self] session, connection, operation throws(PostgresError) in
                try session.runScript("SELECT 1", connection, operation)
                try deliver(connection.notifications())
            }
        }
    }

    /// Hands on what comes until it is time for a ping.
    private func deliver(from connection: LibpqConnection, until quiet: Operation) throws(PostgresError) {
        do throws(PostgresError) {
            while true {
                // First what libpq has read already, with the answer to LISTEN or to a ping: the socket says nothing about that.
                try deliver(connection.notifications())
                if connection.isBroken { throw connection.lost() }
                try connection.wait(for: POLLIN, quiet)
            }
        } catch {
            guard error.kind == .deadlineExceeded else { throw error }
        }
    }

    private func deliver(_ notifications: [(channel: String, payload: String)]) throws(PostgresError) {
        for (channel, payload) in notifications { onNotify(channel, payload) }
    }
}
