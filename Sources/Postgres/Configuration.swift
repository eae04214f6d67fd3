import CPostgres
import FoundationEssentials
import Runtime

/// Where the database is and how this program speaks to it.
package struct PostgresConfiguration: Sendable, CustomStringConvertible {
    /// libpq's parameters as the URL gives them, with our defaults.
    private(set) var parameters: [String: String]
    /// The name shown in `pg_stat_activity`.
    package private(set) var applicationName: String
    /// False behind a pooler that gives every transaction another backend: no named statements and no settings of the session. Found out by each
    /// session where it is not said.
    package let usesNamedStatements: Bool
    /// How long a statement may take when its caller does not say.
    package let statementDeadline: Duration

    /// How long one address may take to answer, seconds (`connect_timeout`).
    var connectTimeout: Duration {
        .seconds(max(2, parameters["connect_timeout"].flatMap { Int($0) } ?? 5))
    }

    /// What the URL may leave out (FACTS: silence is noticed within 15 to 25 s, and a standby is left alone), with the variable that may say it as well.
    private static let defaults: [(keyword: String, value: String, variable: String?)] = [
        ("connect_timeout", "5", "PGCONNECT_TIMEOUT"),
        ("keepalives_idle", "10", nil),
        ("keepalives_interval", "5", nil),
        ("keepalives_count", "3", nil),
        ("tcp_user_timeout", "15000", nil),
        ("target_session_attrs", "read-write", "PGTARGETSESSIONATTRS"),
    ]

    /// What libpq takes, and finds out too late as well.
    private static let choices = [
        ("sslmode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
        ("target_session_attrs", ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"]),
        ("channel_binding", ["disable", "prefer", "require"]),
        ("gssencmode", ["disable", "prefer", "require"]),
    ]

    /// Reads any libpq connection string; throws an `OperatorError` (78) that never quotes it, for it may hold a password.
    package init(
        url: String, applicationName: String = "chimera", usesNamedStatements: Bool = true,
        statementDeadline: Duration = .seconds(30)
    ) throws(OperatorError) {
        var parameters = try Self.parse(url)
        try Self.checkSeparators(of: url, host: parameters["host"] ?? "")
        let environment = ProcessInfo.processInfo.environment
        for (keyword, value, variable) in Self.defaults where parameters[keyword] == nil {
            parameters[keyword] = variable.flatMap { environment[$0] } ?? value
        }
        if parameters["application_name"] == nil { parameters["application_name"] = applicationName }
        parameters["client_encoding"] = "UTF8"
        if let seconds = parameters["connect_timeout"], Int(seconds) == nil {
            throw OperatorError(exitCode: .configuration, message: "connect_timeout in DATABASE_URL must be whole seconds")
        }
        // libpq finds out at each attempt to connect, where it looks like an outage that may pass.
        for port in (parameters["port"] ?? "").split(separator: ",") where !(UInt16(port).map { $0 > 0 } ?? false) {
            throw OperatorError(exitCode: .configuration, message: "the port in DATABASE_URL must be a number from 1 to 65535")
        }
        for (keyword, values) in Self.choices {
            guard let value = parameters[keyword], !value.isEmpty, !values.contains(value) else { continue }
            throw OperatorError(
                exitCode: .configuration, message: "\(keyword) in DATABASE_URL must be one of \(values.joined(separator: ", "))")
        }
        self.parameters = parameters
        self.applicationName = applicationName
        self.usesNamedStatements = usesNamedStatements
        self.statementDeadline = statementDeadline
    }

    /// The same with `ending` behind the name shown in `pg_stat_activity`, be it one that the URL gives: whose session it is can be told by
    /// the end of the name, which PostgreSQL would cut after 63 bytes.
    package func named(endingWith ending: String) -> PostgresConfiguration {
        var named = self
        let name = parameters["application_name"] ?? applicationName
        named.applicationName = String(decoding: name.utf8.prefix(62 - ending.utf8.count), as: UTF8.self) + " " + ending
        named.parameters["application_name"] = named.applicationName
        return named
    }

    /// A connection string for another program: the same place, with `schema` (a plain name) as its default schema.
    package func connectionString(defaultSchema schema: String) -> String {
        var parameters = parameters
        if parameters["application_name"] == applicationName { parameters["application_name"] = nil }
        let options = parameters["options"] ?? ProcessInfo.processInfo.environment["PGOPTIONS"] ?? ""
        parameters["options"] = "\(options) -csearch_path=\(schema)"
        return parameters.sorted { $0.key < $1.key }.map { keyword, value in
            keyword + "='" + value.replacingScalars("\\", with: "\\\\").replacingScalars("'", with: "\\'") + "'"
        }.joined(separator: " ")
    }

    /// A password's `@` or `/` that is written as it is ends the password, and the rest stands in libpq's messages as a host or database. Only in
    /// first place has a host an `@` of its own: a socket without a file.
    private static func checkSeparators(of url: String, host: String) throws(OperatorError) {
        let hasPartOfPassword = host.split(separator: ",").contains { $0.dropFirst().contains("@") }
        let isURL = url.hasPrefix("postgresql://") || url.hasPrefix("postgres://")
        let path = url.prefix { $0 != "?" }.split(separator: "/", omittingEmptySubsequences: false).dropFirst(3)
        guard !hasPartOfPassword, !isURL || !path.contains(where: { $0.contains("@") }) else {
            throw OperatorError(
                exitCode: .configuration,
                message: "DATABASE_URL has an @ in its host or database; write an @ of a password as %40 and a / as %2F")
        }
    }

    private static func parse(_ url: String) throws(OperatorError) -> [String: String] {
        let unreadable = OperatorError(
            exitCode: .configuration,
            message: "DATABASE_URL is not a PostgreSQL connection string; write postgresql://user@host:5432/database or host=… dbname=…")
        var message: UnsafeMutablePointer<CChar>?
        guard !url.utf8.contains(0), let options = PQconninfoParse(url, &message) else {
            PQfreemem(message)
            throw unreadable
        }
        defer { PQconninfoFree(options) }
        var parameters: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { parameters[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        return parameters
    }

    /// Host, port, database and user; never the password.
    package var description: String {
        ["host", "port", "dbname", "user"].compactMap { key in parameters[key].map { "\(key)=\($0)" } }.joined(separator: " ")
    }
}
