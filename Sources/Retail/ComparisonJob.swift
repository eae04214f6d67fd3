import JobQueue
import Runtime

/// `COMPARE_DATA`: the parent plans one child a store; a child compares what the source offers with what the target lists for the store's
/// day, and writes to neither (SPEC §5).
package struct ComparisonJob: Job {
    /// How long a plan waits before it looks again whether a sync has planned its stores.
    private static let planDelay: Duration = .seconds(5)

    private let work: StoreWork

    /// Takes what it shares with the other jobs that work store by store.
    package init(_ work: StoreWork) {
        self.work = work
    }

    /// See `Job`: plans at top level, compares the store of a child.
    package func run(_ context: RunContext) async throws -> JobResult {
        // Whatever an earlier attempt recorded is not what this one will find, be it that it cannot begin.
        if context.run.attempt > 1, context.run.storeID != nil {
            _ = try await context.fenced([ComparisonStatements.removeDifferences(of: context.run.id)])
        }
        let options = try CompareOptions(context.options)
        guard let storeID = context.run.storeID else { return try await plan(options, context) }
        let comparison = StoreComparison(try await work.open(storeID, options.stores, context), options: options)
        do {
            return .succeeded(metrics: try await comparison.run())
        } catch {
            throw RunError.measured(error, await comparison.metrics.failureDocument)
        }
    }

    /// A child waits for its store's sync; after an outage both jobs become due together, and then there are no such children yet.
    private func plan(_ options: CompareOptions, _ context: RunContext) async throws -> JobResult {
        let patience = context.configuration.timeout
        let unplanned = ComparisonStatements.unplannedSync(comparison: context.run.id, of: options.stores, patience: patience)
        if let sync = try await context.pool.query(unplanned).first?["id"] {
            throw RunPostponed(code: "SYNC_LIVE", message: "sync \(sync) has not planned its stores yet", delay: Self.planDelay)
        }
        let children = try await work.plan(options.stores, context)
        guard !children.isEmpty else {
            context.log(.warning, "there is no active store; nothing was compared")
            return .succeeded(metrics: CompareMetrics().emptyDocument)
        }
        return .fanOut(children, unit: "stores")
    }
}
