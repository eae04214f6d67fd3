import Postgres
import Runtime
import Secrets

extension OperatorError {
    /// What the operator is told of any error that ended a command.
    init(presenting error: any Error) {
        switch error {
        case let error as OperatorError: self = error
        case let error as PostgresError: self.init(presenting: error)
        case is CancellationError: self.init(exitCode: .tryAgain, message: "it was interrupted; look at what was done and try again")
        default: self.init(exitCode: .internal, message: "unexpected: \(error); this is a defect of chimera")
        }
    }

    /// Sorts the database's refusals: what was entered is wrong (65), it cannot be reached (69), it is set up wrong (78).
    private init(presenting error: PostgresError) {
        let state = error.sqlState ?? ""
        let message = Masking.mask(text: error.message)
        // Of a session that does not begin, 22 and 42 are settings that it asks for: options in DATABASE_URL, or PGOPTIONS.
        if state.hasPrefix("28") || state == "3D000" || error.isFatal && (state.hasPrefix("22") || state.hasPrefix("42")) {
            self.init(exitCode: .configuration, message: "\(Self.fact("the database refuses the connection", message)); mend DATABASE_URL")
            return
        }
        switch error.kind {
        case .connectionLost, .serverShuttingDown, .deadlineExceeded:
            self.init(
                exitCode: .unavailable,
                message: "\(Self.fact("the database cannot be reached", message)); look at DATABASE_URL and at the server")
        case .readOnly:
            self.init(exitCode: .unavailable, message: "the database accepts no writes, it is a standby; point DATABASE_URL at the primary")
        case .resourcesExhausted:
            self.init(exitCode: .unavailable, message: "the database has no room: \(message); free some and try again")
        case .commitUnknown:
            self.init(
                exitCode: .unavailable, message: "the connection broke during COMMIT: look whether the change is there before trying again")
        case .serialization, .statementTimeout, .cancelled:
            self.init(exitCode: .tryAgain, message: "the database was too busy: \(message); try again")
        case .constraint(let name):
            self.init(exitCode: .badData, message: Constraints.sentence(for: name) ?? message)
        case .invalidInput where state == "22P05" || state == "22021":
            self.init(
                exitCode: .badData,
                message: """
                    a text holds a character that the database cannot keep: \\u0000, or, unless it was made with ENCODING 'UTF8', one that its \
                    encoding lacks; remove it
                    """)
        case .invalidInput, .raised:
            self.init(exitCode: .badData, message: message)
        case .undefined where state == "42501":
            self.init(
                exitCode: .configuration, message: "the database's user may not do this: \(message); GRANT it or use another user")
        case .undefined, .decoding:
            self.init(
                exitCode: .internal,
                message: "the database does not understand chimera: \(error.description); compare `chimera migrate status`")
        case .other:
            self.init(exitCode: state == "55000" ? .badData : .internal, message: message)
        }
    }
}

extension OperatorError {
    /// What happened and the server's words for it; those of the pool begin with the same fact.
    private static func fact(_ fact: String, _ message: String) -> String {
        message.hasPrefix("the database") ? message : "\(fact): \(message)"
    }
}

/// Sentences for the constraints that the schema declares, with the field first; those of triggers bring their own.
private enum Constraints {
    private static let sentences = [
        "integrations_name": "name: another integration has this name",
        "stores_name": "name: another store has this name",
        "stores_registration": "registration: another store has this registration",
        "job_configurations_name": "name: another job has this name",
        "notification_channels_name": "name: another channel has this name",
    ]

    static func sentence(for constraint: String) -> String? { sentences[constraint] }
}
