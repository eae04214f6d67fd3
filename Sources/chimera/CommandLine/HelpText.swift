/// What `--help` prints, made from a command's declaration.
struct HelpText {
    let text: String

    init(_ command: Command) {
        var sections = ["Usage: \(command.usage)", "\(command.summary)."]
        if !command.operands.isEmpty {
            sections.append(Self.columns(command.operands.map { ($0.name, $0.help) }))
        }
        sections.append(Self.columns(command.options.map { ($0.spelling, $0.help) } + [("-h, --help", "shows this text")]))
        if !command.notes.isEmpty { sections.append(command.notes) }
        text = sections.joined(separator: "\n\n")
    }

    /// The list of all commands.
    static func overview(of commands: [Command]) -> String {
        var lines: [(String, String)] = []
        var groups: Set<String> = []
        for command in commands {
            let group = command.words[0]
            let verbs = commands.filter { $0.words[0] == group && $0.words.count > 1 }
            if verbs.isEmpty {
                lines.append((group, command.summary))
            } else if groups.insert(group).inserted {
                lines.append((group, verbs.map { $0.words[1] }.joined(separator: ", ")))
            }
        }
        return """
            Usage: chimera COMMAND [ARGUMENTS]

            Runs the integration jobs of a chain of shops: worker, scheduler and the operator's commands.

            \(columns(lines + [("help", "`chimera help COMMAND` or `chimera COMMAND --help` explains one; `chimera --version` says the version")]))

            Environment: DATABASE_URL (where the database is), CHIMERA_KEY_FILE (the key of encrypted settings), CHIMERA_LOG_LEVEL,
            CHIMERA_LOG_FORMAT (text, json, journal), CHIMERA_LOCALE (pt_BR, en: the language of notifications), CHIMERA_LISTEN (on, off),
            CHIMERA_CUSTOM_DIR. Flags win over it.

            Exit codes: 0 done, 1 the answer is no, 64 usage, 65 bad data, 69 database or partner unavailable, 70 internal, 75 try again
            later, 78 configuration.
            """
    }

    /// The list of one noun's commands; the noun alone may be short for one of them.
    static func group(_ word: String, commands: [Command]) -> String {
        let alone = commands.first { $0.words.count == 1 }
        let verbs = commands.filter { $0.words.count > 1 }
        return """
            Usage: chimera \(word) \(alone == nil ? "COMMAND" : "[COMMAND]") [ARGUMENTS]

            \(columns(verbs.map { ($0.words.dropFirst().joined(separator: " "), $0.summary) }))

            `chimera help \(word) COMMAND` explains one.\(alone.map { " `chimera \(word)` alone: \($0.summary)." } ?? "")
            """
    }

    /// Two columns; what does not fit beside the first goes below it.
    private static func columns(_ lines: [(String, String)]) -> String {
        let width = min(32, lines.map(\.0.count).max() ?? 0)
        return lines.map { name, help in
            let wrapped = wrap(help, to: 130 - width - 4)
            let indent = String(repeating: " ", count: width + 4)
            let head = name.count <= width ? "  " + name + String(repeating: " ", count: width - name.count + 2) : "  \(name)\n\(indent)"
            return head + wrapped.joined(separator: "\n\(indent)")
        }.joined(separator: "\n")
    }

    private static func wrap(_ text: String, to width: Int) -> [String] {
        var lines: [String] = [""]
        for word in text.split(separator: " ") {
            if lines[lines.count - 1].isEmpty {
                lines[lines.count - 1] = String(word)
            } else if lines[lines.count - 1].count + 1 + word.count <= width {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
