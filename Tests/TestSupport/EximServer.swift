import Foundation
import Runtime

/// Debian's exim on ports of 127.0.0.1, with a folder, a certificate and mailboxes of its own; gone when the last reference is.
///
/// It takes mail for `example.com` after STARTTLS and a login, one mailbox for each of `recipients`, and says 550 to everybody else.
package final class EximServer: Sendable {
    /// Who may log in.
    package static let username = "chimera"
    /// The password of `username`.
    package static let password = "senha-do-correio"
    /// Names before `@example.com` that have a mailbox.
    package static let recipients = ["a", "b", "later", "slow"]

    /// What goes wrong while the test wants it to.
    package enum Trouble: String, Sendable {
        /// `later` is answered 451.
        case later = "not-now"
        /// The answer about `slow` does not come.
        case slow = "stalled"
    }

    /// With STARTTLS.
    package let port: Int
    /// Without it; logging in goes in the clear here.
    package let plainPort: Int
    private let folder: String
    private let program: RunningProgram

    private init(folder: String, port: Int, plainPort: Int, program: RunningProgram) {
        (self.folder, self.port, self.plainPort, self.program) = (folder, port, plainPort, program)
    }

    deinit {
        program.signal(SIGTERM)
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Makes the certificates and starts it; `scripts/setup` has fetched the program.
    package static func start() async throws -> EximServer {
        let folder = "/tmp/chimera-mail-\(getpid())-\(UUID().uuidString.prefix(8))"
        let (port, plainPort) = (try freePort(), try freePort())
        try await offTheTaskThreads { try prepare(folder, port: port, plainPort: plainPort) }
        let server = EximServer(folder: folder, port: port, plainPort: plainPort, program: try run(in: folder))
        try await eventually("the mail server is ready; it says \(server.program.errors + server.log)") {
            server.program.end != nil || server.log.contains { $0.contains("daemon started") }
        }
        guard server.program.end == nil else { throw TestSupportError("exim did not start: \(server.program.errors + server.log)") }
        return server
    }

    /// `smtp://127.0.0.1:PORT`
    package var url: String { "smtp://127.0.0.1:\(port)" }
    /// The certificate, which signs itself.
    package var caFile: String { folder + "/cert.pem" }
    /// A certificate that has nothing to do with it.
    package var foreignCAFile: String { folder + "/foreign.pem" }
    /// The lines of its own log.
    package var log: [String] {
        let text = (try? String(contentsOfFile: folder + "/log/main", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    /// Begins and ends a trouble.
    package func set(_ trouble: Trouble, _ isOn: Bool) throws {
        let path = folder + "/" + trouble.rawValue
        if isOn { try Foundation.Data().write(to: URL(filePath: path)) } else { try FileManager.default.removeItem(atPath: path) }
    }

    /// How many mails lie in a mailbox.
    package func count(_ recipient: String) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/mail/\(recipient)/new").count) ?? 0
    }

    /// A mail of a mailbox as it lies there, the oldest first.
    package func raw(_ recipient: String) throws -> [String] {
        let box = "\(folder)/mail/\(recipient)/new"
        return try FileManager.default.contentsOfDirectory(atPath: box).sorted().map {
            String(decoding: try Foundation.Data(contentsOf: URL(filePath: "\(box)/\($0)")), as: UTF8.self)
        }
    }

    /// The mails of a mailbox, the oldest first, as Python's parser reads them (`Mail/read_mailbox.py`).
    package func mails(_ recipient: String) async throws -> [JSONValue] {
        let reader = try RunningProgram("/usr/bin/python3", ["-I", Self.file("read_mailbox.py").path(), "\(folder)/mail/\(recipient)/new"])
        guard try await reader.waitForExit(within: .seconds(60)) == .exited(0) else {
            throw TestSupportError("the mails of \(recipient) could not be read: \(reader.errors)")
        }
        return try JSONValue(parsing: reader.output.joined()).arrayValue ?? []
    }
}

extension EximServer {
    /// Where `scripts/setup` unpacks it.
    private static var unpacked: String {
        let temporary = ProcessInfo.processInfo.environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        return "\(temporary)/chimera-\(getuid())/exim4/exim4"
    }

    /// Everything that it needs, in a folder of its user's: it drops rights that root has, and could not read root's.
    private static func prepare(_ folder: String, port: Int, plainPort: Int) throws {
        guard access(unpacked, X_OK) == 0 else { throw TestSupportError("\(unpacked) is missing: run scripts/setup") }
        Undertaker.shared.remove(folder)
        guard mkdir(folder, 0o700) == 0 else { throw TestSupportError("cannot make \(folder)") }
        // By another process: what this one writes, a child that it starts meanwhile holds open, and nobody can run it.
        try Spawn(arguments: ["/usr/bin/install", "-m", "755", unpacked, folder + "/exim4"]).run()
        for name in ["cert", "foreign"] {
            try Spawn(arguments: [
                "/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj",
                "/CN=chimera test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "\(folder)/\(name).key", "-out",
                "\(folder)/\(name).pem",
            ]).run()
        }
        let owner = ServerFolder.serverUser ?? (getuid(), getgid())
        // The name that Debian's exim asks for at its start.
        try write("Debian-exim:x:\(owner.id):\(owner.group)::/:/bin/false\n", to: folder + "/passwd")
        try write("Debian-exim:x:\(owner.group):\n", to: folder + "/group")
        try write(try configuration(folder, port: port, plainPort: plainPort), to: folder + "/exim.conf")
        try Spawn(arguments: ["/bin/chown", "-R", "\(owner.id):\(owner.group)", folder]).run()
    }

    private static func write(_ text: String, to path: String) throws {
        try text.write(toFile: path, atomically: false, encoding: .utf8)
    }

    private static func run(in folder: String) throws -> RunningProgram {
        let environment = [
            "LD_PRELOAD": "libnss_wrapper.so", "NSS_WRAPPER_PASSWD": folder + "/passwd", "NSS_WRAPPER_GROUP": folder + "/group",
        ]
        let command = [folder + "/exim4", "-C", folder + "/exim.conf", "-bdf"]
        guard let owner = ServerFolder.serverUser else {
            return try RunningProgram(command[0], Array(command[1...]), environment: environment)
        }
        let change = ["--reuid=\(owner.id)", "--regid=\(owner.group)", "--clear-groups", "/usr/bin/env"]
        return try RunningProgram("/usr/bin/setpriv", change + environment.map { "\($0.key)=\($0.value)" } + command)
    }

    private static func configuration(_ folder: String, port: Int, plainPort: Int) throws -> String {
        let values = [
            "FOLDER": folder, "PORT": "\(port)", "PLAIN_PORT": "\(plainPort)", "RECIPIENTS": recipients.joined(separator: " : "),
            "USERNAME": username, "PASSWORD": password,
        ]
        let template = try String(contentsOf: file("exim.conf"), encoding: .utf8)
        return values.reduce(template) { $0.replacing("@\($1.key)@", with: $1.value) }
    }

    /// A file that lies beside this one, in `Mail`.
    private static func file(_ name: String) -> URL {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Mail/\(name)")
    }
}
