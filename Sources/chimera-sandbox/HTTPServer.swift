import CMicroHTTPD
import Dispatch
import Foundation
import Synchronization

/// libmicrohttpd on the loopback interface: collects a request, asks the sandbox, sends what it says.
final class HTTPServer: Sendable {
    let port: UInt16
    private let sandbox: Sandbox

    /// Nil when the port is taken. The server then runs as long as the program does.
    init?(sandbox: Sandbox, port: UInt16) {
        self.sandbox = sandbox
        let threads = UInt32(max(2, min(8, ProcessInfo.processInfo.activeProcessorCount)))
        // Both references stay retained for good: the daemon is never stopped, the program's end takes it along.
        let context = Unmanaged.passRetained(sandbox).toOpaque()
        let daemon = chimera_mhd_start(
            port, threads, 4_096,
            { context, connection, url, method, _, uploaded, uploadedCount, state in
                guard let context, let connection, let url, let method, let uploadedCount, let state else { return .NO }
                let sandbox = Unmanaged<Sandbox>.fromOpaque(context).takeUnretainedValue()
                guard let known = state.pointee else {
                    let exchange = Exchange(connection: connection, method: String(cString: method), path: String(cString: url))
                    state.pointee = Unmanaged.passRetained(exchange).toOpaque()
                    return .YES
                }
                let exchange = Unmanaged<Exchange>.fromOpaque(known).takeUnretainedValue()
                if uploadedCount.pointee > 0 {
                    exchange.take(UnsafeRawBufferPointer(start: uploaded, count: uploadedCount.pointee))
                    uploadedCount.pointee = 0
                    return .YES
                }
                return exchange.goOn(sandbox)
            }, context,
            { _, _, state, _ in
                guard let known = state?.pointee else { return }
                Unmanaged<Exchange>.fromOpaque(known).takeRetainedValue().end()
                state?.pointee = nil
            }, nil)
        guard let daemon else { return nil }
        self.port = chimera_mhd_port(daemon)
    }
}

/// One request on its way through the server.
// Sendable because libmicrohttpd calls with it from one thread at a time, and a delay or a talk touches it only while its connection is
// suspended, which ends with MHD_resume_connection (a lock inside orders the two).
private final class Exchange: @unchecked Sendable {
    private enum Phase { case receiving, delayed, answered, talking }

    private static let largestBody = 256 << 20
    /// Each talk has a thread of its own.
    private static let mostTalks = 512
    private static let talks = Atomic(0)
    private static let timers = DispatchQueue(label: "sandbox.latency", qos: .userInteractive)

    private let connection: OpaquePointer
    private let method: String
    private let path: String
    private var body: [UInt8] = []
    private var bodyIsTooLarge = false
    private var phase = Phase.receiving
    private var visit: Visit?
    private var presence: StateLog.Presence?

    init(connection: OpaquePointer, method: String, path: String) {
        self.connection = connection
        self.method = method
        self.path = path
    }

    func take(_ bytes: UnsafeRawBufferPointer) {
        guard body.count + bytes.count <= Self.largestBody else {
            bodyIsTooLarge = true
            return
        }
        body.append(contentsOf: bytes)
    }

    func goOn(_ sandbox: Sandbox) -> MHD_Result {
        switch phase {
        case .receiving:
            guard !bodyIsTooLarge else { return send(.text(413, "The body is larger than 256 MB.\n")) }
            let request = Request(
                method: method, path: path, query: values(chimera_mhd_each_argument),
                headers: values(chimera_mhd_each_header, lowercased: true),
                body: body)
            body = []
            let visit = sandbox.receive(request)
            self.visit = visit
            presence = sandbox.log.arrive(visit)
            guard visit.partner != .control, sandbox.latencyMilliseconds > 0 else { return answer(visit) }
            phase = .delayed
            MHD_suspend_connection(connection)
            Self.timers.asyncAfter(deadline: .now() + .milliseconds(sandbox.latencyMilliseconds)) { [self] in
                MHD_resume_connection(connection)
            }
            return .YES
        case .delayed: return visit.map(answer) ?? .NO
        case .answered: return .YES
        case .talking: return .NO
        }
    }

    func end() {
        presence?.leave(status: 0)
    }

    private func answer(_ visit: Visit) -> MHD_Result {
        switch visit.answer() {
        case .answer(let answer):
            phase = .answered
            presence?.leave(status: answer.status)
            return send(answer)
        case .talk(let talk):
            phase = .talking
            let socket = dup(chimera_mhd_socket(connection))
            guard socket >= 0, Self.talks.add(1, ordering: .relaxed).newValue <= Self.mostTalks else {
                // Too many at once: this connection ends without an answer.
                if socket >= 0 {
                    Self.talks.subtract(1, ordering: .relaxed)
                    close(socket)
                }
                return .NO
            }
            MHD_suspend_connection(connection)
            Thread.detachNewThread { [self] in
                talk.lead(on: socket) { presence?.leave(status: 0) }
                close(socket)
                Self.talks.subtract(1, ordering: .relaxed)
                MHD_resume_connection(connection)
            }
            return .YES
        }
    }

    private func send(_ answer: Answer) -> MHD_Result {
        let response = MHD_create_response_from_buffer_with_free_callback_cls(
            answer.body.count, answer.body.start,
            { context in
                guard let context else { return }
                BufferPool.shared.giveBack(Unmanaged<ByteBuffer>.fromOpaque(context).takeRetainedValue())
            }, Unmanaged.passRetained(answer.body).toOpaque())
        for (name, value) in answer.headers {
            MHD_add_response_header(response, name, value)
        }
        defer { MHD_destroy_response(response) }
        return MHD_queue_response(connection, UInt32(answer.status), response)
    }

    private final class Pairs {
        let lowercased: Bool
        var found: [String: String] = [:]
        init(lowercased: Bool) { self.lowercased = lowercased }
    }

    private typealias Walk = (OpaquePointer?, MHD_KeyValueIterator?, UnsafeMutableRawPointer?) -> Void

    private func values(_ walk: Walk, lowercased: Bool = false) -> [String: String] {
        let pairs = Pairs(lowercased: lowercased)
        withExtendedLifetime(pairs) {
            walk(
                connection,
                { context, _, key, value in
                    guard let context, let key else { return .YES }
                    let pairs = Unmanaged<Pairs>.fromOpaque(context).takeUnretainedValue()
                    let name = String(cString: key)
                    pairs.found[pairs.lowercased ? name.lowercased() : name] = value.map { String(cString: $0) } ?? ""
                    return .YES
                }, Unmanaged.passUnretained(pairs).toOpaque())
        }
        return pairs.found
    }
}
