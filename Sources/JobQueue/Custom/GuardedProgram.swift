import Foundation
import Glibc
import Runtime
import Synchronization

/// A program under its guard, as the worker sees it: a thread of its own gives it its input, takes its output and tells the guard how
/// long the lease holds.
final class GuardedProgram: Sendable {
    /// How much longer than TERM and KILL need the worker waits for the guard's word.
    private static let patience: Duration = .seconds(15)
    /// How soon it looks again whether output may be taken.
    private static let outputPause: Duration = .milliseconds(20)
    /// How long in all it looks again for what a program that is gone has left in its pipes.
    private static let drainPatience: Duration = .seconds(10)

    private struct State {
        /// Nil once it is closed.
        var control: GuardSocket?
        var stoppedAt: Duration?
    }

    private let guardian: pid_t
    private let input: Int32
    private let output: Int32
    private let error: Int32
    private let state: Mutex<State>

    /// Starts the guard, `guardPath` being our own executable, and gives it its order; `label` is what a list of processes shows.
    init(_ order: ProgramOrder, guardPath: String, label: String) throws(SystemError) {
        let (reading, input) = try makeClosingPipe()
        defer { close(reading) }
        var pipes: [(reading: Int32, writing: Int32)] = []
        let (worker, guardian): (GuardSocket, GuardSocket)
        do throws(SystemError) {
            for _ in 0..<2 { pipes.append(try makeClosingPipe()) }
            (worker, guardian) = try GuardSocket.pair()
        } catch {
            for descriptor in [input] + pipes.flatMap({ [$0.reading, $0.writing] }) { close(descriptor) }
            throw error
        }
        defer { for descriptor in [pipes[0].writing, pipes[1].writing, guardian.descriptor] { close(descriptor) } }
        let spawn = ProgramSpawn(
            path: guardPath, arguments: ["chimera", ProgramGuard.argument, label], environment: Self.environment,
            descriptors: [reading, pipes[0].writing, pipes[1].writing, guardian.descriptor])
        switch spawn.start() {
        case .success(let process): self.guardian = process
        case .failure(let error):
            for descriptor in [input, pipes[0].reading, pipes[1].reading, worker.descriptor] { close(descriptor) }
            throw error
        }
        self.input = input
        (output, error) = (pipes[0].reading, pipes[1].reading)
        for descriptor in [input, output, error] { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
        state = Mutex(State(control: worker))
        guard !worker.send(order.text) else { return }
        let error = SystemError.last
        for descriptor in [self.input, output, self.error] { close(descriptor) }
        _ = letGo(isLost: true, program: nil)
        throw error
    }

    /// What lets our own executable find its libraries; the program does not see it.
    private static var environment: [String: String] {
        ProcessInfo.processInfo.environment.filter { $0.key == "LD_LIBRARY_PATH" }
    }

    /// Runs it to its end; to be called once. A cancelled task has it ended first. `holdsFor` tells how long the lease holds; `onOutput`
    /// is called by the thread with what was written. While `pausesOutput` nothing is read: the program waits where it writes.
    func run(
        input text: [UInt8], holdsFor: @escaping @Sendable () -> Duration, pausesOutput: @escaping @Sendable () -> Bool,
        onOutput: @escaping @Sendable (ArraySlice<UInt8>, ProgramOutput.Stream) -> Void
    ) async -> ProgramOutcome {
        let ended = Suspension<ProgramOutcome>()
        let thread = Thread { [self] in
            var loop = Loop(input: input, output: output, error: error, text: text[...], onOutput: onOutput)
            let outcome = watch(&loop, holdsFor: holdsFor, pausesOutput: pausesOutput)
            var patience = Self.drainPatience
            loop.drain {
                while patience > .zero, pausesOutput(), state.withLock({ $0.stoppedAt }) == nil {
                    patience -= Self.outputPause
                    poll(nil, 0, Int32(Self.outputPause.wholeMilliseconds))
                }
            }
            let remains = letGo(isLost: outcome == nil, program: loop.program)
            ended.resume(with: outcome ?? .guardLost(remains))
        }
        thread.name = "custom"
        thread.start()
        return await ended.wait(onCancel: { self.stop() })
    }

    /// Tells the guard to end it.
    private func stop() {
        state.withLock { state in
            guard state.stoppedAt == nil else { return }
            state.stoppedAt = MonotonicClock.now()
            state.control?.send(GuardMessage.stop.text)
        }
    }

    /// Nil: the guard was lost.
    private func watch(_ loop: inout Loop, holdsFor: () -> Duration, pausesOutput: () -> Bool) -> ProgramOutcome? {
        guard let control = state.withLock({ $0.control }) else { return nil }
        var saidAt = MonotonicClock.now()
        while true {
            let turn = max(.milliseconds(50), min(.seconds(1), holdsFor() / 8))
            if MonotonicClock.now() - saidAt >= turn {
                saidAt = MonotonicClock.now()
                let hold = holdsFor()
                if hold > .zero { control.send(GuardMessage.hold(milliseconds: Int(hold.wholeMilliseconds)).text) }
                if let stoppedAt = state.withLock({ $0.stoppedAt }), saidAt - stoppedAt > ProgramGuard.grace + Self.patience { return nil }
            }
            let isPaused = pausesOutput()
            let limit = isPaused ? min(turn, Self.outputPause) : turn
            guard loop.turn(control: control.descriptor, takesOutput: !isPaused, upTo: limit) else { continue }
            switch control.receive().map(GuardMessage.init) {
            case .some(.started(let process)): loop.program = process
            case .some(.refused(let error)): return .refused(error)
            case .some(.ended(let end)): return .ended(end)
            case .none: return nil
            default: break
            }
        }
    }

    /// Closes what is open. Where the guard was lost what it guarded is killed as far as the process group tells.
    private func letGo(isLost: Bool, program: pid_t?) -> ProgramOutcome.Remains {
        var remains = ProgramOutcome.Remains.notKnown
        if isLost {
            kill(guardian, SIGKILL)
            if let program { remains = kill(-program, SIGKILL) == 0 ? .killed : .none }
        }
        let control = state.withLock { state in
            defer { state.control = nil }
            return state.control
        }
        if let control { close(control.descriptor) }
        var status: Int32 = 0
        while waitpid(guardian, &status, 0) < 0, errno == EINTR {}
        return remains
    }

    /// The pipes of one program, moved along by one thread.
    private struct Loop {
        var input: Int32
        var output: Int32
        var error: Int32
        /// What is still to be written.
        var text: ArraySlice<UInt8>
        var program: pid_t?
        let onOutput: (ArraySlice<UInt8>, ProgramOutput.Stream) -> Void
        /// Small: what is read at once becomes lines at once.
        private var buffer = [UInt8](repeating: 0, count: 4_096)

        init(
            input: Int32, output: Int32, error: Int32, text: ArraySlice<UInt8>,
            onOutput: @escaping (ArraySlice<UInt8>, ProgramOutput.Stream) -> Void
        ) {
            (self.input, self.output, self.error) = (input, output, error)
            self.text = text
            self.onOutput = onOutput
            // A program that closes its input answers with SIGPIPE: here it is an error of `write`, whatever the process does else.
            var pipeSignal = sigset_t()
            sigemptyset(&pipeSignal)
            sigaddset(&pipeSignal, SIGPIPE)
            pthread_sigmask(SIG_BLOCK, &pipeSignal, nil)
        }

        /// Waits for something to happen and moves what can be moved; true when the guard said something.
        mutating func turn(control: Int32, takesOutput: Bool, upTo limit: Duration) -> Bool {
            var watched = [
                pollfd(fd: control, events: Int16(POLLIN), revents: 0),
                pollfd(fd: takesOutput ? output : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: takesOutput ? error : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: input, events: Int16(POLLOUT), revents: 0),
            ]
            guard poll(&watched, 4, Int32(limit.wholeMilliseconds)) > 0 else { return false }
            if watched[1].revents != 0, !move(output, .output) { Self.end(&output) }
            if watched[2].revents != 0, !move(error, .error) { Self.end(&error) }
            if watched[3].revents != 0 { feed() }
            return watched[0].revents != 0
        }

        /// Takes what is there yet; the program is gone. Who holds a pipe even so is not waited for.
        /// `pause` is called before each look.
        mutating func drain(pause: () -> Void) {
            for (descriptor, stream) in [(output, ProgramOutput.Stream.output), (error, .error)] where descriptor >= 0 {
                repeat { pause() } while move(descriptor, stream)
            }
            for descriptor in [input, output, error] where descriptor >= 0 { close(descriptor) }
        }

        /// Reads once; false at the end, or when nothing is there.
        private mutating func move(_ descriptor: Int32, _ stream: ProgramOutput.Stream) -> Bool {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 { return errno == EINTR }
            if count > 0 { onOutput(buffer[..<count], stream) }
            return count > 0
        }

        private mutating func feed() {
            let count = text.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
            if count > 0 { text = text.dropFirst(count) }
            let isOver = count < 0 && errno != EAGAIN && errno != EINTR
            if text.isEmpty || isOver { Self.end(&input) }
        }

        private static func end(_ descriptor: inout Int32) {
            close(descriptor)
            descriptor = -1
        }
    }
}
