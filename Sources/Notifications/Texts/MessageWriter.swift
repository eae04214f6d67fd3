/// Writes what a delivery tells, short, for a phone: job, what failed and why, counts, duration, and the command to look further.
package struct MessageWriter: Sendable {
    /// Groups of a folded message that are listed; the others are counted.
    static let mostGroupsShown = 12

    let language: MessageLanguage
    let failures: FailureWords

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
        let subject = summary(of: folded)
        var lines: [MessageText.Line] = [headline("🔔", subject, "")]
        for group in folded.groups.prefix(Self.mostGroupsShown) {
            lines.append([.init("• \(language.grouped(group.count)) × \(noun(group.event)): "), .init(name(of: group), .strong)])
        }
        let listed = folded.groups.prefix(Self.mostGroupsShown).reduce(0) { $0 + $1.count }
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
        let (sign, said) = verdict(facts, event)
        let verdict = facts.isDryRun ? said + " (dry_run)" : said
        var lines: [MessageText.Line] = [headline(sign, facts.job.name, verdict)]
        if event == .failure {
            lines += inTheShops(facts).map { [.init($0)] }
            lines += failed(facts)
        }
        if event == .warning || event == .recovery { lines += remarked(facts) }
        if event != .start { lines += counts(facts, event).map { [.init($0)] } }
        if let times = times(facts) { lines.append([.init(times)]) }
        lines.append([.init("chimera execution show \(facts.id)", .code)])
        return Written(subject: "\(facts.job.name) \(verdict)", text: MessageText(lines))
    }

    private func verdict(_ facts: ExecutionFacts, _ event: NotificationEvent) -> (sign: String, verdict: String) {
        switch event {
        case .start: return ("▶️", language.of("começou", "has begun"))
        case .success: return ("✅", language.of("terminou bem", "succeeded"))
        case .warning: return (facts.severity == "critical" ? "🚨" : "⚠️", language.of("terminou com ", "ended with ") + alarm(facts))
        case .recovery:
            let isPlain = facts.severity != "warning" && facts.severity != "critical"
            return (
                "✅", language.of("voltou a funcionar", "works again") + (isPlain ? "" : language.of(", com ", ", with ") + alarm(facts))
            )
        case .late: return ("⏰", language.of("está atrasado", "is late"))
        case .failure: return ("❌", failure(facts))
        }
    }

    /// What a severity is about: differences, else no stores at all, else whatever asks for a look; where nothing is known it is only named.
    private func alarm(_ facts: ExecutionFacts) -> String {
        let counts = facts.counts
        let differences = counts.differences.values.reduce(0, +)
        if differences > 0 {
            let count = language.count(
                differences, ("diferença entre ERP e clube", "difference between ERP and club"),
                ("diferenças entre ERP e clube", "differences between ERP and club"))
            return facts.severity == "critical" ? count + language.of(" (crítico)", " (critical)") : count
        }
        if counts.stores?.total == 0 { return language.of("nenhuma loja ativa", "no active store") }
        var reasons: [String] = []
        if let skipped = counts.stores?.skipped, skipped > 0 {
            reasons.append(
                language.count(
                    skipped, ("loja sem produtos de clube", "store without club products"),
                    ("lojas sem produtos de clube", "stores without club products")))
        }
        if counts.keptPartitions > 0 {
            reasons.append(
                language.count(
                    counts.keptPartitions, ("partição em uso, não removida", "partition in use that was kept"),
                    ("partições em uso, não removidas", "partitions in use that were kept")))
        }
        if let unverified = unverified(counts) { reasons.append(unverified) }
        if !reasons.isEmpty { return reasons.joined(separator: language.of(" e ", " and ")) }
        return facts.severity == "critical" ? language.of("alerta crítico", "a critical warning") : language.of("alerta", "a warning")
    }

    /// Products that the club took and that its listing did not show, those of stores that succeeded all the same included; nil: none.
    private func unverified(_ counts: ExecutionCounts) -> String? {
        let count = (counts.products?.uploaded ?? 0) - (counts.products?.verified ?? 0)
        guard count > 0 else { return nil }
        return language.count(
            count, ("produto enviado, mas não conferido", "product sent but not verified"),
            ("produtos enviados, mas não conferidos", "products sent but not verified"))
    }

    /// When it was due, or began, and how long it took.
    private func times(_ facts: ExecutionFacts) -> String? {
        var parts: [String] = []
        if let wall = facts.wallTime {
            let moment = language.moment(wall)
            parts.append(
                facts.scheduledFor == nil
                    ? language.of("Começou em \(moment)", "Began \(moment)") : language.of("Previsto para \(moment)", "Due \(moment)"))
        }
        if let duration = facts.duration.map(MessageLanguage.duration) {
            parts.append(
                parts.isEmpty
                    ? language.of("Durou \(duration)", "Took \(duration)") : language.of("durou \(duration)", "took \(duration)"))
        }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }

    private func counts(_ facts: ExecutionFacts, _ event: NotificationEvent) -> [String] {
        let counts = facts.counts
        var lines: [String] = []
        if let stores = counts.stores, let total = stores.total, total > 0, event != .failure || stores.succeeded ?? 0 > 0 {
            let succeeded = language.grouped(stores.succeeded ?? 0)
            var line =
                language.of("\(succeeded) de ", "\(succeeded) of ")
                + language.count(total, ("loja ok", "store ok"), ("lojas ok", "stores ok"))
            if let skipped = stores.skipped, skipped > 0 {
                line += ", \(language.grouped(skipped)) " + language.of("sem produtos de clube", "without club products")
            }
            // The headline has said how many failed; those that were cancelled are more.
            if let failed = stores.failed, failed > 0, event != .failure || failed > facts.failedCount {
                line += ", \(language.grouped(failed)) " + language.of("com falha", "failed")
            }
            lines.append(line)
        }
        if let products = counts.products, let fetched = products.fetched, fetched > 0 {
            var line =
                language.count(fetched, ("produto lido", "product read"), ("produtos lidos", "products read")) + ", "
                + language.count(
                    products.accepted ?? 0, ("com preço de clube", "with a club price"), ("com preço de clube", "with a club price"))
            if products.rejectedCount > 0 {
                line += ", " + language.count(products.rejectedCount, ("descartado", "left out"), ("descartados", "left out"))
            }
            lines.append(line)
        }
        // Every other headline says it.
        if event == .failure, let unverified = unverified(counts) { lines.append(unverified) }
        let differences = counts.differences.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        if event == .failure, !differences.isEmpty {
            lines.append(language.of("Nas lojas comparadas:", "In the stores that were compared:"))
        }
        lines += differences.map { "• \(kind($0.key, $0.value))" }
        let removed = counts.removed.filter { $0.value > 0 }.sorted { $0.key < $1.key }
        if !removed.isEmpty {
            let tables = removed.map { "\($0.key) \(language.grouped($0.value))" }.joined(separator: ", ")
            let verb =
                counts.isDryRun ? language.of("Seriam removidos (dry_run)", "Would go (dry_run)") : language.of("Removidos", "Removed")
            lines.append("\(verb): \(tables)")
        }
        return lines
    }

    /// `12 produtos faltam no clube`.
    private func kind(_ kind: String, _ number: Int) -> String {
        switch kind {
        case "MISSING_IN_TARGET":
            language.count(
                number, ("produto falta no clube", "product missing in the club"),
                ("produtos faltam no clube", "products missing in the club"))
        case "EXTRA_IN_TARGET":
            language.count(
                number, ("produto sobra no clube", "extra product in the club"),
                ("produtos sobram no clube", "extra products in the club"))
        case "PRICE":
            language.count(
                number, ("preço normal diferente", "regular price differs"), ("preços normais diferentes", "regular prices differ"))
        case "FINAL_PRICE":
            language.count(number, ("preço de clube diferente", "club price differs"), ("preços de clube diferentes", "club prices differ"))
        case "LIMIT":
            language.count(
                number, ("limite por cliente diferente", "limit per customer differs"),
                ("limites por cliente diferentes", "limits per customer differ"))
        case "WINDOW":
            language.count(number, ("vigência diferente", "window differs"), ("vigências diferentes", "windows differ"))
        default: "\(language.grouped(number)) \(kind)"
        }
    }
}
