import Foundation
import Runtime
import Synchronization

/// How a program ended.
package enum ProgramEnd: Sendable, Hashable {
    case exited(Int32)
    case signalled(Int32)
}

/// A program of the build folder that runs beside the test, in a process group of its own which dies with this object, or with the test.
package final class RunningProgram: Sendable {
    private struct State {
        var output: [String] = []
        var errors: [String] = []
        var end: ProgramEnd?
    }

    /// Its process, which is also its group.
    package let pid: pid_t
    private let name: String
    private let state: SharedState

    private final class SharedState: Sendable {
        let state = Mutex(State())
        let changed = Wakeup()
    }

    /// Starts `program`: a path, or the name of a product beside the test bundle. `environment` is laid over the test's own.
    package init(
        _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], workingDirectory: String? = nil
    ) throws {
        name = program
        let (outputEnd, output) = makePipe()
        let (errorEnd, error) = makePipe()
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { for descriptor in [output, error, null] { close(descriptor) } }
        let path = program.contains("/") ? program : builtProgram(program)
        let spawn = Spawn(
            arguments: [path] + arguments, environment: Spawn.ownEnvironment.merging(environment) { $1 },
            workingDirectory: workingDirectory, input: null, output: output, error: error, isOwnSession: true)
        let pid: pid_t
        do {
            pid = try spawn.start()
        } catch {
            for descriptor in [outputEnd, errorEnd] { close(descriptor) }
            throw error
        }
        self.pid = pid
        Undertaker.shared.killGroup(pid)
        let state = SharedState()
        self.state = state
        let readers = DispatchGroup()
        Self.collect(outputEnd, into: state, readers) { $0.output.append($1) }
        Self.collect(errorEnd, into: state, readers) { $0.errors.append($1) }
        Thread.detachNewThread {
            let end = Self.reap(pid)
            // What it wrote last is read first, unless a child of it keeps the pipes open.
            _ = readers.wait(timeout: .now() + 1)
            state.state.withLock { $0.end = end }
            state.changed.signal()
        }
    }

    deinit {
        kill(-pid, SIGKILL)
        Undertaker.shared.forgetGroup(pid)
    }

    /// The lines it has written to standard output so far.
    package var output: [String] { state.state.withLock { $0.output } }
    /// The lines it has written to standard error so far.
    package var errors: [String] { state.state.withLock { $0.errors } }
    /// How it ended; nil while it runs.
    package var end: ProgramEnd? { state.state.withLock { $0.end } }

    /// Sends a signal to the process, not to its group.
    package func signal(_ number: Int32) {
        if end == nil { kill(pid, number) }
    }

    /// The first line of either stream that contains the text; throws with everything it wrote when none comes in time.
    package func line(containing text: String, within limit: Duration = .seconds(15)) async throws -> String {
        try await waitFor("a line with \"\(text)\"", within: limit) { state in
            (state.output + state.errors).first { $0.contains(text) }
        }
    }

    /// Waits for its end; throws with everything it wrote when it does not come in time.
    @discardableResult
    package func waitForExit(within limit: Duration = .seconds(15)) async throws -> ProgramEnd {
        try await waitFor("its end", within: limit) { $0.end }
    }

    private func waitFor<T: Sendable>(_ what: String, within limit: Duration, _ find: (State) -> T?) async throws -> T {
        let deadline = ContinuousClock.now + limit
        while true {
            let state = self.state.state.withLock { $0 }
            if let found = find(state) { return found }
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero, state.end == nil, !Task.isCancelled else {
                throw TestSupportError(
                    "\(name) did not give \(what) within \(limit) (\(state.end.map { "\($0)" } ?? "still running")):\n"
                        + (state.output + state.errors).suffix(60).joined(separator: "\n"))
            }
            _ = await self.state.changed.wait(upTo: min(left, .milliseconds(250)))
        }
    }

    private static func collect(
        _ descriptor: Int32, into state: SharedState, _ group: DispatchGroup, _ add: @escaping @Sendable (inout State, String) -> Void
    ) {
        group.enter()
        Thread.detachNewThread {
            var rest: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                rest += buffer[..<count]
                while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    let line = String(decoding: rest[..<end], as: UTF8.self)
                    rest.removeSubrange(...end)
                    state.state.withLock { add(&$0, line) }
                }
                state.changed.signal()
            }
            if !rest.isEmpty { state.state.withLock { add(&$0, String(decoding: rest, as: UTF8.self)) } }
            close(descriptor)
            group.leave()
        }
    }

    private static func reap(_ pid: pid_t) -> ProgramEnd {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7f
        return signal == 0 ? .exited(status >> 8 & 0xff) : .signalled(signal)
    }
}

/// The path of an executable product, which lies beside the running test bundle.
package func builtProgram(_ name: String) -> String {
    let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return (path as NSString).deletingLastPathComponent + "/" + name
}
