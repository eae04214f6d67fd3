import Cron
import Foundation
import Glibc
import Runtime
import Synchronization

/// `CUSTOM`: runs a program of the operator's (SPEC §5), from a folder that only root and the worker's user can write to.
package struct CustomJob: Job {
    /// As `Job` says: TERM, a while, KILL.
    package let windDown: Duration = ProgramGuard.grace

    private let folder: String?
    private let guardPath: String
    private let openSecrets: @Sendable (JSONValue) throws -> JSONValue
    private let mask: @Sendable (String) -> String

    /// `folder`: `CHIMERA_CUSTOM_DIR`; `guardPath`: the executable that is `chimera`, which guards the program; `openSecrets` opens the
    /// envelopes in a document, `mask` hides secrets in a text.
    package init(
        folder: String?, guardPath: String = "/proc/self/exe", openSecrets: @escaping @Sendable (JSONValue) throws -> JSONValue,
        mask: @escaping @Sendable (String) -> String
    ) {
        self.folder = folder
        self.guardPath = guardPath
        self.openSecrets = openSecrets
        self.mask = mask
    }

    /// See `Job`.
    package func run(_ context: RunContext) async throws -> JobResult {
        let options = try CustomOptions(context.options)
        let file = try ProgramFile(named: options.program, in: folder)
        let environment = try open(options.environment)
        let recorder = Recorder(context: context, mask: SecretTexts(in: environment, configured: options.environment, mask: mask).hide)
        try context.checkHold()
        let order = ProgramOrder(
            path: file.path, arguments: [file.shownPath] + options.arguments,
            environment: Self.inherited.merging(environment) { $1 }.merging(Self.words(context)) { $1 }, workingDirectory: file.folder,
            hold: context.leaseRemaining, grace: ProgramGuard.grace, graceWithoutLease: min(ProgramGuard.grace, context.leaseMargin))
        guard order.fitsGuard else {
            let length = "with the arguments and escaped for the program's guard it has more than \(GuardSocket.longestMessage) bytes"
            throw RunError(code: "CONFIG", message: "config.environment: \(length); use the params", isRetryable: false)
        }
        let program: GuardedProgram
        do {
            program = try GuardedProgram(order, guardPath: guardPath, label: context.run.id)
        } catch {
            throw RunError(code: "NOT_STARTED", message: "the guard of \(options.program) cannot be started: \(error)", isRetryable: true)
        }
        let input = Array("\(context.run.paramsText ?? "{}")\n".utf8)
        let outcome = await program.run(
            input: input, holdsFor: { context.leaseRemaining }, pausesOutput: { context.isLogBehind }, onOutput: recorder.take)
        let said = recorder.finish()
        try Task.checkCancellation()
        return try Self.result(outcome, of: options.program, said, context)
    }

    private func open(_ environment: [String: String]) throws -> [String: String] {
        do {
            return try openSecrets(.object(environment.mapValues { .string($0) })).objectValue?.compactMapValues(\.stringValue) ?? [:]
        } catch {
            throw RunError(code: "CONFIG", message: "config.environment: \(error)", isRetryable: false)
        }
    }

    /// Nothing else of the worker's environment.
    private static var inherited: [String: String] {
        ProcessInfo.processInfo.environment.filter { $0.key == "PATH" || $0.key == "LANG" }
    }

    private static func words(_ context: RunContext) -> [String: String] {
        let run = context.run
        let zone = (try? TimeZoneRules(named: context.configuration.timeZone)) ?? .utc
        return [
            "CHIMERA_EXECUTION_ID": run.id, "CHIMERA_ATTEMPT": "\(run.attempt)", "CHIMERA_FENCING_TOKEN": "\(run.token)",
            // There, though empty, when no schedule made it: scripts ask for variables that must exist.
            "CHIMERA_SCHEDULED_FOR": run.scheduledFor.map { iso8601(Int64($0.timeIntervalSince1970), in: zone) } ?? "",
        ]
    }

    private static func result(
        _ outcome: ProgramOutcome, of program: String, _ said: (metrics: JSONValue?, lastWords: String?),
        _ context: RunContext
    ) throws -> JobResult {
        func failure(_ code: String, _ message: String, isRetryable: Bool) -> RunError {
            RunError(code: code, message: message, isRetryable: isRetryable, metrics: said.metrics)
        }
        let words = said.lastWords.map { "; it said last: \($0.cut(toBytes: 300))" } ?? ""
        switch outcome {
        case .guardLost(let remains):
            let remainder =
                switch remains {
                case .notKnown: " before it had said that \(program) runs"
                case .killed: "; \(program) and its process group were killed"
                case .none: "; nothing was left of \(program)'s process group"
                }
            throw failure("GUARD_LOST", "the process that guards \(program) was lost\(remainder)", isRetryable: true)
        case .refused(let error):
            throw failure("NOT_STARTED", "\(program) cannot be started: \(error)", isRetryable: error.mayPass)
        case .ended(let end):
            if end.left > 0 {
                context.log(.warning, "\(program) left \(end.left) processes running when it ended; they were ended")
            }
            if end.stuck > 0 { context.log(.error, "\(end.stuck) processes of \(program) cannot be ended") }
            guard end.cause == .itself else { throw LeaseLost() }
            if let signal = end.signalName {
                throw failure(signal, "\(program) was ended by \(signal)\(words)", isRetryable: true)
            }
            let code = end.exitCode ?? 0
            guard code == 0 else {
                let isPermanent = [ExitCode.badData, .configuration].contains(ExitCode(rawValue: code))
                throw failure("EXIT_\(code)", "\(program) left with exit code \(code)\(words)", isRetryable: !isPermanent)
            }
            return .succeeded(metrics: said.metrics)
        }
    }
}

extension SystemError {
    /// Another attempt may find it otherwise: memory, processes, a file that is being written.
    fileprivate var mayPass: Bool { [EAGAIN, ENOMEM, ENFILE, EMFILE, ETXTBSY, EINTR, EIO].contains(number) }
}

/// Takes what a program writes and logs it while it runs.
private final class Recorder: Sendable {
    private let output: Mutex<ProgramOutput>
    private let mask: @Sendable (String) -> String
    private let context: RunContext

    init(context: RunContext, mask: @escaping @Sendable (String) -> String) {
        self.context = context
        self.mask = mask
        output = Mutex(ProgramOutput(mask: mask))
    }

    @Sendable func take(_ bytes: ArraySlice<UInt8>, _ stream: ProgramOutput.Stream) {
        for line in output.withLock({ $0.take(bytes, from: stream) }) { context.log(line.level, line.text) }
    }

    /// When the program is gone.
    func finish() -> (metrics: JSONValue?, lastWords: String?) {
        let (lines, metrics, lastWords) = output.withLock { ($0.finish(), $0.metrics, $0.lastWords) }
        for line in lines { context.log(line.level, line.text) }
        return (metrics.map { SecretTexts.shown($0, mask) }, lastWords)
    }
}
