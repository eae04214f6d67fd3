/// What failed, for whom, and why.
extension MessageWriter {
    /// Failed stores that are named; the others are counted.
    static let mostPartsShown = 10
    private static let fewParts = 3

    /// What stands behind the job's name.
    func failure(_ facts: ExecutionFacts) -> String {
        let scope = facts.failedParts.isEmpty ? "" : scope(facts)
        if facts.status == "CANCELLED" {
            return language.of("falhou\(scope) e depois foi cancelado", "failed\(scope) and was then cancelled")
        }
        return facts.isSoFar
            ? language.of("já falhou\(scope); ainda em andamento", "failed\(scope) so far; still running")
            : language.of("falhou\(scope)", "failed\(scope)")
    }

    /// ` em 4 de 50 lojas`
    private func scope(_ facts: ExecutionFacts) -> String {
        let count = facts.failedCount
        guard let total = facts.partCount, total >= count, total > 1 else {
            return language.of(" em ", " for ") + parts(count, facts)
        }
        if total > count {
            return language.of(" em \(language.grouped(count)) de ", " for \(language.grouped(count)) of ") + parts(total, facts)
        }
        let (_, nouns) = nouns(facts)
        return count == 2
            ? language.of(" em ambas as \(nouns.0)", " for both \(nouns.1)")
            : language.of(" em todas as ", " for all ") + parts(count, facts)
    }

    /// What customers see in the shops because of it, where that is known.
    func inTheShops(_ facts: ExecutionFacts) -> [String] {
        var lines: [String] = []
        if facts.failedParts.isEmpty, facts.counts.stores == nil, !facts.isSoFar {
            switch facts.job.type {
            case "SYNC_PRODUCTS": lines.append(language.of("Nenhuma loja foi sincronizada.", "No store was synchronised."))
            case "COMPARE_DATA": lines.append(language.of("Nenhuma loja foi comparada.", "No store was compared."))
            default: break
            }
        }
        if let today = facts.clubToday {
            lines += inTheClub(
                today, published: language.of("Continua valendo a campanha anterior de hoje", "Today's earlier campaign stays in the club"))
        }
        return lines
    }

    /// How many stores stand how, a line each; `published`: what is said of those that were.
    func inTheClub(_ today: ClubToday, published: String) -> [String] {
        [
            (language.of("Sem preços de clube hoje", "Without club prices today"), today.without),
            (language.of("Campanha enviada, mas não conferida", "Campaign sent but not verified"), today.unverified),
            (published, today.published),
        ].filter { $0.1 > 0 }.map { "\($0.0): \(stores($0.1))" }
    }

    /// Why: for each reason the stores that it stopped, the most frequent reason first.
    func failed(_ facts: ExecutionFacts) -> [MessageText.Line] {
        guard !facts.failedParts.isEmpty else {
            guard let error = facts.error else { return [] }
            return [[.init("\(language.of("Motivo", "Reason")): \(failures.of(error))")]]
        }
        var lines = list(reasons(facts), of: facts.failedCount, nouns(facts))
        if facts.isSoFar {
            lines.append([.init(language.of("Novo aviso só se mais alguma falhar.", "Another message only if more fail."))])
        }
        return lines
    }

    /// The stores with the most differences in one line; for each other remark the stores that it is about, the most frequent first.
    func remarked(_ facts: ExecutionFacts) -> [MessageText.Line] {
        var (differing, reasons): ([(name: String, count: Int)], [Reason]) = ([], [])
        for part in facts.remarks {
            switch part.remark {
            case .differences(let count): differing.append((shortened(part.name), count))
            case .skipped: reasons.add(shortened(part.name), to: language.of("sem produtos de clube", "no club products"))
            case .unverified(let reason):
                let words = language.of("enviada, mas não conferida: ", "sent but not verified: ") + failures.of(reason)
                reasons.add(shortened(part.name), to: words)
            case .other: reasons.add(shortened(part.name), to: language.of("com alerta", "with a warning"))
            }
        }
        let unlisted = facts.remarkCount - facts.remarks.count
        let others = reasons.reduce(differing.isEmpty ? unlisted : 0) { $0 + $1.count }
        return byStore(differing, unlisted: unlisted) + list(reasons, of: others, (("loja", "store"), ("lojas", "stores")))
    }

    /// `Por loja: Serra Azul (1.204), Campo Verde (12) e mais 3`
    private func byStore(_ differing: [(name: String, count: Int)], unlisted: Int) -> [MessageText.Line] {
        guard !differing.isEmpty else { return [] }
        var line: MessageText.Line = [.init(language.of("Por loja: ", "By store: "))]
        for (place, store) in differing.prefix(Self.mostPartsShown).enumerated() {
            if place > 0 { line.append(.init(", ")) }
            line += [.init(store.name, .strong), .init(" (\(language.grouped(store.count)))")]
        }
        let more = differing.dropFirst(Self.mostPartsShown).count + unlisted
        if more > 0 { line.append(.init(language.of(" e mais \(language.grouped(more))", " and \(language.grouped(more)) more"))) }
        return [line]
    }

    /// Of `total` parts: for each reason, the most frequent first, those that it is about; every reason that there is room for has one at
    /// least.
    private func list(_ reasons: [Reason], of total: Int, _ nouns: Nouns) -> [MessageText.Line] {
        // A stable sort: reasons of the same weight stay in the order of their parts.
        let ordered = reasons.enumerated().sorted { ($1.element.count, $0.offset) < ($0.element.count, $1.offset) }.map(\.element)
        let listed = ordered.prefix(Self.mostPartsShown)
        var (lines, spare, counted): ([MessageText.Line], Int, Int) = ([], Self.mostPartsShown - listed.count, 0)
        for reason in listed {
            let names = Array(reason.names.prefix(1 + spare))
            lines.append(line(reason.words, names, of: reason.count))
            spare -= names.count - 1
            counted += reason.count
        }
        if total > counted {
            let words = language.count(total - counted, (nouns.one.0, "more \(nouns.one.1)"), (nouns.many.0, "more \(nouns.many.1)"))
            lines.append([.init(language.of("• e mais \(words)", "• and \(words)"))])
        }
        return lines
    }

    /// The listed stores by reason, in their order. Those that are not listed count with the reason of their code, where it has but one.
    private func reasons(_ facts: ExecutionFacts) -> [Reason] {
        var reasons: [Reason] = []
        var places: [String: Set<Int>] = [:]
        for part in facts.failedParts {
            places[part.reason.code, default: []].insert(reasons.add(label(part), to: failures.of(part.reason)))
        }
        for (code, alike) in Dictionary(grouping: facts.failedParts, by: \.reason.code) {
            guard let place = places[code]?.first, places[code]?.count == 1 else { continue }
            reasons[place].count += max(0, (alike[0].codeCount ?? 0) - alike.count)
        }
        return reasons
    }

    /// Few stores and why; where they are many, why and which.
    private func line(_ words: String, _ names: [String], of count: Int) -> MessageText.Line {
        let named = names.filter { !$0.isEmpty }
        guard !named.isEmpty else { return [.init("• \(words)\(count > 1 ? " (\(language.grouped(count)) ×)" : "")")] }
        var list: MessageText.Line = []
        for (place, name) in named.enumerated() {
            if place > 0 { list.append(.init(", ")) }
            list.append(.init(name, .strong))
        }
        if count > named.count {
            list.append(
                .init(language.of(" e mais \(language.grouped(count - named.count))", " and \(language.grouped(count - named.count)) more"))
            )
        }
        return count > Self.fewParts ? [.init("• \(words): ")] + list : [.init("• ")] + list + [.init(": \(words)")]
    }

    /// The name, which is unique among stores; else how the target knows it.
    private func label(_ part: FailedPart) -> String {
        shortened(part.name ?? part.registration ?? part.storeID.map { language.of("loja \($0)", "store \($0)") } ?? "")
    }

    private func stores(_ count: Int) -> String { language.count(count, ("loja", "store"), ("lojas", "stores")) }

    private func parts(_ count: Int, _ facts: ExecutionFacts) -> String {
        language.count(count, nouns(facts).one, nouns(facts).many)
    }

    private typealias Nouns = (one: (String, String), many: (String, String))

    private func nouns(_ facts: ExecutionFacts) -> Nouns {
        facts.failedParts.contains { $0.storeID != nil }
            ? (("loja", "store"), ("lojas", "stores")) : (("parte", "part"), ("partes", "parts"))
    }
}

/// Why, and which parts.
private struct Reason {
    let words: String
    var names: [String] = []
    var count = 0
}

extension [Reason] {
    /// One more part of a reason; gives the reason's place.
    @discardableResult fileprivate mutating func add(_ name: String, to words: String) -> Int {
        let place = firstIndex { $0.words == words } ?? endIndex
        if place == endIndex { append(Reason(words: words)) }
        self[place].names.append(name)
        self[place].count += 1
        return place
    }
}
