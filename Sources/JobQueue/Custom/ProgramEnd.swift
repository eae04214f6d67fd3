import Glibc

/// What became of a program that was given to a guard.
enum ProgramOutcome: Hashable, Sendable {
    case ended(ProgramEnd)
    /// It could not be started.
    case refused(SystemError)
    /// The guard is gone without having said how the program ended.
    case guardLost(Remains)

    /// What a lost guard left.
    enum Remains: Sendable {
        /// The guard had not said that the program runs.
        case notKnown
        /// The program's process group, which was killed.
        case killed
        /// Nothing of that group.
        case none
    }
}

/// How a program ended, and what was left of it.
struct ProgramEnd: Hashable, Sendable {
    /// Why nothing of it runs any more.
    enum Cause: String, Sendable {
        /// It ended by itself.
        case itself
        /// The worker said so.
        case order
        /// The worker's lease ended, or the worker itself.
        case lease
    }

    let cause: Cause
    /// As `waitpid` gave it; of a program that had to be left, 0.
    let status: Int32
    /// How many processes it had left behind when it ended by itself; they were ended.
    var left = 0
    /// How many could not be ended.
    var stuck = 0

    /// The exit code; nil when a signal ended it.
    var exitCode: Int32? { status & 0x7f == 0 ? status >> 8 & 0xff : nil }

    /// The signal that ended it by its name; nil when it left by itself.
    var signalName: String? { status & 0x7f == 0 ? nil : Self.name(ofSignal: status & 0x7f) }

    /// `SIGSEGV`; one without a name by its number.
    static func name(ofSignal number: Int32) -> String {
        let names: [Int32: String] = [
            SIGHUP: "SIGHUP", SIGINT: "SIGINT", SIGQUIT: "SIGQUIT", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP", SIGABRT: "SIGABRT",
            SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL", SIGUSR1: "SIGUSR1", SIGSEGV: "SIGSEGV", SIGUSR2: "SIGUSR2",
            SIGPIPE: "SIGPIPE", SIGALRM: "SIGALRM", SIGTERM: "SIGTERM", SIGSTKFLT: "SIGSTKFLT", SIGCHLD: "SIGCHLD",
            SIGCONT: "SIGCONT", SIGSTOP: "SIGSTOP", SIGTSTP: "SIGTSTP", SIGTTIN: "SIGTTIN", SIGTTOU: "SIGTTOU", SIGURG: "SIGURG",
            SIGXCPU: "SIGXCPU", SIGXFSZ: "SIGXFSZ", SIGVTALRM: "SIGVTALRM", SIGPROF: "SIGPROF", SIGWINCH: "SIGWINCH",
            SIGPOLL: "SIGPOLL", SIGPWR: "SIGPWR", SIGSYS: "SIGSYS",
        ]
        return names[number] ?? "signal \(number)"
    }
}
