/// Writes what a delivery tells, short, for a phone: job, what failed and why, counts, duration, and the command to look further.
package struct MessageWriter: Sendable {
    /// Failed stores that are listed; the others are counted.
    static let mostPartsShown = 10

    let language: MessageLanguage
    private let failures: FailureWords

    /// Writes in `language`.
    package init(language: MessageLanguage) {
        self.language = language
        failures = FailureWords(language: language)
    }

    /// What was written: the line that says the most important, and the whole text that begins with it.
    package struct Written: Sendable {
        /// One line.
        package let subject: String
        /// All of it.
        package let text: MessageText
    }

    /// One delivery.
    package func write(_ delivery: Delivery) -> Written {
        switch delivery.subject {
        case .execution(let facts): write(facts, delivery.event)
        case .lateness(let facts): write(facts)
        case .schedule(let facts): write(facts)
        case .channel(let facts): write(facts)
        }
    }

    /// Several deliveries in one.
    package func write(_ folded: FoldedDeliveries) -> Written {
        let count = language.count(folded.count, ("aviso", "notification"), ("avisos", "notifications"))
        let subject = "\(count) \(language.of("em", "in")) \(MessageLanguage.duration(folded.span))"
        var lines: [MessageText.Line] = [headline("🔔", subject, "")]
        for group in folded.groups {
            lines.append([.init("• \(language.grouped(group.count)) × \(noun(group.event)): "), .init(name(of: group), .strong)])
        }
        let listed = folded.groups.reduce(0) { $0 + $1.count }
        if listed < folded.count {
            lines.append([
                .init(
                    language.of(
                        "• e mais \(language.grouped(folded.count - listed))", "• and \(language.grouped(folded.count - listed)) more"))
            ])
        }
        lines.append([])
        lines.append([.init(language.of("O mais recente:", "The newest:"))])
        return Written(subject: subject, text: MessageText(lines + write(folded.newest).text.lines))
    }

    /// What a channel that works shows when somebody tests it.
    package func test(channel: String) -> Written {
        let subject = language.of("teste do canal \(channel)", "test of the channel \(channel)")
        let text = language.of("Se você lê isto, o canal funciona.", "If you read this, the channel works.")
        return Written(subject: subject, text: MessageText([headline("🔔", subject, ""), [.init(text)]]))
    }

    // MARK: Executions

    private func write(_ facts: ExecutionFacts, _ event: NotificationEvent) -> Written {
        let (sign, verdict) = verdict(facts, event)
        var lines: [MessageText.Line] = [headline(sign, facts.job.name, verdict)]
        if event == .failure {
            lines += failed(facts)
        }
        if event != .start {
            lines += counts(facts.counts).map { [.init($0)] }
            if let duration = facts.duration {
                lines.append([.init("\(language.of("Duração", "Duration")): \(MessageLanguage.duration(duration))")])
            }
        }
        lines.append([.init("chimera execution show \(facts.id)", .code)])
        return Written(subject: "\(facts.job.name) \(verdict)", text: MessageText(lines))
    }

    private func verdict(_ facts: ExecutionFacts, _ event: NotificationEvent) -> (sign: String, verdict: String) {
        let alarm =
            switch facts.severity {
            case "critical": language.of(" com alerta crítico", " with a critical warning")
            case "warning": language.of(" com alerta", " with a warning")
            default: ""
            }
        switch event {
        case .start: return ("▶️", language.of("começou", "has begun"))
        case .success: return ("✅", language.of("terminou bem", "succeeded"))
        case .warning: return (facts.severity == "critical" ? "🚨" : "⚠️", language.of("terminou", "ended") + alarm)
        case .recovery: return ("✅", language.of("voltou a funcionar", "works again") + alarm)
        case .late: return ("⏰", language.of("está atrasado", "is late"))
        case .failure where facts.isSoFar:
            let parts = part(facts.failedCount, facts)
            return (
                "❌",
                language.of(
                    "em andamento: \(parts) já \(facts.failedCount == 1 ? "falhou" : "falharam")", "goes on: \(parts) failed so far")
            )
        case .failure: return ("❌", language.of("falhou", "failed"))
        }
    }

    private func failed(_ facts: ExecutionFacts) -> [MessageText.Line] {
        guard !facts.failedParts.isEmpty else {
            guard let error = facts.error else { return [] }
            let words =
                error.code == "CHILDREN_FAILED" ? language.of("uma parte foi cancelada", "a part was cancelled") : failures.of(error)
            return [[.init("\(language.of("Motivo", "Reason")): \(words)")]]
        }
        var lines: [MessageText.Line] = []
        for failed in facts.failedParts.prefix(Self.mostPartsShown) {
            let label = [failed.registration, failed.name].compactMap { $0 }.joined(separator: " ")
            let words = failures.of(failed.reason)
            lines.append(label.isEmpty ? [.init("• \(words)")] : [.init("• "), .init(label, .strong), .init(": \(words)")])
        }
        let more = facts.failedCount - lines.count
        if more > 0 { lines.append([.init(language.of("• e mais \(part(more, facts))", "• and \(part(more, facts)) more"))]) }
        return lines
    }

    private func part(_ count: Int, _ facts: ExecutionFacts) -> String {
        facts.failedParts.contains { $0.storeID != nil }
            ? language.count(count, ("loja", "store"), ("lojas", "stores")) : language.count(count, ("parte", "part"), ("partes", "parts"))
    }

    private func counts(_ counts: ExecutionCounts) -> [String] {
        var lines: [String] = []
        if let stores = counts.stores, stores.total > 0 {
            var line =
                language.of("\(language.grouped(stores.succeeded)) de ", "\(language.grouped(stores.succeeded)) of ")
                + language.count(stores.total, ("loja ok", "store ok"), ("lojas ok", "stores ok"))
            if stores.skipped > 0 { line += ", " + language.count(stores.skipped, ("pulada", "skipped"), ("puladas", "skipped")) }
            if stores.failed > 0 { line += ", " + language.count(stores.failed, ("com falha", "failed"), ("com falha", "failed")) }
            lines.append(line)
        }
        if let products = counts.products, products.fetched > 0 {
            lines.append(
                language.count(products.fetched, ("produto lido", "product read"), ("produtos lidos", "products read")) + ", "
                    + language.count(products.accepted, ("aceito", "accepted"), ("aceitos", "accepted")) + ", "
                    + language.count(products.rejected, ("recusado", "rejected"), ("recusados", "rejected")))
        }
        let differences = counts.differences.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        if !differences.isEmpty {
            let total = differences.reduce(0) { $0 + $1.value }
            let kinds = differences.map { "\(language.grouped($0.value)) \(kind($0.key))" }.joined(separator: ", ")
            lines.append(language.count(total, ("diferença", "difference"), ("diferenças", "differences")) + ": " + kinds)
        }
        let removed = counts.removed.filter { $0.value > 0 }.sorted { $0.key < $1.key }
        if !removed.isEmpty {
            let tables = removed.map { "\($0.key) \(language.grouped($0.value))" }.joined(separator: ", ")
            lines.append("\(language.of("Removidos", "Removed")): \(tables)")
        }
        return lines
    }

    private func kind(_ kind: String) -> String {
        switch kind {
        case "MISSING_IN_TARGET": language.of("faltam no clube", "missing in the club")
        case "EXTRA_IN_TARGET": language.of("sobram no clube", "extra in the club")
        case "PRICE": language.of("de preço", "in price")
        case "FINAL_PRICE": language.of("de preço final", "in final price")
        case "LIMIT": language.of("de limite", "in limit")
        case "WINDOW": language.of("de vigência", "in window")
        default: kind
        }
    }
}
