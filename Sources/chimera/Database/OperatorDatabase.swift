import Glibc
import JobQueue
import Postgres
import Runtime
import Secrets

/// The database as one-shot commands use it: reached within seconds or not at all, and every change signed with who asked for it.
struct OperatorDatabase: Sendable {
    /// How long a command waits for the first answer, and longer where silent addresses come first.
    private static let patience: Duration = .seconds(5)

    let pool: PostgresPool

    /// Connects; throws `PostgresError` when the database does not answer in time, and 78 when the schema is not one to run against.
    init(_ invocation: Invocation, checksVersion: Bool = true) async throws {
        let configuration = try invocation.settings.database(applicationName: "chimera \(invocation.command.name)")
        pool = PostgresPool(configuration, maximumConnections: 2)
        try await reach()
        if checksVersion { try await Migrator(pool: pool, migrations: Composition.migrations).checkVersion() }
    }

    /// Waits for the first answer. While the first attempt to connect is under way, an address that is silent keeps its turn from the next one:
    /// each of them has a deadline of its own, so the attempt ends.
    private func reach() async throws(PostgresError) {
        var patience = Self.patience
        while true {
            do throws(PostgresError) {
                _ = try await pool.query(SessionStatements.ping, deadline: patience)
                return
            } catch {
                guard error.kind == .deadlineExceeded, pool.load.opening > 0 else { throw error }
                patience = .seconds(1)
            }
        }
    }

    /// Runs `body` in one transaction; the audit log names the caller as its actor.
    nonisolated(nonsending) func transaction<T: Sendable>(_ body: (PostgresTransaction) async throws -> T) async throws -> T {
        try await pool.transaction { transaction in
            _ = try await transaction.query(SessionStatements.introduce(actor: Self.caller))
            return try await body(transaction)
        }
    }

    /// The rows of one SELECT in a transaction of its own.
    func rows(_ select: SQL) async throws -> [JSONValue] {
        try await transaction { try await $0.rows(select) }
    }

    /// The name of the operating system's user; behind `sudo`, the one who typed it.
    private static let caller: String = {
        if geteuid() == 0, let name = getenv("SUDO_USER"), name.pointee != 0 { return String(cString: name) }
        return getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "uid \(geteuid())"
    }()
}

extension PostgresTransaction {
    /// The rows of a SELECT as JSON objects by column name, secrets masked, times as ISO 8601 in UTC.
    func rows(_ select: SQL) async throws -> [JSONValue] {
        try await query(SessionStatements.asJSON(select)).map { row in shownRow(try row.get("answer")) }
    }

    /// The first row of a SELECT, as `rows` gives it.
    func row(_ select: SQL) async throws -> JSONValue? {
        try await rows(select).first
    }
}

/// A row fit to be shown: times end in `Z`, and secrets that stand in the middle of a text are masked too.
private func shownRow(_ row: JSONValue) -> JSONValue {
    guard case .object(var members) = Masking.mask(json: row) else { return row }
    for (column, value) in members where momentColumns.contains(column) {
        if let text = value.stringValue, text.hasSuffix("+00:00") { members[column] = .string(text.dropLast(6) + "Z") }
    }
    return .object(members)
}

/// The columns that hold a `timestamptz`.
private let momentColumns: Set<String> = [
    "created_at", "updated_at", "deleted_at", "paused_at", "run_at", "scheduled_for", "started_at", "finished_at", "logged_at",
    "applied_at",
    "next_due_at", "due_at", "since", "now", "heartbeat_at", "job_paused_at", "late_since", "open_until",
]
