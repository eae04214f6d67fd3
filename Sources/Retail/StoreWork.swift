import Cron
import JobQueue
import Runtime

/// What jobs that work store by store have in common: the plan of one child a store, and what a child needs to begin.
package struct StoreWork: Sendable {
    /// How long a plan for stores of several sources waits for a login; the stores' own runs try it again.
    private static let loginPatience: Duration = .seconds(20)

    private let partners: any PartnerDirectory
    private let breakers = BreakerMemory()

    /// Takes where partners' clients come from; the jobs of a process share one.
    package init(partners: any PartnerDirectory) {
        self.partners = partners
    }

    // MARK: The parent

    /// One child for each store, after a login that proves the credentials: a permanent failure there ends it without children.
    /// `params` go to every child beside its store. Empty: there is no store to work for.
    func plan(_ choice: StoreChoice, params: [String: JSONValue] = [:], _ context: RunContext) async throws -> [PlannedChild] {
        let directory = RetailDirectory(pool: context.pool)
        let target = try await directory.integration(named: choice.target, type: "CRESCEVENDAS")
        let source = try await directory.integration(named: choice.source, type: "RP")
        _ = try partners.target(target)
        var sources = [source.name: source]
        let stores = try await choice.storeIDs.isEmpty ? directory.activeStores() : []
        let named = try await directory.stores(choice.storeIDs)
        let ids = choice.storeIDs.isEmpty ? stores.map(\.id) : choice.storeIDs
        let known = named.merging(stores.map { ($0.id, $0) }) { first, _ in first }
        var children: [PlannedChild] = []
        for id in ids {
            let store = known[id]
            var sourceID = source.id
            if let name = store?.config["source"]?.stringValue {
                if sources[name] == nil {
                    do {
                        sources[name] = try await directory.integration(named: name, type: "RP")
                    } catch is RunError {
                        // It fails by name, as the store's own run; the others go on.
                    }
                }
                sourceID = sources[name]?.id ?? 0
            }
            let params = params.merging(["store_ids": .array([.integer(Int64(id))])]) { $1 }
            children.append(
                PlannedChild(
                    params: .object(params), storeID: id, registration: store?.registration, sourceID: sourceID, targetID: target.id))
        }
        guard !children.isEmpty else { return [] }
        try await proveCredentials(
            of: Array(Set(children.map(\.sourceID))).compactMap { id in sources.values.first { $0.id == id } }, context)
        context.log(.info, "planned \(children.count) stores: \(source.name) to \(target.name)")
        return children
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

    // MARK: A child

    /// The store of a child and its partners. A store or partner that cannot be worked with is a permanent `RunError` that names it.
    func open(_ storeID: Int, _ choice: StoreChoice, _ context: RunContext) async throws -> StoreRun {
        let directory = RetailDirectory(pool: context.pool)
        // The row's integrations, for its limits and the store's lock count for them; a row made by hand has none.
        let rows = try await directory.rows(store: storeID, source: context.run.sourceID, target: context.run.targetID)
        guard let store = rows.store else {
            throw RunError(code: "STORE_UNKNOWN", message: "there is no store with id \(storeID)", isRetryable: false)
        }
        guard store.isActive else {
            throw RunError(
                code: "STORE_INACTIVE", message: "store \(store.name) is inactive; activate it or leave it out", isRetryable: false)
        }
        guard store.config.objectValue != nil else {
            throw RunError(code: "STORE_CONFIG", message: "the config of store \(store.name) cannot be read; mend it", isRetryable: false)
        }
        // A name that was corrected since the plan counts; the target's cannot change, for the store's lock is that of the target planned for.
        let sourceName = store.config["source"]?.stringValue ?? choice.source
        let planned = sourceName == nil || rows.source?.name == sourceName ? rows.source : nil
        let source = try await directory.integration(planned, orNamed: sourceName, type: "RP")
        if let planned = rows.target?.name, let name = choice.target, planned != name {
            throw RunError(
                code: "TARGET_CHANGED",
                message: "it was planned for \(planned), and the job's target is \(name) now; start a new execution of the job",
                isRetryable: false)
        }
        let target = try await directory.integration(rows.target, orNamed: choice.target, type: "CRESCEVENDAS")
        let zoneName = store.config["time_zone"]?.stringValue ?? context.configuration.timeZone
        guard let zone = try? TimeZoneRules(named: zoneName) else {
            throw RunError(
                code: "TIME_ZONE",
                message: "the time zone \(zoneName) of store \(store.name) is not known on this host; install tzdata or correct it",
                isRetryable: false)
        }
        return StoreRun(
            store: store, zone: zone, day: zone.local(at: rows.now).date.description, context: context, source: try partners.source(source),
            sourceGate: PartnerGate(integration: source, context: context, mayPostpone: false, breakers: breakers),
            target: try partners.target(target),
            targetGate: PartnerGate(integration: target, context: context, mayPostpone: true, breakers: breakers),
            campaigns: CampaignStore(context: context, storeID: store.id, targetID: target.id))
    }
}

/// One store with all that a run for it works with.
struct StoreRun: Sendable {
    let store: Store
    /// The store's own, else the job's.
    let zone: TimeZoneRules
    /// The local day on which the run began.
    let day: String
    let context: RunContext
    let source: any ProductSource
    let sourceGate: PartnerGate
    let target: any CampaignTarget
    let targetGate: PartnerGate
    let campaigns: CampaignStore

    /// What the target lists for the store on a local day.
    func list(day: String) async throws -> Listing {
        try await target.list(registration: store.registration, day: day, gate: targetGate)
    }

    /// The same, for who goes on with something else meanwhile.
    func listing(day: String) async -> Result<Listing, any Error> {
        do { return .success(try await list(day: day)) } catch { return .failure(error) }
    }
}

extension RunError {
    /// The error of a store's run with what was counted until then; errors that say nothing about the store stay what they are.
    static func measured(_ error: any Error, _ metrics: JSONValue) -> any Error {
        switch error {
        case let failure as PartnerFailure: RunError(failure, metrics: metrics)
        case let error as RunError where error.metrics == nil:
            RunError(
                code: error.code, message: error.message, isRetryable: error.isRetryable, retryAfter: error.retryAfter, metrics: metrics)
        default: error
        }
    }
}
