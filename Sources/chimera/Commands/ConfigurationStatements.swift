import Postgres

/// What the commands of all configuration tables have in common. Table and column names come from the code alone, never from an operator,
/// so they are spliced.
enum ConfigurationStatements {
    static func find(_ text: String, in table: String, by key: String) -> SQL {
        // Names of the code.
        return """
            SELECT id, name FROM \(unsafe: table) WHERE deleted_at IS NULL AND (\(unsafe: key) = \(text) OR name = \(text) OR id::text = \(text))
            ORDER BY (\(unsafe: key) = \(text)) DESC, (name = \(text)) DESC LIMIT 1
            """
    }

    static func names(in table: String, by key: String) -> SQL {
        // Names of the code.
        return "SELECT \(unsafe: key) AS name FROM \(unsafe: table) WHERE deleted_at IS NULL ORDER BY 1 LIMIT 2000"
    }

    static func one(of listing: SQL, id: Int) -> SQL {
        "SELECT * FROM (" + listing + ") AS listing WHERE id = \(id)"
    }

    static func document(_ column: String, of table: String, id: Int) -> SQL {
        // Names of the code.
        return "SELECT \(unsafe: column) AS document FROM \(unsafe: table) WHERE id = \(id) FOR UPDATE"
    }

    static func insert(into table: String, _ values: [ColumnValue]) -> SQL {
        let columns = values.map(\.column).joined(separator: ", ")
        let expressions = values.dropFirst().reduce(values[0].sql) { $0 + ", " + $1.sql }
        // Names of the code.
        return "INSERT INTO \(unsafe: table) (\(unsafe: columns)) VALUES (" + expressions + ") RETURNING id"
    }

    static func update(_ table: String, id: Int, _ values: [ColumnValue]) -> SQL {
        // Names of the code.
        let assignments = values.map { value -> SQL in "\(unsafe: value.column) = " + value.sql }
        let list = assignments.dropFirst().reduce(assignments[0]) { $0 + ", " + $1 }
        return "UPDATE \(unsafe: table) SET " + list + " WHERE id = \(id)"
    }

    static func remove(from table: String, id: Int) -> SQL {
        // Names of the code.
        return "UPDATE \(unsafe: table) SET deleted_at = clock_timestamp() WHERE id = \(id) AND deleted_at IS NULL"
    }
}
