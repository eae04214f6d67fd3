import Postgres
import Runtime
import TestSupport
import Testing

extension DatabaseTemplate {
    /// What `chimera migrate` makes, and nothing in it.
    static let migrated = DatabaseTemplate("migrated") { pool in
        guard let name = try await pool.query("SELECT current_database() AS name").first?["name"] else { return }
        let answer = try await chimera(["migrate"], environment: ["DATABASE_URL": try TestCluster.shared.url(database: name)])
        try #require(answer.exitCode == 0, "\(answer.errors)")
    }
}

/// What a command said and how it ended.
struct Answer {
    let exitCode: Int32?
    /// Lines of standard output.
    let lines: [String]
    /// Lines of standard error.
    let errors: [String]

    var text: String { lines.joined(separator: "\n") }

    /// Standard output as JSON.
    var json: JSONValue {
        get throws { try JSONValue(parsing: text) }
    }

    /// The first line of standard error.
    var error: String { errors.first ?? "" }
}

/// Runs `chimera` to its end without a database, unless `environment` names one. `input` is what stands on its standard input.
func chimera(
    _ arguments: [String], input: String? = nil, environment: [String: String] = [:], within limit: Duration = .seconds(60)
) async throws -> Answer {
    let quiet = ["DATABASE_URL": "", "CHIMERA_KEY_FILE": "", "CHIMERA_LOG_LEVEL": "", "CHIMERA_LOG_FORMAT": "", "SUDO_USER": ""]
    let program: RunningProgram
    if let input {
        program = try RunningProgram(
            "/bin/sh", ["-c", "printf %s \"$INPUT\" | \"$0\" \"$@\"", builtProgram("chimera")] + arguments,
            environment: quiet.merging(environment) { $1 }.merging(["INPUT": input]) { $1 })
    } else {
        program = try RunningProgram("chimera", arguments, environment: quiet.merging(environment) { $1 })
    }
    let end = try await program.waitForExit(within: limit)
    guard case .exited(let code) = end else { return Answer(exitCode: nil, lines: program.output, errors: program.errors + ["\(end)"]) }
    return Answer(exitCode: code, lines: program.output, errors: program.errors)
}

extension TestDatabase {
    /// Runs `chimera` against this database.
    func chimera(_ arguments: String..., input: String? = nil, environment: [String: String] = [:]) async throws -> Answer {
        try await ChimeraTests.chimera(arguments, input: input, environment: ["DATABASE_URL": url].merging(environment) { $1 })
    }

    /// Runs `chimera`, which must end with 0 and say nothing on standard error.
    @discardableResult
    func done(
        _ arguments: String..., input: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Answer {
        let answer = try await ChimeraTests.chimera(arguments, input: input, environment: ["DATABASE_URL": url])
        try #require(answer.exitCode == 0, "\(arguments): \(answer.errors)", sourceLocation: sourceLocation)
        return answer
    }

    /// Runs `chimera`, which must refuse with this code and one line that contains `words`; nothing on standard output.
    func refused(
        _ exitCode: Int32, _ words: String, _ arguments: String..., input: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let answer = try await ChimeraTests.chimera(arguments, input: input, environment: ["DATABASE_URL": url])
        expectRefusal(answer, exitCode, words, of: arguments, sourceLocation: sourceLocation)
    }
}

/// One sentence on standard error, none on standard output, and the exit code.
func expectRefusal(
    _ answer: Answer, _ exitCode: Int32, _ words: String, of arguments: [String], sourceLocation: SourceLocation = #_sourceLocation
) {
    let shown = arguments.map { $0.count > 100 ? $0.prefix(100) + "…" : $0 }
    #expect(answer.exitCode == exitCode, "\(shown): \(answer.errors)", sourceLocation: sourceLocation)
    #expect(answer.lines.isEmpty, "\(shown): \(answer.lines.first ?? "")", sourceLocation: sourceLocation)
    #expect(answer.errors.count == 1 && answer.error.hasPrefix("chimera: "), "\(shown): \(answer.errors)", sourceLocation: sourceLocation)
    #expect(answer.error.contains(words), "\(shown): \(answer.error)", sourceLocation: sourceLocation)
}
