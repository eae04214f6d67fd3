import JobQueue

/// What a clean-up removes of Retail's tables.
extension RetentionRule {
    /// Campaigns, but those of executions that stay, and the newest VERIFIED one of a store and target: a fall of the catalogue is measured
    /// against it.
    package static let campaigns = RetentionRule(
        table: "campaigns", isOld: "t.created_at < c.cutoff",
        mayGo: """
            NOT execution_stays(t.execution_id, c.cutoff)
            AND (t.status <> 'VERIFIED' OR EXISTS (SELECT FROM campaigns AS later WHERE later.store_id = t.store_id
              AND later.target_id = t.target_id AND later.status = 'VERIFIED' AND later.line_count > 0 AND (later.day, later.id) > (t.day, t.id)))
            """)

    /// What comparisons found, but that of executions that stay.
    package static let comparisonDifferences = RetentionRule(
        table: "comparison_differences", isOld: "t.execution_id < c.first_id",
        mayGo: "NOT execution_stays(t.execution_id, c.cutoff)")
}
