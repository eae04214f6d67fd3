import CPostgres

/// Owns a `PGresult`.
///
/// `@unchecked Sendable`: the result is never changed after `init`, libpq's readers only read, and it is freed once, in `deinit`.
@usableFromInline
final class ResultHandle: @unchecked Sendable {
    private let result: OpaquePointer
    let rowCount: Int
    /// Names in the order of the result; looked up by comparing, which is faster than hashing for the few columns a statement has.
    let columns: [String]

    init(_ result: OpaquePointer) {
        self.result = result
        rowCount = Int(PQntuples(result))
        columns = (0..<PQnfields(result)).map { PQfname(result, $0).map { String(cString: $0) } ?? "" }
    }

    deinit { PQclear(result) }

    var status: ExecStatusType { PQresultStatus(result) }
    var commandTag: String { String(cString: PQcmdStatus(result)) }
    var affectedRows: Int { Int(String(cString: PQcmdTuples(result))) ?? 0 }

    /// The bytes of a cell, valid as long as the result lives; nil is NULL.
    func cell(_ row: Int, _ column: Int) -> UnsafeBufferPointer<UInt8>? {
        let (row, column) = (Int32(truncatingIfNeeded: row), Int32(truncatingIfNeeded: column))
        guard PQgetisnull(result, row, column) == 0, let cell = PQgetvalue(result, row, column) else { return nil }
        return UnsafeBufferPointer(
            start: UnsafeRawPointer(cell).assumingMemoryBound(to: UInt8.self), count: Int(PQgetlength(result, row, column)))
    }

    /// The same by the column's name; throws when there is none of that name.
    @usableFromInline
    func cell(_ row: Int, named name: String) throws(PostgresError) -> UnsafeBufferPointer<UInt8>? {
        guard let column = columns.firstIndex(of: name) else {
            throw PostgresError(kind: .decoding, message: "the result has no column \"\(name)\"")
        }
        return cell(row, column)
    }

    /// What the server reported; nil when the result is none of an error.
    var error: PostgresError? {
        switch status {
        case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE, PGRES_NONFATAL_ERROR: break
        default: return nil
        }
        let message = field("M") ?? firstLine(of: String(cString: PQresultErrorMessage(result)))
        guard let sqlState = field("C") else {
            return PostgresError(kind: .connectionLost, message: message)
        }
        // The message is translated by the server, the name of its function is not.
        let isStalePlan = sqlState == "0A000" && field("R") == "RevalidateCachedQuery"
        return PostgresError(
            kind: PostgresError.kind(sqlState: sqlState, constraint: field("n"), message: message),
            sqlState: sqlState, message: message, detail: field("D"), hint: field("H"), isStalePlan: isStalePlan,
            isFatal: field("V") == "FATAL" || field("V") == "PANIC")
    }

    /// A field of an error report by its code in the protocol (PG_DIAG_*).
    private func field(_ code: Unicode.Scalar) -> String? {
        PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
    }
}

/// The first line of libpq's message, which may have several.
func firstLine(of text: String) -> String {
    String(text.split(separator: "\n", maxSplits: 1).first ?? "the connection broke")
}

/// The rows a statement returned, decoded when they are read.
package struct PostgresRows: RandomAccessCollection, Sendable {
    private let result: ResultHandle
    /// Rows inserted, updated, deleted, selected or copied, as the command tag says.
    package let affectedRows: Int

    init(_ result: ResultHandle) {
        self.result = result
        affectedRows = result.affectedRows
    }

    /// Zero.
    package var startIndex: Int { 0 }
    /// The number of rows.
    package var endIndex: Int { result.rowCount }
    /// One row; the index must be valid.
    package subscript(position: Int) -> PostgresRow {
        precondition(position >= 0 && position < result.rowCount, "row \(position) of \(result.rowCount)")
        return PostgresRow(result: result, row: position)
    }
    /// The names of the columns in order.
    package var columns: [String] { result.columns }
}

/// One row of a result.
package struct PostgresRow: Sendable {
    @usableFromInline let result: ResultHandle
    @usableFromInline let row: Int

    /// Reads a column; throws `.decoding` when it is missing, NULL, or no such value.
    @inlinable
    package func get<T: PostgresDecodable>(_ column: String, as type: T.Type = T.self) throws(PostgresError) -> T {
        defer { withExtendedLifetime(result) {} }
        guard let bytes = try result.cell(row, named: column) else { throw .missingValue(column) }
        do throws(PostgresError) {
            return try T(postgresBytes: bytes)
        } catch {
            throw error.reading(column)
        }
    }

    /// Reads a column that may be NULL; throws `.decoding` when it is missing or no such value.
    @inlinable
    package func getIfPresent<T: PostgresDecodable>(_ column: String, as type: T.Type = T.self) throws(PostgresError) -> T? {
        defer { withExtendedLifetime(result) {} }
        guard try result.cell(row, named: column) != nil else { return nil }
        return try get(column, as: type)
    }

    /// The text of a column; nil when it is NULL or missing.
    package subscript(column: String) -> String? {
        result.columns.firstIndex(of: column).flatMap { self[$0] }
    }

    /// The text of a column by its position, for tables whose shape is not known; nil when it is NULL.
    package subscript(index: Int) -> String? {
        defer { withExtendedLifetime(result) {} }
        return result.cell(row, index).map { String(decoding: $0, as: UTF8.self) }
    }
}

extension PostgresError {
    /// The same error with the column at fault in front.
    @usableFromInline
    func reading(_ column: String) -> PostgresError {
        PostgresError(kind: .decoding, message: "column \"\(column)\": \(message)")
    }

    /// A NULL where a value is expected.
    @usableFromInline
    static func missingValue(_ column: String) -> PostgresError {
        PostgresError(kind: .decoding, message: "column \"\(column)\" is NULL where a value is expected")
    }
}
