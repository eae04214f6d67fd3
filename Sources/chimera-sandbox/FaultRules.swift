import Synchronization

/// The faults in force: `NAME[:RATE][@STORE]` each.
final class FaultRules: Sendable {
    struct Rule: Sendable {
        let spelling: String
        let fault: Fault
        /// Probability of hitting a call that matches; nil: certain.
        let chance: Double?
        let store: Int?
        /// Of a channel's fault: the chat, path or recipient.
        let place: String?
        /// Calls that it will still hit; nil: no end.
        var left: Int?
        var fired = 0
        fileprivate var numbers: SeededNumbers

        fileprivate func matches(_ endpoint: Endpoint, stores: [Int] = [], cursor: Int = 0, place: String = "") -> Bool {
            guard fault.endpoints.contains(endpoint), left != 0, cursor > 0 || !fault.onlyLaterPages else { return false }
            return (store.map(stores.contains) ?? true) && (self.place.map { $0 == place } ?? true)
        }

        /// Whether this call is hit, counted when it is.
        fileprivate mutating func fires() -> Bool {
            if let chance, numbers.nextFraction() >= chance { return false }
            left = left.map { $0 - 1 }
            fired += 1
            return true
        }
    }

    private let catalogue: Catalogue
    private let rules = Mutex<[Rule]>([])

    init(_ catalogue: Catalogue) {
        self.catalogue = catalogue
    }

    var current: [Rule] { rules.withLock { $0 } }

    /// Puts these in the place of all others; on a bad one nothing changes and a sentence is thrown.
    func replace(_ spellings: [String]) throws(UsageProblem) {
        var parsed: [Rule] = []
        for spelling in spellings { parsed.append(try rule(spelling, number: parsed.count)) }
        rules.withLock { [parsed] in $0 = parsed }
    }

    /// What is to happen instead of the call: the first rule that fires decides, those behind it do not see the call.
    func fireInstead(_ endpoint: Endpoint, stores: [Int] = [], cursor: Int = 0, place: String = "") -> (@Sendable () -> Reply)? {
        rules.withLock { rules in
            for index in rules.indices where rules[index].matches(endpoint, stores: stores, cursor: cursor, place: place) {
                if case .instead(let reply) = rules[index].fault.deed, rules[index].fires() { return reply }
            }
            return nil
        }
    }

    func firesTokenExpiry(_ endpoint: Endpoint, stores: [Int], cursor: Int = 0) -> Bool {
        rules.withLock { rules in
            for index in rules.indices where rules[index].matches(endpoint, stores: stores, cursor: cursor) {
                if case .tokensExpire = rules[index].fault.deed, rules[index].fires() { return true }
            }
            return false
        }
    }

    /// Whether a channel's call is hit by a fault of which `isWanted` is true.
    func fires(_ endpoint: Endpoint, place: String, _ isWanted: (Fault.Deed) -> Bool) -> Bool {
        rules.withLock { rules in
            for index in rules.indices where rules[index].matches(endpoint, place: place) {
                if isWanted(rules[index].fault.deed), rules[index].fires() { return true }
            }
            return false
        }
    }

    /// What is to happen to a call that is carried out.
    func fire(_ endpoint: Endpoint, stores: [Int] = [], cursor: Int = 0, place: String = "") -> FiredFaults {
        rules.withLock { rules in
            var fired = FiredFaults()
            for index in rules.indices where rules[index].matches(endpoint, stores: stores, cursor: cursor, place: place) {
                switch rules[index].fault.deed {
                case .instead, .tokensExpire, .telegram, .mail: continue
                case .after(let spoil) where fired.after == nil: if rules[index].fires() { fired.after = spoil }
                case .after: continue
                case .login(let quirk): if rules[index].fires() { fired.login.insert(quirk) }
                case .page(let quirk): if rules[index].fires() { fired.page.insert(quirk) }
                case .upload(let quirk): if rules[index].fires() { fired.upload.insert(quirk) }
                case .listing(let quirk): if rules[index].fires() { fired.listing.insert(quirk) }
                }
            }
            return fired
        }
    }

    // MARK: spelling

    private func rule(_ spelling: String, number: Int) throws(UsageProblem) -> Rule {
        let halves = spelling.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let parts = halves[0].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let fault = FaultTable.named[parts[0]] else {
            throw UsageProblem(sentence: "\"\(parts[0])\" is not a fault; chimera-sandbox --faults lists them.")
        }
        var store: Store?
        let isChannel = fault.endpoints.contains(where: \.isChannel)
        if halves.count == 2, !isChannel {
            store = catalogue.store(named: halves[1])
            guard store != nil else {
                throw UsageProblem(
                    sentence:
                        "\"\(halves[1])\" in \"\(spelling)\" is neither a store's registration nor a number from 1 to \(catalogue.stores.count)."
                )
            }
        }
        var chance: Double?
        var count = fault.usualCount
        if parts.count == 2 {
            count = nil
            if parts[1].hasSuffix("x"), let times = Int(parts[1].dropLast()), times >= 1 {
                count = times
            } else if let rate = Double(parts[1]), rate > 0, rate <= 1 {
                chance = rate < 1 ? rate : nil
            } else {
                throw UsageProblem(
                    sentence: "\"\(parts[1])\" in \"\(spelling)\" must be a probability above 0 and up to 1 (0.05) or a count (3x).")
            }
        }
        return Rule(
            spelling: spelling, fault: fault, chance: chance, store: store?.index, place: isChannel ? halves.dropFirst().first : nil,
            left: count,
            numbers: SeededNumbers(seed: SeededNumbers.at(seed: catalogue.seed &+ 7, number, 0)))
    }
}
