import Runtime

/// One thing the program does: `chimera job add …`.
struct Command: Sendable {
    /// The words behind `chimera`: `["job", "add"]`.
    let words: [String]
    /// One line for the list of commands.
    let summary: String
    /// What stands behind the words without a dash, in order.
    var operands: [Operand] = []
    /// What begins with a dash; `--help` is always there.
    var options: [Option] = []
    /// What the help says below the options.
    var notes = ""
    /// Takes everything behind its words as it stands, dashes and all.
    var takesRawArguments = false
    /// Does it; the exit code is `.ok` or, where the command answers a question, `.answerIsNo`.
    let run: @Sendable (Invocation) async throws -> ExitCode

    /// The words as they are typed.
    var name: String { words.joined(separator: " ") }

    /// The usage line: words, operands, and options where they are few or required.
    var usage: String {
        let operands = operands.map { $0.isRequired ? $0.name : "[\($0.name)]" }
        let required = options.filter(\.isRequired).map(\.spelling)
        let others = options.filter { !$0.isRequired }
        let optional = others.count <= 5 ? others.map { "[\($0.spelling)]" } : ["[OPTIONS]"]
        return (["chimera"] + words + operands + required + optional).joined(separator: " ")
    }
}

/// A word of a command that has its meaning by its place.
struct Operand: Sendable {
    let name: String
    let help: String
    var isRequired = true
}

/// A word of a command that begins with a dash.
struct Option: Sendable {
    /// `--limit`, `-n`.
    let name: String
    /// What the help calls its value (`N`); nil for one that takes none.
    var value: String?
    let help: String
    var isRequired = false
    /// The values it takes, if they are few.
    var choices: [String] = []

    /// As it is typed: `--limit N`.
    var spelling: String { value.map { "\(name) \($0)" } ?? name }

    /// Every listing, and every command that shows something, has it.
    static let json = Option(name: "--json", help: "answers in JSON: keys are column names, times are ISO 8601 in UTC")
}

/// A command with the arguments that it was given.
struct Invocation: Sendable {
    let command: Command
    let settings: ProgramSettings
    /// Operands by name.
    private(set) var operands: [String: String] = [:]
    /// Options by name; the value of one that takes none is empty.
    private(set) var options: [String: String] = [:]
    /// What stood behind the words of a command that takes its arguments raw.
    private(set) var rawArguments: [String] = []

    init(command: Command, settings: ProgramSettings, arguments: [String]) throws(OperatorError) {
        self.command = command
        self.settings = settings
        if command.takesRawArguments {
            rawArguments = arguments
        } else {
            var reader = ArgumentReader(command: command, arguments: arguments)
            (operands, options) = try reader.read()
        }
    }

    /// The operand of this name; it must be one of the command's required ones.
    func operand(_ name: String) -> String {
        guard let value = operands[name] else { preconditionFailure("\(command.name) declares no required operand \(name)") }
        return value
    }

    /// Whether an option was given.
    func has(_ option: String) -> Bool { options[option] != nil }

    /// The value of an option, nil when it was not given.
    func text(_ option: String) -> String? { options[option] }

    /// A whole number within a range; throws `.usage`.
    func number(_ option: String, in range: ClosedRange<Int>) throws(OperatorError) -> Int? {
        guard let text = options[option] else { return nil }
        guard let number = Int(text), range.contains(number) else {
            let allowed =
                range.upperBound > Int(Int16.max) && range.lowerBound < 0 ? "" : " from \(range.lowerBound) to \(range.upperBound)"
            throw command.misuse("\(option) takes a whole number\(allowed), not \(shown(text))")
        }
        return number
    }

    /// Whether the answer is wanted in JSON.
    var wantsJSON: Bool { has("--json") }
}

extension Command {
    /// The error of arguments that do not fit the command.
    func misuse(_ sentence: String) -> OperatorError {
        OperatorError(exitCode: .usage, message: "\(sentence)\(sentence.hasSuffix("?") ? "" : ".") Usage: \(usage)")
    }
}
