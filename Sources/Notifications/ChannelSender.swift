import Postgres
import Runtime
import Secrets

/// Sends a channel's messages one after the other: claim, read, write, deliver, settle.
struct ChannelSender: Sendable {
    /// A wait longer than this is left to a later turn of the loop.
    static let longestWait: Duration = .seconds(12)
    /// The wait after the first attempt that failed; doubled each time.
    private static let firstDelay: Duration = .seconds(5)
    private static let longestDelay: Duration = .seconds(15 * 60)
    /// After so many failures in a row it was the channel that failed, not one message.
    private static let outage = 2
    /// What a channel may ask us to wait.
    private static let longestPause: Duration = .seconds(24 * 3600)
    /// How long a process that has to leave tries to record what it sent.
    private static let lastTry: Duration = .seconds(3)

    let channelID: Int
    let transport: any ChannelTransport
    let pool: PostgresPool
    let directory: ChannelDirectory
    let writer: MessageWriter
    /// How long nobody else takes what was claimed here.
    let hold: Duration
    /// How long a transport may take for one message.
    let patience: Duration
    private let logger = Logger(label: "outbox")

    init(
        channelID: Int, transport: any ChannelTransport, pool: PostgresPool, directory: ChannelDirectory, writer: MessageWriter,
        hold: Duration,
        patience: Duration
    ) {
        self.channelID = channelID
        self.transport = transport
        self.pool = pool
        self.directory = directory
        self.writer = writer
        self.hold = hold
        self.patience = patience
    }

    /// What one turn came to.
    enum Turn: Sendable {
        /// Nothing was due, or somebody else has it.
        case nothingDue
        /// The next message may go then.
        case wait(Duration)
        case attempted
    }

    /// One message, when one may go now.
    func turn() async throws -> Turn {
        let (channel, unusable): (OpenChannel?, DeliveryOutcome?) =
            switch try await directory.open(channelID) {
            case .gone: (nil, nil)
            case .open(let channel): (channel, nil)
            case .unusable(let outcome): (nil, outcome)
            }
        guard channel != nil || unusable != nil else { return .nothingDue }
        let lane = channel.map { transport.lane(of: $0) } ?? SendingLane(key: "channel:\(channelID)")
        let rows = try await pool.query(DeliveryStatements.claim(channel: channelID, lane: lane, folds: transport.folds, hold: hold))
        guard let first = rows.first else { return .nothingDue }
        if let wait = try first.getIfPresent("wait", as: Double.self) { return .wait(.seconds(wait)) }
        let claimed = ClaimedDeliveries(
            claim: try first.get("claim"), ids: try rows.map { try $0.get("id") }, failures: try rows.map { try $0.get("failures") },
            attempts: try rows.map { try $0.get("attempts", as: Int.self) }.max() ?? 1)
        // A process that is told to leave still records what it caused.
        let hasLeft = await attempt(claimed, channel: channel, unusable: unusable, lane: lane)
        return hasLeft ? .nothingDue : .attempted
    }

    /// True: it was interrupted, and others take the deliveries when the hold is over. A row that cannot be told fails alone.
    private func attempt(_ all: ClaimedDeliveries, channel: OpenChannel?, unusable: DeliveryOutcome?, lane: SendingLane) async -> Bool {
        var claimed = all
        var told = claimed.failures
        var outcome = unusable ?? .retry(reason: "it could not be made")
        if let channel {
            do {
                guard var reading = try await read(&claimed, lane) else { return false }
                told = reading.told
                if told != claimed.failures, let row = try await pool.query(DeliveryStatements.counted(claimed, told: told)).first {
                    reading = try reading.renewed(by: row)
                }
                outcome = await deliver(message(reading, claimed), through: channel)
            } catch {
                guard !Task.isCancelled else { return true }
                outcome = .retry(reason: "what it tells could not be read: \(error)")
            }
        }
        if case .sent = outcome {
            assert(Failpoint.reach("delivery.accepted"))
        } else if Task.isCancelled {
            return true
        }
        await settle(claimed, outcome, told: told, lane: lane)
        return false
    }

    /// What is left to be told, once the rows that cannot be are settled and taken away from `claimed`. Nil: nothing.
    private func read(_ claimed: inout ClaimedDeliveries, _ lane: SendingLane) async throws -> DeliveryReader.Reading? {
        while !claimed.ids.isEmpty {
            do {
                return try await DeliveryReader(pool: pool).read(claimed)
            } catch let unreadable as UnreadableDelivery {
                let failed = claimed.filter { $0 == unreadable.id }
                await settle(failed, .refused(reason: unreadable.reason), told: failed.failures, lane: lane)
                claimed = claimed.filter { $0 != unreadable.id }
            }
        }
        return nil
    }

    private func message(_ reading: DeliveryReader.Reading, _ claimed: ClaimedDeliveries) -> NotificationMessage {
        let written =
            switch reading.content {
            case .single(let delivery): writer.write(delivery)
            case .folded(let folded): writer.write(folded)
            case .test: writer.test(channel: "")
            }
        return NotificationMessage(
            content: reading.content, subject: written.subject, text: written.text, reached: reading.reached, now: reading.now,
            remember: { recipient in await remember(recipient, claimed) })
    }

    /// Also in a process that is told to leave. What cannot be stored now is stored with the outcome, if the process lives so long.
    private func remember(_ recipient: String, _ claimed: ClaimedDeliveries) async {
        await Task {
            do {
                _ = try await pool.query(DeliveryStatements.reached(claimed, recipient: recipient), deadline: .seconds(3))
            } catch {
                logger.warning("who has a message could not be recorded yet", ["channel": "\(channelID)", "error": "\(error)"])
            }
        }.value
    }

    /// Follows a chat that moved once; at most `patience` each time.
    private func deliver(_ message: NotificationMessage, through channel: OpenChannel) async -> DeliveryOutcome {
        let outcome = await deliverOnce(message, through: channel)
        guard case .migrated(let old, let new) = outcome else { return outcome }
        do {
            let isFirst = try await !pool.query(DeliveryStatements.moveChat(channel: channelID, from: old, to: new)).isEmpty
            if isFirst { logger.notice("a chat moved; its channel follows", ["channel": channel.name, "chat_id": new]) }
            guard case .open(let moved) = try await directory.open(channelID) else { return .retry(reason: "the chat moved to \(new)") }
            let second = await deliverOnce(message, through: moved)
            if case .migrated = second { return .retry(reason: "the chat moved to \(new), and again") }
            return second
        } catch {
            return .retry(reason: "the chat moved to \(new), which could not be stored: \(error)")
        }
    }

    private func deliverOnce(_ message: NotificationMessage, through channel: OpenChannel) async -> DeliveryOutcome {
        do {
            let outcome = try await withDeadline(patience) { await transport.deliver(message, through: channel) }
            // Nothing is said about a channel that somebody mended meanwhile.
            if case .switchedOff(let reason) = outcome, case .open(let now)? = try? await directory.open(channelID),
                now.config != channel.config
            {
                return .retry(reason: reason)
            }
            return outcome
        } catch {
            return .retry(reason: "it took longer than the \(MessageLanguage.duration(patience)) allowed")
        }
    }

    /// Records how it ended, again and again while the hold lasts: what was sent and is not recorded is sent a second time. Once this task is
    /// cancelled, at the end of a shutdown's grace, what was sent is tried once more, and the rest is left to others.
    private func settle(_ claimed: ClaimedDeliveries, _ outcome: DeliveryOutcome, told: [Int], lane: SendingLane) async {
        let deadline = MonotonicClock.now() + hold
        var tries = 0
        while !Task.isCancelled {
            do {
                return try await record(claimed, outcome, told: told, lane: lane)
            } catch {
                tries += 1
                let delay = min(Duration.milliseconds(50 << min(tries, 6)), .seconds(2))
                guard MonotonicClock.now() + delay < deadline else { return unrecorded(error) }
                _ = try? await Task.sleep(for: delay)
            }
        }
        guard case .sent = outcome else { return }
        await Task {
            do {
                try await withDeadline(Self.lastTry) { try await record(claimed, outcome, told: told, lane: lane) }
            } catch {
                unrecorded(error)
            }
        }.value
    }

    private func unrecorded(_ error: any Error) {
        logger.error("how a message ended could not be recorded; it may be sent again", ["error": "\(error)"])
    }

    private func record(_ claimed: ClaimedDeliveries, _ outcome: DeliveryOutcome, told: [Int], lane: SendingLane) async throws {
        let fields = ["channel": "\(channelID)", "deliveries": "\(claimed.ids.count)", "attempt": "\(claimed.attempts)"]
        func reasoned(_ reason: String) -> [String: String] { fields.merging(["reason": reason]) { $1 } }
        switch outcome {
        case .sent(let note):
            let rows = try await pool.query(DeliveryStatements.sent(claimed, told: told, note: note.map(Self.stored), lane: lane.key))
            if let note {
                logger.warning("a message did not reach everybody", reasoned(Self.stored(note)))
            } else {
                logger.debug("a message was sent", fields)
            }
            if try rows.first?.get("failures") ?? 0 >= Self.outage { await worksAgain() }
        case .retry(let after, let reason, let reached):
            // A wait of nothing, or a date that has passed, asks for none.
            let pause = min(max(after ?? .zero, .zero), Self.longestPause)
            let delay = max(pause, Self.delay(attempts: claimed.attempts, jitter: .random(in: -0.2...0.2)))
            let rows = try await pool.query(
                DeliveryStatements.retried(
                    claimed, delay: delay, pause: pause, reason: Self.stored(reason), reached: reached, lane: lane.key))
            let givenUp = try rows.count { try $0.get("given_up") }
            if givenUp > 0 {
                logger.error(DeliveryLoop.givenUp, reasoned(Self.stored(reason)).merging(["deliveries": "\(givenUp)"]) { $1 })
            }
            if givenUp < rows.count { logger.warning("a message could not be sent; it is tried again", reasoned(Self.stored(reason))) }
        case .migrated:
            try await record(claimed, .retry(reason: "the chat moved"), told: told, lane: lane)
        case .refused(let reason):
            _ = try await pool.query(DeliveryStatements.refused(claimed, reason: Self.stored(reason)))
            logger.error("a message was refused", reasoned(Self.stored(reason)))
        case .switchedOff(let reason):
            let rows = try await pool.query(DeliveryStatements.switchOff(channel: channelID, reason: Self.stored(reason)))
            _ = try await pool.query(DeliveryStatements.refused(claimed, reason: Self.stored(reason)))
            if try rows.first?.get("is_first") ?? false { logger.error("a channel was switched off", reasoned(Self.stored(reason))) }
        }
    }

    /// Nothing waits longer for a channel that works than it must; that one message was sent is known whatever becomes of this.
    private func worksAgain() async {
        do {
            _ = try await pool.query(DeliveryStatements.worksAgain(channel: channelID))
        } catch {
            logger.warning("what waits for a channel that works again is sent later", ["channel": "\(channelID)", "error": "\(error)"])
        }
    }

    /// The wait after an attempt that failed.
    static func delay(attempts: Int, jitter: Double) -> Duration {
        min(firstDelay * Double(1 << min(max(attempts - 1, 0), 12)), longestDelay) * (1 + jitter)
    }

    /// One line without secrets, as `last_error` keeps it.
    private static func stored(_ reason: String) -> String {
        String(MessageText.Span(Masking.mask(text: reason)).text.prefix(500))
    }
}
