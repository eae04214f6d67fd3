extension MessageWriter {
    func write(_ facts: LatenessFacts) -> Written {
        let verdict = language.of("está atrasado", "is late")
        let within = MessageLanguage.duration(facts.expectedWithin)
        let expectation =
            facts.isScheduled
            ? language.of(
                "Previsto para \(facts.dueText), não terminou bem em \(within).",
                "Due \(facts.dueText), it has not succeeded within \(within).")
            : language.of(
                "Nenhum sucesso desde \(facts.dueText), há mais de \(within).",
                "No success since \(facts.dueText), more than \(within) ago.")
        var lines: [MessageText.Line] = [headline("⏰", facts.job.name, verdict), [.init(expectation)]]
        if facts.isScheduled { lines.append([.init(state(of: facts))]) }
        if let execution = facts.execution {
            lines.append([.init("chimera execution show \(execution.id)", .code)])
        } else {
            lines.append([.init("chimera job show \(Self.shellWord(facts.job.name))", .code)])
        }
        return Written(subject: "\(facts.job.name) \(verdict)", text: MessageText(lines))
    }

    private func state(of facts: LatenessFacts) -> String {
        switch facts.execution?.status {
        case nil:
            language.of(
                "Nenhuma execução foi criada; veja se há um scheduler ativo.", "No execution was made; see whether a scheduler runs.")
        case "PENDING":
            language.of(
                "A execução ainda não começou; veja se há workers livres.", "Its execution has not begun; see whether workers are free.")
        case "RUNNING": language.of("A execução ainda está em andamento.", "Its execution is still running.")
        case "SUCCESS": language.of("A execução terminou bem, mas tarde.", "Its execution succeeded, but late.")
        case "CANCELLED": language.of("A execução foi cancelada.", "Its execution was cancelled.")
        default: language.of("A execução falhou.", "Its execution failed.")
        }
    }

    func write(_ facts: ScheduleFacts) -> Written {
        let verdict = language.of("não pode ser agendado", "cannot be scheduled")
        let problem = facts.problem ?? language.of("já foi corrigido", "it was mended meanwhile")
        return Written(
            subject: "\(facts.job.name) \(verdict)",
            text: MessageText([
                headline("❌", facts.job.name, verdict), [.init("\(language.of("Motivo", "Reason")): \(problem)")],
                [.init("chimera job show \(Self.shellWord(facts.job.name))", .code)],
            ]))
    }

    func write(_ facts: SwitchedOffChannel) -> Written {
        let verdict = language.of("foi desligado", "was switched off")
        let reason = facts.reason ?? language.of("já foi religado", "it is on again")
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
                [.init("chimera channel show \(Self.shellWord(facts.name))", .code)],
            ]))
    }

    func headline(_ sign: String, _ name: String, _ verdict: String) -> MessageText.Line {
        verdict.isEmpty ? [.init("\(sign) "), .init(name, .strong)] : [.init("\(sign) "), .init(name, .strong), .init(" \(verdict)")]
    }

    func name(of group: FoldedDeliveries.Group) -> String {
        group.jobName ?? language.of("canal desligado", "channel switched off")
    }

    func noun(_ event: NotificationEvent) -> String {
        switch event {
        case .start: language.of("início", "start")
        case .success: language.of("sucesso", "success")
        case .failure: language.of("falha", "failure")
        case .warning: language.of("alerta", "warning")
        case .recovery: language.of("recuperação", "recovery")
        case .late: language.of("atraso", "late")
        }
    }

    /// A name as a shell takes it.
    static func shellWord(_ name: String) -> String {
        if name.wholeMatch(of: #/[A-Za-z0-9._][A-Za-z0-9._-]*/#) != nil { return name }
        return "'" + name.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
