import Foundation
import Postgres

/// The schema of a database as text, and the golden file that it is compared with.
enum SchemaGolden {
    static let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "schema.golden")

    /// Everything but the days' partitions, in an order that does not depend on how it was made.
    static func dump(_ pool: PostgresPool, withBodies: Bool = true) async throws -> String {
        var text = ""
        for (title, statement) in statements where withBodies || title != "bodies" {
            let lines = try await pool.query(statement).compactMap { $0[0] }
            text += "== \(title)\n" + lines.map { trimmed($0) + "\n" }.joined() + "\n"
        }
        return text
    }

    private static func trimmed(_ line: String) -> Substring {
        line.hasSuffix(" ") ? line[...(line.lastIndex { $0 != " " } ?? line.startIndex)] : line[...]
    }

    private static let isOurs: SQL = """
        n.nspname = current_schema() AND c.relname !~ '_[0-9]{8}(_.*)?$'
        """

    private static let statements: [(String, SQL)] = [
        (
            "relations",
            """
            SELECT format('%s %s%s', c.relname, c.relkind, CASE WHEN c.reloptions IS NOT NULL THEN ' ' || array_to_string(c.reloptions, ', ') END
              || coalesce(' ' || pg_get_partkeydef(c.oid), '') || coalesce(' ' || pg_get_expr(c.relpartbound, c.oid), ''))
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE \(isOurs) AND c.relkind IN ('r', 'p', 'v', 'S')
            ORDER BY c.relname COLLATE "C"
            """
        ),
        (
            "columns",
            """
            SELECT format('%s.%s %s%s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' NOT NULL' END,
              ' DEFAULT ' || regexp_replace(pg_get_expr(d.adbin, d.adrelid), '[[:space:]]+', ' ', 'g'),
              CASE a.attidentity WHEN '' THEN '' ELSE ' IDENTITY ' || a.attidentity::text END)
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid
            LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
            WHERE \(isOurs) AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname COLLATE "C", a.attnum
            """
        ),
        (
            "constraints",
            """
            SELECT format('%s: %s %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
            FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE \(isOurs) ORDER BY c.relname COLLATE "C", k.conname COLLATE "C"
            """
        ),
        (
            "indexes",
            """
            SELECT pg_get_indexdef(i.indexrelid) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
            JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE \(isOurs) ORDER BY pg_get_indexdef(i.indexrelid) COLLATE "C"
            """
        ),
        (
            "triggers",
            """
            SELECT pg_get_triggerdef(t.oid) FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
            JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE \(isOurs) AND NOT t.tgisinternal ORDER BY pg_get_triggerdef(t.oid) COLLATE "C"
            """
        ),
        (
            "functions",
            """
            SELECT format('%s(%s) %s %s', c.proname, pg_get_function_arguments(c.oid), coalesce(pg_get_function_result(c.oid), ''),
              array_to_string(c.proconfig, ', '))
            FROM pg_proc AS c JOIN pg_namespace AS n ON n.oid = c.pronamespace
            WHERE n.nspname = current_schema() ORDER BY c.proname COLLATE "C", c.oid::regprocedure::text COLLATE "C"
            """
        ),
        (
            "bodies",
            """
            SELECT format('%s: %s', c.oid::regprocedure, c.prosrc) FROM pg_proc AS c JOIN pg_namespace AS n ON n.oid = c.pronamespace
            WHERE n.nspname = current_schema() ORDER BY c.oid::regprocedure::text COLLATE "C"
            """
        ),
        (
            "views",
            """
            SELECT format('%s: %s', c.relname, regexp_replace(pg_get_viewdef(c.oid), '[[:space:]]+', ' ', 'g'))
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE \(isOurs) AND c.relkind = 'v' ORDER BY c.relname COLLATE "C"
            """
        ),
    ]
}
