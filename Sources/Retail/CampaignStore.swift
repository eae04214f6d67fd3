import JobQueue
import Postgres
import Runtime

/// A campaign as an earlier attempt left it.
struct StoredCampaign: Sendable {
    let id: Int64
    let executionID: ExecutionID
    let name: String
    /// Whether its start lies behind.
    let hasStarted: Bool
    let lineCount: Int
    let status: String
    let body: String
    /// Nil when it is VERIFIED, or when somebody changed the texts: no product or others than were counted, none that can be read, no body.
    let staged: StagedProducts?
    /// Whether nothing is stored any more for the swap of the store's products.
    let isSwapped: Bool
    let metrics: JSONValue?
    /// Whether an upload of it began and is not known not to have arrived.
    let wasUnderWay: Bool
    /// When it holds, as it was planned.
    let window: PublishedWindow
}

extension StoredCampaign {
    init(_ row: PostgresRow) throws {
        id = try row.get("id")
        executionID = try row.get("execution_id")
        name = try row.get("name")
        hasStarted = try row.get("has_started")
        lineCount = try row.get("line_count")
        status = try row.get("status")
        body = row["body"] ?? ""
        let text = row["staged_products"]
        isSwapped = text == nil
        let products = text.flatMap { try? StagedProducts(text: $0) }
        let isWhole = products?.products.count == lineCount && lineCount > 0 && !body.isEmpty
        staged = isWhole ? products : nil
        metrics = try row.getIfPresent("metrics")
        wasUnderWay = try row.get("was_under_way")
        window = PublishedWindow(startsAt: try row.get("starts_at"), endsAt: try row.get("ends_at"))
    }
}

/// What a new campaign is held against.
struct CampaignBaseline: Sendable {
    /// The database's clock, in Unix seconds, and when it was read.
    private let then: Int64
    private let readAt = MonotonicClock.now()
    /// How many lines the store's newest VERIFIED campaign had; nil: there is none.
    let lastLineCount: Int?
    /// Whether the day has a VERIFIED campaign already: `unchanged` tells whether its content is the same.
    let isPublished: Bool

    /// The database's clock now, in Unix seconds.
    var now: Int64 { then + Int64((MonotonicClock.now() - readAt) / .seconds(1)) }

    fileprivate init(_ row: PostgresRow) throws {
        then = try row.get("now")
        lastLineCount = try row.getIfPresent("last_line_count")
        isPublished = try row.get("is_published")
    }
}

/// The campaigns of one store, read and written by one run; every write is fenced.
struct CampaignStore: Sendable {
    let context: RunContext
    let storeID: Int
    let targetID: Int

    /// The newest PLANNED, SENT or VERIFIED campaign of the day.
    func latest(day: String) async throws -> StoredCampaign? {
        try await context.pool.query(RetailStatements.latestCampaign(store: storeID, target: targetID, day: day)).first.map(
            StoredCampaign.init)
    }

    /// What a campaign of the day is held against. It does not depend on the campaign, so it is asked while the products are read.
    func baseline(day: String) async throws -> CampaignBaseline {
        let rows = try await context.pool.query(RetailStatements.baseline(store: storeID, target: targetID, day: day))
        guard let row = rows.first else { throw PostgresError(kind: .decoding, message: "the database told nothing of the store's day") }
        return try CampaignBaseline(row)
    }

    /// What two campaigns have in common when they publish the same; `destination`: where the lines go, without which they are not the same.
    static func content(of lines: [CampaignLine], destination: String) -> String {
        destination + "\n" + StagedProducts.content(of: lines)
    }

    /// The day's newest VERIFIED campaign, while nothing that may have arrived came after it and its content is the same: what is published, and
    /// need not be again.
    func unchanged(day: String, content: String) async throws -> (id: Int64, name: String)? {
        let statement = RetailStatements.unchangedCampaign(store: storeID, target: targetID, day: day, content: content)
        return try await context.pool.query(statement).first.map { (try $0.get("id"), $0["name"] ?? "") }
    }

    /// Whether a stored campaign publishes this content, its destination included; yes where nothing is known of it.
    func publishes(_ id: Int64, content: String) async throws -> Bool {
        try await context.pool.query(RetailStatements.publishes(id, content: content)).first?.get("is_same") ?? false
    }

    /// Records a campaign and, in the same transaction, gives up the one it replaces. Gives its id.
    func insert(_ campaign: NewCampaign, replacing old: (id: Int64, reason: String)?) async throws -> Int64 {
        let replaced = old.map {
            RetailStatements.campaignFailed($0.id, reason: $0.reason, answer: nil, mayHaveArrived: true)
        }
        guard let row = try await context.fenced([replaced, RetailStatements.insertCampaign(campaign)].compactMap(\.self)).first else {
            throw PostgresError(kind: .decoding, message: "the database told no id of the campaign")
        }
        return try row.get("id")
    }

    func uploadBegins(_ id: Int64) async throws { try await write(RetailStatements.uploadBegins(id)) }
    func uploadDidNotArrive(_ id: Int64) async throws { try await write(RetailStatements.uploadDidNotArrive(id)) }
    func sent(_ id: Int64, receipt: UploadReceipt?) async throws { try await write(RetailStatements.campaignSent(id, receipt: receipt)) }
    func note(_ id: Int64, reason: String, answer: PartnerFailure? = nil) async throws {
        try await write(RetailStatements.campaignReason(id, reason: reason, answer: answer))
    }
    /// Tells whether the campaign's start lies behind.
    func failed(_ id: Int64, _ failure: PartnerFailure, mayHaveArrived: Bool) async throws -> Bool {
        let statement = RetailStatements.campaignFailed(id, reason: failure.message, answer: failure, mayHaveArrived: mayHaveArrived)
        return try await context.fenced([statement]).first?.get("has_started") ?? false
    }

    /// Swaps the store's products for the campaign's and marks it VERIFIED, in one fenced transaction.
    func verified(_ id: Int64, products: StagedProducts) async throws {
        let store = storeID
        try await context.fenced(after: [RetailStatements.campaignVerified(id), RetailStatements.removeProducts(store: store)]) {
            transaction, answers in
            guard let campaign = answers[0].first else {
                throw RunError(
                    code: "CAMPAIGN_CHANGED", message: "campaign \(id) is no longer SENT; somebody changed its row", isRetryable: true)
            }
            let rows = ProductRows(
                products: products, store: store, startsAt: try campaign.get("starts_at"), expiresAt: try campaign.get("ends_at"))
            _ = try await transaction.copyIn(RetailStatements.copyProducts, rows: rows)
        }
    }

    private func write(_ statement: SQL) async throws {
        _ = try await context.fenced([statement])
    }
}
