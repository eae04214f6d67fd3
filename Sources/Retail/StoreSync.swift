import Cron
import JobQueue
import Runtime

/// One attempt to publish one store's campaign of the day: goes on where an earlier attempt stopped, or reads, decides, uploads,
/// verifies and swaps.
actor StoreSync {
    private let storeRun: StoreRun
    private let options: SyncOptions
    private var metrics = SyncMetrics()

    init(_ storeRun: StoreRun, options: SyncOptions) {
        self.storeRun = storeRun
        self.options = options
    }

    private var store: Store { storeRun.store }
    private var context: RunContext { storeRun.context }
    private var campaigns: CampaignStore { storeRun.campaigns }
    private var isLastAttempt: Bool { context.run.attempt >= context.run.maxAttempts }

    /// What it counted, should it fail.
    var failureDocument: JSONValue { metrics.failureDocument }

    /// Gives the run's metrics. Throws `PartnerFailure`, `RunError`, `RunPostponed`.
    func run() async throws -> JSONValue {
        let day = storeRun.day
        guard let earlier = try await campaigns.latest(day: day), !options.isDryRun else { return try await publish(day: day) }
        if let staged = earlier.staged, try await !campaigns.publishes(earlier.id, content: content(of: staged.lines)) {
            // What is stored says to whom it goes: sent as it is, one store's prices would reach another.
            let reason = "the store's registration, or the partner's address, is another one now"
            return try await publish(day: day, replacing: (earlier.id, reason))
        }
        metrics.readBefore = earlier.metrics
        switch CampaignStep.next(after: earlier, execution: context.run.id) {
        case .alreadyDone: return earlier.metrics ?? metrics.successDocument()
        case .listOnly(let staged):
            return try await verify(earlier.id, staged: staged, in: await storeRun.listing(day: day))
        case .listThenResend(let staged): return try await settle(earlier, staged: staged, day: day)
        case .send(let staged): return try await send(earlier, staged: staged, day: day, isFirst: true)
        case .rebuild(let reason): return try await publish(day: day, replacing: (earlier.id, reason))
        case .lookThenRebuild(let staged):
            let unseen = try await reasonToReplace(earlier, staged: staged, day: day)
            return try await publish(day: day, replacing: unseen.map { (earlier.id, $0 + "; a later run replaced it") })
        case .compare: return try await publish(day: day)
        }
    }

    // MARK: A new campaign

    /// `replacing`: a campaign of the day that is given up, with the reason, once another is planned.
    private func publish(day: String, replacing old: (id: Int64, reason: String)? = nil) async throws -> JSONValue {
        metrics = metrics.anew
        async let heldAgainst = campaigns.baseline(day: day)
        let staged = try await readProducts()
        // That the source answered is noted while the campaign goes its way.
        async let isNoted: Void = storeRun.sourceGate.recordSuccess()
        do {
            let metrics = try await publish(staged, heldAgainst: try await heldAgainst, replacing: old)
            await isNoted
            return metrics
        } catch {
            await isNoted
            throw error
        }
    }

    private func publish(
        _ staged: StagedProducts, heldAgainst baseline: CampaignBaseline, replacing old: (id: Int64, reason: String)?
    ) async throws -> JSONValue {
        let day = storeRun.day
        let lines = staged.lines
        let content = content(of: lines)
        let dropGuard = DropGuard(maxDropPercent: options.maxDropPercent, isConfirmed: options.confirmsDrop)
        switch dropGuard.judge(now: lines.count, before: baseline.lastLineCount) {
        case .publish: break
        case .skip(let reason):
            context.log(.warning, "skipped: \(reason)")
            try await recordSkipped(name: "", content: "", reason: reason, now: baseline.now)
            return metrics.skippedDocument
        case .refuse(let reason): throw RunError(code: "CATALOGUE_DROPPED", message: reason, isRetryable: false)
        }
        // What was verified before midnight publishes nothing for the day that has begun.
        let isStillDay = storeRun.zone.local(at: baseline.now).date.description == day
        if baseline.isPublished, isStillDay, let earlier = try await campaigns.unchanged(day: day, content: content) {
            let reason = "the same content was verified today as campaign \(earlier.id)"
            context.log(.info, "not uploaded again: \(reason)", ["lines": .integer(Int64(lines.count))])
            try await recordSkipped(name: earlier.name, content: content, reason: reason, now: baseline.now)
            return metrics.successDocument()
        }
        guard let window = CampaignWindow(now: baseline.now, zone: storeRun.zone, rules: storeRun.target.campaignRules) else {
            throw RunError(
                code: "TOO_LATE", message: "it is too late for a campaign of today: it would start after its end", isRetryable: false)
        }
        let name = storeRun.target.campaignRules.name(
            window: window, document: store.document, registration: store.registration, storeName: store.name)
        let draft = CampaignDraft(
            name: name, startsAt: window.startsAt, endsAt: window.endsAt, registration: store.registration, lines: lines)
        let body = storeRun.target.encode(draft)
        if options.isDryRun {
            context.log(
                .info, "dry run: it would upload \(lines.count) lines as \"\(name)\"",
                ["body": .string(String(decoding: body.prefix(2_000), as: UTF8.self))])
            _ = try await record("SKIPPED", name, window, content, body: body, reason: "dry run")
            return metrics.successDocument()
        }
        let id = try await record("PLANNED", name, window, content, body: body, staged: staged, replacing: old)
        context.log(.info, "campaign \(id) planned: \"\(name)\", \(lines.count) lines, \(window.startsAt) to \(window.endsAt)")
        return try await upload(id, body: body, staged: staged, day: window.day, isFirst: true)
    }

    private func content(of lines: [CampaignLine]) -> String {
        CampaignStore.content(of: lines, destination: "\(store.registration) \(storeRun.targetGate.integration.baseURL)")
    }

    private func readProducts() async throws -> StagedProducts {
        let reader = CatalogueReader(storeRun, quantityLimit: options.quantityLimit, into: StagedProducts()) { staged, line, product in
            staged.append(SelectedProduct(line: line, name: product.name, barcode: product.barcode))
        }
        do {
            let staged = try await reader.read()
            metrics.take(await reader.selection)
            return staged
        } catch {
            metrics.take(await reader.selection)
            throw error
        }
    }

    /// A campaign that is not uploaded: its row says why, for the whole day.
    private func recordSkipped(name: String, content: String, reason: String, now: Int64) async throws {
        _ = try await record("SKIPPED", name, CampaignWindow(dayOf: now, zone: storeRun.zone), content, reason: reason)
    }

    private func record(
        _ status: String, _ name: String, _ window: CampaignWindow, _ content: String, body: [UInt8]? = nil, staged: StagedProducts? = nil,
        reason: String? = nil, replacing old: (id: Int64, reason: String)? = nil
    ) async throws -> Int64 {
        try await campaigns.insert(
            NewCampaign(
                execution: context.run.id, store: store.id, target: campaigns.targetID, name: name, window: window,
                lineCount: metrics.accepted, status: status, content: content, body: body.map { String(decoding: $0, as: UTF8.self) },
                staged: staged?.text, metrics: metrics.successDocument(), reason: reason, isDryRun: options.isDryRun), replacing: old)
    }

    // MARK: Upload, verification, swap

    /// Sends a campaign as an earlier attempt stored it; a new one is under way from the moment that it is recorded.
    private func send(_ campaign: StoredCampaign, staged: StagedProducts, day: String, isFirst: Bool) async throws -> JSONValue {
        try await campaigns.uploadBegins(campaign.id)
        return try await upload(campaign.id, body: Array(campaign.body.utf8), staged: staged, day: day, isFirst: isFirst)
    }

    /// `isFirst`: no upload of this campaign can have arrived before; otherwise a refusal now says nothing about the earlier one.
    private func upload(
        _ id: Int64, body: [UInt8], staged: StagedProducts, day: String, isFirst: Bool
    ) async throws -> JSONValue {
        assert(Failpoint.reach("sync.planned"))
        let receipt: UploadReceipt
        do {
            receipt = try await storeRun.target.upload(body, gate: storeRun.targetGate)
        } catch let failure as PartnerFailure {
            let mayHaveArrived = failure.mayHaveArrived || !isFirst
            if !failure.isRetryable {
                let hasStarted = try await campaigns.failed(id, failure, mayHaveArrived: mayHaveArrived)
                if failure.httpStatus == 422 || failure.code == "REFUSED", hasStarted {
                    // Refused for its start, which passed while it waited for its turn, or since an earlier upload that is not listed: it
                    // never will arrive. The next attempt builds anew.
                    throw RunError(code: failure.code, message: failure.message, isRetryable: true)
                }
                throw failure
            }
            // For who looks at the row; that the partner failed counts in any case.
            try? await campaigns.note(id, reason: failure.message, answer: failure)
            if !mayHaveArrived {
                try await campaigns.uploadDidNotArrive(id)
            } else {
                context.log(.warning, "the upload's fate is unknown: \(failure.message); the next attempt looks at the listing first")
            }
            throw failure
        } catch let postponed as RunPostponed {
            // Nothing was sent now, and the listing has just said that nothing arrived before: the turn that it has to wait for is the upload's
            // own. Were the next attempt to list once more, that would cost the turn again.
            try await campaigns.uploadDidNotArrive(id)
            throw postponed
        }
        assert(Failpoint.reach("sync.uploaded"))
        // The listing is asked for while SENT is written.
        async let listing = storeRun.listing(day: day)
        try await campaigns.sent(id, receipt: receipt)
        assert(Failpoint.reach("sync.sent"))
        context.log(.info, "campaign \(id) uploaded: HTTP \(receipt.httpStatus)")
        return try await verify(id, staged: staged, in: await listing)
    }

    /// An earlier upload's fate is unknown: the listing decides; what it does not show is sent again, byte for byte.
    private func settle(_ campaign: StoredCampaign, staged: StagedProducts, day: String) async throws -> JSONValue {
        let seen = try await look(for: campaign, staged: staged, day: day) { !self.options.requiresVerification && !$0.isRetryable }
        if case .shown(let metrics) = seen { return metrics }
        context.log(.info, "campaign \(campaign.id) is not listed; the same body is sent again")
        return try await send(campaign, staged: staged, day: day, isFirst: false)
    }

    /// Why an earlier run's campaign is given up for another one, which comes in any case: prices do not wait for a listing that stays silent.
    /// Nil: it keeps its status, VERIFIED now, or SENT where nobody could see.
    private func reasonToReplace(_ campaign: StoredCampaign, staged: StagedProducts, day: String) async throws -> String? {
        switch try await look(for: campaign, staged: staged, day: day, mayGoOn: { !$0.isRetryable || self.isLastAttempt }) {
        case .shown: nil
        case .notShown: "the listing did not show it"
        case .unreadable: campaign.status == "SENT" ? nil : "whether it had arrived could not be read"
        }
    }

    /// What the listing says of an earlier campaign.
    private enum Look {
        /// It is there, and now VERIFIED.
        case shown(metrics: JSONValue)
        case notShown
        case unreadable
    }

    /// Takes a campaign for sent and verified when the listing shows it: exactly it while its fate is unknown (a superset may be an older
    /// one), at least it once it was accepted. A listing that cannot be read is thrown, unless `mayGoOn` says otherwise.
    private func look(
        for campaign: StoredCampaign, staged: StagedProducts, day: String, mayGoOn: (PartnerFailure) -> Bool
    ) async throws -> Look {
        let lines = staged.lines
        do {
            let listed = try await storeRun.listing(day: day).get()
            let isShown = campaign.status == "SENT" ? Self.missing(lines, in: listed) == 0 : isExactly(campaign, lines, listed)
            guard isShown else { return .notShown }
        } catch let failure as PartnerFailure where mayGoOn(failure) {
            context.log(.warning, "the listing cannot be read: \(failure.message)")
            return .unreadable
        }
        context.log(.info, "campaign \(campaign.id) had arrived: the listing shows all \(campaign.lineCount) lines")
        try await campaigns.sent(campaign.id, receipt: nil)
        return .shown(metrics: try await finish(campaign.id, staged: staged, count: campaign.lineCount))
    }

    /// Whether the listing is just what was sent, its times included where it tells them.
    private func isExactly(_ campaign: StoredCampaign, _ lines: [CampaignLine], _ listed: Listing) -> Bool {
        guard Set(listed.lines.map(\.line)) == Set(lines) else { return false }
        guard listed.tellsWindows, let check = try? WindowCheck(listed, expected: campaign.window, zone: storeRun.zone) else { return true }
        return listed.windows.indices.allSatisfy { check.deviation(at: $0) == nil }
    }

    private func verify(_ id: Int64, staged: StagedProducts, in listing: Result<Listing, any Error>) async throws -> JSONValue {
        let lines = staged.lines
        metrics.uploaded = lines.count
        let problem: RunError
        do {
            let listed = try listing.get()
            let missing = Self.missing(lines, in: listed)
            if missing == 0 { return try await finish(id, staged: staged, count: lines.count) }
            problem = RunError(
                code: "NOT_LISTED",
                message: "the club accepted the campaign but its listing does not show \(missing) of \(lines.count) lines as sent",
                isRetryable: true)
        } catch let failure as PartnerFailure {
            problem = RunError(failure)
            guard !options.requiresVerification, !failure.isRetryable || isLastAttempt else {
                throw problem
            }
        }
        try await campaigns.note(id, reason: problem.message)
        guard !options.requiresVerification else { throw problem }
        context.log(.warning, "not verified: \(problem.message)")
        return metrics.successDocument(severity: "warning")
    }

    private func finish(_ id: Int64, staged: StagedProducts, count: Int) async throws -> JSONValue {
        async let isNoted: Void = storeRun.targetGate.recordSuccess()
        try await campaigns.verified(id, products: staged)
        assert(Failpoint.reach("sync.verified"))
        await isNoted
        context.log(.info, "campaign \(id) verified: all \(count) lines are listed; the store's products were swapped")
        metrics.uploaded = count
        metrics.verified = count
        return metrics.successDocument()
    }

    private static func missing(_ lines: [CampaignLine], in listing: Listing) -> Int {
        // As a rule it shows what was sent, in that order.
        if lines.count == listing.lines.count, zip(lines, listing.lines).allSatisfy({ $0 == $1.line }) { return 0 }
        let shown = Set(listing.lines.map(\.line))
        return lines.count { !shown.contains($0) }
    }
}
