import Glibc

/// How a program is started: no shell, a session of its own, signals as a fresh program expects them, and nothing of this one's but
/// the descriptors given.
package struct ProgramSpawn: Sendable {
    /// What is executed.
    let path: String
    /// All of `argv`, the program's own name first.
    let arguments: [String]
    /// The whole environment.
    let environment: [String: String]
    /// They become 0, 1, 2 … of the program; every other one closes by its own flag.
    let descriptors: [Int32]

    /// Takes what is executed, all of `argv`, the whole environment, and what becomes 0, 1, 2 … of the program.
    package init(path: String, arguments: [String], environment: [String: String], descriptors: [Int32]) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.descriptors = descriptors
    }

    /// Gives the process, which is also its group and its session, or the system's error.
    package func start() -> Result<pid_t, SystemError> {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, descriptor) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(target))
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // What is blocked or ignored here (SIGPIPE is) would stay so in the program.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        let newSession: Int32 = 0x80  // POSIX_SPAWN_SETSID, which Glibc's module does not import
        posix_spawnattr_setflags(&attributes, Int16(Int32(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) | newSession))
        var argv = arguments.map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, path, &actions, &attributes, &argv, &envp)
        return code == 0 ? .success(pid) : .failure(SystemError(number: code))
    }
}

/// An `errno` and its words.
package struct SystemError: Error, Hashable, CustomStringConvertible {
    let number: Int32

    /// The error of the last system call of this thread.
    static var last: SystemError { SystemError(number: errno) }

    /// The system's words.
    package var description: String { String(cString: strerror(number)) }
}

/// A pipe whose ends no program inherits.
func makeClosingPipe() throws(SystemError) -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .last }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
}
