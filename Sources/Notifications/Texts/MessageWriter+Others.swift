import Runtime

extension MessageWriter {
    func write(_ facts: LatenessFacts) -> Written {
        let verdict = language.of("está atrasado", "is late")
        let within = MessageLanguage.duration(facts.expectedWithin)
        let due = facts.dueWallTime.map(language.moment) ?? "?"
        let expectation =
            facts.isScheduled
            ? language.of("Previsto para \(due), não terminou bem em \(within).", "Due \(due), it has not succeeded within \(within).")
            : language.of("Nenhum sucesso desde \(due), há mais de \(within).", "No success since \(due), more than \(within) ago.")
        var lines: [MessageText.Line] = [headline("⏰", facts.job.name, verdict), [.init(expectation)]]
        if facts.isScheduled { lines.append([.init(state(of: facts))]) }
        if facts.job.type == "SYNC_PRODUCTS" { lines += inTheShops(facts).map { [.init($0)] } }
        lines += commands(facts).map { [.init("chimera \($0)", .code)] }
        return Written(subject: "\(facts.job.name) \(verdict)", text: MessageText(lines))
    }

    /// Where to look further, or how to go on after a pause.
    private func commands(_ facts: LatenessFacts) -> [String] {
        if let execution = facts.execution { return ["execution show \(execution.id)"] }
        let name = shellWord(facts.job.name)
        return facts.tickOutcome == "SKIPPED_PAUSED" ? ["job resume \(name)", "job run \(name)"] : ["job show \(name)"]
    }

    /// What the delay means for the shops: somebody may have published them by hand meanwhile.
    private func inTheShops(_ facts: LatenessFacts) -> [String] {
        guard let today = facts.clubToday, today != ClubToday() else {
            return facts.execution?.status == "SUCCESS"
                ? [] : [language.of("As lojas podem abrir sem os preços de clube de hoje.", "Stores may open without today's club prices.")]
        }
        return inTheClub(today, published: language.of("Com preços de clube hoje", "With club prices today"))
    }

    private func state(of facts: LatenessFacts) -> String {
        switch facts.execution?.status {
        case nil: unmade(facts)
        case "PENDING":
            language.of(
                "A execução ainda não começou; veja se há workers ativos e livres.",
                "Its execution has not begun; see whether workers run and are free.")
        case "RUNNING": language.of("A execução ainda está em andamento.", "Its execution is still running.")
        case "SUCCESS": language.of("A execução terminou bem, mas tarde.", "Its execution succeeded, but late.")
        case "CANCELLED": language.of("A execução foi cancelada.", "Its execution was cancelled.")
        default: language.of("A execução falhou.", "Its execution failed.")
        }
    }

    private func unmade(_ facts: LatenessFacts) -> String {
        switch facts.tickOutcome {
        case "SKIPPED_OVERLAP":
            language.of(
                "Nenhuma execução foi criada: a anterior não tinha terminado.", "No execution was made: the one before had not ended.")
        case "SKIPPED_MISFIRE":
            language.of(
                "Nenhuma execução foi criada: no horário não havia scheduler ativo, e a misfire_policy do job não o recupera.",
                "No execution was made: no scheduler ran at that time, and the job's misfire_policy does not make up for it.")
        case "SKIPPED_PAUSED":
            language.of(
                "Nenhuma execução foi criada: o job estava pausado. Enquanto continuar assim, os próximos horários não são avisados.",
                "No execution was made: the job was paused. While it stays so, its next due times are not told of.")
        default:
            language.of(
                "Nenhuma execução foi criada; veja se há um scheduler ativo.", "No execution was made; see whether a scheduler runs.")
        }
    }

    func write(_ facts: ScheduleFacts) -> Written {
        let verdict = language.of("não pode ser agendado", "cannot be scheduled")
        let problem = facts.problem.map(schedule) ?? language.of("já foi corrigido", "it was mended meanwhile")
        return Written(
            subject: "\(facts.job.name) \(verdict)",
            text: MessageText([
                headline("❌", facts.job.name, verdict), [.init("\(language.of("Motivo", "Reason")): \(problem)")],
                [.init(language.of("Até ser corrigido, não roda no horário.", "Until it is mended it does not run at its times."))],
                [.init("chimera job show \(shellWord(facts.job.name))", .code)],
            ]))
    }

    /// A stored `problem` of a schedule.
    private func schedule(_ problem: String) -> String {
        guard language == .portuguese else { return problem }
        if problem.hasPrefix("The cron pattern"), problem.contains(" never comes") {
            return "o padrão cron nunca chega: nenhuma data serve"
        }
        if let match = problem.firstMatch(of: #/^The cron pattern is wrong in its ([a-z ]+), "([^"]*)"/#) {
            let fields = [
                "second": "segundo", "minute": "minuto", "hour": "hora", "day of month": "dia do mês", "month": "mês",
                "day of week": "dia da semana",
                "number of fields": "número de campos", "nickname": "apelido", "characters": "caracteres",
            ]
            return "erro no padrão cron, \(fields[String(match.output.1)] ?? String(match.output.1)): \(match.output.2)"
        }
        return "o padrão cron ou o fuso horário não pode ser usado"
    }

    func write(_ facts: SwitchedOffChannel) -> Written {
        let verdict = language.of("foi desligado", "was switched off")
        let reason = facts.reason.map(switchedOff) ?? language.of("já foi religado", "it is on again")
        return Written(
            subject: "\(language.of("o canal", "the channel")) \(facts.name) \(verdict)",
            text: MessageText([
                [.init("❌ \(language.of("O canal", "The channel")) "), .init(facts.name, .strong), .init(" \(verdict)")],
                [.init("\(language.of("Motivo", "Reason")): \(reason)")],
                [
                    .init(
                        language.of(
                            "Até religá-lo, ninguém recebe avisos por ele.", "Until it is on again nobody hears of anything through it."))
                ],
                [.init("chimera channel test \(shellWord(facts.name))", .code)],
                [.init("chimera channel edit \(shellWord(facts.name)) --active yes", .code)],
            ]))
    }

    /// A stored `problem` of a channel: the sentences of the transports, and what the other side said.
    private func switchedOff(_ reason: String) -> String {
        guard language == .portuguese else { return reason }
        let known = [
            "Telegram: the bot token is not accepted": "o Telegram não aceita o token do bot",
            "Telegram: the bot may not write to this chat": "o bot não pode mais escrever neste chat",
            "the receiver answered 410 Gone": "o destino respondeu 410: não quer mais webhooks",
            "the mail server does not accept the login": "o servidor de e-mail não aceita o usuário ou a senha",
        ]
        guard let (start, words) = known.first(where: { reason.hasPrefix($0.key) }) else { return reason }
        let said = reason.dropFirst(start.count).wholeMatch(of: #/ \((.+)\)|: .* with (\d{3}.*)/#).flatMap { $0.output.1 ?? $0.output.2 }
        return said.map { "\(words) (\($0))" } ?? words
    }

    func headline(_ sign: String, _ name: String, _ verdict: String) -> MessageText.Line {
        verdict.isEmpty ? [.init("\(sign) "), .init(name, .strong)] : [.init("\(sign) "), .init(name, .strong), .init(" \(verdict)")]
    }

    /// How often the weightiest event came and to whom: `3 falhas: sync, compare e mais 1 (61 avisos em 2 min)`.
    func summary(of folded: FoldedDeliveries) -> String {
        let groups = folded.groups.filter { $0.event == folded.groups[0].event }
        let count = groups.reduce(0) { $0 + $1.count }
        let named = groups.prefix(2).map { shortened(name(of: $0)) }.joined(separator: ", ")
        let more = groups.count - 2
        let others = more > 0 ? language.of(" e mais \(language.grouped(more))", " and \(language.grouped(more)) more") : ""
        let all = count < folded.count ? language.count(folded.count, ("aviso", "notification"), ("avisos", "notifications")) + " " : ""
        let span = "\(language.of("em", "in")) \(MessageLanguage.duration(folded.span))"
        return groups.isEmpty ? all + span : "\(counted(count, groups[0].event)): \(named)\(others) (\(all)\(span))"
    }

    func name(of group: FoldedDeliveries.Group) -> String {
        group.jobName ?? language.of("canal desligado", "channel switched off")
    }

    func noun(_ event: NotificationEvent) -> String { language.of(Self.nouns(event).one.0, Self.nouns(event).one.1) }

    private func counted(_ count: Int, _ event: NotificationEvent) -> String {
        language.count(count, Self.nouns(event).one, Self.nouns(event).many)
    }

    private static func nouns(_ event: NotificationEvent) -> (one: (String, String), many: (String, String)) {
        switch event {
        case .start: (("início", "start"), ("inícios", "starts"))
        case .success: (("sucesso", "success"), ("sucessos", "successes"))
        case .failure: (("falha", "failure"), ("falhas", "failures"))
        case .warning: (("alerta", "warning"), ("alertas", "warnings"))
        case .recovery: (("recuperação", "recovery"), ("recuperações", "recoveries"))
        case .late: (("atraso", "late"), ("atrasos", "late"))
        }
    }

    /// A name in a list, which is not to fill the message.
    func shortened(_ name: String) -> String { name.count > 60 ? name.prefix(59) + "…" : name }
}
