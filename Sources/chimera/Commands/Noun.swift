import Postgres
import Runtime

/// A kind of configuration row that operators list, show, add, edit and remove: jobs, stores, integrations.
struct Noun: Sendable {
    /// What the command line calls it.
    let word: String
    let table: String
    /// The column that `add` takes as its operand.
    let key: ColumnOption
    /// The other columns that may be written.
    let columns: [ColumnOption]
    /// All rows that are not deleted, with every column that is shown.
    let listing: SQL
    /// What the listing's table shows.
    let listingColumns: [Table.Column]
    /// The columns of one row, in the order in which `show` tells them.
    let fields: [String]
    /// What stands below the options in the help of `add` and `edit`.
    let notes: String
    /// The names of jobs that fail without a row, by its id: while there are such, `remove` wants `--force`. Nil: it asks nobody.
    var users: (@Sendable (Int) -> SQL)?

    /// A row that was found.
    struct Found: Sendable {
        let id: Int
        let name: String
    }

    /// The row that has this name (a store: registration or name), or else this id. Throws `.badData` when there is none.
    func find(_ text: String, in transaction: PostgresTransaction) async throws -> Found {
        if let row = try await transaction.query(ConfigurationStatements.find(text, in: table, by: key.column)).first {
            return Found(id: try row.get("id"), name: try row.get("name"))
        }
        let names = try await transaction.query(ConfigurationStatements.names(in: table, by: key.column)).compactMap { $0["name"] }
        // One number is near every other: that suggests nothing.
        let near = text.allSatisfy(\.isNumber) ? nil : nearest(to: text, among: names)
        throw OperatorError(
            exitCode: .badData,
            message:
                "there is no \(word) \(shown(text))\(near.map { "; did you mean \(shown($0))?" } ?? ";") `chimera \(word) list` shows all")
    }

    /// One row as `show` prints it.
    func row(id: Int, in transaction: PostgresTransaction) async throws -> JSONValue {
        guard let row = try await transaction.row(ConfigurationStatements.one(of: listing, id: id)) else {
            throw OperatorError(exitCode: .badData, message: "\(word) \(id) was removed meanwhile; `chimera \(word) list` shows all")
        }
        return row
    }
}

// MARK: Commands

extension Noun {
    /// `list`, `show`, `add`, `edit` and `remove`.
    var commands: [Command] { [list, show, add, edit, remove] }

    private var plural: String { word + "s" }

    private var found: Operand { Operand(name: key.value, help: key.value == "NAME" ? "its name or id" : "its registration, name or id") }

    private var list: Command {
        Command(words: [word, "list"], summary: "Lists the \(plural)", options: [.json]) { invocation in
            let rows = try await OperatorDatabase(invocation).rows(listing)
            if invocation.wantsJSON {
                StandardOutput.write(array: rows)
            } else {
                StandardOutput.write(Table(listingColumns, rows: rows).text)
            }
            return .ok
        }
    }

    private var show: Command {
        Command(words: [word, "show"], summary: "Shows one \(word), its secrets as ••••", operands: [found], options: [.json]) {
            invocation in
            let row = try await OperatorDatabase(invocation).transaction { transaction in
                let id = try await find(invocation.operand(key.value), in: transaction).id
                return try await self.row(id: id, in: transaction)
            }
            if invocation.wantsJSON {
                StandardOutput.write(row.text)
            } else {
                StandardOutput.write(FieldList(fields.map { ($0, Cell.text(row[$0])) }).text)
            }
            return .ok
        }
    }

    private var add: Command {
        Command(
            words: [word, "add"], summary: "Adds a \(word)", operands: [Operand(name: key.value, help: key.help)],
            options: columns.map(\.forAdding) + [.json],
            notes: ["In parentheses: what holds when nothing is said.", notes].joinedByBlanks
        ) { invocation in
            let name = invocation.operand(key.value)
            let entries = try columns.compactMap { try ColumnEntry($0, of: invocation) }
            let row = try await OperatorDatabase(invocation).transaction { transaction in
                var values = [ColumnValue(column: key.column, sql: "\(name)")]
                for entry in entries {
                    let value = try await entry.value(in: transaction)
                    if let document = value.maskedDocument { _ = try SecretMask.restored(document, from: nil, path: value.column) }
                    values.append(value)
                }
                let id: Int? = try await transaction.query(ConfigurationStatements.insert(into: table, values)).first?.get("id")
                return try await self.row(id: id ?? 0, in: transaction)
            }
            answer(row, invocation, verb: "added")
            return .ok
        }
    }

    private var edit: Command {
        Command(
            words: [word, "edit"], summary: "Changes what is given of a \(word), and nothing else", operands: [found],
            options: ([key] + columns).flatMap(\.forEditing) + [.json],
            notes: ["In parentheses: what a new \(word) begins with.", notes].joinedByBlanks + "\n\n" + editingNotes
        ) { invocation in
            let entries = try ([key] + columns).compactMap { try ColumnEntry($0, of: invocation) }
            guard !entries.isEmpty else {
                throw invocation.command.misuse("\(word) edit needs at least one option that says what to change")
            }
            let row = try await OperatorDatabase(invocation).transaction { transaction in
                let id = try await find(invocation.operand(key.value), in: transaction).id
                var values: [ColumnValue] = []
                for entry in entries { values.append(try await withoutMasks(entry.value(in: transaction), id: id, in: transaction)) }
                _ = try await transaction.query(ConfigurationStatements.update(table, id: id, values))
                return try await self.row(id: id, in: transaction)
            }
            answer(row, invocation, verb: "changed")
            return .ok
        }
    }

    private var remove: Command {
        let force = Option(name: "--force", help: "though active jobs use it, which will fail")
        return Command(words: [word, "remove"], summary: removal, operands: [found], options: users == nil ? [] : [force]) { invocation in
            let found = try await OperatorDatabase(invocation).transaction { transaction in
                let found = try await find(invocation.operand(key.value), in: transaction)
                if !invocation.has("--force") { try await requireUnused(found, in: transaction) }
                _ = try await transaction.query(ConfigurationStatements.remove(from: table, id: found.id))
                return found
            }
            StandardOutput.write(printableLine("\(word) \(shown(found.name)) removed"))
            return .ok
        }
    }

    private func requireUnused(_ row: Found, in transaction: PostgresTransaction) async throws {
        guard let users else { return }
        let names = try await transaction.query(users(row.id)).compactMap { $0["name"] }
        guard !names.isEmpty else { return }
        let jobs = names.map { shown($0) }.joined(separator: ", ")
        throw OperatorError(
            exitCode: .badData,
            message:
                "\(word) \(shown(row.name)) is in use: without it \(jobs) would fail; edit or remove what uses it first, or add --force")
    }

    private var removal: String {
        word == "job" ? "Removes a job; what waits of it is cancelled, its history stays" : "Removes a \(word); its history stays"
    }

    /// The value with masks replaced by what is there.
    private func withoutMasks(_ value: ColumnValue, id: Int, in transaction: PostgresTransaction) async throws -> ColumnValue {
        guard let document = value.maskedDocument else { return value }
        let earlier: JSONValue? = try await transaction.query(ConfigurationStatements.document(value.column, of: table, id: id)).first?.get(
            "document")
        let restored = try SecretMask.restored(document, from: earlier, path: value.column)
        return ColumnValue(column: value.column, sql: "\(restored)::jsonb")
    }

    private func answer(_ row: JSONValue, _ invocation: Invocation, verb: String) {
        if invocation.wantsJSON {
            StandardOutput.write(row.text)
        } else {
            StandardOutput.write(printableLine("\(word) \(shown(Cell.text(row["name"]))) \(verb) (id \(Cell.text(row["id"])))"))
        }
    }

    private var editingNotes: String {
        """
        --config replaces the whole document; a •••• in it keeps the secret that stands there, so this changes one key:
          chimera \(word) show \(key.value) --json | jq '.config | .KEY = VALUE' | chimera \(word) edit \(key.value) --config -
        """
    }
}

extension [String] {
    fileprivate var joinedByBlanks: String { filter { !$0.isEmpty }.joined(separator: " ") }
}
