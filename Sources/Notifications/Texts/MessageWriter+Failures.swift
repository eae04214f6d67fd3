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
        guard let today = facts.clubToday else { return lines }
        if today.without > 0 {
            lines.append("\(language.of("Sem preços de clube hoje", "Without club prices today")): \(stores(today.without))")
        }
        if today.unverified > 0 {
            lines.append(
                "\(language.of("Campanha enviada, mas não conferida", "Campaign sent but not verified")): \(stores(today.unverified))")
        }
        if today.published > 0 {
            lines.append(
                "\(language.of("Continua valendo a campanha anterior de hoje", "Today's earlier campaign stays in the club")): \(stores(today.published))"
            )
        }
        return lines
    }

    /// Why: for each reason the stores that it stopped, the most frequent reason first.
    func failed(_ facts: ExecutionFacts) -> [MessageText.Line] {
        guard !facts.failedParts.isEmpty else {
            guard let error = facts.error else { return [] }
            return [[.init("\(language.of("Motivo", "Reason")): \(failures.of(error))")]]
        }
        // A stable sort: reasons of the same weight stay in the order of their stores.
        let ordered = reasons(facts).enumerated().sorted { ($1.element.count, $0.offset) < ($0.element.count, $1.offset) }.map(\.element)
        var (lines, shown, counted): ([MessageText.Line], Int, Int) = ([], 0, 0)
        for reason in ordered where shown < Self.mostPartsShown {
            lines.append(line(reason.words, Array(reason.names.prefix(Self.mostPartsShown - shown)), of: reason.count))
            shown += reason.names.count
            counted += reason.count
        }
        let more = facts.failedCount - counted
        if more > 0 {
            let (one, many) = nouns(facts)
            let words = language.count(more, (one.0, "more \(one.1)"), (many.0, "more \(many.1)"))
            lines.append([.init(language.of("• e mais \(words)", "• and \(words)"))])
        }
        return lines
    }

    /// The listed stores by reason, in their order. Those that are not listed count with the reason of their code, where it has but one.
    private func reasons(_ facts: ExecutionFacts) -> [(words: String, names: [String], count: Int)] {
        var reasons: [(words: String, names: [String], count: Int)] = []
        var places: [String: Set<Int>] = [:]
        for part in facts.failedParts {
            let words = failures.of(part.reason)
            let place = reasons.firstIndex { $0.words == words } ?? reasons.endIndex
            if place == reasons.endIndex { reasons.append((words, [], 0)) }
            reasons[place].names.append(label(part))
            reasons[place].count += 1
            places[part.reason.code, default: []].insert(place)
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

    private func nouns(_ facts: ExecutionFacts) -> (one: (String, String), many: (String, String)) {
        facts.failedParts.contains { $0.storeID != nil }
            ? (("loja", "store"), ("lojas", "stores")) : (("parte", "part"), ("partes", "parts"))
    }
}
