import Glibc
import Runtime

/// What a worker and the guard of a program say to each other over a socket that keeps messages apart.
enum GuardMessage: Hashable, Sendable {
    /// Worker: the lease holds for so many milliseconds more.
    case hold(milliseconds: Int)
    /// Worker: end it.
    case stop
    /// Guard: the program runs, as this process and process group.
    case started(pid_t)
    /// Guard: the program could not be started.
    case refused(SystemError)
    /// Guard: nothing of the program is left, or what is left cannot be ended.
    case ended(ProgramEnd)

    /// As text, which no message of ours makes longer than a hundred bytes.
    var text: String {
        switch self {
        case .hold(let milliseconds): "hold \(milliseconds)"
        case .stop: "stop"
        case .started(let pid): "started \(pid)"
        case .refused(let error): "refused \(error.number)"
        case .ended(let end): "ended \(end.cause.rawValue) \(end.status) \(end.left) \(end.stuck)"
        }
    }

    init?(_ text: String) {
        let words = text.split(separator: " ")
        let numbers = words.compactMap { Int32($0) }
        switch (words.first, numbers.count) {
        case ("hold", 1): self = .hold(milliseconds: Int(numbers[0]))
        case ("stop", 0): self = .stop
        case ("started", 1): self = .started(numbers[0])
        case ("refused", 1): self = .refused(SystemError(number: numbers[0]))
        case ("ended", 3):
            guard words.count == 5, let cause = ProgramEnd.Cause(rawValue: String(words[1])) else { return nil }
            self = .ended(ProgramEnd(cause: cause, status: numbers[0], left: Int(numbers[1]), stuck: Int(numbers[2])))
        default: return nil
        }
    }
}

/// One end of the socket between a worker and a guard.
struct GuardSocket: Sendable {
    /// The longest message: the order, with all arguments and the environment.
    static let longestMessage = 200_000

    let descriptor: Int32

    /// Both ends, which no program inherits.
    static func pair() throws(SystemError) -> (worker: GuardSocket, guardian: GuardSocket) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else { throw .last }
        return (GuardSocket(descriptor: ends[0]), GuardSocket(descriptor: ends[1]))
    }

    /// False when nobody is there any more, or nobody has read for so long that no more fits: it never waits.
    @discardableResult
    func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        while true {
            let sent = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            if sent >= 0 { return true }
            if errno != EINTR { return false }
        }
    }

    /// Nil when nobody is there any more; waits until somebody says something.
    func receive() -> String? {
        var buffer = [UInt8](repeating: 0, count: Self.longestMessage)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count > 0 { return String(decoding: buffer[..<count], as: UTF8.self) }
            if count == 0 || errno != EINTR { return nil }
        }
    }
}

/// What the guard is to start: its first message.
struct ProgramOrder: Hashable, Sendable {
    let path: String
    /// `argv`, the name first.
    let arguments: [String]
    let environment: [String: String]
    let workingDirectory: String
    /// How long the lease holds from now.
    let hold: Duration
    /// Between TERM and KILL.
    let grace: Duration
    /// The same when the lease ended: within the margin that the worker keeps.
    let graceWithoutLease: Duration

    /// Whether a guard can read it: a quote takes two bytes of it, and some characters take six.
    var fitsGuard: Bool { text.utf8.count <= GuardSocket.longestMessage }

    var text: String {
        let document: [String: JSONValue] = [
            "path": .string(path), "arguments": .array(arguments.map { .string($0) }),
            "environment": .object(environment.mapValues { .string($0) }), "directory": .string(workingDirectory),
            "hold": .integer(hold.wholeMilliseconds), "grace": .integer(grace.wholeMilliseconds),
            "grace_without_lease": .integer(graceWithoutLease.wholeMilliseconds),
        ]
        return JSONValue.object(document).text
    }

    init(
        path: String, arguments: [String], environment: [String: String], workingDirectory: String, hold: Duration, grace: Duration,
        graceWithoutLease: Duration
    ) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.hold = hold
        self.grace = grace
        self.graceWithoutLease = graceWithoutLease
    }

    init?(_ text: String) {
        guard let document = try? JSONValue(parsing: text), let path = document["path"]?.stringValue,
            let directory = document["directory"]?.stringValue, let hold = document["hold"]?.intValue,
            let grace = document["grace"]?.intValue, let graceWithoutLease = document["grace_without_lease"]?.intValue
        else { return nil }
        self.init(
            path: path, arguments: (document["arguments"]?.arrayValue ?? []).compactMap(\.stringValue),
            environment: (document["environment"]?.objectValue ?? [:]).compactMapValues(\.stringValue), workingDirectory: directory,
            hold: .milliseconds(hold), grace: .milliseconds(grace), graceWithoutLease: .milliseconds(graceWithoutLease))
    }
}

extension Duration {
    /// Whole milliseconds, none below zero.
    var wholeMilliseconds: Int64 { max(0, Int64(self / .milliseconds(1))) }
}
