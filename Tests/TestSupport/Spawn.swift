import Glibc
import Synchronization

/// Held while a pipe is made and while a program is started: between `pipe` and `fcntl` a program would inherit the ends.
private let descriptorLock = Mutex(())

/// A pipe whose ends are not inherited.
func makePipe() -> (readEnd: Int32, writeEnd: Int32) {
    descriptorLock.withLock { _ in
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { preconditionFailure("no file descriptor is left for a pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }
}

/// Takes a connection that waits already; it is not inherited, or a program started meanwhile would keep it open when it is closed here.
func acceptWaiting(_ listener: Int32) -> Int32 {
    descriptorLock.withLock { _ in
        let connection = accept(listener, nil, nil)
        if connection >= 0 { _ = fcntl(connection, F_SETFD, FD_CLOEXEC) }
        return connection
    }
}

/// A failure of the test's surroundings, not of what is tested.
package struct TestSupportError: Error, CustomStringConvertible {
    /// What failed, in one sentence.
    package let description: String

    init(_ description: String) { self.description = description }
}

/// What is needed to start a program.
struct Spawn {
    var arguments: [String]
    var environment: [String: String] = Spawn.ownEnvironment
    var workingDirectory: String?
    var input: Int32?
    var output: Int32?
    var error: Int32?
    /// A session of its own, hence a process group of its own.
    var isOwnSession = false

    static var ownEnvironment: [String: String] {
        var environment: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                environment[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            next += 1
        }
        return environment
    }

    /// Starts it; the first argument is a path.
    func start() throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (descriptor, target) in [(input, STDIN_FILENO), (output, STDOUT_FILENO), (error, STDERR_FILENO)] {
            if let descriptor { posix_spawn_file_actions_adddup2(&actions, descriptor, target) }
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Signals blocked or ignored here would stay so in the program.
        var flags = Int32(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
        if isOwnSession { flags |= Int32(0x80) }  // POSIX_SPAWN_SETSID, which Glibc's module does not import
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(flags))
        let command = workingDirectory.map { ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", $0] + arguments } ?? arguments
        var argv = command.map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = 0
        let code = descriptorLock.withLock { _ in posix_spawn(&pid, command[0], &actions, &attributes, &argv, &envp) }
        guard code == 0 else { throw TestSupportError("cannot start \(arguments[0]): \(String(cString: strerror(code)))") }
        return pid
    }

    /// Runs it to its end and throws with its output when it fails. Blocks: not for the threads of tasks.
    func run() throws { _ = try answer() }

    /// What it wrote until its end; throws like `run`.
    func answer() throws -> String {
        let (readEnd, writeEnd) = makePipe()
        var spawn = self
        (spawn.output, spawn.error) = (writeEnd, writeEnd)
        let pid: pid_t
        do {
            defer { close(writeEnd) }
            pid = try spawn.start()
        }
        let output = readAll(readEnd)
        close(readEnd)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw TestSupportError("\(arguments.joined(separator: " ")) failed: \(output)") }
        return output
    }

    private func readAll(_ descriptor: Int32) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 { bytes += buffer[..<count] } else if count == 0 || errno != EINTR { break }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
