import Glibc
import Synchronization

/// The files of a private PostgreSQL cluster and the commands that act on them. All calls block.
final class ServerFolder: Sendable {
    enum StopMode: String {
        case smart, fast, immediate
    }

    let folder: String
    let port: Int
    /// Whose the databases are: what an operator makes for the product, an ordinary role.
    static let owner = "chimera"
    /// What tests set, and the product never does: past the triggers rows are planted that nobody could write.
    private static let settingsOfTests = "session_replication_role, deadlock_timeout"
    private static let administrator = "postgres"
    private static let number = Mutex(0)
    private let hasOwner: Mutex<Bool>
    private let binaries: String

    /// What the server's environment has beyond the test's.
    private let environment: [String: String]

    /// Takes a temporary folder that goes away with this process, and a port.
    private init(environment: [String: String] = [:], hasOwner: Bool = false) throws {
        self.environment = environment
        self.hasOwner = Mutex(hasOwner)
        binaries = try Self.findBinaries()
        port = try freePort()
        let number = Self.number.withLock {
            $0 += 1
            return $0
        }
        folder = "/tmp/chimera-test-\(getpid())-\(number)"
        guard mkdir(folder, 0o700) == 0 else { throw TestSupportError("cannot make \(folder)") }
        Undertaker.shared.stopServer(in: folder + "/data")
        Undertaker.shared.remove(folder)
        if let owner = Self.serverUser { chown(folder, owner.id, owner.group) }
    }

    /// Makes an empty cluster.
    convenience init(settings: [String: String], environment: [String: String] = [:]) throws {
        try self.init(environment: environment)
        try asServerUser([
            binaries + "/initdb", "-D", folder + "/data", "-A", "trust", "-U", Self.administrator, "-E", "UTF8", "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        ])
        let defaults = [
            "listen_addresses": "127.0.0.1", "fsync": "off", "full_page_writes": "off", "max_connections": "300", "shared_buffers": "64MB",
            "dynamic_shared_memory_type": "mmap", "log_min_messages": "warning", "lc_messages": "C", "max_wal_size": "2GB",
        ]
        try configure(defaults.merging(settings) { $1 })
    }

    /// Copies a running server into a standby that will follow it.
    convenience init(standbyOf primary: ServerFolder) throws {
        try self.init(hasOwner: true)
        try asServerUser([
            binaries + "/pg_basebackup", "-D", folder + "/data", "-h", "127.0.0.1", "-p", "\(primary.port)", "-U", Self.administrator, "-X",
            "stream",
            "-c", "fast", "-R", "--no-sync",
        ])
        try configure([:])
    }

    deinit {
        try? stop(.immediate)
        try? Spawn(arguments: ["/bin/rm", "-rf", folder]).run()
    }

    func program(_ name: String) -> String { "\(binaries)/\(name)" }

    /// A connection string for one of its databases, as the role that owns them and may do nothing else.
    func url(_ database: String) -> String { url(database, role: Self.owner) }

    /// The same as a superuser.
    func administratorURL(_ database: String) -> String { url(database, role: Self.administrator) }

    private func url(_ database: String, role: String) -> String { "postgresql://\(role)@127.0.0.1:\(port)/\(database)" }

    func start() throws {
        try asServerUser(
            [binaries + "/pg_ctl", "-D", folder + "/data", "-l", folder + "/log", "-w", "-t", "60", "start"], environment: environment)
        guard !hasOwner.withLock({ $0 }) else { return }
        try asServerUser(
            [
                binaries + "/psql", "-qXd", administratorURL("postgres"), "-c", "CREATE ROLE \(Self.owner) LOGIN", "-c",
                "ALTER DATABASE postgres OWNER TO \(Self.owner)", "-c",
                "GRANT SET ON PARAMETER \(Self.settingsOfTests) TO \(Self.owner)",
            ], environment: ["PGOPTIONS": "-c default_transaction_read_only=off"])
        hasOwner.withLock { $0 = true }
    }

    func stop(_ mode: StopMode) throws {
        guard postmaster != nil else { return }
        try asServerUser([binaries + "/pg_ctl", "-D", folder + "/data", "-w", "-t", "60", "-m", mode.rawValue, "stop"])
    }

    /// Ends a standby's recovery: it takes writes when this returns.
    func promote() throws {
        try asServerUser([binaries + "/pg_ctl", "-D", folder + "/data", "-w", "-t", "60", "promote"])
    }

    /// Kills the postmaster alone; its children notice and leave.
    func killPostmaster() throws {
        guard let postmaster else { throw TestSupportError("no server runs in \(folder)") }
        kill(postmaster, SIGKILL)
        unlink(folder + "/data/postmaster.pid")
    }

    var postmaster: pid_t? {
        guard let file = fopen(folder + "/data/postmaster.pid", "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 32)
        guard fgets(&line, 32, file) != nil else { return nil }
        return pid_t(strtol(line, nil, 10))
    }

    private func configure(_ settings: [String: String]) throws {
        // The last line of a name counts.
        let all = settings.merging(["port": String(port), "unix_socket_directories": folder]) { $1 }
        let text = all.sorted { $0.key < $1.key }.map { "\($0.key) = '\($0.value)'\n" }.joined()
        guard let file = fopen(folder + "/data/postgresql.conf", "a") else { throw TestSupportError("cannot configure \(folder)") }
        defer { fclose(file) }
        fputs(text, file)
    }

    /// PostgreSQL refuses to run as root.
    private func asServerUser(_ command: [String], environment: [String: String] = [:]) throws {
        var arguments = command
        if let owner = Self.serverUser {
            arguments = ["/usr/bin/setpriv", "--reuid=\(owner.id)", "--regid=\(owner.group)", "--clear-groups"] + command
        }
        try Spawn(arguments: arguments, environment: Spawn.ownEnvironment.merging(environment) { $1 }, workingDirectory: "/").run()
    }

    static var serverUser: (id: uid_t, group: gid_t)? {
        guard geteuid() == 0 else { return nil }
        for name in ["postgres", "nobody"] {
            if let entry = getpwnam(name) { return (entry.pointee.pw_uid, entry.pointee.pw_gid) }
        }
        return (65534, 65534)
    }

    private static func findBinaries() throws -> String {
        let root = "/usr/lib/postgresql"
        var found: [Int] = []
        if let folder = opendir(root) {
            defer { closedir(folder) }
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                if let version = Int(name), access("\(root)/\(version)/bin/initdb", X_OK) == 0 { found.append(version) }
            }
        }
        guard let version = found.max() else {
            throw TestSupportError("no PostgreSQL server in \(root); run scripts/setup or set CHIMERA_TEST_DATABASE_URL")
        }
        return "\(root)/\(version)/bin"
    }
}

/// A port of 127.0.0.1 that nobody listens on at the moment.
///
/// It lies below those that Linux gives to outgoing connections (32768 and up): while a server is down, nobody's connection takes its port.
package func freePort() throws -> Int {
    for _ in 0..<1_000 {
        let port = Int.random(in: 15_000..<32_000)
        if let descriptor = try? listenOnLoopback(port: port) {
            close(descriptor)
            return port
        }
    }
    throw TestSupportError("no port from 15000 to 32000 is free on 127.0.0.1")
}

/// A listening TCP socket on 127.0.0.1; 0 lets the system choose the port.
func listenOnLoopback(port: Int) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var yes: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
    var address = loopback(port: port)
    let bound = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    guard bound == 0, listen(descriptor, 128) == 0 else {
        close(descriptor)
        throw TestSupportError("cannot listen on port \(port): \(String(cString: strerror(errno)))")
    }
    return descriptor
}

func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
    return address
}

func boundPort(of descriptor: Int32) throws -> Int {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard code == 0 else { throw TestSupportError("a socket has no address") }
    return Int(in_port_t(bigEndian: address.sin_port))
}
