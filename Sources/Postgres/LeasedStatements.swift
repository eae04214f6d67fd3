extension PostgresConnection {
    /// Runs one statement; `deadline` nil is the configuration's.
    package func query(_ sql: SQL, deadline: Duration? = nil) async throws(PostgresError) -> PostgresRows {
        try await lease.query(sql, deadline: deadline)
    }

    /// Runs any number of statements without parameters, for migrations; outside a transaction they are one of their own.
    package func script(_ text: String, deadline: Duration? = nil) async throws(PostgresError) {
        try await lease.script(text, deadline: deadline)
    }

    /// Runs `COPY … FROM STDIN` with pieces of its data, cut anywhere; returns the number of rows. A bad row fails all of them.
    nonisolated(nonsending) package func copyIn<Rows: Sequence & Sendable>(
        _ statement: String, rows: Rows, deadline: Duration? = nil
    ) async throws(PostgresError) -> Int where Rows.Element: PostgresCopyChunk {
        try await lease.copyIn(statement, rows: rows, deadline: deadline)
    }
}

extension PostgresTransaction {
    /// Runs one statement; `deadline` nil is the configuration's.
    package func query(_ sql: SQL, deadline: Duration? = nil) async throws(PostgresError) -> PostgresRows {
        try await lease.query(sql, deadline: deadline)
    }

    /// Runs any number of statements without parameters inside the transaction.
    package func script(_ text: String, deadline: Duration? = nil) async throws(PostgresError) {
        try await lease.script(text, deadline: deadline)
    }

    /// Runs `COPY … FROM STDIN` with pieces of its data, cut anywhere; returns the number of rows. A bad row fails the transaction.
    nonisolated(nonsending) package func copyIn<Rows: Sequence & Sendable>(
        _ statement: String, rows: Rows, deadline: Duration? = nil
    ) async throws(PostgresError) -> Int where Rows.Element: PostgresCopyChunk {
        try await lease.copyIn(statement, rows: rows, deadline: deadline)
    }
}

extension Lease {
    func query(_ sql: SQL, deadline: Duration?) async throws(PostgresError) -> PostgresRows {
        try await perform(within: deadline) { session, connection, operation throws(PostgresError) in
            try session.execute(sql, connection, operation)
        }
    }

    func script(_ text: String, deadline: Duration?) async throws(PostgresError) {
        try await perform(within: deadline) { session, connection, operation throws(PostgresError) in
            try session.runCallersScript(text, connection, operation)
        }
    }
}
