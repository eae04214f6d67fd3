import Foundation
import JobQueue
import Postgres
import Runtime

/// `chimera migrate`.
enum MigrateCommands {
    static let all: [Command] = [
        upward(["migrate"], summary: "the same as `up`"),
        upward(["migrate", "up"], summary: "Brings the database's schema to this program's version; does nothing when it is there"), status,
        down,
    ]

    private static func upward(_ words: [String], summary: String) -> Command {
        Command(words: words, summary: summary) { invocation in
            let migrator = try await migrator(invocation)
            let done = try await migrator.up()
            for migration in done { StandardOutput.write("up \(migration.number) \(migration.name)") }
            if done.isEmpty { StandardOutput.write("nothing to do: the schema has version \(migrator.ownVersion) or newer") }
            return .ok
        }
    }

    private static let status = Command(
        words: ["migrate", "status"], summary: "Lists the migrations and when each was applied", options: [.json]
    ) { invocation in
        let rows = try await migrator(invocation).status().map { step -> JSONValue in
            [
                "number": .integer(Int64(step.number)), "name": .string(step.name), "known": .bool(step.isKnown),
                "applied_at": step.appliedAt.map { .string(isoMoment($0)) } ?? .null,
            ]
        }
        if invocation.wantsJSON {
            StandardOutput.write(array: rows)
        } else {
            let columns = [
                Table.Column("NUMBER", "number", isNumber: true),
                Table.Column("NAME") { Cell.text($0["name"]) + ($0["known"]?.boolValue == false ? " (unknown to this program)" : "") },
                Table.Column("APPLIED") { $0["applied_at"]?.isNull == true ? "not yet" : Cell.moment($0["applied_at"]) },
            ]
            StandardOutput.write(Table(columns, rows: rows).text)
        }
        return .ok
    }

    private static let down = Command(
        words: ["migrate", "down"], summary: "Undoes the migrations above a version; what they stored is lost",
        options: [Option(name: "--to", value: "N", help: "the version to go back to; 0 leaves nothing", isRequired: true)]
    ) { invocation in
        let version = try invocation.number("--to", in: 0...(Composition.migrations.map(\.number).max() ?? 0)) ?? 0
        let undone = try await migrator(invocation).down(to: version)
        for migration in undone { StandardOutput.write("down \(migration.number) \(migration.name)") }
        if undone.isEmpty { StandardOutput.write("nothing to do: the schema has version \(version) or older") }
        return .ok
    }

    private static func migrator(_ invocation: Invocation) async throws -> Migrator {
        let database = try await OperatorDatabase(invocation, checksVersion: false)
        return Migrator(pool: database.pool, migrations: Composition.migrations)
    }

    /// PostgreSQL's `2026-11-21 05:10:00.5-03` as ISO 8601 in UTC.
    private static func isoMoment(_ text: String) -> String {
        guard let utc = (try? Date(postgresText: text))?.postgresText, utc.hasSuffix("+00") else { return text }
        return utc.dropLast(3).replacing(" ", with: "T") + "Z"
    }
}
