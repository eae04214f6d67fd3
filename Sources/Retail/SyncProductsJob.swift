import JobQueue
import Runtime

/// `SYNC_PRODUCTS`: the parent plans one child a store; a child publishes its store's club prices as a one-day campaign (SPEC §5).
package struct SyncProductsJob: Job {
    private let work: StoreWork

    /// Takes what it shares with the other jobs that work store by store.
    package init(_ work: StoreWork) {
        self.work = work
    }

    /// See `Job`: plans at top level, runs the store of a child.
    package func run(_ context: RunContext) async throws -> JobResult {
        let options = try SyncOptions(context.options)
        guard let storeID = context.run.storeID else { return try await plan(options, context) }
        let sync = StoreSync(try await work.open(storeID, options.stores, context), options: options)
        do {
            return .succeeded(metrics: try await sync.run())
        } catch {
            throw RunError.measured(error, await sync.failureDocument)
        }
    }

    private func plan(_ options: SyncOptions, _ context: RunContext) async throws -> JobResult {
        // Both always: what the params say is laid over the config in a child as well.
        let params: [String: JSONValue] = ["dry_run": .bool(options.isDryRun), "confirm_drop": .bool(options.confirmsDrop)]
        let children = try await work.plan(options.stores, params: params, context)
        guard !children.isEmpty else {
            context.log(.warning, "there is no active store; nothing was published")
            return .succeeded(metrics: SyncMetrics().document(severity: "warning"))
        }
        return .fanOut(children, unit: "stores")
    }
}
