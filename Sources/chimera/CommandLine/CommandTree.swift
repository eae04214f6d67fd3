import Runtime

/// All commands, and the way from the words on the command line to one of them.
struct CommandTree: Sendable {
    let commands: [Command]

    /// What a command line asks for.
    enum Request {
        case run(Command, arguments: [String])
        case help(String)
        case version
    }

    /// Finds what `arguments` ask for; throws `.usage` for words that lead nowhere.
    func request(_ arguments: [String]) throws(OperatorError) -> Request {
        guard let first = arguments.first else {
            throw OperatorError(exitCode: .usage, message: "give a command; `chimera help` lists them")
        }
        switch first {
        case "--version": return .version
        case "help": return .help(try help(for: Array(arguments.dropFirst().filter { $0 != "--help" && $0 != "-h" })))
        case "--help", "-h": return .help(try help(for: []))
        default: break
        }
        guard let command = longestMatch(arguments) else {
            let words = arguments.prefix { !$0.hasPrefix("-") }
            if words.count == 1, isGroup(first), arguments.dropFirst().contains(where: { $0 == "--help" || $0 == "-h" }) {
                return .help(help(forGroup: first))
            }
            throw unknown(arguments)
        }
        let rest = Array(arguments.dropFirst(command.words.count))
        if command.words.count == 1, isGroup(first) {
            if Self.asksForHelp(rest) { return .help(help(forGroup: first)) }
            if let verb = rest.first, !verb.hasPrefix("-") { throw unknown(arguments) }
        }
        let asksForHelp = command.takesRawArguments ? rest == ["--help"] || rest == ["-h"] : Self.asksForHelp(rest)
        return asksForHelp ? .help(HelpText(command).text) : .run(command, arguments: rest)
    }

    private static func asksForHelp(_ arguments: [String]) -> Bool {
        arguments.prefix { $0 != "--" }.contains { $0 == "--help" || $0 == "-h" }
    }

    /// The command with the most words that the arguments begin with.
    private func longestMatch(_ arguments: [String]) -> Command? {
        commands.filter { arguments.starts(with: $0.words) }.max { $0.words.count < $1.words.count }
    }

    private func isGroup(_ word: String) -> Bool { commands.contains { $0.words.count > 1 && $0.words[0] == word } }

    // MARK: Help

    private func help(for words: [String]) throws(OperatorError) -> String {
        guard let first = words.first, words != ["help"] else { return HelpText.overview(of: commands) }
        if let command = longestMatch(words), command.words.count == words.count, words.count > 1 || !isGroup(first) {
            return HelpText(command).text
        }
        guard words.count == 1, isGroup(first) else { throw unknown(words) }
        return help(forGroup: first)
    }

    private func help(forGroup word: String) -> String {
        HelpText.group(word, commands: commands.filter { $0.words[0] == word })
    }

    /// The error of words that are no command, with the one that was probably meant.
    private func unknown(_ arguments: [String]) -> OperatorError {
        let first = arguments[0]
        guard isGroup(first) else {
            let near = nearest(to: first, among: Array(Set(commands.map { $0.words[0] })) + ["help"])
            return OperatorError(
                exitCode: .usage,
                message: "there is no command \(shown(first))\(near.map { "; did you mean \($0)?" } ?? ";") `chimera help` lists them")
        }
        let verbs = commands.filter { $0.words[0] == first && $0.words.count > 1 }.map { $0.words[1] }
        guard let second = arguments.dropFirst().first else {
            return OperatorError(
                exitCode: .usage, message: "\(first) needs one of \(verbs.joined(separator: ", ")); `chimera help \(first)` explains them")
        }
        let near = nearest(to: second, among: verbs)
        return OperatorError(
            exitCode: .usage,
            message:
                "\(first) knows no \(shown(second))\(near.map { "; did you mean \($0)?" } ?? ";") it knows \(verbs.joined(separator: ", "))"
        )
    }
}
