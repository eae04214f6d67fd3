/// One numbered step of the schema, with the way there and the way back.
package struct Migration: Sendable {
    /// Its place in the one list of `chimera`; recorded in `schema_migrations`.
    package let number: Int
    /// What it brings, in a few words.
    package let name: String
    /// The statements that make it so; they run in one transaction.
    package let up: String
    /// The statements that undo it; data of the tables it made is lost.
    package let down: String

    /// Takes the number, the name and both ways.
    package init(number: Int, name: String, up: String, down: String) {
        self.number = number
        self.name = name
        self.up = up
        self.down = down
    }
}

extension Migration {
    /// Marks one of the queue's own functions for its duration, in its head. A role that is no superuser may not give a function a setting with
    /// a name of ours; so the mark is a value that nobody chooses of a setting that everybody may choose and that does nothing before COMMIT.
    static let marksInternal = "SET \(mark.setting) = \(mark.value)"
    /// Whether a statement is one of those functions'.
    static let isInternal = "(current_setting('\(mark.setting)') = '\(mark.value)')"
    /// Marks the rest of a transaction: for who writes what only the queue does, as benches do.
    package static let becomeInternal = "SELECT set_config('\(mark.setting)', '\(mark.value)', true)"
    private static let mark = (setting: "commit_siblings", value: 997)

    /// The queue's own, by number; the numbers between belong to other targets' tables.
    package static let ofQueue: [Migration] = [
        .m01Foundations, .m02Integrations, .m03Jobs, .m04Executions, .m05ExecutionGuards, .m06Ends, .m07Claims, .m08Operations,
        .m09Schedules, .m12Retention,
    ]
}
