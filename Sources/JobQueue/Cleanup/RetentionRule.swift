import Postgres

/// Rows of a table without partitions that a clean-up removes once they are older than executions are kept; declared by the target
/// whose table it is.
package struct RetentionRule: Sendable {
    /// The table's name, which stands in the metrics too.
    package let table: String
    let page: @Sendable (RetentionPage) -> SQL

    /// A table whose key is a growing `id`. Both conditions are texts of the program about a row `t` and the limits `c.cutoff` (a moment)
    /// and `c.first_id` (the first execution that is kept): whether it is old, and whether an old one may go.
    package init(table: String, isOld: String, mayGo: String) {
        self.init(table: table) { CleanupStatements.page($0, of: table, isOld: isOld, mayGo: mayGo) }
    }

    /// `page` gives how many rows it `removed` and, when there may be more, `next`: what the next page follows.
    init(table: String, page: @escaping @Sendable (RetentionPage) -> SQL) {
        self.table = table
        self.page = page
    }

    /// Due times and what became of them.
    package static let scheduleTicks = RetentionRule(table: "schedule_ticks", page: CleanupStatements.ticks)
}

/// One step of the walk through a table.
struct RetentionPage: Sendable {
    /// The `next` of the page before; nil at the beginning.
    let after: String?
    /// How long executions are kept.
    let days: Int
    /// Counts and removes nothing.
    let isDryRun: Bool
}
