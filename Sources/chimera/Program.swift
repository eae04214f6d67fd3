import Postgres
import Runtime

/// The program from its arguments to its exit code.
struct Program {
    static let commands =
        MigrateCommands.all + [WorkerCommand.command, SchedulerCommand.command, StatusCommand.command] + JobCommands.all
        + ExecutionCommands.all + Noun.store.commands + [StoreImport.command] + Noun.integration.commands + [IntegrationTest.command]
        + Noun.channel.commands + [ChannelTest.command] + SecretCommands.all + [CronCommand.command, BenchCommand.command]

    private static let services: Set<String> = ["worker", "scheduler"]

    let settings: ProgramSettings

    /// Does what the arguments ask for; an error ends as one sentence on standard error.
    func run(_ arguments: [String]) async -> ExitCode {
        do {
            switch try CommandTree(commands: Self.commands).request(arguments) {
            case .version:
                StandardOutput.write("chimera \(Composition.version)")
                return .ok
            case .help(let text):
                StandardOutput.write(text)
                return .ok
            case .run(let command, let rest):
                // Of a command that ends with its answer only errors are news.
                try settings.configureLogging(standardLevel: Self.services.contains(command.name) ? .info : .error)
                return try await command.run(Invocation(command: command, settings: settings, arguments: rest))
            }
        } catch {
            let failure = OperatorError(presenting: error)
            StandardOutput.progress("")
            StandardOutput.note("chimera: \(failure.message)")
            return failure.exitCode
        }
    }
}
