/// A failure in the operator's words: what happened and, where a partner said something, what it said. Neither a stack nor an SQLSTATE.
struct FailureWords: Sendable {
    /// Longer ones end in `…`.
    static let mostCharacters = 180

    let language: MessageLanguage

    func of(_ reason: FailureReason) -> String {
        let message = PartnerSentence(reason.message)
        if let status = reason.code.wholeMatch(of: #/HTTP_(\d{3})/#)?.output.1 {
            return said(message, language.of("respondeu \(status)", "answered \(status)"))
        }
        if let words = Self.ofPartners[reason.code], message.partner != nil {
            return said(message, language.of(words.0, words.1))
        }
        if let words = Self.ofRuns[reason.code] { return language.of(words.0, words.1) }
        if reason.message == "cancelled" { return language.of("cancelada", "cancelled") }
        return shortened(message.partner.map { "\($0): \(message.rest)" } ?? message.rest)
    }

    /// `RP: respondeu 503 (Servidor em manutenção)`.
    private func said(_ message: PartnerSentence, _ words: String) -> String {
        let detail = message.quoted.map { " (\($0))" } ?? ""
        return shortened((message.partner.map { "\($0): " } ?? "") + words + detail)
    }

    private func shortened(_ text: String) -> String {
        var text = String(text.prefix { !$0.isNewline })
        if text.hasSuffix(".") { text.removeLast() }
        return text.count > Self.mostCharacters ? text.prefix(Self.mostCharacters - 1) + "…" : text
    }

    private static let ofPartners: [String: (String, String)] = [
        "UNREACHABLE": ("não foi possível conectar", "cannot be reached"),
        "TLS_FAILED": ("a conexão segura falhou; veja o certificado", "the secure connection failed; look at the certificate"),
        "TIMEOUT": ("não respondeu a tempo", "did not answer in time"),
        "CONNECTION_LOST": ("a conexão caiu", "the connection broke"),
        "CANCELLED": ("a requisição foi interrompida", "the request was interrupted"),
        "TOO_LARGE": ("a resposta é grande demais", "the answer is too large"),
        "NOT_HTTP": ("a resposta não é HTTP", "the answer is not HTTP"),
        "NOT_JSON": ("a resposta não é JSON", "the answer is not JSON"),
        "NOT_UTF8": ("a resposta tem caracteres inválidos", "the answer has invalid characters"),
        "WRONG_SHAPE": ("a resposta tem um formato desconhecido", "the answer's shape is not known"),
        "REDIRECTED": ("redireciona para outro endereço; corrija base_url", "redirects elsewhere; correct base_url"),
        "LOGIN_REFUSED": ("recusou usuário ou senha", "refuses user name or password"),
        "LOGIN_WITHOUT_TOKEN": ("aceitou o login mas não deu um token", "accepted the login and gave no token"),
        "TOKEN_REFUSED": ("recusou o token", "refuses the token"),
        "RP_ERROR": ("informou um erro", "reports an error"),
        "REFUSED": ("informou um erro", "reports an error"),
    ]

    private static let ofRuns: [String: (String, String)] = [
        "TIMEOUT": ("passou do tempo limite", "took longer than it may"),
        "NOT_LISTED": (
            "a campanha foi aceita, mas não aparece na listagem do clube",
            "the campaign was accepted but the club's listing does not show it"
        ),
        "CATALOGUE_DROPPED": (
            "o catálogo encolheu demais; confira e repita com confirm_drop",
            "the catalogue shrank too much; check it and repeat with confirm_drop"
        ),
        "TOO_LATE": ("tarde demais para a campanha de hoje", "too late for a campaign of today"),
        "STORE_UNKNOWN": ("a loja não existe", "there is no such store"),
        "STORE_INACTIVE": ("a loja está inativa", "the store is inactive"),
        "STORE_CONFIG": ("a configuração da loja não pode ser lida", "the store's configuration cannot be read"),
        "STORE_WITHOUT_DOCUMENT": ("a loja está sem documento (CNPJ)", "the store has no document"),
        "TIME_ZONE": ("o fuso horário da loja é desconhecido", "the store's time zone is not known"),
        "LOGIN_BUSY": ("o login de outro worker não terminou", "another worker's login did not end"),
        "QUARANTINED": (
            "três workers caíram seguidos ao executá-la; não será repetida", "three workers in a row died of it; it is not repeated"
        ),
        "DATABASE": ("o banco de dados recusou uma operação; veja os logs", "the database refused an operation; see the logs"),
        "RESULT_REFUSED": ("o banco de dados recusou o resultado; veja os logs", "the database refused its result; see the logs"),
        "INTERNAL": ("erro interno; veja os logs", "an internal error; see the logs"),
        "JOB_DELETED": ("o job foi removido", "the job was removed"),
        "UNSUPPORTED": ("esta versão não executa este tipo de job", "this version does not run this type of job"),
        "NOOP_FAILED": ("falha pedida por um teste", "a drill asked for the failure"),
        "PARAMS_UNREADABLE": ("os parâmetros não podem ser lidos", "its params cannot be read"),
        "CONFIG_UNREADABLE": ("a configuração do job não pode ser lida", "the job's configuration cannot be read"),
    ]
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
