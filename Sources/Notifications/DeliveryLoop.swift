import Postgres
import Runtime
import Synchronization

/// Delivers what stands in the outbox, raises LATE, and gives up what is too old; every worker and every scheduler runs it, beside the jobs
/// and on connections of its own, so that no partner's failure delays or fails a job.
package final class DeliveryLoop: Sendable {
    /// How often it looks for something due when nobody tells it: what is raised is on its way a second later at most.
    package static let pollInterval: Duration = .seconds(1)
    /// How often it looks when it is told of what is raised; when the rest is due it knows.
    package static let toldPollInterval: Duration = .seconds(10)
    private static let shortestPause: Duration = .milliseconds(50)
    static let lateInterval: Duration = .seconds(10)
    static let givingUpInterval: Duration = .seconds(30)
    static let housekeepingInterval: Duration = .seconds(3600)
    /// How long a transport may take for one message.
    package static let patience: Duration = .seconds(45)
    /// How long a pause that was read is believed.
    static let longestTrust: Duration = .seconds(10)
    /// What is logged of deliveries that ended FAILED for their age or their channel, whoever finds it.
    static let givenUp = "deliveries were given up; their last_error says why"
    /// Messages side by side to one channel that does not fold.
    static let mostAtOnce = 4

    private struct State {
        /// Senders under way by channel.
        var senders: [Int: Int] = [:]
        /// Channels whose lane lets nothing through for a while.
        var notBefore: [Int: Duration] = [:]
        /// When nothing was left to try, last.
        var lastIdle = Duration.zero
    }

    private let pool: PostgresPool
    private let transports: [ChannelType: any ChannelTransport]
    private let directory: ChannelDirectory
    private let writer: MessageWriter
    private let hold: Duration
    private let patience: Duration
    private let pollInterval: Duration
    private let late: LateWatch
    private let wakeup: Wakeup
    private let state = Mutex(State())
    private let logger = Logger(label: "outbox")

    /// `pool` is its own, two connections are enough; a type without a transport is left alone. A signal on `wakeup` makes it look at once:
    /// who signals it on every NOTIFY of `chimera_outbox` can have it poll less often. `hold`: after how long others send again what this
    /// process took and did not record; it must be longer than `patience`, the time that a transport may take.
    package init(
        pool: PostgresPool, transports: [ChannelType: any ChannelTransport], directory: ChannelDirectory, language: MessageLanguage,
        wakeup: Wakeup = Wakeup(), pollInterval: Duration = DeliveryLoop.pollInterval, hold: Duration = .seconds(120),
        patience: Duration = DeliveryLoop.patience
    ) {
        self.pool = pool
        self.transports = transports
        self.directory = directory
        self.writer = MessageWriter(language: language)
        self.late = LateWatch(pool: pool)
        self.wakeup = wakeup
        self.pollInterval = pollInterval
        self.hold = hold
        self.patience = patience
    }

    /// Runs until `shutdown` is requested; messages under way may end until its deadline.
    package func run(until shutdown: ShutdownSignal) async {
        await withDiscardingTaskGroup { senders in
            senders.addTask { await self.look(until: shutdown) }
            await turn(until: shutdown) { work in senders.addTask { await work() } }
            while state.withLock({ !$0.senders.isEmpty }), let left = shutdown.timeLeft, left > .zero {
                _ = await Wakeup().wait(upTo: min(left, .milliseconds(50)))
            }
            senders.cancelAll()
        }
    }

    /// Returns when everything that is due was tried, or `shutdown` is requested. What waits for its next attempt, or for a channel that is
    /// paused, is not due.
    package func drained(until shutdown: ShutdownSignal) async {
        let start = MonotonicClock.now()
        while state.withLock({ $0.lastIdle < start }), !shutdown.isRequested, !Task.isCancelled {
            wakeup.signal()
            _ = await Wakeup().wait(upTo: .milliseconds(100))
        }
    }

    /// LATE, giving up and housekeeping.
    private func look(until shutdown: ShutdownSignal) async {
        var lastGivingUp: Duration?
        var lastHousekeeping = MonotonicClock.now()
        var looks = PollTimes(every: Self.lateInterval)
        while !shutdown.isRequested && !Task.isCancelled {
            await attempt("look for what is late") { try await late.runOnce() }
            if lastGivingUp.map({ MonotonicClock.now() - $0 >= Self.givingUpInterval }) ?? true {
                lastGivingUp = MonotonicClock.now()
                await attempt("give up deliveries") { try await giveUp() }
            }
            if MonotonicClock.now() - lastHousekeeping >= Self.housekeepingInterval {
                lastHousekeeping = MonotonicClock.now()
                await attempt("forget old failures and lanes") {
                    _ = try await pool.query(DeliveryStatements.forgetFailures)
                    _ = try await pool.query(DeliveryStatements.forgetLanes)
                }
            }
            await pause(looks.wait(), until: shutdown, wakes: false)
        }
    }

    /// One look, whose failure keeps none of the others from its turn.
    private func attempt<T>(_ what: String, _ look: () async throws -> T) async {
        do {
            _ = try await look()
        } catch {
            if !Task.isCancelled { logger.warning("could not \(what); trying again", ["error": "\(error)"]) }
        }
    }

    /// Ends deliveries that nobody is to try any more. Gives how many.
    @discardableResult
    func giveUp() async throws -> Int {
        let given: Int = try await pool.query(DeliveryStatements.giveUp).first?.get("given_up") ?? 0
        if given > 0 { logger.error(Self.givenUp, ["deliveries": "\(given)"]) }
        return given
    }

    private func turn(until shutdown: ShutdownSignal, start: (@escaping @Sendable () async -> Void) -> Void) async {
        var backoff = Backoff(from: Self.pollInterval, to: Self.pollInterval)
        var looks = PollTimes(every: pollInterval)
        while !shutdown.isRequested && !Task.isCancelled {
            var nextDue: Duration?
            do {
                nextDue = try await startSenders(until: shutdown, start: start)
                backoff.succeeded()
            } catch  where shutdown.isRequested {
                return
            } catch {
                nextDue = backoff.failed()
                if backoff.isNews {
                    logger.warning("could not look for deliveries; trying again", ["error": "\(error)", "tries": "\(backoff.failures)"])
                }
            }
            // However often it is told.
            await pause(Self.shortestPause, until: shutdown, wakes: false)
            await pause(min(looks.wait(), nextDue ?? pollInterval), until: shutdown)
        }
    }

    /// Gives how long nothing more will be due, as far as is known.
    private func startSenders(
        until shutdown: ShutdownSignal, start: (@escaping @Sendable () async -> Void) -> Void
    ) async throws -> Duration? {
        let began = MonotonicClock.now()
        let types = transports.keys.map(\.rawValue).sorted()
        // It only looks: an absent database must not keep a program that is told to leave.
        let due = try await shutdown.cancelling { [pool] in
            try await pool.query(DeliveryStatements.due(types: types, most: Self.mostAtOnce))
        }
        var isIdle = true
        var nextDue: Duration?
        func comes(in length: Duration) { nextDue = min(nextDue ?? length, length) }
        for row in due {
            let channel: Int = try row.get("id")
            if let next = try row.getIfPresent("next_in", as: Double.self) { comes(in: .seconds(next)) }
            guard let transport = try ChannelType(rawValue: row.get("type")).flatMap({ transports[$0] }) else { continue }
            let waiting: Int = try row.get("waiting")
            guard waiting > 0 else { continue }
            let wanted = transport.folds ? 1 : waiting
            let missing = state.withLock { state in
                if let moment = state.notBefore[channel], moment > began {
                    comes(in: moment - began)
                    return 0
                }
                isIdle = false
                state.notBefore[channel] = nil
                let missing = max(0, wanted - (state.senders[channel] ?? 0))
                if missing > 0 { state.senders[channel, default: 0] += missing }
                return missing
            }
            for _ in 0..<missing { start { [self] in await send(channel, transport, until: shutdown) } }
        }
        if isIdle { state.withLock { if $0.senders.isEmpty { $0.lastIdle = began } } }
        return nextDue
    }

    /// Sends what is due of one channel, and ends when there is nothing, or not for a while.
    private func send(_ channel: Int, _ transport: any ChannelTransport, until shutdown: ShutdownSignal) async {
        let sender = ChannelSender(
            channelID: channel, transport: transport, pool: pool, directory: directory, writer: writer, hold: hold, patience: patience)
        defer {
            state.withLock { state in
                let left = (state.senders[channel] ?? 1) - 1
                state.senders[channel] = left > 0 ? left : nil
            }
            // When the next attempt is due is known only now.
            wakeup.signal()
        }
        do {
            while !shutdown.isRequested && !Task.isCancelled {
                switch try await sender.turn() {
                case .nothingDue: return
                case .attempted: continue
                case .wait(let length) where length > ChannelSender.longestWait:
                    state.withLock { $0.notBefore[channel] = MonotonicClock.now() + min(length, Self.longestTrust) }
                    return
                case .wait(let length): await pause(length, until: shutdown, wakes: false)
                }
            }
        } catch {
            guard !Task.isCancelled else { return }
            logger.warning("could not take deliveries; trying again", ["channel": "\(channel)", "error": "\(error)"])
        }
    }

    /// Waits, but not beyond a request to stop. `wakes`: a signal ends it too.
    private func pause(_ length: Duration, until shutdown: ShutdownSignal, wakes: Bool = true) async {
        await withTaskGroup { first in
            first.addTask { _ = await (wakes ? self.wakeup : Wakeup()).wait(upTo: length) }
            first.addTask { await shutdown.wait() }
            await first.next()
            first.cancelAll()
        }
    }
}
