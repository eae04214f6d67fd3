import Cron
import JobQueue
import Runtime

/// `SYNC_PRODUCTS`: the parent plans one child a store; a child publishes its store's club prices as a one-day campaign (SPEC §5).
package struct SyncProductsJob: Job {
    /// How long a plan for stores of several sources waits for a login; the stores' own runs try it again.
    private static let loginPatience: Duration = .seconds(20)

    private let partners: any PartnerDirectory
    private let breakers = BreakerMemory()

    /// Takes where partners' clients come from.
    package init(partners: any PartnerDirectory) {
        self.partners = partners
    }

    /// See `Job`: plans at top level, runs the store of a child.
    package func run(_ context: RunContext) async throws -> JobResult {
        let options = try SyncOptions(context.options)
        if let storeID = context.run.storeID {
            return .succeeded(metrics: try await runStore(storeID, options, context))
        }
        return try await plan(options, context)
    }

    /// One child for each store, after a login that proves the credentials: a permanent failure there ends it without children.
    private func plan(_ options: SyncOptions, _ context: RunContext) async throws -> JobResult {
        let directory = RetailDirectory(pool: context.pool)
        let target = try await directory.integration(named: options.target, type: "CRESCEVENDAS")
        let source = try await directory.integration(named: options.source, type: "RP")
        _ = try partners.target(target)
        var sources = [source.name: source]
        let stores = try await options.storeIDs.isEmpty ? directory.activeStores() : []
        let named = try await directory.stores(options.storeIDs)
        let ids = options.storeIDs.isEmpty ? stores.map(\.id) : options.storeIDs
        let known = named.merging(stores.map { ($0.id, $0) }) { first, _ in first }
        var children: [PlannedChild] = []
        for id in ids {
            let store = known[id]
            var storeSource = source
            if let name = store?.config["source"]?.stringValue {
                // A store whose own source is wrong fails by name, as its own run; the others go on.
                if sources[name] == nil { sources[name] = try? await directory.integration(named: name, type: "RP") }
                storeSource = sources[name] ?? source
            }
            var params: [String: JSONValue] = ["store_ids": .array([.integer(Int64(id))])]
            if options.isDryRun { params["dry_run"] = true }
            if options.confirmsDrop { params["confirm_drop"] = true }
            children.append(
                PlannedChild(
                    params: .object(params), storeID: id, registration: store?.registration, sourceID: storeSource.id, targetID: target.id))
        }
        guard !children.isEmpty else {
            context.log(.warning, "there is no active store; nothing was published")
            return .succeeded(metrics: SyncMetrics().document(severity: "warning"))
        }
        try await proveCredentials(
            of: Array(Set(children.map(\.sourceID))).compactMap { id in sources.values.first { $0.id == id } }, context)
        context.log(.info, "planned \(children.count) stores: \(source.name) to \(target.name)")
        return .fanOut(children, unit: "stores")
    }

    /// Logs in at the sources, side by side. A failure ends the plan when all stores depend on it; else only its own stores will fail or
    /// wait, by name, in their own runs, and a source that does not answer holds the plan up for a moment only.
    private func proveCredentials(of sources: [IntegrationRow], _ context: RunContext) async throws {
        @Sendable func logIn(_ source: IntegrationRow) async throws {
            let gate = PartnerGate(integration: source, context: context, mayPostpone: false, breakers: breakers)
            try await partners.source(source).logIn(gate: gate)
        }
        guard sources.count > 1 else {
            do {
                for source in sources { try await logIn(source) }
            } catch let failure as PartnerFailure {
                throw RunError(failure)
            }
            return
        }
        await withTaskGroup { logins in
            for source in sources {
                logins.addTask {
                    do {
                        try await withDeadline(Self.loginPatience) { try await logIn(source) }
                    } catch {
                        context.log(.error, "login at \(source.name) failed: \((error as? RunPostponed)?.message ?? "\(error)")")
                    }
                }
            }
        }
        try context.checkHold()
    }

    private func runStore(_ storeID: Int, _ options: SyncOptions, _ context: RunContext) async throws -> JSONValue {
        let directory = RetailDirectory(pool: context.pool)
        guard let store = try await directory.stores([storeID])[storeID] else {
            throw RunError(code: "STORE_UNKNOWN", message: "there is no store with id \(storeID)", isRetryable: false)
        }
        guard store.isActive else {
            throw RunError(
                code: "STORE_INACTIVE", message: "store \(store.name) is inactive; activate it or leave it out", isRetryable: false)
        }
        guard store.config.objectValue != nil else {
            throw RunError(code: "STORE_CONFIG", message: "the config of store \(store.name) cannot be read; mend it", isRetryable: false)
        }
        // The row's integrations, for its limits and the store's lock count for them; a row made by hand has none.
        let source = try await directory.integration(
            id: context.run.sourceID, named: store.config["source"]?.stringValue ?? options.source, type: "RP")
        let target = try await directory.integration(id: context.run.targetID, named: options.target, type: "CRESCEVENDAS")
        let zoneName = store.config["time_zone"]?.stringValue ?? context.configuration.timeZone
        guard let zone = try? TimeZoneRules(named: zoneName) else {
            throw RunError(
                code: "TIME_ZONE",
                message: "the time zone \(zoneName) of store \(store.name) is not known on this host; install tzdata or correct it",
                isRetryable: false)
        }
        let sync = StoreSync(
            store: store, options: options, zone: zone, context: context,
            source: try partners.source(source),
            sourceGate: PartnerGate(integration: source, context: context, mayPostpone: false, breakers: breakers),
            target: try partners.target(target),
            targetGate: PartnerGate(integration: target, context: context, mayPostpone: true, breakers: breakers),
            campaigns: CampaignStore(context: context, storeID: store.id, targetID: target.id))
        do {
            return try await sync.run()
        } catch let failure as PartnerFailure {
            throw RunError(failure, metrics: await sync.metrics.failureDocument)
        } catch let error as RunError where error.metrics == nil {
            throw RunError(
                code: error.code, message: error.message, isRetryable: error.isRetryable, retryAfter: error.retryAfter,
                metrics: await sync.metrics.failureDocument)
        }
    }
}
