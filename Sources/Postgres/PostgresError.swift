/// A failure of the database, sorted by what a caller can do about it.
package struct PostgresError: Error, Sendable, CustomStringConvertible {
    /// What happened.
    package enum Kind: Sendable, Hashable {
        /// The connection broke, or none could be made before the deadline; a statement that was under way may have been carried out.
        case connectionLost
        /// The server closes or opens (57P01 to 57P05).
        case serverShuttingDown
        /// The server accepts no writes (25006): it is a standby now.
        case readOnly
        /// 40001 and 40P01: the whole transaction is worth repeating.
        case serialization
        /// 53xxx: disk full, out of memory, too many connections.
        case resourcesExhausted
        /// 23xxx, with the name of the constraint as the server gives it (empty for NOT NULL).
        case constraint(name: String)
        /// 22xxx, or a value that cannot be sent as text.
        case invalidInput
        /// 42xxx: syntax, unknown names, missing rights.
        case undefined
        /// The server's own limit ended the statement (57014, 55P03).
        case statementTimeout
        /// The task was cancelled, or somebody cancelled the statement (57014).
        case cancelled
        /// The caller's deadline passed; the connection was given up.
        case deadlineExceeded
        /// RAISE in a function (P0xxx).
        case raised
        /// The answer to COMMIT never came: the transaction stands or does not; look it up.
        case commitUnknown
        /// The result does not hold what was asked of it.
        case decoding
        /// Anything else.
        case other
    }

    /// What sort of error it is.
    package let kind: Kind
    /// The five characters of the SQL standard's error code, where the server gave one.
    package let sqlState: String?
    /// One sentence: the server's primary message, or ours. Holds no secret of the connection.
    package let message: String
    /// The server's detail, which may quote values of the row at fault.
    package let detail: String?
    /// The server's hint.
    package let hint: String?
    /// A named statement must be prepared anew because the schema changed; nothing was carried out.
    let isStalePlan: Bool
    /// A named statement has to be prepared anew, or somebody discarded it (26000); nothing was carried out.
    var isStaleStatement: Bool { isStalePlan || sqlState == "26000" }
    /// The server ended the session with this message (FATAL, PANIC), or did not begin it.
    package let isFatal: Bool

    /// Makes an error; adapters and tests use it as well.
    package init(
        kind: Kind, sqlState: String? = nil, message: String, detail: String? = nil, hint: String? = nil
    ) {
        self.init(kind: kind, sqlState: sqlState, message: message, detail: detail, hint: hint, isStalePlan: false, isFatal: false)
    }

    init(kind: Kind, sqlState: String?, message: String, detail: String?, hint: String?, isStalePlan: Bool, isFatal: Bool) {
        self.kind = kind
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.hint = hint
        self.isStalePlan = isStalePlan
        self.isFatal = isFatal
    }

    /// The same statement may succeed on another connection, now or a little later.
    package var isWorthReconnecting: Bool {
        switch kind {
        case .connectionLost, .serverShuttingDown, .readOnly: true
        default: sqlState == "53300"
        }
    }

    /// The whole transaction may succeed when it is repeated.
    package var isRetryableTransaction: Bool { kind == .serialization || isStaleStatement }

    /// Safe to show: the message and the SQLSTATE, no values of rows.
    package var description: String {
        guard let sqlState else { return message }
        return "\(message) (SQLSTATE \(sqlState))"
    }

    /// The connection that gave this error is not used again.
    var endsConnection: Bool {
        switch kind {
        case .connectionLost, .serverShuttingDown, .readOnly, .deadlineExceeded, .commitUnknown: true
        case .cancelled: sqlState == nil
        default: isFatal
        }
    }

    /// Sorts what the server said (FACTS of PostgreSQL's appendix A).
    static func kind(sqlState: String, constraint: String?, message: String) -> Kind {
        switch sqlState {
        case "40001", "40P01": return .serialization
        case "25006": return .readOnly
        case "55P03": return .statementTimeout
        case "57014": return message.contains("user request") ? .cancelled : .statementTimeout
        case "57P01", "57P02", "57P03", "57P04", "57P05": return .serverShuttingDown
        case "25P03": return .connectionLost
        default: break
        }
        switch sqlState.prefix(2) {
        case "08": return .connectionLost
        case "22": return .invalidInput
        case "23": return .constraint(name: constraint ?? "")
        case "42": return .undefined
        case "53": return .resourcesExhausted
        case "P0": return .raised
        default: return .other
        }
    }
}
