/// What a program says to its caller when it ends; the numbers from 64 on are those of sysexits.h.
package struct ExitCode: Sendable, Hashable, RawRepresentable {
    /// The status that `exit` takes.
    package let rawValue: Int32

    /// Wraps any status.
    package init(rawValue: Int32) { self.rawValue = rawValue }

    /// 0: done.
    package static let ok = ExitCode(rawValue: 0)
    /// 1: the question was understood and its answer is no.
    package static let answerIsNo = ExitCode(rawValue: 1)
    /// 64: the arguments are wrong.
    package static let usage = ExitCode(rawValue: 64)
    /// 65: the input is wrong.
    package static let badData = ExitCode(rawValue: 65)
    /// 69: a service that is needed cannot be reached.
    package static let unavailable = ExitCode(rawValue: 69)
    /// 70: a defect of the program itself.
    package static let `internal` = ExitCode(rawValue: 70)
    /// 75: not now, try again later.
    package static let tryAgain = ExitCode(rawValue: 75)
    /// 78: the configuration is wrong.
    package static let configuration = ExitCode(rawValue: 78)
}

/// An error that ends the program with one sentence for the operator.
package struct OperatorError: Error, Hashable, CustomStringConvertible {
    /// The status that the program ends with.
    package let exitCode: ExitCode
    /// One sentence that says what is wrong and what to do; it holds no secret.
    package let message: String

    /// Takes the status and the sentence.
    package init(exitCode: ExitCode, message: String) {
        self.exitCode = exitCode
        self.message = message
    }

    /// The sentence.
    package var description: String { message }
}
