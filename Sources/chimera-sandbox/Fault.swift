/// The calls that a fault can hit.
enum Endpoint: Hashable, Sendable {
    case rpLogin, rpList, rpProduct, clubUpload, clubListing, telegramSend, webhookPost, mail

    /// Whether what stands behind `@` in a fault is no store, but a chat, a path or a recipient.
    var isChannel: Bool {
        switch self {
        case .telegramSend, .webhookPost, .mail: true
        default: false
        }
    }
}

/// One way in which a partner can misbehave, under the name that the command line knows.
struct Fault: Sendable {
    let name: String
    let meaning: String
    let endpoints: Set<Endpoint>
    /// Hits this many matching calls when nobody says otherwise; nil: all.
    var usualCount: Int?
    /// Hits only calls for a page after the first.
    var onlyLaterPages = false
    let deed: Deed

    enum Deed: Sendable {
        /// The call is not carried out.
        case instead(@Sendable () -> Reply)
        /// The call is carried out, its answer then spoilt.
        case after(@Sendable (Answer) -> Reply)
        case login(LoginQuirk)
        case page(PageQuirk)
        case upload(UploadQuirk)
        case listing(ListingQuirk)
        case telegram(TelegramQuirk)
        case mail(MailQuirk)
        /// All tokens are forgotten before the call.
        case tokensExpire
    }
}

enum LoginQuirk: Sendable {
    case emptyToken, missingToken, tokenElsewhere, oddExpiration, shortLife, killsOlderTokens
}

enum PageQuirk: Sendable {
    case cursorStuck, samePage, shortPage, unsorted, itemOnTwoPages, duplicateSame, duplicateDifferent, unreadablePrice, nullPrice
    case negativePrice, commaPrices, empty, halfCatalogue, zeroPrices, blockedAsBool, hugeNumber, codeTooLarge, codeZero, loneSurrogate
    case nulInText, duplicateKeys, lagsBehind, neverEnds
}

enum UploadQuirk: Sendable {
    case ignored, halfApplied
}

enum ListingQuirk: Sendable {
    case empty, strings, altShape, unknownShape, lag, wrongPrice, wrongLimit, wrongWindow, missingLine, extraLine, duplicateLine, localTimes
    case utcTimes, hugeNumber, lineWithoutCode
}

enum TelegramQuirk: Sendable {
    case migrated, cannotParse, strictRate
}

enum MailQuirk: Sendable {
    case greeting421, greeting554, silence, slow, noStartTLS, startTLSRefused, untrusted, expired, wrongHost, login535, login454, sender550
    case recipient550, recipient451, data554, dropInData, message554, message452, dropAfterDot, silenceAfterDot
}

/// The faults that hit one call.
struct FiredFaults: Sendable {
    var after: (@Sendable (Answer) -> Reply)?
    var login: Set<LoginQuirk> = []
    var page: Set<PageQuirk> = []
    var upload: Set<UploadQuirk> = []
    var listing: Set<ListingQuirk> = []

    func spoil(_ answer: Answer) -> Reply { after.map { $0(answer) } ?? .answer(answer) }
}
