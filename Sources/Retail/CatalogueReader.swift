import JobQueue
import Runtime

/// Reads a store's whole catalogue, page by page, and adds every accepted product to what the caller makes of them: memory grows with what is
/// kept, not with the catalogue.
actor CatalogueReader<Kept: Sendable> {
    private let run: StoreRun
    private let keep: @Sendable (inout Kept, CampaignLine, OfferedProduct) -> Void
    /// What was decided so far, complete or not.
    private(set) var selection: ProductSelection
    private var kept: Kept
    private var lastReport = MonotonicClock.now()

    /// `quantityLimit`: of the store's lines, unless the store has one of its own. `keep` is called while the next page is on its way.
    init(
        _ run: StoreRun, quantityLimit: Int, into kept: Kept, keep: @escaping @Sendable (inout Kept, CampaignLine, OfferedProduct) -> Void
    ) {
        self.run = run
        self.kept = kept
        self.keep = keep
        selection = ProductSelection(limit: run.store.config["quantity_limit"]?.intValue ?? quantityLimit)
    }

    /// Gives what was kept, in the order of the pages. Throws `PartnerFailure`, `RunError`.
    func read() async throws -> Kept {
        try await run.source.readProducts(unit: try run.store.unit(), gate: run.sourceGate) { [self] page in try await take(page) }
        run.context.log(
            .info, "read \(selection.fetched) products, accepted \(selection.acceptedCount)",
            ["rejected": selection.rejectedDocument])
        return kept
    }

    private func take(_ page: [OfferedProduct]) async throws {
        do {
            for product in page {
                if let line = try selection.take(product) { keep(&kept, line, product) }
            }
            assert(Failpoint.reach("catalogue.page"))
        } catch {
            throw RunError(code: "CATALOGUE", message: "\(error)", isRetryable: false)
        }
        if MonotonicClock.now() - lastReport > .seconds(1) {
            lastReport = MonotonicClock.now()
            await run.context.report(done: selection.fetched, total: nil, unit: "products")
        }
    }
}
