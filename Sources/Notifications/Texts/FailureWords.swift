/// A failure in the operator's words: what happened and, where a partner said something, what it said. Neither a stack nor an SQLSTATE.
struct FailureWords: Sendable {
    /// Longer ones end in `…`.
    static let mostCharacters = 180

    let language: MessageLanguage

    func of(_ reason: FailureReason) -> String {
        shortened(exact(reason) ?? ofPartner(reason) ?? usual(reason.code) ?? stored(reason))
    }

    /// Whether a code has words of its own.
    static func knows(_ code: String) -> Bool {
        usual[code] != nil || ofPartners[code] != nil || code.wholeMatch(of: #/HTTP_\d{3}|EXIT_\d+|SIG[A-Z]+|signal \d+/#) != nil
    }

    private func usual(_ code: String) -> String? { Self.usual[code].map { language.of($0.0, $0.1) } }

    /// Of a code without words of its own: the sentence that was stored.
    private func stored(_ reason: FailureReason) -> String {
        if reason.message == "cancelled" { return language.of("cancelada", "cancelled") }
        let sentence = PartnerSentence(reason.message)
        return sentence.partner.map { "\($0): \(sentence.rest)" } ?? sentence.rest
    }

    // MARK: Partners

    private func ofPartner(_ reason: FailureReason) -> String? {
        let sentence = PartnerSentence(reason.message)
        let status = reason.code.wholeMatch(of: #/HTTP_(\d{3})/#).flatMap { Int($0.output.1) }
        guard let words = status.map(Self.words(ofStatus:)) ?? (sentence.partner == nil ? nil : Self.ofPartners[reason.code]) else {
            return nil
        }
        let partner = sentence.partner ?? language.of("o parceiro", "the partner")
        let text = language.of(words.0, words.1).replacing("%", with: partner)
        return sentence.quoted.map { "\(text): “\($0)”" } ?? text
    }

    // MARK: What the stored sentence counts or names

    private func exact(_ reason: FailureReason) -> String? {
        let message = reason.message
        switch reason.code {
        case "TIMEOUT":
            return message.wholeMatch(of: #/it did not end within (.+) \(timeout_seconds\)/#).map {
                language.of("não terminou no tempo limite (\($0.output.1))", "did not end in time (\($0.output.1))")
            }
        case "NOT_LISTED":
            return message.firstMatch(of: #/does not show (\d+) of (\d+) lines/#).map {
                let (missing, all) = (grouped($0.output.1), grouped($0.output.2))
                return language.of(
                    "o clube aceitou a campanha, mas a listagem difere em \(missing) de \(all) produtos",
                    "the club accepted the campaign but its listing differs in \(missing) of \(all) products")
            }
        case "CATALOGUE_DROPPED":
            return message.firstMatch(of: #/only (\d+) products have a club price, (\d+) had/#).map {
                let (now, before) = (grouped($0.output.1), grouped($0.output.2))
                return language.of(
                    "produtos com preço de clube caíram de \(before) para \(now); confira no ERP e, se estiver certo, repita com confirm_drop",
                    "products with a club price fell from \(before) to \(now); look at the ERP and, if it is right, repeat with confirm_drop"
                )
            }
        case "CATALOGUE":
            return message.firstMatch(of: #/product (\d+) came twice/#).map {
                language.of(
                    "o produto \($0.output.1) veio duas vezes com preços diferentes; corrija no ERP",
                    "product \($0.output.1) came twice with different prices; mend it in the ERP")
            }
        case "TOKEN_REFUSED" where message.contains("static_token"):
            let partner = PartnerSentence(message).partner ?? language.of("o parceiro", "the partner")
            return language.of(
                "\(partner) recusou o static_token (401); cadastre um novo", "\(partner) refuses static_token (401); enter a new one")
        case "DATABASE" where message.contains("did not end within"):
            return language.of("uma operação no banco de dados demorou demais", "an operation of the database took too long")
        case "CONFIG", "CONFIGURATION", "INTEGRATION": return ofConfiguration(message)
        default: return ofProgram(reason)
        }
    }

    private func ofConfiguration(_ message: String) -> String? {
        if let match = message.firstMatch(of: #/^Integration (.{1,200}?)(?:, [^:]{1,200})?: (.*)$/#.dotMatchesNewlines()) {
            let (name, rest) = (match.output.1, match.output.2)
            let field =
                rest.firstMatch(of: #/\b(?:config\.[\w.]+|base_url)/#).map { language.of(" em \($0.output)", " in \($0.output)") } ?? ""
            return language.of(
                "a integração \(name) tem um erro de configuração\(field)", "integration \(name) is configured wrongly\(field)")
        }
        if let field = message.prefixMatch(of: #/config\.[\w.]*\w/#)?.output {
            return language == .english ? message : "a configuração do job tem um erro em \(field)"
        }
        if let match = message.wholeMatch(of: #/integration (.+) is inactive/#) {
            return language.of("a integração \(match.output.1) está inativa", message)
        }
        if let match = message.wholeMatch(of: #/there is no integration named (.+)/#) {
            return language.of("não existe a integração \(match.output.1)", message)
        }
        if let match = message.wholeMatch(of: #/there is no active integration of type (\w+)/#) {
            return language.of("não há integração ativa do tipo \(match.output.1)", message)
        }
        if let match = message.wholeMatch(of: #/integration (.+) is of type (\w+), (\w+) is needed/#) {
            return language.of("a integração \(match.output.1) é do tipo \(match.output.2), não \(match.output.3)", message)
        }
        if let match = message.firstMatch(of: #/^there is more than one active integration of type (\w+); .*(config\.\w+)/#) {
            return language.of(
                "há mais de uma integração ativa do tipo \(match.output.1); diga qual em \(match.output.2) do job", message)
        }
        if let match = message.firstMatch(of: #/^integration (.{1,200}?) cannot be used: .*CHIMERA_KEY_FILE/#) {
            return language.of(
                "a integração \(match.output.1) tem valores cifrados e o worker não tem a chave (CHIMERA_KEY_FILE)",
                "integration \(match.output.1) has encrypted values and the worker has no key (CHIMERA_KEY_FILE)")
        }
        return nil
    }

    /// Of a CUSTOM job's program: how it ended, and its last words.
    private func ofProgram(_ reason: FailureReason) -> String? {
        let said = #/^(.*?)(?:; it said last: (.*))?$/#.dotMatchesNewlines()
        guard let parts = reason.message.wholeMatch(of: said)?.output else { return nil }
        let last = parts.2.map { language.of("; disse por último: “\($0)”", "; it said last: “\($0)”") } ?? ""
        if let match = parts.1.wholeMatch(of: #/(.+) left with exit code (\d+)/#) {
            return language.of("\(match.output.1) saiu com o código \(match.output.2)", String(parts.1)) + last
        }
        if let match = parts.1.wholeMatch(of: #/(.+) was ended by (.+)/#), Self.knows(reason.code) {
            return language.of("\(match.output.1) foi encerrado pelo sinal \(match.output.2)", String(parts.1)) + last
        }
        if let match = reason.message.wholeMatch(of: #/there is no program (.+) in .+ on this worker/#) {
            return language.of(
                "o programa \(match.output.1) não existe neste worker", "there is no program \(match.output.1) on its worker")
        }
        return nil
    }

    private func grouped(_ digits: Substring) -> String { Int(digits).map(language.grouped) ?? String(digits) }

    private func shortened(_ text: String) -> String {
        var text = String(text.prefix { !$0.isNewline })
        if text.hasSuffix(".") { text.removeLast() }
        return text.count > Self.mostCharacters ? text.prefix(Self.mostCharacters - 1) + "…" : text
    }
}

extension FailureReason {
    /// From a sentence that was stored without its code, as a campaign's `reason` is.
    init(ofSentence sentence: String) {
        let status = sentence.firstMatch(of: #/: the partner answered (\d{3})\b/#).map { "HTTP_\($0.output.1)" }
        self.init(code: sentence.contains("its listing does not show") ? "NOT_LISTED" : status ?? "", message: sentence)
    }
}

/// A stored sentence such as `Integration RP, login: the partner answered 503: em manutenção.`, in its parts.
private struct PartnerSentence {
    /// `RP`; nil: not about a partner.
    let partner: String?
    let rest: String
    /// What the partner itself said; nil: nothing.
    let quoted: String?

    init(_ message: String) {
        guard let match = message.firstMatch(of: #/^Integration (.{1,200}?), [^:]{1,200}: (.*)$/#.dotMatchesNewlines()) else {
            partner = nil
            rest = message
            quoted = nil
            return
        }
        partner = String(match.output.1)
        rest = String(match.output.2)
        let speech = #/^(?:the partner answered \d{3}|the partner reports an error|the partner refuses [^:]{1,80}): (.+)$/#
            .dotMatchesNewlines()
        quoted = rest.firstMatch(of: speech).map { match in
            let words = String(match.output.1)
            return words.hasSuffix(".") ? String(words.dropLast()) : words
        }
    }
}
