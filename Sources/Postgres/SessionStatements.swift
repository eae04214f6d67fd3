import CPostgres
import Runtime

/// What a session does on its queue: everything here runs there.
extension Session {
    /// The server ends a statement itself a second after the client gave up on it, should the cancel request never arrive.
    var standardServerLimit: Duration? {
        ownsBackend ? configuration.statementDeadline + .seconds(1) : nil
    }

    /// How long a transaction may sit between two statements.
    private var idleInTransactionLimit: Duration { configuration.statementDeadline * 2 }

    /// Settings of the session, unless a pooler answers in the place of its backend: the next transaction may have another one, and who has this
    /// one then would have them too. What times look like is the exception: poolers give each client its own.
    func applySettings(_ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) {
        ownsBackend = configuration.usesNamedStatements
        if let standardServerLimit {
            let settings = [
                ("TimeZone", "UTC"), ("DateStyle", "ISO"), ("IntervalStyle", "iso_8601"), ("bytea_output", "hex"),
                // Both change what our texts mean: a pattern's backslash, and a missing element of an array.
                ("standard_conforming_strings", "on"), ("array_nulls", "on"),
                ("client_min_messages", "warning"), ("statement_timeout", "\(standardServerLimit.wholeMilliseconds)"),
                ("idle_in_transaction_session_timeout", "\(idleInTransactionLimit.wholeMilliseconds)"),
            ]
            let calls = settings.map { "set_config('\($0)', '\($1)', false)" }.joined(separator: ", ")
            // A pooler tells its clients a process of its own invention.
            try connection.sendScript("SELECT \(calls) WHERE pg_backend_pid() = \(connection.backendProcess)")
            ownsBackend = try !PostgresRows(results(connection, operation)).isEmpty
            serverLimit = self.standardServerLimit
            if !ownsBackend { PoolerNotice.tell() }
        }
        if !ownsBackend {
            try runScript(
                "SET DateStyle = 'ISO'; SET TimeZone = 'UTC'; SET standard_conforming_strings = on; SET array_nulls = on", connection,
                operation)
        }
    }

    /// Runs one statement.
    func execute(_ sql: SQL, _ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) -> PostgresRows {
        let parameters = try Parameters(sql.parameters)
        let text = sql.text
        try raiseServerLimit(connection, operation)
        do throws(PostgresError) {
            return try executeOnce(text, parameters, connection, operation)
        } catch {
            guard error.isStaleStatement else { throw error }
            statements.forget(text, isKept: error.isStalePlan)
            guard connection.transactionStatus == PQTRANS_IDLE else { throw error }
            return try executeOnce(text, parameters, connection, operation)
        }
    }

    /// Runs statements in one go, as one transaction; gives the rows of each.
    func queries(_ statements: [SQL], _ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) -> [PostgresRows] {
        // Each pass finds one of them stale at most.
        for _ in statements {
            do throws(PostgresError) {
                return try pipeline(statements, connection, operation)
            } catch {
                guard error.isStaleStatement else { throw error }
            }
        }
        return try pipeline(statements, connection, operation)
    }

    /// A transaction of these statements, which commits when the last one gives a row; nil when it gave none. After an error it is open.
    func transaction(
        of statements: [SQL], willCommit: @Sendable () -> Void, _ connection: LibpqConnection, _ operation: Operation
    ) throws(PostgresError) -> [PostgresRows]? {
        let rows = try begin(with: statements, connection, operation)
        guard rows.last?.isEmpty == false else {
            try rollBack(connection, operation)
            return nil
        }
        _ = try operation.remainingMilliseconds()
        willCommit()
        // Once sent, a COMMIT is waited for: breaking it off would only leave its outcome open.
        try commit(connection, Operation(deadline: .now + configuration.statementDeadline))
        return rows
    }

    private func executeOnce(
        _ text: String, _ parameters: Parameters, _ connection: LibpqConnection, _ operation: Operation
    ) throws(PostgresError) -> PostgresRows {
        switch ownsBackend ? statements.plan(for: text) : .unprepared {
        case .prepared(let name):
            try connection.send(text, parameters, prepared: name)
        case .prepare(let name):
            try connection.sendPrepare(text, name: name)
            _ = try results(connection, operation)
            statements.prepared(text, name: name)
            try connection.send(text, parameters, prepared: name)
        case .unprepared:
            try refuseNul(text)
            try dropForgottenStatements(connection, operation)
            try connection.send(text, parameters, prepared: nil)
        }
        return PostgresRows(try results(connection, operation))
    }

    func dropForgottenStatements(_ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) {
        guard connection.transactionStatus == PQTRANS_IDLE, !statements.forgotten.isEmpty else { return }
        try runScript(statements.takeForgotten().map { "DEALLOCATE \($0)" }.joined(separator: "; "), connection, operation)
    }

    /// Runs any number of statements without parameters, by default in one transaction of their own.
    func runScript(_ text: String, _ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) {
        try refuseNul(text)
        try connection.sendScript(text)
        _ = try results(connection, operation)
    }

    /// Runs a script of a caller, who may give it more time than the server would.
    func runCallersScript(_ text: String, _ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) {
        try raiseServerLimit(connection, operation)
        try runScript(text, connection, operation)
    }

    /// Opens a transaction and runs its first statements; gives the rows of each. Behind a pooler its limits come with it.
    func begin(with statements: [SQL], _ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) -> [PostgresRows] {
        guard connection.transactionStatus == PQTRANS_IDLE else {
            throw PostgresError(kind: .other, sqlState: "25001", message: "a transaction is open on this connection already")
        }
        let limits = [
            "SET LOCAL statement_timeout = \((configuration.statementDeadline + .seconds(1)).wholeMilliseconds)",
            "SET LOCAL idle_in_transaction_session_timeout = \(idleInTransactionLimit.wholeMilliseconds)",
        ]
        return try pipeline(statements, after: ["BEGIN"] + (ownsBackend ? [] : limits), connection, operation)
    }

    /// Commits. Only an answer tells: without one the error is `.commitUnknown`.
    func commit(_ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) {
        defer { forgetLimitOfTransaction() }
        do throws(PostgresError) {
            try connection.sendScript("COMMIT")
            try connection.flush(operation)
            guard let result = try connection.nextResult(operation) else { throw connection.lost() }
            if let error = result.error { throw error }
            let tag = result.commandTag
            drainAfterCommit(connection, operation)
            guard tag == "COMMIT" else {
                throw PostgresError(
                    kind: .other, sqlState: "25P02",
                    message: "the transaction was rolled back: a statement in it failed and the failure was ignored")
            }
        } catch {
            guard error.endsConnection || connection.isBroken else {
                drainAfterCommit(connection, operation)
                throw error
            }
            throw PostgresError(
                kind: .commitUnknown, sqlState: error.sqlState,
                message: "the answer to COMMIT never came (\(error.message)); the transaction may stand: look its rows up")
        }
    }

    /// The first answer to COMMIT is final; that its end never comes costs only the connection.
    private func drainAfterCommit(_ connection: LibpqConnection, _ operation: Operation) {
        while let next = try? connection.nextResult(operation) { _ = next }
    }

    /// Rolls back whatever transaction is open.
    func rollBack(_ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) {
        try runScript("ROLLBACK", connection, operation)
        forgetLimitOfTransaction()
    }

    /// Makes the connection as good as new for whoever leases it next.
    func tidy(_ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) {
        if connection.transactionStatus != PQTRANS_IDLE { try rollBack(connection, operation) }
        guard let standardServerLimit, serverLimit != standardServerLimit else { return }
        try runScript("SET statement_timeout = \(standardServerLimit.wholeMilliseconds)", connection, operation)
        serverLimit = standardServerLimit
    }

    /// Lets the server work as long as the caller waits.
    func raiseServerLimit(_ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) {
        let needed = ContinuousClock.now.duration(to: operation.deadline) + .seconds(1)
        let isInTransaction = connection.transactionStatus == PQTRANS_INTRANS
        let current = serverLimit ?? (ownsBackend ? .zero : configuration.statementDeadline + .seconds(1))
        guard needed > current, connection.transactionStatus != PQTRANS_INERROR else { return }
        guard ownsBackend || isInTransaction else { return }
        let keyword = ownsBackend ? "SET" : "SET LOCAL"
        try runScript("\(keyword) statement_timeout = \(min(needed.wholeMilliseconds, 2_000_000_000))", connection, operation)
        serverLimit = needed
    }

    /// A limit raised inside a transaction went with it, or stayed: unknown.
    private func forgetLimitOfTransaction() {
        if serverLimit != standardServerLimit { serverLimit = nil }
    }

    /// Sends what is left and reads all answers: the last result, or the first error.
    func results(_ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) -> ResultHandle {
        try connection.flush(operation)
        var last: ResultHandle?
        var failure: PostgresError?
        while let result = try connection.nextResult(operation) {
            switch result.status {
            case PGRES_COPY_IN:
                failure = failure ?? PostgresError(kind: .invalidInput, message: "COPY FROM STDIN goes through copyIn, not through query")
                while try !connection.putCopyEnd(failure: "not sent by copyIn") { try connection.flush(operation) }
                try connection.flush(operation)
            case PGRES_COPY_OUT, PGRES_COPY_BOTH:
                throw PostgresError(kind: .connectionLost, message: "COPY TO STDOUT is not supported; the connection was closed")
            default:
                failure = failure ?? result.error
            }
            last = result
            if connection.isBroken { break }
        }
        if let failure { throw failure }
        guard let last, !connection.isBroken else { throw connection.lost() }
        return last
    }

    func refuseNul(_ text: String) throws(PostgresError) {
        if text.utf8.contains(0) { throw .holdsNul("the statement") }
    }
}

extension Duration {
    /// Whole milliseconds, at least one.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return max(1, seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }
}
