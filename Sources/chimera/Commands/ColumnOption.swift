import Cron
import Glibc
import Postgres
import Runtime
import Secrets

/// An option of `add` and `edit` that stands for a column of a configuration table.
struct ColumnOption: Sendable {
    /// What the option's text becomes.
    enum Kind: Sendable {
        case text
        /// A whole number that fits the column's type; what is allowed among these says the database.
        case number(ClosedRange<Int>)
        case boolean
        case json
        case interval
        case cron
        /// An address; user info in it is a secret and may not stand among the arguments.
        case url
        /// The name or id of an integration that is not deleted.
        case integration
    }

    /// `--max-attempts`.
    let name: String
    /// `max_attempts`.
    let column: String
    let kind: Kind
    /// What the help calls the value.
    let value: String
    let help: String
    /// `add` refuses to go without it.
    var isRequired = false
    /// `edit` may empty it, with `--no-…`.
    var canBeEmptied = false

    /// `--no-cron`.
    var emptyingName: String { "--no-" + name.dropFirst(2) }

    /// As an option of `add`.
    var forAdding: Option { Option(name: name, value: value, help: help, isRequired: isRequired) }

    /// As options of `edit`.
    var forEditing: [Option] {
        [Option(name: name, value: value, help: help)]
            + (canBeEmptied ? [Option(name: emptyingName, help: "empties \(column)")] : [])
    }
}

/// A column and what it is to hold.
struct ColumnValue: Sendable {
    let column: String
    /// The expression with the value bound.
    let sql: SQL
    /// A document with masks, which stand for what is there.
    var maskedDocument: JSONValue?
}

/// What an invocation says about a column, checked as far as that goes without the database.
struct ColumnEntry: Sendable {
    private enum Content {
        case value(ColumnValue)
        case interval(String)
        case integration(String)
    }

    private let column: String
    private let content: Content

    /// Nil when the invocation says nothing about the column. Throws `.usage` or `.badData`.
    init?(_ option: ColumnOption, of invocation: Invocation) throws {
        column = option.column
        if invocation.has(option.emptyingName) {
            guard !invocation.has(option.name) else {
                throw invocation.command.misuse("\(option.name) and \(option.emptyingName) exclude each other")
            }
            content = .value(ColumnValue(column: column, sql: "NULL"))
            return
        }
        guard let text = invocation.text(option.name) else { return nil }
        switch option.kind {
        case .interval: content = .interval(text)
        case .integration: content = .integration(text)
        case .json:
            let document = try JSONArgument(text, of: option.name)
            var value = ColumnValue(column: column, sql: "\(document.text)::jsonb")
            // Of the value, not of the text: a tool between may have written \u2022.
            if document.value.text.contains(Masking.mask) { value.maskedDocument = document.value }
            content = .value(value)
        default:
            content = .value(ColumnValue(column: column, sql: try option.expression(text, of: invocation)))
        }
    }

    /// The value, with what only the database knows. Throws `.badData`.
    func value(in transaction: PostgresTransaction) async throws -> ColumnValue {
        switch content {
        case .value(let value): return value
        case .interval(let text):
            try await checkInterval(text, in: transaction)
            return ColumnValue(column: column, sql: "\(text)::interval")
        case .integration(let text):
            let id = try await Noun.integration.find(text, in: transaction).id
            return ColumnValue(column: column, sql: "\(id)::int")
        }
    }

    /// What the database takes for an interval is an interval.
    private func checkInterval(_ text: String, in transaction: PostgresTransaction) async throws {
        do {
            _ = try await transaction.query(SessionStatements.interval(text))
        } catch {
            guard error.kind == .invalidInput else { throw error }
            throw OperatorError(
                exitCode: .badData, message: "\(column): \(shown(text)) is no interval; write one such as '50 minutes' or '2 hours'")
        }
    }
}

extension ColumnOption {
    /// The value bound as the column's type, for kinds that need nothing but the text.
    fileprivate func expression(_ text: String, of invocation: Invocation) throws -> SQL {
        switch kind {
        case .number(let range):
            let number = try invocation.number(name, in: range)
            return "\(orNull: number)::int"
        case .boolean:
            guard let value = truth(of: text) else { throw invocation.command.misuse("\(name) takes yes or no, not \(shown(text))") }
            return "\(value)::boolean"
        case .cron:
            try checkPattern(text)
            return "\(text)"
        case .url:
            guard !text.contains(Masking.mask) else {
                throw OperatorError(
                    exitCode: .badData,
                    message: "\(column): \(Masking.mask) stands for a secret and would be stored; write the address without it")
            }
            guard Masking.mask(text: text) == text else {
                throw OperatorError(
                    exitCode: .badData,
                    message:
                        "\(column): a user or password in an address would be seen by everybody on this machine; put it in the config"
                )
            }
            return "\(text)"
        default:
            return "\(text)"
        }
    }

    /// SQL sees less of a bad pattern than the scheduler does. One that never comes does so in every zone.
    private func checkPattern(_ text: String) throws {
        do {
            let schedule = CronSchedule(pattern: try CronPattern(text), zone: .utc)
            guard schedule.next(after: Int64(time(nil))) == nil else { return }
        } catch {
            throw OperatorError(exitCode: .badData, message: "\(error)")
        }
        throw OperatorError(
            exitCode: .badData,
            message:
                "cron_pattern: \(shown(text)) never comes: no date matches it; change its days or months, or look at `chimera cron next`")
    }
}

/// Reads yes and no in the ways that people and spreadsheets write them; nil for anything else.
func truth(of text: String) -> Bool? {
    switch text.lowercased() {
    case "yes", "y", "true", "t", "1", "on", "sim", "s": true
    case "no", "n", "false", "f", "0", "off", "não", "nao": false
    default: nil
    }
}
