/// In what an offered product and its line at the target may differ; the names stand in `comparison_differences` and in metrics.
package enum DifferenceKind: String, Sendable, CaseIterable {
    /// Offered and not listed.
    case missingInTarget = "MISSING_IN_TARGET"
    /// Listed and not offered.
    case extraInTarget = "EXTRA_IN_TARGET"
    case price = "PRICE"
    case finalPrice = "FINAL_PRICE"
    case limit = "LIMIT"
    /// The line does not hold when the day's campaign does.
    case window = "WINDOW"
}

/// One difference; its texts are made where they are needed.
struct Difference: Hashable, Sendable {
    let kind: DifferenceKind
    let offered: CampaignLine?
    let listed: ListedLine?

    var code: Int64 { offered?.code ?? listed?.line.code ?? 0 }
}

/// The differences between what a source offers for a store and what the target lists, in the order of their codes: found by walking along
/// two sorted tables of numbers, again for every iteration, so that nothing but the tables lies in memory.
struct Comparison: Sequence, Sendable {
    private let offered: [CampaignLine]
    private let listed: [ListedLine]
    private let windows: WindowCheck
    private let kinds: Set<DifferenceKind>

    /// `offered`: each code once. A code that is listed more than once has every distinct line compared.
    init(offered: [CampaignLine], listing: Listing, windows: WindowCheck, kinds: Set<DifferenceKind> = Set(DifferenceKind.allCases)) {
        self.offered = offered.sortedUnlessSorted { $0.code < $1.code }
        self.listed = listing.lines.sortedUnlessSorted { $0.comesBefore($1) }
        self.windows = windows
        self.kinds = kinds
    }

    func makeIterator() -> Iterator {
        Iterator(comparison: self)
    }

    /// How many differences there are of each kind; kinds without any are left out.
    func counts() -> [DifferenceKind: Int] {
        reduce(into: [:]) { $0[$1.kind, default: 0] += 1 }
    }

    /// What is expected and what is there instead; nil: nothing.
    func texts(of difference: Difference) -> (expected: String?, actual: String?) {
        let (offered, listed) = (difference.offered, difference.listed?.line)
        return switch difference.kind {
        case .missingInTarget, .extraInTarget: (offered?.text, listed?.text)
        case .price: (offered?.price.decimalText, listed?.price.decimalText)
        case .finalPrice: (offered?.finalPrice.decimalText, listed?.finalPrice.decimalText)
        case .limit: (offered.map { "\($0.limit)" }, listed.map { "\($0.limit)" })
        case .window: (windows.expected, difference.listed.flatMap { windows.deviation(at: $0.window) })
        }
    }

    struct Iterator: IteratorProtocol {
        fileprivate let comparison: Comparison
        private var offeredPlace = 0
        private var listedPlace = 0
        /// Those of one line, the last one first.
        private var found: [Difference] = []

        fileprivate init(comparison: Comparison) {
            self.comparison = comparison
        }

        mutating func next() -> Difference? {
            while found.isEmpty {
                guard step() else { return nil }
            }
            return found.removeLast()
        }

        /// Goes on by one offered or one listed line; false at the end.
        private mutating func step() -> Bool {
            let offered = offeredPlace < comparison.offered.count ? comparison.offered[offeredPlace] : nil
            guard listedPlace < comparison.listed.count else {
                guard let offered else { return false }
                passOffered(offered)
                return true
            }
            let listed = comparison.listed[listedPlace]
            if let offered, offered.code < listed.line.code {
                passOffered(offered)
                return true
            }
            listedPlace += 1
            if listedPlace > 1, comparison.listed[listedPlace - 2] == listed { return true }
            if let offered, offered.code == listed.line.code {
                compare(offered, listed)
            } else {
                note(.extraInTarget, nil, listed)
            }
            return true
        }

        private mutating func passOffered(_ offered: CampaignLine) {
            offeredPlace += 1
            let isListed = listedPlace > 0 && comparison.listed[listedPlace - 1].line.code == offered.code
            if !isListed { note(.missingInTarget, offered, nil) }
        }

        private mutating func compare(_ offered: CampaignLine, _ listed: ListedLine) {
            if comparison.windows.deviation(at: listed.window) != nil { note(.window, offered, listed) }
            if listed.line.limit != offered.limit { note(.limit, offered, listed) }
            if listed.line.finalPrice != offered.finalPrice { note(.finalPrice, offered, listed) }
            if listed.line.price != offered.price { note(.price, offered, listed) }
        }

        private mutating func note(_ kind: DifferenceKind, _ offered: CampaignLine?, _ listed: ListedLine?) {
            if comparison.kinds.contains(kind) { found.append(Difference(kind: kind, offered: offered, listed: listed)) }
        }
    }
}

extension CampaignLine {
    /// The whole line, for a side that has nothing to compare it with.
    fileprivate var text: String {
        "price \(price.decimalText), final price \(finalPrice.decimalText), limit \(limit)"
    }
}

extension ListedLine {
    fileprivate func comesBefore(_ other: ListedLine) -> Bool {
        let (left, right) = (line, other.line)
        if left.code != right.code { return left.code < right.code }
        return (left.price, left.finalPrice, left.limit, window) < (right.price, right.finalPrice, right.limit, other.window)
    }
}

extension Array {
    /// Both sides come in order as a rule, and then keep their memory.
    fileprivate func sortedUnlessSorted(by comesBefore: (Element, Element) -> Bool) -> [Element] {
        let isSorted = zip(self, dropFirst()).allSatisfy { !comesBefore($1, $0) }
        return isSorted ? self : sorted(by: comesBefore)
    }
}
