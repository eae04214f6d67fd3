import Postgres
import Runtime
import Secrets

/// Encrypts every stored envelope once more with the first key, a batch of rows in a transaction.
struct SecretRotation: Sendable {
    /// What was done.
    struct Report: Sendable {
        /// Rows that changed.
        var rows = 0
        /// Envelopes that changed.
        var renewed = 0
        /// Envelopes that had the first key already.
        var kept = 0
        var unreadable: [(place: String, reason: String)] = []

        func document(key: String) -> JSONValue {
            [
                "key": .string(key), "rows": .integer(Int64(rows)), "renewed": .integer(Int64(renewed)), "kept": .integer(Int64(kept)),
                "unreadable": .array(unreadable.map { ["place": .string($0.place), "reason": .string($0.reason)] }),
            ]
        }
    }

    private static let batch = 100

    let keyring: SecretKeyring
    let database: OperatorDatabase

    func run() async throws -> Report {
        var report = Report()
        defer { StandardOutput.progress("") }
        for place in SecretStatements.places {
            var last: Int?
            repeat { last = try await renewConfigs(in: place, after: last, &report) } while last != nil
        }
        var execution: String?
        repeat { execution = try await renewParams(after: execution, &report) } while execution != nil
        var key: (Int, String)? = (.min, "")
        while let after = key { key = try await renewKeys(after: after, &report) }
        try await noteRunning(&report)
        return report
    }

    /// Gives the last row's id; nil: there was none.
    private func renewConfigs(in place: SecretStatements.Place, after id: Int?, _ report: inout Report) async throws -> Int? {
        let (last, done) = try await database.transaction { transaction in
            var done = Report()
            var last: Int?
            for row in try await transaction.query(SecretStatements.configs(in: place, after: id, limit: Self.batch)) {
                let rowID: Int = try row.get("id")
                let path = "\(place.word) \(shown(row["name"] ?? "")) config"
                if let renewed = renewed(document: try row.get("document"), of: "\(place.table) \(rowID)", at: path, &done) {
                    _ = try await transaction.query(SecretStatements.store(renewed, in: place, id: rowID))
                    done.rows += 1
                }
                last = rowID
            }
            return (last, done)
        }
        add(done, to: &report)
        return last
    }

    /// Counts a batch that stands, and shows how far it is on a terminal.
    private func add(_ done: Report, to report: inout Report) {
        report.add(done)
        StandardOutput.progress("\(report.renewed) renewed, \(report.kept) kept")
    }

    /// Likewise for executions that wait.
    private func renewParams(after id: String?, _ report: inout Report) async throws -> String? {
        let (last, done) = try await database.transaction { transaction in
            var done = Report()
            var last: String?
            for row in try await transaction.query(SecretStatements.params(after: id, limit: Self.batch)) {
                let rowID: String = try row.get("id")
                let path = "execution \(rowID) params"
                if let renewed = renewed(document: try row.get("document"), of: "job_executions \(rowID)", at: path, &done) {
                    _ = try await transaction.query(SecretStatements.store(renewed, execution: rowID))
                    done.rows += 1
                }
                last = rowID
            }
            return (last, done)
        }
        add(done, to: &report)
        return last
    }

    /// Names the executions that run with an older key.
    private func noteRunning(_ report: inout Report) async throws {
        for row in try await database.transaction({ try await $0.query(SecretStatements.running) }) {
            let id: String = try row.get("id")
            var found = Report()
            guard renewed(document: try row.get("document"), of: "job_executions \(id)", at: "execution \(id) params", &found) != nil else {
                continue
            }
            report.unreadable.append(("execution \(id) params", "it is running; rotate once more when it has ended"))
        }
    }

    private func renewKeys(after: (Int, String), _ report: inout Report) async throws -> (Int, String)? {
        let (last, done) = try await database.transaction { transaction in
            var done = Report()
            var last: (Int, String)?
            for row in try await transaction.query(SecretStatements.keys(after: after.0, after.1, limit: Self.batch)) {
                let (integration, key): (Int, String) = (try row.get("id"), try row.get("key"))
                let value: String = try row.get("document")
                if let renewed = renewed(value, at: "integration \(shown(row["name"] ?? "")) key \(shown(key))", &done) {
                    _ = try await transaction.query(SecretStatements.store(renewed, integration: integration, key: key))
                    done.rows += 1
                }
                last = (integration, key)
            }
            return (last, done)
        }
        add(done, to: &report)
        return last
    }

    /// The document's text with its envelopes renewed; nil: it stays as it is. What cannot be read is named by its row, and the rest goes on.
    private func renewed(document text: String, of row: String, at path: String, _ report: inout Report) -> String? {
        do throws(JSONParseError) {
            let renewed = renew(text, try JSONValue(parsing: text), at: path, &report)
            return renewed == text ? nil : renewed
        } catch {
            report.unreadable.append((row, error.reason))
            return nil
        }
    }

    /// The document's text with its envelopes renewed; everything else stays as it is written.
    private func renew(_ text: String, _ value: JSONValue, at path: String, _ report: inout Report) -> String {
        switch value {
        case .object(let members):
            members.sorted { $0.key < $1.key }.reduce(text) { renew($0, $1.value, at: "\(path).\($1.key)", &report) }
        case .array(let elements):
            elements.enumerated().reduce(text) { renew($0, $1.element, at: "\(path)[\($1.offset)]", &report) }
        case .string(let envelope) where SecretKeyring.isEnvelope(envelope):
            renewed(envelope, at: path, &report).map { text.replacing("\"\(envelope)\"", with: "\"\($0)\"") } ?? text
        default: text
        }
    }

    /// Nil: it stays as it is.
    private func renewed(_ envelope: String, at place: String, _ report: inout Report) -> String? {
        do {
            guard try SecretKeyring.keyID(of: envelope) != keyring.currentKey.id else {
                _ = try keyring.decrypt(envelope)
                report.kept += 1
                return nil
            }
            let renewed = keyring.encrypt(try keyring.decrypt(envelope))
            report.renewed += 1
            return renewed
        } catch {
            report.unreadable.append((place, "\(error)"))
            return nil
        }
    }
}

extension SecretRotation.Report {
    fileprivate mutating func add(_ other: Self) {
        rows += other.rows
        renewed += other.renewed
        kept += other.kept
        unreadable += other.unreadable
    }
}
