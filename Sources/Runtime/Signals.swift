import Dispatch
import Glibc
import Synchronization

/// Takes over signals of this program and hands them out as a stream.
///
/// From then on a signal that nobody reads does nothing. A program started by this one gets the default action back at `exec`.
package final class Signals: Sendable {
    /// The numbers of the signals as they come, the newest 16 kept; made for one reader.
    package let stream: AsyncStream<Int32>

    /// Takes over the signals given, such as `[SIGTERM, SIGINT, SIGHUP]`, for good.
    package init(_ numbers: [Int32]) {
        let (stream, continuation) = AsyncStream.makeStream(of: Int32.self, bufferingPolicy: .bufferingNewest(16))
        self.stream = stream
        SignalPipe.shared.add(continuation, for: Set(numbers), owner: ObjectIdentifier(self))
    }

    deinit { SignalPipe.shared.remove(owner: ObjectIdentifier(self)) }
}

/// Carries signals from the one place where nothing may be done to a dispatch queue.
///
/// A dispatch signal source alone does not do: on Linux it reads a signalfd, which sees only signals that are blocked in every thread,
/// and with SIG_IGN the kernel throws them away before (measured: nothing ever arrives).
private final class SignalPipe: Sendable {
    static let shared = SignalPipe()

    private struct Reader {
        var numbers: Set<Int32>
        var continuation: AsyncStream<Int32>.Continuation
    }

    private let readers = Mutex<[ObjectIdentifier: Reader]>([:])
    // Written once in init; keeps the source alive for the life of the program.
    private nonisolated(unsafe) let source: any DispatchSourceRead

    private init() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { fatalError("No pipe for signals: raise the limit of open files (LimitNOFILE).") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        let readingEnd = ends[0]
        writingEnd = ends[1]
        let queue = DispatchQueue(label: "chimera.signals", qos: .userInteractive)
        source = DispatchSource.makeReadSource(fileDescriptor: readingEnd, queue: queue)
        source.setEventHandler { [self] in
            var buffer = [UInt8](repeating: 0, count: 64)
            let count = read(readingEnd, &buffer, buffer.count)
            for number in buffer.prefix(max(count, 0)) { deliver(Int32(number)) }
        }
        source.activate()
    }

    func add(_ continuation: AsyncStream<Int32>.Continuation, for numbers: Set<Int32>, owner: ObjectIdentifier) {
        readers.withLock { $0[owner] = Reader(numbers: numbers, continuation: continuation) }
        for number in numbers {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = noteSignal
            action.sa_flags = Int32(SA_RESTART)
            sigaction(number, &action, nil)
        }
    }

    func remove(owner: ObjectIdentifier) {
        let reader = readers.withLock { $0.removeValue(forKey: owner) }
        reader?.continuation.finish()
    }

    private func deliver(_ number: Int32) {
        let interested = readers.withLock { $0.values.filter { $0.numbers.contains(number) } }
        for reader in interested { reader.continuation.yield(number) }
    }
}

// Written once, in SignalPipe.init, before any handler is installed; then only read.
private nonisolated(unsafe) var writingEnd: Int32 = -1

/// The handler: one write(2), which is allowed there, and errno as it was; a full pipe holds enough signals already.
private func noteSignal(_ number: Int32) {
    let previousError = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(writingEnd, &byte, 1)
    errno = previousError
}
