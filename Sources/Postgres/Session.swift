import CPostgres
import Dispatch
import Runtime
import Synchronization

/// One connection to the server with the queue on which all its work is done.
///
/// `@unchecked Sendable`: `connection`, `statements`, `serverLimit` and `ownsBackend` are touched only by closures on `queue`, which is serial, and by
/// `deinit`; everything else is immutable or atomic.
final class Session: @unchecked Sendable {
    enum Condition: UInt8 {
        case broken, ready, needsTidying
    }

    let configuration: PostgresConfiguration
    private let queue = DispatchQueue(label: "chimera.postgres.session")
    private let wake = Wake()
    private let published = Atomic(Condition.broken.rawValue)
    private let socket = Atomic<Int32>(-1)
    var connection: LibpqConnection?
    var statements = StatementCache()
    /// The server's `statement_timeout` as far as it is known; nil when a rolled back transaction may have changed it.
    var serverLimit: Duration?
    /// False behind a pooler, said by the configuration or found out: no named statements, and no settings of the session.
    var ownsBackend = true

    init(_ configuration: PostgresConfiguration) {
        self.configuration = configuration
    }

    /// What the last work left behind.
    var condition: Condition { Condition(rawValue: published.load(ordering: .acquiring)) ?? .broken }

    /// Whether an idle connection still stands: the server sends nothing to an idle client but its farewell.
    /// To be asked only by who alone uses the session.
    var looksAlive: Bool {
        guard condition != .broken else { return false }
        var descriptor = pollfd(fd: socket.load(ordering: .acquiring), events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, 0) == 0
    }

    /// Connects in the background and tells when it is done.
    func open(_ completion: @escaping @Sendable (Result<Void, PostgresError>) -> Void) {
        queue.async { [self] in
            // No end of its own: every address of the configuration has one.
            completion(connect(Operation(deadline: .now + .seconds(3600))))
        }
    }

    /// Connects; a cancelled task is told at once, while a name resolution that hangs goes on in the background and is then dropped.
    func open() async throws(PostgresError) {
        let operation = Operation(deadline: .now + .seconds(3600))
        let answer = Suspension<Result<Void, PostgresError>>()
        queue.async { [self] in answer.resume(with: connect(operation)) }
        try await answer.wait { [wake] in
            operation.cancel()
            wake.signal()
            answer.resume(with: .failure(.cancelledByCaller))
        }.get()
    }

    /// Runs work on the connection. When it fails for lack of time or by cancellation, the connection is closed before this returns.
    func perform<T: Sendable>(
        until deadline: ContinuousClock.Instant, isCancellable: Bool = true,
        _ work: @escaping @Sendable (Session, LibpqConnection, Operation) throws(PostgresError) -> T
    ) async throws(PostgresError) -> T {
        // Asked here as well: the queue may be faster than the news of the cancellation.
        if isCancellable, Task.isCancelled { throw .cancelledByCaller }
        let operation = Operation(deadline: deadline)
        let answer = Suspension<Result<T, PostgresError>>()
        queue.async { [self] in answer.resume(with: run(operation, work)) }
        guard isCancellable else { return try await answer.wait(onCancel: {}).get() }
        return try await answer.wait { [wake] in
            operation.cancel()
            wake.signal()
        }.get()
    }

    /// Rolls back what is open and restores the session's settings, also for a cancelled task.
    func tidyUp() async throws(PostgresError) {
        try await perform(until: .now + .seconds(5), isCancellable: false) { session, connection, operation throws(PostgresError) in
            try session.tidy(connection, operation)
        }
    }

    /// Closes the connection once the work under way is done.
    func close() {
        queue.async { [self] in
            connection = nil
            publish()
        }
    }

    private func run<T>(
        _ operation: Operation, _ work: (Session, LibpqConnection, Operation) throws(PostgresError) -> T
    ) -> Result<T, PostgresError> {
        guard let connection else { return .failure(PostgresError(kind: .connectionLost, message: "the connection was closed")) }
        do throws(PostgresError) {
            // Nothing is sent yet: what is over already does not cost the connection.
            _ = try operation.remainingMilliseconds()
        } catch {
            return .failure(error)
        }
        do throws(PostgresError) {
            let value = try work(self, connection, operation)
            publish()
            return .success(value)
        } catch {
            if error.endsConnection { giveUp(after: error) }
            publish()
            return .failure(error)
        }
    }

    /// Closes the connection; a statement that may still run on the server is cancelled from elsewhere, because that blocks.
    private func giveUp(after error: PostgresError) {
        if error.kind == .deadlineExceeded || error.kind == .cancelled, let request = connection?.cancelRequest() {
            Cancellations.send(request)
        }
        connection = nil
    }

    private func publish() {
        let condition: Condition
        if let connection, !connection.isBroken {
            switch connection.transactionStatus {
            case PQTRANS_IDLE: condition = serverLimit == standardServerLimit ? .ready : .needsTidying
            case PQTRANS_INTRANS, PQTRANS_INERROR: condition = .needsTidying
            default: condition = .broken
            }
        } else {
            condition = .broken
        }
        published.store(condition.rawValue, ordering: .releasing)
    }

    private func connect(_ operation: Operation) -> Result<Void, PostgresError> {
        var failures: [PostgresError] = []
        for parameters in Endpoints.all(of: configuration.parameters) {
            let step = Operation(deadline: .now + configuration.connectTimeout, stepOf: operation)
            do throws(PostgresError) {
                guard wake.isUsable, let connection = LibpqConnection(parameters: parameters, wake: wake) else {
                    throw PostgresError(
                        kind: .resourcesExhausted, message: "no file descriptor or memory is left for a connection to the database")
                }
                try connection.finishConnecting(step)
                try applySettings(connection, step)
                socket.store(connection.descriptor, ordering: .releasing)
                self.connection = connection
                publish()
                return .success(())
            } catch {
                failures.append(error)
                if operation.isCancelled { break }
            }
        }
        return .failure(Self.summary(of: failures))
    }

    /// What stands for all attempts: the first failure that may pass, else the first.
    private static func summary(of failures: [PostgresError]) -> PostgresError {
        guard let first = failures.first(where: { !$0.refusesForGood }) ?? failures.first else {
            return PostgresError(kind: .connectionLost, message: "the configuration names no address of a database")
        }
        let isSilence = first.kind == .deadlineExceeded
        let messages = failures.map(\.message).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        return PostgresError(
            kind: isSilence ? .connectionLost : first.kind, sqlState: first.sqlState, message: messages.joined(separator: "; "),
            detail: nil, hint: nil, isStalePlan: false, isFatal: first.isFatal)
    }
}

extension PostgresError {
    /// What a pooler says under the code for a broken protocol, as it does for everything, and will say again.
    private static let poolersRefusals = [
        "password authentication failed", "SASL authentication failed", "no such database", "no such user", "unsupported startup parameter",
    ]

    /// The server answered, and the same configuration will be refused again: wrong password, unknown user or database.
    var refusesForGood: Bool {
        guard let sqlState else { return false }
        if sqlState == "08P01" { return Self.poolersRefusals.contains { message.contains($0) } }
        return ["28", "22", "42"].contains(sqlState.prefix(2)) || sqlState == "3D000"
    }
}

/// Cancel requests on their way: each blocks a thread, so there are at most four; the server's own limit ends what they miss.
private enum Cancellations {
    private static let queue = DispatchQueue(label: "chimera.postgres.cancel", attributes: .concurrent)
    private static let underWay = Atomic(0)

    static func send(_ request: CancelRequest) {
        guard underWay.add(1, ordering: .relaxed).newValue <= 4 else {
            underWay.subtract(1, ordering: .relaxed)
            return
        }
        queue.async {
            request.send()
            underWay.subtract(1, ordering: .relaxed)
        }
    }
}

/// Says once that there is a pooler. Whether it gives each transaction another backend, so that LISTEN hears nothing, cannot be found out.
enum PoolerNotice {
    private static let isTold = Atomic(false)

    static func tell() {
        guard !isTold.exchange(true, ordering: .relaxed) else { return }
        Logger(label: "postgres").warning(
            "a pooler stands before the database: statements are not prepared, and if it gives each transaction another backend (pool_mode = transaction), set CHIMERA_LISTEN=off, for nothing is heard through it"
        )
    }
}
