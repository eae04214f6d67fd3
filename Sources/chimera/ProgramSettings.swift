import Foundation
import Notifications
import Postgres
import Runtime

/// What the environment says; flags win over it.
struct ProgramSettings: Sendable {
    let environment: [String: String]

    init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        self.environment = environment
    }

    /// The database of `DATABASE_URL`. Throws when it is unset or cannot be read (78). `statementDeadline`: also the longest wait for a
    /// connection.
    func database(applicationName: String, statementDeadline: Duration = .seconds(30)) throws -> PostgresConfiguration {
        guard let url = environment["DATABASE_URL"], !url.isEmpty else {
            throw OperatorError(
                exitCode: .configuration,
                message: "DATABASE_URL is not set; set it to a PostgreSQL connection string such as postgresql://chimera@db1/chimera")
        }
        return try PostgresConfiguration(
            url: url, applicationName: applicationName, usesNamedStatements: try listens(), statementDeadline: statementDeadline)
    }

    /// `CHIMERA_LISTEN`: LISTEN and named statements (`on`), or polling alone for PgBouncer (`off`).
    func listens() throws -> Bool {
        switch environment["CHIMERA_LISTEN"] ?? "" {
        case "", "on": true
        case "off": false
        case let other: throw OperatorError(exitCode: .configuration, message: "CHIMERA_LISTEN is \"\(other)\"; it must be on or off")
        }
    }

    /// `CHIMERA_LOCALE`: the language of notifications.
    func language() throws -> MessageLanguage {
        let text = environment["CHIMERA_LOCALE"] ?? ""
        guard let language = text.isEmpty ? .portuguese : MessageLanguage(rawValue: text) else {
            throw OperatorError(exitCode: .configuration, message: "CHIMERA_LOCALE is \"\(text)\"; it must be pt_BR or en")
        }
        return language
    }

    /// `CHIMERA_KEY_FILE`, else `$CREDENTIALS_DIRECTORY/chimera.key` when that is there.
    var keyFile: String? {
        if let path = environment["CHIMERA_KEY_FILE"], !path.isEmpty { return path }
        guard let directory = environment["CREDENTIALS_DIRECTORY"], !directory.isEmpty else { return nil }
        let path = directory + "/chimera.key"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    /// `CHIMERA_CUSTOM_DIR`: where programs of CUSTOM jobs are looked for.
    var customFolder: String? { environment["CHIMERA_CUSTOM_DIR"] }

    /// Sets how this process logs, from `CHIMERA_LOG_LEVEL` (else `standardLevel`) and `CHIMERA_LOG_FORMAT`.
    func configureLogging(standardLevel: LogLevel = .info) throws {
        try Logging.configure(environment: environment, standardLevel: standardLevel)
    }
}
