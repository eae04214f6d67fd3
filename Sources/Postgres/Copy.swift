import CPostgres

/// A piece of COPY data.
package protocol PostgresCopyChunk {
    /// Appends the piece's bytes.
    func append(to buffer: inout [UInt8])
}

extension String: PostgresCopyChunk {
    /// Appends the text as UTF-8.
    package func append(to buffer: inout [UInt8]) { buffer.append(contentsOf: utf8) }
}

extension Array: PostgresCopyChunk where Element == UInt8 {
    /// Appends the bytes.
    package func append(to buffer: inout [UInt8]) { buffer.append(contentsOf: self) }
}

/// The text format of COPY.
package enum CopyText {
    /// One row with its end: fields parted by tabs, `\N` for NULL, specials escaped.
    package static func row(_ fields: [String?]) -> [UInt8] {
        var bytes: [UInt8] = []
        append(row: fields, to: &bytes)
        return bytes
    }

    /// The same, appended to a buffer that is used again and again.
    package static func append(row fields: [String?], to bytes: inout [UInt8]) {
        for (index, field) in fields.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: "\t")) }
            append(field: field, to: &bytes)
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    /// One field, escaped; a NUL in it is refused by the server (22021).
    package static func append(field: String?, to bytes: inout [UInt8]) {
        guard let field else {
            bytes.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "N")])
            return
        }
        for byte in field.utf8 {
            let escaped: UInt8
            switch byte {
            case UInt8(ascii: "\\"): escaped = UInt8(ascii: "\\")
            case UInt8(ascii: "\n"): escaped = UInt8(ascii: "n")
            case UInt8(ascii: "\r"): escaped = UInt8(ascii: "r")
            case UInt8(ascii: "\t"): escaped = UInt8(ascii: "t")
            default:
                bytes.append(byte)
                continue
            }
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(escaped)
        }
    }
}

extension Lease {
    /// Sends in pieces of 64 KiB, so that a slow server slows the sequence down instead of filling memory.
    nonisolated(nonsending) func copyIn<Rows: Sequence & Sendable>(
        _ statement: String, rows: Rows, deadline: Duration?
    ) async throws(PostgresError) -> Int where Rows.Element: PostgresCopyChunk {
        try await perform(within: deadline) { session, connection, operation throws(PostgresError) in
            try session.beginCopy(statement, connection, operation)
            var buffer: [UInt8] = []
            for row in rows {
                row.append(to: &buffer)
                guard buffer.count >= 65_536 else { continue }
                try session.putCopy(buffer, connection, operation)
                buffer.removeAll(keepingCapacity: true)
            }
            try session.putCopy(buffer, connection, operation)
            return try session.endCopy(connection, operation)
        }
    }
}

extension Session {
    func beginCopy(_ statement: String, _ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) {
        try raiseServerLimit(connection, operation)
        try connection.sendScript(statement)
        try connection.flush(operation)
        guard let result = try connection.nextResult(operation) else { throw connection.lost() }
        guard result.status == PGRES_COPY_IN else {
            let failure =
                result.error ?? PostgresError(kind: .invalidInput, message: "copyIn takes a COPY … FROM STDIN statement and nothing else")
            _ = try? results(connection, operation)
            throw failure
        }
    }

    func putCopy(_ bytes: [UInt8], _ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) {
        // Rows that are made faster than time passes end, too.
        _ = try operation.remainingMilliseconds()
        let outcome = bytes.withUnsafeBytes { bytes -> Result<Void, PostgresError> in
            do throws(PostgresError) {
                while try !connection.putCopy(bytes) { try connection.flush(operation) }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try outcome.get()
        try connection.flush(operation)
    }

    func endCopy(_ connection: LibpqConnection, _ operation: Operation) throws(PostgresError) -> Int {
        while try !connection.putCopyEnd(failure: nil) { try connection.flush(operation) }
        return try results(connection, operation).affectedRows
    }
}
