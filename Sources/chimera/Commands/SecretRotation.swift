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
        for place in SecretStatements.places {
            var last: Int? = -1
            while let after = last { last = try await renewConfigs(in: place, after: after, &report) }
        }
        var last: (Int, String)? = (-1, "")
        while let after = last { last = try await renewKeys(after: after, &report) }
        return report
    }

    /// Gives the last row's id; nil: there was none.
    private func renewConfigs(in place: SecretStatements.Place, after id: Int, _ report: inout Report) async throws -> Int? {
        let (last, done) = try await database.transaction { transaction in
            var done = Report()
            var last: Int?
            for row in try await transaction.query(SecretStatements.configs(in: place, after: id, limit: Self.batch)) {
                let rowID: Int = try row.get("id")
                let text: String = try row.get("document")
                let renewed = renew(
                    text, try JSONValue(parsing: text), at: "\(place.word) \(shown(row["name"] ?? "")) config", &done)
                if renewed != text {
                    _ = try await transaction.query(SecretStatements.store(renewed, in: place, id: rowID))
                    done.rows += 1
                }
                last = rowID
            }
            return (last, done)
        }
        report.add(done)
        return last
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
        report.add(done)
        return last
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
