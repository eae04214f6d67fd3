/// A statement together with its bound values: `"\(value)"` binds, `"\(unsafe: text)"` splices, `"\(sql)"` and `+` join statements.
package struct SQL: Sendable, ExpressibleByStringInterpolation {
    /// The text around the parameters: always one more than there are parameters.
    private(set) var fragments: [String]
    /// The bound values in PostgreSQL's text format; nil is NULL.
    private(set) var parameters: [String?]

    /// Takes the text as it is, without parameters.
    package init(stringLiteral text: String) {
        fragments = [text]
        parameters = []
    }

    /// Takes what the compiler collected from an interpolated literal.
    package init(stringInterpolation: StringInterpolation) {
        self = stringInterpolation.sql
    }

    /// The text sent to the server, with `$1`, `$2` … where the values go.
    package var text: String {
        guard fragments.count > 1 else { return fragments[0] }
        var text = ""
        text.reserveCapacity(fragments.reduce(0) { $0 + $1.utf8.count + 4 })
        for (index, fragment) in fragments.enumerated() {
            if index > 0 {
                text += "$"
                text += String(index)
            }
            text += fragment
        }
        return text
    }

    /// Joins two statements; the parameters of the second are numbered after those of the first.
    package static func + (left: SQL, right: SQL) -> SQL {
        var joined = left
        joined.append(right)
        return joined
    }

    /// Appends a statement; its parameters are numbered after those that are already there.
    package static func += (left: inout SQL, right: SQL) {
        left.append(right)
    }

    private mutating func append(_ other: SQL) {
        fragments[fragments.count - 1] += other.fragments[0]
        fragments.append(contentsOf: other.fragments.dropFirst())
        parameters.append(contentsOf: other.parameters)
    }

    private mutating func bind(_ parameter: String?) {
        parameters.append(parameter)
        fragments.append("")
    }

    /// Collects the pieces of an interpolated literal.
    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var sql: SQL

        /// Starts an empty statement.
        package init(literalCapacity: Int, interpolationCount: Int) {
            sql = SQL(stringLiteral: "")
            sql.fragments.reserveCapacity(interpolationCount + 1)
            sql.parameters.reserveCapacity(interpolationCount)
        }

        /// Appends text of the literal.
        package mutating func appendLiteral(_ literal: String) {
            sql.fragments[sql.fragments.count - 1] += literal
        }

        /// Binds a value as the next parameter.
        package mutating func appendInterpolation(_ value: some PostgresEncodable) {
            sql.bind(value.postgresText)
        }

        /// Binds a value that may be absent: nil is NULL. (The compiler warns of a bare optional in any interpolation.)
        package mutating func appendInterpolation(orNull value: (some PostgresEncodable)?) {
            sql.bind(value?.postgresText)
        }

        /// Inserts another statement with its parameters.
        package mutating func appendInterpolation(_ other: SQL) {
            sql.append(other)
        }

        /// Splices text as it is: only for text that no user can influence.
        package mutating func appendInterpolation(unsafe text: String) {
            appendLiteral(text)
        }
    }
}
