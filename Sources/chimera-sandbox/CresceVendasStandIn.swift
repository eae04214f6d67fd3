import Foundation

/// CresceVendas: upload of campaigns and their listing (PARTNERS §2).
final class CresceVendasStandIn: StandIn {
    static let email = "integracao@example.com"
    static let token = "token-do-sandbox"

    let partner = Partner.cresceVendas
    private let catalogue: Catalogue
    private let clock: StoreClock
    private let log: StateLog
    private let faults: FaultRules
    private let campaigns: CampaignShelf

    init(catalogue: Catalogue, clock: StoreClock, log: StateLog, faults: FaultRules, campaigns: CampaignShelf) {
        self.catalogue = catalogue
        self.clock = clock
        self.log = log
        self.faults = faults
        self.campaigns = campaigns
    }

    func receive(_ request: Request) -> Visit {
        let isAllowed = request.headers["x-adminuser-email"] == Self.email && request.headers["x-adminuser-token"] == Self.token
        switch (request.method, request.parts.joined(separator: "/")) {
        case ("POST", "admin/integrations/discount_stores/batch_upload"):
            return receiveUpload(request, isAllowed: isAllowed)
        case ("GET", "admin/integrations/discount_stores"):
            return receiveListing(request, isAllowed: isAllowed)
        default:
            log.addUnknown("\(request.method) \(request.path)")
            return Visit(partner: .cresceVendas, endpoint: "\(request.method) unknown") {
                .answer(ClubAnswers.error(404, "Not Found"))
            }
        }
    }

    // MARK: upload

    private func receiveUpload(_ request: Request, isAllowed: Bool) -> Visit {
        let decoded = Result { try Upload(request.body) }
        let upload = try? decoded.get()
        let stores = upload?.registrations.compactMap { catalogue.store(registration: $0)?.index } ?? []
        return Visit(partner: .cresceVendas, endpoint: "POST upload", stores: stores) { [self] in
            var isApplied = false
            let reply: Reply
            if let instead = faults.fireInstead(.clubUpload, stores: stores) {
                reply = instead()
            } else if !isAllowed {
                reply = .answer(ClubAnswers.unauthorized)
            } else {
                let fired = faults.fire(.clubUpload, stores: stores)
                let problems = problems(of: decoded)
                if problems.isEmpty, let upload, let start = upload.start, let end = upload.end {
                    let id = apply(upload, start: start, end: end, stores: stores, fired.upload)
                    isApplied = id != nil
                    reply = fired.spoil(ClubAnswers.accepted(id: id ?? 0, lines: upload.lines.count))
                } else {
                    reply = fired.spoil(ClubAnswers.unprocessable(problems))
                }
            }
            record(upload, body: request.body, isApplied: isApplied, status: reply.status)
            return reply
        }
    }

    private func problems(of decoded: Result<Upload, any Error>) -> [String] {
        switch decoded {
        case .failure(let error): return [(error as? DocumentProblem)?.sentence ?? "The body cannot be read."]
        case .success(let upload):
            var problems = upload.problems
            for registration in upload.registrations where catalogue.store(registration: registration) == nil {
                problems.append("store_registrations: \(registration) is unknown")
            }
            if let start = upload.start, start < clock.localNow { problems.append("start_date lies in the past") }
            return problems
        }
    }

    private func apply(_ upload: Upload, start: LocalMinute, end: LocalMinute, stores: [Int], _ quirks: Set<UploadQuirk>) -> Int? {
        guard !quirks.contains(.ignored) else { return nil }
        var upload = upload
        if quirks.contains(.halfApplied) { upload.lines = upload.lines.enumerated().filter { $0.offset % 2 == 0 }.map(\.element) }
        return campaigns.apply(upload, start: start, end: end, stores: stores)
    }

    private func record(_ upload: Upload?, body: [UInt8], isApplied: Bool, status: Int) {
        log.add(
            StateLog.Upload(
                at: clock.now, registrations: upload?.registrations ?? [], name: upload?.name ?? "", start: upload?.startText ?? "",
                end: upload?.endText ?? "", lineCount: upload?.lines.count ?? 0, digest: Digest.of(upload?.lines ?? []),
                bodyDigest: Digest.of(body), isApplied: isApplied, status: status, body: body))
    }

    // MARK: listing

    private func receiveListing(_ request: Request, isAllowed: Bool) -> Visit {
        let registration = request.query["store_registration"] ?? ""
        let store = catalogue.store(registration: registration)
        let stores = store.map { [$0.index] } ?? []
        return Visit(partner: .cresceVendas, endpoint: "GET listing", stores: stores) { [self] in
            var lineCount = 0
            let reply: Reply
            if let instead = faults.fireInstead(.clubListing, stores: stores) {
                reply = instead()
            } else if !isAllowed {
                reply = .answer(ClubAnswers.unauthorized)
            } else {
                reply = list(store, request, lineCount: &lineCount)
            }
            log.add(
                StateLog.Listing(
                    at: clock.now, registration: registration, start: request.query["start_date"] ?? "",
                    end: request.query["end_date"] ?? "", lineCount: lineCount, status: reply.status))
            return reply
        }
    }

    private func list(_ store: Store?, _ request: Request, lineCount: inout Int) -> Reply {
        guard let store else { return .answer(ClubAnswers.error(404, "store_registration: unknown")) }
        guard let from = request.query["start_date"].flatMap({ LocalMinute($0, allowsSeconds: true) }),
            let to = request.query["end_date"].flatMap({ LocalMinute($0, allowsSeconds: true) })
        else { return .answer(ClubAnswers.unprocessable(["start_date and end_date must be yyyy-MM-ddTHH:mm:ss"])) }
        let fired = faults.fire(.clubListing, stores: [store.index])
        let found = campaigns.listed(store: store.index, from: from, to: to, beforeNewestUpload: fired.listing.contains(.lag))
        let answer = ClubListing(campaigns: found, clock: clock, quirks: fired.listing)
        lineCount = answer.rows.count
        return fired.spoil(answer.answer)
    }
}
