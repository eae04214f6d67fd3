import CPostgres
import Glibc

/// Owns a `PGconn`: made by `init`, freed by `deinit`, never handed out. All calls come from one thread at a time, its session's queue.
final class LibpqConnection {
    private let connection: OpaquePointer
    private let wake: Wake

    /// Begins to connect; nil when there is no memory. `finishConnecting` does the rest.
    init?(parameters: [String: String], wake: Wake) {
        let keywords = parameters.keys.sorted()
        let started = withCStrings(keywords) { names in
            withCStrings(keywords.map { parameters[$0] ?? "" }) { values in
                var names = names + [nil]
                var values = values + [nil]
                return PQconnectStartParams(&names, &values, 0)
            }
        }
        guard let started else { return nil }
        connection = started
        self.wake = wake
        // Verbose while connecting: the SQLSTATE of a refusal stands in the message and nowhere else.
        PQsetErrorVerbosity(connection, PQERRORS_VERBOSE)
        PQsetNoticeReceiver(connection, { _, _ in }, nil)
    }

    deinit { PQfinish(connection) }

    /// The server process as whoever answers names it.
    var backendProcess: Int32 { PQbackendPID(connection) }

    var descriptor: Int32 { PQsocket(connection) }
    var isBroken: Bool { PQstatus(connection) != CONNECTION_OK }
    var transactionStatus: PGTransactionStatusType { PQtransactionStatus(connection) }
    /// libpq's message of the last failure.
    var message: String { String(cString: PQerrorMessage(connection)) }

    /// Runs the handshake.
    func finishConnecting(_ operation: Operation) throws(PostgresError) {
        var state = isBroken && descriptor < 0 ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING
        while true {
            switch state {
            case PGRES_POLLING_OK:
                PQsetErrorVerbosity(connection, PQERRORS_DEFAULT)
                guard PQsetnonblocking(connection, 1) == 0 else { throw lost() }
                return
            case PGRES_POLLING_READING: try wait(for: POLLIN, operation)
            case PGRES_POLLING_WRITING where descriptor >= 0: try wait(for: POLLOUT, operation)
            default: throw refusal()
            }
            state = PQconnectPoll(connection)
        }
    }

    /// Sends a statement with its values; `name` is that of a prepared one, else the text itself is sent.
    func send(_ text: String, _ parameters: Parameters, prepared name: String?) throws(PostgresError) {
        let sent = parameters.withPointers { values in
            if let name {
                PQsendQueryPrepared(connection, name, Int32(values.count), values.baseAddress, nil, nil, 0)
            } else {
                PQsendQueryParams(connection, text, Int32(values.count), nil, values.baseAddress, nil, nil, 0)
            }
        }
        guard sent == 1 else { throw unsent() }
    }

    /// Sends a request to prepare a statement.
    func sendPrepare(_ text: String, name: String) throws(PostgresError) {
        guard PQsendPrepare(connection, name, text, 0, nil) == 1 else { throw unsent() }
    }

    /// Sends text with any number of statements (simple protocol).
    func sendScript(_ text: String) throws(PostgresError) {
        guard PQsendQuery(connection, text) == 1 else { throw unsent() }
    }

    // MARK: Pipelines

    func enterPipeline() throws(PostgresError) {
        guard PQenterPipelineMode(connection) == 1 else { throw lost() }
    }

    /// Says that all is sent that stands or falls together.
    func endPipeline() throws(PostgresError) {
        guard PQpipelineSync(connection) == 1 else { throw lost() }
    }

    /// A message of it could not be sent. When others were, the connection cannot be used again, and its status says so.
    func abandonPipeline() { _ = PQexitPipelineMode(connection) }

    /// The answer to the next message of a pipeline, or its error; neither when it was passed over.
    func pipelinedResult(_ operation: Operation) throws(PostgresError) -> (ResultHandle?, PostgresError?) {
        var last: ResultHandle?
        while let result = try nextResult(operation) {
            // Nobody reads or writes its data: libpq would give it again and again.
            guard ![PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH].contains(result.status) else { throw lost() }
            last = result
        }
        guard let last, !isBroken else { throw lost() }
        if let error = last.error { return (nil, error) }
        return (last.status == PGRES_PIPELINE_ABORTED ? nil : last, nil)
    }

    /// Reads the end that `endPipeline` asked for.
    func leavePipeline(_ operation: Operation) throws(PostgresError) {
        guard let end = try nextResult(operation), end.status == PGRES_PIPELINE_SYNC, PQexitPipelineMode(connection) == 1 else {
            throw lost()
        }
    }

    // MARK: COPY

    /// Hands over a piece of COPY data; false when libpq's buffer is full and `flush` must come first.
    func putCopy(_ bytes: UnsafeRawBufferPointer) throws(PostgresError) -> Bool {
        let start = bytes.bindMemory(to: CChar.self).baseAddress
        switch PQputCopyData(connection, start, Int32(bytes.count)) {
        case 1: return true
        case 0: return false
        default: throw lost()
        }
    }

    /// Ends COPY data, with a reason when it is to fail; false when `flush` must come first.
    func putCopyEnd(failure: String?) throws(PostgresError) -> Bool {
        switch PQputCopyEnd(connection, failure) {
        case 1: return true
        case 0: return false
        default: throw lost()
        }
    }

    /// Sends what is buffered, reading meanwhile so that neither side blocks the other.
    func flush(_ operation: Operation) throws(PostgresError) {
        while true {
            switch PQflush(connection) {
            case 0: return
            case 1:
                if try wait(for: POLLIN | POLLOUT, operation) & POLLOUT == 0, PQconsumeInput(connection) == 0 { throw lost() }
            default: throw lost()
            }
        }
    }

    /// The next result of what was sent; nil at its end.
    func nextResult(_ operation: Operation) throws(PostgresError) -> ResultHandle? {
        while PQisBusy(connection) == 1 {
            try wait(for: POLLIN, operation)
            if PQconsumeInput(connection) == 0 {
                // A last message of the server (57P01) may have come with the end of the stream.
                if PQisBusy(connection) == 0 { break }
                throw lost()
            }
        }
        return PQgetResult(connection).map(ResultHandle.init)
    }

    /// Reads what has arrived and gives the notifications in it.
    func notifications() throws(PostgresError) -> [(channel: String, payload: String)] {
        guard PQconsumeInput(connection) == 1 else { throw lost() }
        var notifications: [(channel: String, payload: String)] = []
        while let notification = PQnotifies(connection) {
            notifications.append((String(cString: notification.pointee.relname), String(cString: notification.pointee.extra)))
            PQfreemem(notification)
        }
        return notifications
    }

    /// What is needed to cancel the statement under way from another thread.
    func cancelRequest() -> CancelRequest? {
        PQgetCancel(connection).map(CancelRequest.init)
    }

    /// Waits until the socket is ready or the operation is over.
    @discardableResult
    func wait(for events: Int32, _ operation: Operation) throws(PostgresError) -> Int32 {
        while true {
            let timeout = try operation.remainingMilliseconds()
            var descriptors = (
                pollfd(fd: descriptor, events: Int16(events), revents: 0),
                pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
            )
            let ready = withUnsafeMutablePointer(to: &descriptors) { pair in
                pair.withMemoryRebound(to: pollfd.self, capacity: 2) { poll($0, 2, timeout) }
            }
            guard ready > 0 else { continue }
            if descriptors.1.revents != 0 { wake.drain() }
            if operation.isCancelled { throw .cancelledByCaller }
            if descriptors.0.revents != 0 { return Int32(descriptors.0.revents) }
        }
    }

    /// The connection broke.
    func lost() -> PostgresError {
        PostgresError(kind: .connectionLost, message: firstLine(of: message))
    }

    /// libpq did not accept a statement: the connection is gone, or the statement can never be sent.
    private func unsent() -> PostgresError {
        isBroken ? lost() : PostgresError(kind: .invalidInput, message: firstLine(of: message))
    }

    /// The connection was never made. A server's refusal reads `…: FATAL:  28P01: password authentication failed…`.
    private func refusal() -> PostgresError {
        let text = message
        let line = firstLine(of: text)
        guard let match = text.firstMatch(of: #/:  ([0-9A-Z]{5}): ([^\n]*)/#) else {
            return PostgresError(kind: .connectionLost, message: line)
        }
        let (sqlState, said) = (String(match.1), String(match.2))
        return PostgresError(
            kind: PostgresError.kind(sqlState: sqlState, constraint: nil, message: said), sqlState: sqlState,
            message: "the database refuses the connection: \(said)", detail: nil, hint: nil, isStalePlan: false, isFatal: true)
    }
}

/// Owns a `PGcancel`.
///
/// `@unchecked Sendable`: libpq documents `PQcancel` as callable from any thread; it is used once and freed once, in `deinit`.
final class CancelRequest: @unchecked Sendable {
    private let request: OpaquePointer

    init(_ request: OpaquePointer) { self.request = request }
    deinit { PQfreeCancel(request) }

    /// Opens a connection of its own and blocks until the server has taken the request.
    func send() {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            _ = PQcancel(request, buffer.baseAddress, 256)
        }
    }
}

/// The values of a statement, NUL-terminated in one buffer.
struct Parameters {
    private var bytes: [CChar] = []
    private var offsets: [Int?] = []

    static let none = Parameters()
    private init() {}

    /// Refuses a NUL, at which libpq would cut the value off without a word.
    init(_ values: [String?]) throws(PostgresError) {
        offsets.reserveCapacity(values.count)
        bytes.reserveCapacity(values.reduce(0) { $0 + ($1?.utf8.count ?? -1) + 1 })
        for (index, value) in values.enumerated() {
            guard let value else {
                offsets.append(nil)
                continue
            }
            offsets.append(bytes.count)
            let hasNul = try withBytes(of: value) { utf8 throws(PostgresError) in
                if let start = utf8.baseAddress, memchr(start, 0, utf8.count) != nil { return true }
                utf8.withMemoryRebound(to: CChar.self) { bytes.append(contentsOf: $0) }
                bytes.append(0)
                return false
            }
            if hasNul { throw .holdsNul("parameter $\(index + 1)") }
        }
    }

    func withPointers<T>(_ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> T) -> T {
        bytes.withUnsafeBufferPointer { bytes in
            withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: max(1, offsets.count)) { pointers in
                for (index, offset) in offsets.enumerated() {
                    pointers.initializeElement(at: index, to: offset.flatMap { offset in bytes.baseAddress.map { $0 + offset } })
                }
                return body(UnsafeBufferPointer(rebasing: pointers[0..<offsets.count]))
            }
        }
    }
}

extension PostgresError {
    static func holdsNul(_ what: String) -> PostgresError {
        PostgresError(
            kind: .invalidInput, sqlState: "22021",
            message: "\(what) holds a NUL character, which PostgreSQL's text cannot; remove it before it is stored")
    }
}

/// Lends NUL-terminated copies of strings for the call.
private func withCStrings<T>(_ strings: [String], _ body: ([UnsafePointer<CChar>?]) -> T) -> T {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies.map { UnsafePointer($0) })
}
