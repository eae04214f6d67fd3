import Foundation
import Glibc
import Runtime

/// The process between a worker and a program of a CUSTOM job: the same executable, started anew for each run.
///
/// It takes in whatever the program leaves behind, daemons with sessions of their own included, so it can end all of it and knows when
/// nothing is left. It ends the program when the worker says so, when the worker's lease ends and when the worker is gone, be it
/// stopped or killed: what a thread of the worker could not do.
package struct ProgramGuard {
    /// The first argument of a process that is a guard.
    package static let argument = "custom-guard"
    /// Between TERM and KILL: code stops within 2 s of a cancellation, which is noticed at once, or by the next look.
    static let grace: Duration = .milliseconds(1_500)
    /// How long what the program leaves behind may go on by itself: a filter of its output has still to say what it read.
    private static let leftoverPatience: Duration = .seconds(1)
    /// How long it tries to end what does not die of KILL.
    private static let patience: Duration = .seconds(5)
    private static let control = GuardSocket(descriptor: 3)

    private let order: ProgramOrder
    private let program: pid_t
    private let reaper: Reaper
    private var holdEnds: Duration
    private var ending: Ending?
    private var status: Int32?
    private var left = 0
    private var isWorkerThere = true

    /// Why all of it ends, and when: TERM, a while later KILL.
    private struct Ending {
        let cause: ProgramEnd.Cause
        var termsAt: Duration
        var grace: Duration
        var isTermed = false

        var killsAt: Duration { termsAt + grace }
    }

    /// Does the work of a guard and leaves.
    package static func run() -> Never {
        ProcessControl.hide()
        closefrom(control.descriptor + 1)
        _ = fcntl(control.descriptor, F_SETFD, FD_CLOEXEC)
        // A signal for all of a terminal or a unit is the worker's affair: it tells.
        for number in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE] { signal(number, SIG_IGN) }
        guard let text = control.receive(), let order = ProgramOrder(text) else {
            try? FileHandle.standardError.write(contentsOf: Data("chimera: \(argument) is started by a worker, for a CUSTOM job.\n".utf8))
            exit(ExitCode.usage.rawValue)
        }
        ProcessControl.takeInOrphans()
        guard chdir(order.workingDirectory) == 0 else { refuse(.last) }
        let spawn = ProgramSpawn(
            path: order.path, arguments: order.arguments, environment: order.environment, descriptors: [0, 1, 2])
        switch spawn.start() {
        case .failure(let error): refuse(error)
        case .success(let program):
            control.send(GuardMessage.started(program).text)
            letGoOfPipes()
            var guardian = ProgramGuard(order: order, program: program)
            control.send(GuardMessage.ended(guardian.watch()).text)
            exit(0)
        }
    }

    private init(order: ProgramOrder, program: pid_t) {
        self.order = order
        self.program = program
        reaper = Reaper()
        holdEnds = MonotonicClock.now() + order.hold
    }

    /// Returns when nothing is left, or nothing more can be done about it.
    private mutating func watch() -> ProgramEnd {
        var isEmpty = false
        while !isEmpty {
            let now = MonotonicClock.now()
            if now >= holdEnds { begin(.lease, grace: order.graceWithoutLease) }
            if let ending {
                if now >= ending.killsAt + Self.patience { break }
                if now >= ending.termsAt, !ending.isTermed { term() }
                if now >= ending.killsAt { signalAll(SIGKILL) }
            }
            var watched = [
                pollfd(fd: isWorkerThere ? Self.control.descriptor : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: reaper.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            poll(&watched, 2, Int32(pause(now).wholeMilliseconds) + 1)
            if watched[0].revents != 0 { listen() }
            if watched[1].revents != 0 { isEmpty = takeEnd() }
        }
        let stuck = isEmpty ? 0 : ProcessTree(below: getpid()).descendants.count
        return ProgramEnd(cause: ending?.cause ?? .itself, status: status ?? 0, left: left, stuck: stuck)
    }

    /// How long nothing happens by itself: at most a second, for a suspended machine's timers stand still.
    private func pause(_ now: Duration) -> Duration {
        guard let ending else { return min(max(holdEnds - now, .zero), .seconds(1)) }
        let next = ending.isTermed ? ending.killsAt : min(ending.termsAt, max(holdEnds, now))
        return now >= ending.killsAt ? .milliseconds(20) : min(max(next - now, .zero), .seconds(1))
    }

    private mutating func listen() {
        switch Self.control.receive().map(GuardMessage.init) {
        case .some(.hold(let milliseconds)): holdEnds = MonotonicClock.now() + .milliseconds(milliseconds)
        case .some(.stop): begin(.order, grace: order.grace)
        case .none:
            isWorkerThere = false
            begin(.lease, grace: order.graceWithoutLease)
        default: break
        }
    }

    /// One process was reaped; true when none is left.
    private mutating func takeEnd() -> Bool {
        guard let reaped = reaper.take() else { return true }
        if reaped.process == program {
            status = reaped.status
            begin(.itself, grace: order.grace, after: Self.leftoverPatience)
        }
        return false
    }

    /// The first reason counts; another one only makes haste.
    private mutating func begin(_ cause: ProgramEnd.Cause, grace: Duration, after wait: Duration = .zero) {
        let termsAt = MonotonicClock.now() + wait
        guard var ending else {
            self.ending = Ending(cause: cause, termsAt: termsAt, grace: grace)
            return
        }
        guard !ending.isTermed, termsAt < ending.termsAt else { return }
        (ending.termsAt, ending.grace) = (termsAt, grace)
        self.ending = ending
    }

    private mutating func term() {
        ending?.isTermed = true
        if ending?.cause == .itself { left = ProcessTree(below: getpid()).descendants.count }
        signalAll(SIGTERM)
        // What was stopped hears of TERM only when it goes on.
        signalAll(SIGCONT)
    }

    private func signalAll(_ number: Int32) {
        // The group too, be /proc hidden. Not once the program was reaped: its number may belong to somebody else by then.
        if status == nil { kill(-program, number) }
        for process in ProcessTree(below: getpid()).descendants { kill(process, number) }
    }

    private static func refuse(_ error: SystemError) -> Never {
        control.send(GuardMessage.refused(error).text)
        exit(0)
    }

    /// The worker sees the end of the output only when nobody but the program holds the pipes.
    private static func letGoOfPipes() {
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] { dup2(null, descriptor) }
        close(null)
    }
}

/// Waits for children on a thread of its own and tells of each through a pipe, which ends when there is none left.
private struct Reaper {
    struct Reaped {
        var process: pid_t
        var status: Int32
    }

    let descriptor: Int32

    /// To be made when there is a child already.
    init() {
        guard let (reading, writing) = try? makeClosingPipe() else { fatalError("no file descriptor is left for a pipe") }
        descriptor = reading
        Thread.detachNewThread {
            while true {
                var reaped = Reaped(process: 0, status: 0)
                reaped.process = waitpid(-1, &reaped.status, 0)
                if reaped.process < 0, errno == EINTR { continue }
                guard reaped.process > 0 else { break }
                _ = write(writing, &reaped, MemoryLayout<Reaped>.size)
            }
            close(writing)
        }
    }

    /// The next one; nil when all are gone.
    func take() -> Reaped? {
        var reaped = Reaped(process: 0, status: 0)
        return read(descriptor, &reaped, MemoryLayout<Reaped>.size) == MemoryLayout<Reaped>.size ? reaped : nil
    }
}
