/// The sandbox's own pages below `/_sandbox/`: what was received, and how to change what happens next.
final class ControlPages: StandIn {
    let partner = Partner.control
    private let catalogue: Catalogue
    private let clock: StoreClock
    private let log: StateLog
    private let channels: ChannelLog
    private let faults: FaultRules
    private let campaigns: CampaignShelf
    private let startedAt: Double

    init(
        catalogue: Catalogue, clock: StoreClock, log: StateLog, channels: ChannelLog, faults: FaultRules, campaigns: CampaignShelf,
        startedAt: Double
    ) {
        self.catalogue = catalogue
        self.clock = clock
        self.log = log
        self.channels = channels
        self.faults = faults
        self.campaigns = campaigns
        self.startedAt = startedAt
    }

    func receive(_ request: Request) -> Visit {
        let page = request.parts.joined(separator: "/")
        return Visit(partner: .control, endpoint: "\(request.method) \(page)") { [self] in
            switch (request.method, page) {
            case ("GET", "state"): return .answer(state(request.query))
            case (_, "redirected"): return .answer(problem(200, "A redirect was followed to here."))
            case ("POST", "faults"): return .answer(setFaults(JSONDocument(request.body)))
            case ("POST", "reset"): return .answer(reset())
            case ("POST", "prices"): return .answer(setPrices(JSONDocument(request.body)))
            case ("POST", "campaigns"): return .answer(plant(JSONDocument(request.body)))
            default:
                return .answer(
                    problem(404, "GET state, POST reset, POST prices, POST campaigns, POST faults: there is no other page here."))
            }
        }
    }

    private func problem(_ status: Int, _ sentence: String) -> Answer {
        .json(status) { $0.field("error", sentence) }
    }

    private var done: Answer { .json(200) { $0.field("status", "ok") } }

    private func state(_ query: [String: String]) -> Answer {
        var report = StateReport(
            catalogue: catalogue, entries: log.snapshot(), channels: ChannelReport(entries: channels.snapshot()),
            campaigns: campaigns.all(), faults: faults.current, startedAt: startedAt)
        report.showsBodies = query["bodies"] == "1"
        report.showsLines = query["lines"] == "1"
        return Answer(200, body: JSONWriter.document { report.write(to: &$0) })
    }

    /// `{"faults": ["name:rate@store"]}`
    private func setFaults(_ document: JSONDocument?) -> Answer {
        guard let list = document?["faults"]?.array, list.allSatisfy({ $0.string != nil }) else {
            return problem(400, "The body must be {\"faults\": [\"NAME:RATE@STORE\", …]}.")
        }
        do throws(UsageProblem) {
            try faults.replace(list.compactMap(\.string))
            return done
        } catch {
            return problem(400, error.sentence)
        }
    }

    private func reset() -> Answer {
        log.reset()
        channels.reset()
        campaigns.removeAll()
        catalogue.forgetHandPrices()
        return done
    }

    /// `{"store", "code", "price", "club_price"}`
    private func setPrices(_ document: JSONDocument?) -> Answer {
        guard let store = document?["store"].flatMap(store) else {
            return problem(400, "store must be a registration or a store's number from 1.")
        }
        guard let position = document?["code"]?.integer.flatMap(catalogue.position) else {
            return problem(400, "code must be the Codigo of a product in the catalogue.")
        }
        guard let price = document?["price"].flatMap(tenThousandths), let club = document?["club_price"].flatMap(tenThousandths) else {
            return problem(400, "price and club_price must be numbers with at most four decimals.")
        }
        catalogue.setPrices(store: store.index, position: position, HandPrices(price: price, clubPrice: club))
        return done
    }

    /// `{"store", "set": [{"code", "price", "final_price", "limit"}], "remove": [code]}`
    private func plant(_ document: JSONDocument?) -> Answer {
        guard let store = document?["store"].flatMap(store) else {
            return problem(400, "store must be a registration or a store's number from 1.")
        }
        var lines: [CampaignLine] = []
        for entry in document?["set"]?.array ?? [] {
            guard let code = entry["code"]?.integer, let price = entry["price"].flatMap(tenThousandths),
                let finalPrice = entry["final_price"].flatMap(tenThousandths)
            else { return problem(400, "set must hold objects with code, price and final_price.") }
            lines.append(
                CampaignLine(code: code, price: price / 100, finalPrice: finalPrice / 100, limit: entry["limit"]?.integer ?? 1_000))
        }
        let removed = Set((document?["remove"]?.array ?? []).compactMap(\.integer))
        guard !lines.isEmpty || !removed.isEmpty else { return problem(400, "Say what to set (lines) or to remove (codes).") }
        campaigns.plant(store: store.index, day: clock.localNow.day, set: lines, remove: removed)
        return done
    }

    private func store(_ value: JSONDocument) -> Store? {
        value.string.flatMap { catalogue.store(named: $0) } ?? value.integer.flatMap { catalogue.store(named: String($0)) }
    }

    private func tenThousandths(_ value: JSONDocument) -> Int? {
        guard let text = value.decimalText else { return nil }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = Int(parts[0]), whole >= 0, whole < 1_000_000_000 else { return nil }
        let decimals = parts.count == 2 ? String(parts[1]) : ""
        guard decimals.utf8.count <= 4, let fraction = Int(decimals + String(repeating: "0", count: 4 - decimals.utf8.count)) else {
            return nil
        }
        return whole * 10_000 + fraction
    }
}

extension Catalogue {
    /// By registration, or by number from 1.
    func store(named text: String) -> Store? {
        if let store = store(registration: text) { return store }
        guard text.utf8.count < 10, let number = Int(text), stores.indices.contains(number - 1) else { return nil }
        return stores[number - 1]
    }
}
