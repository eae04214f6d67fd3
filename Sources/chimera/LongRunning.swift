import Glibc
import JobQueue
import Runtime

/// What `worker` and `scheduler` share: signals, systemd, the one deadline of a shutdown.
struct LongRunning: Sendable {
    let shutdown = ShutdownSignal()
    let systemd: SystemdNotifier
    private let grace: Duration
    private let logger = Logger(label: "chimera")

    init(environment: [String: String], grace: Duration) {
        ProcessControl.hide()
        Footprint.limitAllocator()
        systemd = SystemdNotifier(environment: environment)
        self.grace = grace
    }

    /// The start is over: systemd may go on, and what only the start needed is let go of.
    func isReady() {
        systemd.ready()
        Footprint.releaseCode()
    }

    /// Stops as after SIGTERM, for a reason that the program found itself.
    func stop(because reason: OperatorError) {
        logger.error("stops: \(reason)", ["grace": grace.operatorLabel])
        systemd.stopping()
        shutdown.request(grace: grace)
    }

    /// Runs `service` until it returns by itself or after a signal. SIGTERM and SIGINT: shutdown within the grace; a second one: leave at
    /// once. SIGHUP: `reload`.
    func run(reload: @escaping @Sendable () -> Void = {}, _ service: @escaping @Sendable () async throws -> Void) async throws {
        let signals = Signals([SIGTERM, SIGINT, SIGHUP])
        let watcher = Task {
            var isAsked = false
            for await signal in signals.stream {
                if signal == SIGHUP {
                    logger.notice("rereads its configuration")
                    reload()
                } else if isAsked {
                    logger.warning("second signal: leaves at once; others will rescue its runs")
                    _exit(128 + signal)
                } else {
                    // The first one, also when the program stops by itself already: whoever sent it expects the grace.
                    isAsked = true
                    logger.notice("stops", ["signal": signal == SIGTERM ? "SIGTERM" : "SIGINT", "grace": grace.operatorLabel])
                    systemd.stopping()
                    shutdown.request(grace: grace)
                }
            }
        }
        defer { watcher.cancel() }
        try await service()
    }
}

extension Duration {
    fileprivate var operatorLabel: String { "\(Int((self / .seconds(1)).rounded())) s" }
}
