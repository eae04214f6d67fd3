import Runtime

/// What a clean-up keeps (SPEC §5), with the keys of the system before it.
struct CleanupOptions: Hashable, Sendable {
    /// Days that logs are kept.
    let logDays: Int
    /// Days that executions and what belongs to them are kept.
    let executionDays: Int
    /// Says what would go, and removes nothing.
    let isDryRun: Bool
    /// `cleanup_system_logs`.
    let cleansLogs: Bool
    /// `cleanup_executions`.
    let cleansExecutions: Bool

    /// Throws a permanent `RunError` that names the field.
    init(_ options: JSONValue) throws(RunError) {
        logDays = try Self.days("retention_days", options, standard: 7)
        executionDays = try Self.days("execution_retention_days", options, standard: 90)
        isDryRun = try Self.flag("dry_run", options, standard: false)
        cleansLogs = try Self.flag("cleanup_system_logs", options, standard: true)
        cleansExecutions = try Self.flag("cleanup_executions", options, standard: true)
    }

    private static func days(_ field: String, _ options: JSONValue, standard: Int) throws(RunError) -> Int {
        guard let value = options[field], !value.isNull else { return standard }
        guard let days = value.intValue, (0...36_500).contains(days) else {
            throw RunError(
                code: "CONFIG", message: "config.\(field): it must be a whole number of days from 0 to 36500", isRetryable: false)
        }
        return days
    }

    private static func flag(_ field: String, _ options: JSONValue, standard: Bool) throws(RunError) -> Bool {
        guard let value = options[field], !value.isNull else { return standard }
        guard let flag = value.boolValue else {
            throw RunError(code: "CONFIG", message: "config.\(field): it must be true or false", isRetryable: false)
        }
        return flag
    }
}
