import Cron
import Runtime

extension Noun {
    /// Rows of `job_configurations`.
    static let job = Noun(
        word: "job", table: "job_configurations",
        key: ColumnOption(name: "--name", column: "name", kind: .text, value: "NAME", help: "its name, unique among jobs"),
        columns: [
            ColumnOption(
                name: "--type", column: "job_type", kind: .text, value: "TYPE",
                help: "SYNC_PRODUCTS, COMPARE_DATA, CLEANUP_LOGS, CUSTOM or NOOP",
                isRequired: true),
            ColumnOption(
                name: "--cron", column: "cron_pattern", kind: .cron, value: "PATTERN",
                help: "when it runs, such as '10 5 * * *'; without one only by hand",
                canBeEmptied: true),
            ColumnOption(
                name: "--zone", column: "time_zone", kind: .text, value: "ZONE", help: "whose clock the pattern reads (America/Sao_Paulo)"),
            ColumnOption(
                name: "--config", column: "config", kind: .json, value: "JSON",
                help: "what the job is to do: JSON, @FILE, or - for standard input"),
            ColumnOption(
                name: "--integration", column: "integration_id", kind: .integration, value: "NAME",
                help: "the partner whose limits a CUSTOM or NOOP job counts for", canBeEmptied: true),
            ColumnOption(
                name: "--description", column: "description", kind: .text, value: "TEXT", help: "what it is for, for other operators",
                canBeEmptied: true),
            ColumnOption(
                name: "--active", column: "active", kind: .boolean, value: "YES|NO", help: "no: the schedule rests, runs by hand go (yes)"),
            ColumnOption(
                name: "--priority", column: "priority", kind: .number(-32_768...32_767), value: "N", help: "smaller runs first (0)"),
            ColumnOption(
                name: "--max-attempts", column: "max_attempts", kind: .number(integers), value: "N",
                help: "1 to 1000 tries before it has failed (3)"),
            ColumnOption(
                name: "--retry-delay", column: "retry_delay_seconds", kind: .number(integers), value: "SECONDS",
                help: "0 to 3600 before the second try; doubles with every further one (30)"),
            ColumnOption(
                name: "--timeout", column: "timeout_seconds", kind: .number(integers), value: "SECONDS",
                help: "1 to 604800 for one try (900)"),
            ColumnOption(
                name: "--max-concurrency", column: "max_concurrency", kind: .number(integers), value: "N",
                help: "how many of its runs at once (no limit)",
                canBeEmptied: true),
            ColumnOption(
                name: "--overlap", column: "overlap_policy", kind: .text, value: "POLICY",
                help: "when it is due and still runs: SKIP, QUEUE, ALLOW or REPLACE (SKIP)"),
            ColumnOption(
                name: "--misfire", column: "misfire_policy", kind: .text, value: "POLICY",
                help: "when due times were missed: RUN_ONCE, RUN_ALL or SKIP (RUN_ONCE)"),
            ColumnOption(
                name: "--expect-success-within", column: "expect_success_within", kind: .interval, value: "INTERVAL",
                help: "'50 minutes': tell when a due time has no success by then", canBeEmptied: true),
        ],
        listing: JobStatements.listing,
        listingColumns: [
            Table.Column("ID", "id", isNumber: true), Table.Column("NAME", "name"), Table.Column("TYPE", "job_type"),
            Table.Column("CRON", "cron_pattern"), Table.Column("ZONE", "time_zone"), Table.Column("STATE") { jobState($0) },
            Table.Column("NEXT") { nextDue($0) },
        ],
        fields: [
            "id", "name", "description", "job_type", "cron_pattern", "time_zone", "next_due_at", "problem", "active", "paused_at", "config",
            "integration",
            "priority", "max_attempts", "retry_delay_seconds", "timeout_seconds", "max_concurrency", "overlap_policy", "misfire_policy",
            "expect_success_within", "notifications", "created_at", "updated_at",
        ],
        notes: "Secrets in --config may not stand among the arguments: use @FILE or -.")

    /// What an `int` column takes.
    static let integers = -2_147_483_648...2_147_483_647
}

/// How a job stands, in a word; a problem goes before everything else.
private func jobState(_ row: JSONValue) -> String {
    if let problem = row["problem"]?.stringValue { return "problem: \(problem)" }
    if row["paused_at"]?.stringValue != nil { return "paused" }
    return row["active"]?.boolValue == true ? "active" : "inactive"
}

/// The next due time on the clock of the job's zone, where that zone is known here.
private func nextDue(_ row: JSONValue) -> String {
    let text = Cell.moment(row["next_due_at"])
    guard let zone = try? TimeZoneRules(named: Cell.text(row["time_zone"])), let instant = try? parseInstant(text, defaultZone: .utc) else {
        return text
    }
    return iso8601(instant, in: zone)
}
