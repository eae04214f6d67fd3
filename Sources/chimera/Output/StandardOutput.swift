import Glibc
import Runtime
import Synchronization

/// Where answers go. What a reader that left (`| head`) does not read is dropped, and the command goes its way, for its exit code is an answer,
/// too; any other failure is said.
enum StandardOutput {
    private static let readerHasLeft = Atomic(false)

    /// Whether a person looks at standard error, where progress is shown.
    static var showsProgress: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes a line at once.
    static func write(_ line: String) {
        guard !readerHasLeft.load(ordering: .relaxed) else { return }
        writeAll(STDOUT_FILENO, Array((line + "\n").utf8)) { code in
            guard code != EPIPE else { return readerHasLeft.store(true, ordering: .relaxed) }
            writeAll(STDERR_FILENO, Array("chimera: cannot write the answer: \(String(cString: strerror(code)))\n".utf8)) { _ in }
            _exit(ExitCode.internal.rawValue)
        }
    }

    /// Ends the program when the reader has left: of output that is long, or has no end.
    static func leaveIfClosed() {
        guard !readerHasLeft.load(ordering: .relaxed) else { _exit(0) }
        var request = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        if poll(&request, 1, 0) == 1, Int32(request.revents) & (POLLERR | POLLHUP) != 0 { _exit(0) }
    }

    /// Writes a JSON array, an element a line, so that it reads well and can be searched.
    static func write(array: [JSONValue]) {
        guard !array.isEmpty else { return write("[]") }
        write("[\n" + array.map(\.text).joined(separator: ",\n") + "\n]")
    }

    /// Says something on standard error that is no answer.
    static func note(_ sentence: String) {
        writeAll(STDERR_FILENO, Array("\(printableLine(sentence))\n".utf8)) { _ in }
    }

    /// Says something on standard error and stays in its line.
    static func ask(_ question: String) { writeAll(STDERR_FILENO, Array(question.utf8)) { _ in } }

    /// Overwrites the line of progress on a terminal; an empty one removes it.
    static func progress(_ text: String) {
        guard showsProgress else { return }
        writeAll(STDERR_FILENO, Array("\r\u{1B}[K\(printableLine(text))".utf8)) { _ in }
    }

    /// Puts files that take and give nothing where standard input, output or error are closed: a connection to the database would get the number
    /// otherwise, and what is meant for the terminal with it.
    static func fillClosedDescriptors() {
        for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        where fcntl(descriptor, F_GETFD) == -1 {
            _ = open("/dev/null", mode)
        }
    }

    private static func writeAll(_ descriptor: Int32, _ bytes: [UInt8], onFailure: (Int32) -> Void) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&request, 1, -1)
            } else if errno != EINTR {
                return onFailure(errno)
            }
        }
    }
}

/// A text in one line without control characters, which could otherwise rewrite what a terminal shows.
func printableLine(_ text: String) -> String {
    let isSteering = { (scalar: Unicode.Scalar) in scalar.value < 0x20 || scalar.value == 0x7F || scalar.steersTerminals }
    guard text.unicodeScalars.contains(where: isSteering) else { return text }
    var line = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        let isBlank = scalar == "\n" || scalar == "\t" || scalar == "\r"
        line.append(isBlank ? " " : isSteering(scalar) ? "?" : scalar)
    }
    return String(line)
}
