import Runtime

/// `NOOP`: sleeps, fails or fans out as its config says; for tests, drills and measurements. It goes every job's way.
package struct NoopJob: Job {
    /// Needs nothing.
    package init() {}

    /// See `Job`.
    package func run(_ context: RunContext) async throws -> JobResult {
        guard context.options != .object([:]) else {
            return .succeeded(metrics: nil)
        }
        let options = context.options
        if context.run.parentID == nil, let children = options["children"]?.intValue, children > 0 {
            var params = options.objectValue ?? [:]
            params["children"] = 0
            return .fanOut(Array(repeating: PlannedChild(params: .object(params)), count: min(children, 10_000)), unit: "children")
        }
        if let milliseconds = options["sleep_ms"]?.intValue, milliseconds > 0 {
            context.log(.info, "sleeps for \(milliseconds) ms")
            try await Task.sleep(for: .milliseconds(milliseconds))
        }
        switch options["fail"]?.stringValue {
        case "once" where context.run.attempt == 1, "always":
            throw RunError(code: "NOOP_FAILED", message: "the drill asked this attempt to fail", isRetryable: true)
        case "permanent":
            throw RunError(code: "NOOP_FAILED", message: "the drill asked this execution to fail for good", isRetryable: false)
        default:
            return .succeeded(metrics: nil)
        }
    }
}
