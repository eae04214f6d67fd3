import JobQueue
import Postgres
import Runtime

/// One attempt to compare one store: reads both sides at the same time, finds what differs, and records it.
actor StoreComparison {
    private let storeRun: StoreRun
    private let options: CompareOptions
    private(set) var metrics = CompareMetrics()

    init(_ storeRun: StoreRun, options: CompareOptions) {
        self.storeRun = storeRun
        self.options = options
    }

    private var context: RunContext { storeRun.context }

    /// Gives the run's metrics. Throws `PartnerFailure`, `RunError`, `RunPostponed`: what could not be compared is no success.
    func run() async throws -> JSONValue {
        let day = storeRun.day
        let published = try await published(day: day)
        let (offered, listing) = try await readBothSides(day: day, quantityLimit: published.quantityLimit)
        metrics.listed = listing.lines.count
        guard !offered.isEmpty || !listing.lines.isEmpty else {
            guard published.window == nil else {
                throw RunError(
                    code: "NOTHING_TO_COMPARE",
                    message: "a campaign was published today, and now no product is offered at a club price and nothing is listed",
                    isRetryable: false)
            }
            context.log(.warning, "skipped: no product is offered at a club price, and nothing is listed")
            return metrics.skippedDocument
        }
        // One side alone is all differences of one kind; when that is not looked for, nothing was compared.
        let (side, kind) = offered.isEmpty ? ("offered", DifferenceKind.extraInTarget) : ("listed", .missingInTarget)
        guard !(offered.isEmpty || listing.lines.isEmpty) || options.kinds.contains(kind) else {
            throw RunError(
                code: "NOTHING_TO_COMPARE",
                message: "nothing is \(side), and \(kind.rawValue), which would say so, is switched off in the job's config",
                isRetryable: false)
        }
        let comparison = Comparison(
            offered: offered, listing: listing, windows: try windows(of: listing, published: published.window), kinds: options.kinds)
        metrics.differences = comparison.counts()
        if !metrics.differences.isEmpty { try await record(comparison) }
        assert(Failpoint.reach("compare.recorded"))
        let total = metrics.differences.values.reduce(0, +)
        context.log(
            total == 0 ? .info : .warning,
            "\(offered.count) products offered, \(listing.lines.count) lines listed on \(day): \(total) differences",
            Dictionary(uniqueKeysWithValues: metrics.differences.map { ($0.key.rawValue, .integer(Int64($0.value))) }))
        return metrics.successDocument(options.thresholds)
    }

    private func published(day: String) async throws -> (window: PublishedWindow?, quantityLimit: Int) {
        let statement = ComparisonStatements.published(store: storeRun.store.id, target: storeRun.campaigns.targetID, day: day)
        let row = try await context.pool.query(statement).first
        var window: PublishedWindow?
        if let start: Int64 = try row?.getIfPresent("starts_at"), let end: Int64 = try row?.getIfPresent("ends_at") {
            window = PublishedWindow(startsAt: start, endsAt: end)
        }
        return (window, try options.quantityLimit ?? row?.getIfPresent("quantity_limit") ?? SyncOptions.standardQuantityLimit)
    }

    private enum BothSides {
        case offered([CampaignLine])
        case listed(Listing)
    }

    /// The listing is asked for while the pages are read; when one side fails, the other is given up.
    private func readBothSides(day: String, quantityLimit: Int) async throws -> ([CampaignLine], Listing) {
        let reader = CatalogueReader(storeRun, quantityLimit: quantityLimit, into: [CampaignLine]()) { lines, line, _ in lines.append(line)
        }
        var offered: [CampaignLine] = []
        var listing = Listing()
        do {
            try await withThrowingTaskGroup(of: BothSides.self) { [storeRun] sides in
                sides.addTask {
                    let listing = try await storeRun.list(day: day)
                    await storeRun.targetGate.recordSuccess()
                    return .listed(listing)
                }
                sides.addTask {
                    let lines = try await reader.read()
                    await storeRun.sourceGate.recordSuccess()
                    return .offered(lines)
                }
                for try await side in sides {
                    switch side {
                    case .offered(let lines): offered = lines
                    case .listed(let lines): listing = lines
                    }
                }
            }
        } catch {
            await count(reader)
            throw error
        }
        await count(reader)
        return (offered, listing)
    }

    private func count(_ reader: CatalogueReader<[CampaignLine]>) async {
        let selection = await reader.selection
        (metrics.fetched, metrics.accepted) = (selection.fetched, selection.acceptedCount)
    }

    private func windows(of listing: Listing, published: PublishedWindow?) throws -> WindowCheck {
        guard let published, options.kinds.contains(.window) else { return .none }
        guard listing.tellsWindows || listing.windows.contains(where: { $0.startsAt != nil || $0.expiresAt != nil }) else {
            context.log(.notice, "windows are not compared: a listing of this shape has no times")
            return .none
        }
        return try WindowCheck(listing, expected: published, zone: storeRun.zone)
    }

    /// The execution's rows become those of the comparison, in one fenced transaction.
    private func record(_ comparison: Comparison) async throws {
        let (execution, store) = (context.run.id, storeRun.store.id)
        try await context.fenced(after: [ComparisonStatements.removeDifferences(of: execution)]) { transaction, _ in
            let rows = DifferenceRows(comparison: comparison, execution: execution, store: store)
            _ = try await transaction.copyIn(ComparisonStatements.copyDifferences, rows: rows)
        }
    }
}
