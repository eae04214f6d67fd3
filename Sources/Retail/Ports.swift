/// One product as the source offers it, before any decision whether it is sent (PARTNERS §4 is decided in `Retail`).
package struct OfferedProduct: Sendable {
    /// RP's `Codigo`; nil when it is missing or no whole number.
    package var code: Int64?
    /// `Descricao`.
    package var name: String
    /// `CodigoBarras`.
    package var barcode: String
    /// `Ativo`; absent counts as active.
    package var isActive: Bool
    /// `Status`; nil when absent.
    package var status: String?
    /// The regular price (`Preco`), rounded half-up to cents from its literal text.
    package var price: PriceReading
    /// The club price (`PrecoVenda2`), likewise.
    package var clubPrice: PriceReading

    /// Takes all of it.
    package init(
        code: Int64?, name: String, barcode: String, isActive: Bool, status: String?, price: PriceReading, clubPrice: PriceReading
    ) {
        self.code = code
        self.name = name
        self.barcode = barcode
        self.isActive = isActive
        self.status = status
        self.price = price
        self.clubPrice = clubPrice
    }
}

/// A price as it stood in a partner's answer.
package enum PriceReading: Sendable, Hashable {
    case amount(Cents)
    /// The field is missing or null.
    case absent
    /// The field holds something that is no price (`"abc"`, 1e400, an object); the row is rejected as UNREADABLE.
    case unreadable
}

/// Where products come from: RP.
package protocol ProductSource: Sendable {
    /// Proves that the credentials work; a wrong password throws a failure that is not retryable.
    func logIn(gate: any RequestGate) async throws
    /// Reads all products of a unit, page by page in ascending order of code, and hands each page to `receive`; the next page is
    /// asked for while `receive` works on this one. Throws `PartnerFailure`; an error in the middle is an error of the whole unit.
    func readProducts(
        unit: String, gate: any RequestGate, receive: @Sendable ([OfferedProduct]) async throws -> Void
    ) async throws
}

/// What is to be published for one store.
package struct CampaignDraft: Sendable {
    /// The campaign's name.
    package let name: String
    /// Local wall time of the store, to the minute: `2026-11-21T06:00`.
    package let startsAt: String
    /// Likewise.
    package let endsAt: String
    /// The store, as the target knows it.
    package let registration: String
    /// All lines: a store is never split.
    package let lines: [CampaignLine]

    /// Takes a whole campaign.
    package init(name: String, startsAt: String, endsAt: String, registration: String, lines: [CampaignLine]) {
        self.name = name
        self.startsAt = startsAt
        self.endsAt = endsAt
        self.registration = registration
        self.lines = lines
    }
}

/// One line of a campaign: what the club shows for one product.
package struct CampaignLine: Hashable, Sendable {
    /// RP's `Codigo`, which the target knows too.
    package let code: Int64
    /// The regular price.
    package let price: Cents
    /// The club price.
    package let finalPrice: Cents
    /// How many units a customer may buy at it.
    package let limit: Int

    /// Takes one line.
    package init(code: Int64, price: Cents, finalPrice: Cents, limit: Int) {
        self.code = code
        self.price = price
        self.finalPrice = finalPrice
        self.limit = limit
    }
}

/// What the target lists for a store on a day. Lines of one campaign share their window, so that a line is five numbers and no text.
package struct Listing: Sendable {
    /// Every line in the listing's order; a code may come more than once.
    package private(set) var lines: [ListedLine] = []
    /// Every pair of times that lines have, once each.
    package private(set) var windows: [ListedWindow] = []
    /// Whether a listing of this shape tells when a line holds.
    package let tellsWindows: Bool
    private var places: [ListedWindow: Int] = [:]

    /// An empty one.
    package init(tellsWindows: Bool = true) {
        self.tellsWindows = tellsWindows
    }

    /// Makes room for so many lines.
    package mutating func reserve(_ count: Int) {
        lines.reserveCapacity(count)
    }

    /// The place of a pair of times among `windows`.
    package mutating func place(of window: ListedWindow) -> Int {
        if let place = places[window] { return place }
        places[window] = windows.count
        windows.append(window)
        return windows.count - 1
    }

    /// Adds a line that holds in the window of that place.
    package mutating func append(_ line: CampaignLine, window: Int) {
        lines.append(ListedLine(line: line, window: window))
    }
}

/// One line as the target lists it.
package struct ListedLine: Hashable, Sendable {
    /// What is shown for the product.
    package let line: CampaignLine
    /// When it holds: a place among the listing's `windows`.
    package let window: Int
}

/// When a line holds, as listed.
package struct ListedWindow: Hashable, Sendable {
    /// `start_at`, untouched; nil when absent.
    package let startsAt: String?
    /// `expire_at`, likewise.
    package let expiresAt: String?

    /// Takes what was listed.
    package init(startsAt: String?, expiresAt: String?) {
        self.startsAt = startsAt
        self.expiresAt = expiresAt
    }
}

/// What the target answered to an upload it accepted.
package struct UploadReceipt: Sendable {
    /// 2xx.
    package let httpStatus: Int
    /// The answer's first 2 KB, redacted.
    package let excerpt: String

    /// Takes what was answered.
    package init(httpStatus: Int, excerpt: String) {
        self.httpStatus = httpStatus
        self.excerpt = excerpt
    }
}

/// Where campaigns go: CresceVendas.
package protocol CampaignTarget: Sendable {
    /// The name, start and end that the integration's `campaign_config` says for this store and day.
    var campaignRules: CampaignRules { get }
    /// The exact bytes that `upload` sends for a draft.
    func encode(_ draft: CampaignDraft) -> [UInt8]
    /// Uploads a body made by `encode`. Throws `PartnerFailure`, whose `mayHaveArrived` tells whether the upload's fate is unknown.
    func upload(_ body: [UInt8], gate: any RequestGate) async throws -> UploadReceipt
    /// Lists what is active for a store on a local day (`yyyy-MM-dd`). A shape that is not known throws.
    func list(registration: String, day: String, gate: any RequestGate) async throws -> Listing
}

/// How campaigns are named and timed (`config.campaign_config` of the CRESCEVENDAS integration).
package struct CampaignRules: Sendable {
    /// With `{branch}` (the registration's digits 10 to 12), `{date}` (`yyyy-MM-dd`), `{time}` (`HH:mm`), `{store}` (the store's name).
    package let nameTemplate: String
    /// Minutes after local midnight: 06:00.
    package let startMinute: Int
    /// Minutes after local midnight: 23:59.
    package let endMinute: Int

    /// Takes the rules; the defaults are the legacy system's.
    package init(nameTemplate: String = "{branch} Descontos - {date} {time}", startMinute: Int = 360, endMinute: Int = 1439) {
        self.nameTemplate = nameTemplate
        self.startMinute = startMinute
        self.endMinute = endMinute
    }
}
