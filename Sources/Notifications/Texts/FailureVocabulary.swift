/// The words of every code that `error_details` may carry, in Portuguese and English.
extension FailureWords {
    /// Failures of a request; `%` is the partner's name.
    static let ofPartners: [String: (String, String)] = [
        "UNREACHABLE": ("sem conexão com %", "no connection to %"),
        "TLS_FAILED": ("a conexão segura com % falhou; veja o certificado", "the secure connection to % failed; look at its certificate"),
        "TIMEOUT": ("% não respondeu a tempo", "% did not answer in time"),
        "CONNECTION_LOST": ("a conexão com % caiu", "the connection to % broke"),
        "CANCELLED": ("o pedido a % foi interrompido", "the request to % was interrupted"),
        "TOO_LARGE": ("% mandou uma resposta grande demais", "% sent too large an answer"),
        "NOT_HTTP": ("% mandou uma resposta que não é HTTP", "% sent an answer that is not HTTP"),
        "NOT_JSON": ("% mandou uma resposta que não é JSON", "% sent an answer that is not JSON"),
        "NOT_UTF8": ("% mandou uma resposta com caracteres inválidos", "% sent an answer with invalid characters"),
        "WRONG_SHAPE": ("% mandou uma resposta em formato desconhecido", "% sent an answer of unknown shape"),
        "REDIRECTED": ("% redireciona para outro endereço; corrija base_url", "% redirects elsewhere; correct base_url"),
        "LOGIN_REFUSED": ("% recusou usuário ou senha", "% refuses user name or password"),
        "LOGIN_WITHOUT_TOKEN": ("% aceitou o login, mas não deu um token", "% accepted the login but gave no token"),
        "TOKEN_REFUSED": ("% recusou o token do próprio login", "% refuses the token of its own login"),
        "RP_ERROR": ("% informou um erro", "% reports an error"),
        "REFUSED": ("% informou um erro", "% reports an error"),
        "CURSOR_STUCK": ("% repete sempre a mesma página", "% repeats the same page without end"),
        "NOT_ASCENDING": ("% mandou produtos fora de ordem", "% sent products out of order"),
        "TOO_MANY_PAGES": ("% mandou páginas demais; veja max_pages", "% sent too many pages; look at max_pages"),
    ]

    /// Of an answer that says no.
    static func words(ofStatus status: Int) -> (String, String) {
        switch status {
        case 401, 403: ("% negou o acesso (\(status))", "% denies access (\(status))")
        case 404: ("% não conhece o endereço (404)", "% does not know the address (404)")
        case 400, 422: ("% recusou o pedido (\(status))", "% refuses the request (\(status))")
        case 413: ("o pedido é grande demais para % (413)", "the request is too large for % (413)")
        case 429: ("% pede menos requisições (429)", "% asks for fewer requests (429)")
        case 502, 503, 504: ("% está fora do ar (\(status))", "% is down (\(status))")
        case 500...: ("% teve um erro interno (\(status))", "% had an internal error (\(status))")
        default: ("% respondeu \(status)", "% answered \(status)")
        }
    }

    /// Everything else.
    static let usual: [String: (String, String)] = [
        "TIMEOUT": ("não terminou no tempo limite", "did not end in time"),
        "NOT_LISTED": ("o clube aceitou a campanha, mas não a mostra", "the club accepted the campaign but does not show it"),
        "CATALOGUE_DROPPED": (
            "o catálogo encolheu demais; confira no ERP e repita com confirm_drop",
            "the catalogue shrank too much; look at the ERP and repeat with confirm_drop"
        ),
        "CATALOGUE": ("o catálogo da loja não pode estar certo; confira no ERP", "the store's catalogue cannot be right; look at the ERP"),
        "CAMPAIGN_CHANGED": ("a campanha foi alterada à mão", "the campaign was changed by hand"),
        "TARGET_CHANGED": (
            "o clube do job foi trocado depois do planejamento; inicie uma nova execução",
            "the job's club was changed after it was planned; start a new execution"
        ),
        "NOTHING_TO_COMPARE": (
            "não foi comparada: um dos lados veio vazio, ou os dois", "not compared: one side came empty, or both"
        ),
        "WINDOW_UNREADABLE": ("a listagem do clube tem um horário ilegível", "the club's listing has an unreadable time"),
        "SYNC_LIVE": (
            "não foi comparada: a sincronização da loja não terminou a tempo", "not compared: the store's sync did not end in time"
        ),
        "TOO_LATE": ("tarde demais para uma campanha de hoje", "too late for a campaign of today"),
        "STORE_UNKNOWN": ("a loja não existe", "there is no such store"),
        "STORE_INACTIVE": ("a loja está inativa", "the store is inactive"),
        "STORE_CONFIG": ("a configuração da loja não pode ser lida", "the store's configuration cannot be read"),
        "STORE_WITHOUT_DOCUMENT": ("a loja está sem documento (CNPJ)", "the store has no document"),
        "TIME_ZONE": ("o fuso horário da loja é desconhecido", "the store's time zone is not known"),
        "INTEGRATION": ("uma integração não pode ser usada; veja os logs", "an integration cannot be used; see the logs"),
        "CONFIGURATION": ("uma integração está mal configurada; veja os logs", "an integration is configured wrongly; see the logs"),
        "CONFIG": ("a configuração do job tem um erro; veja os logs", "the job's configuration is wrong; see the logs"),
        "CONFIG_UNREADABLE": ("a configuração do job não pode ser lida", "the job's configuration cannot be read"),
        "PARAMS_UNREADABLE": ("os parâmetros não podem ser lidos", "its params cannot be read"),
        "LOGIN_BUSY": ("o login feito por outro worker não terminou", "another worker's login did not end"),
        "RATE_LIMIT": ("esperou demais pela vez de fazer pedidos", "it waited too long for its turn to make requests"),
        "BREAKER_OPEN": ("o parceiro falhou vezes demais seguidas", "the partner failed too often in a row"),
        "QUARANTINED": (
            "três workers caíram em seguida ao executá-lo; não será repetido", "three workers in a row died of it; it is not repeated"
        ),
        "WORKER_LOST": ("o worker caiu", "its worker was lost"),
        "INTERRUPTED": ("foi interrompido", "it was interrupted"),
        "NO_SLOT": ("o worker não tinha lugar livre", "its worker had no free slot"),
        "DATABASE": ("o banco de dados recusou uma operação; veja os logs", "the database refused an operation; see the logs"),
        "DATABASE_AWAY": ("o banco de dados não respondeu", "the database did not answer"),
        "RESULT_REFUSED": ("o banco de dados recusou o resultado; veja os logs", "the database refused its result; see the logs"),
        "INTERNAL": ("erro interno; veja os logs", "an internal error; see the logs"),
        "JOB_DELETED": ("o job foi removido", "the job was removed"),
        "UNSUPPORTED": ("esta versão não executa este tipo de job", "this version does not run this type of job"),
        "NOOP_FAILED": ("falha pedida por um teste", "a drill asked for the failure"),
        "NOT_STARTED": ("o programa não pôde ser iniciado; veja os logs", "its program could not be started; see the logs"),
        "GUARD_LOST": (
            "o processo que vigiava o programa caiu", "the process that guards its program was lost"
        ),
        "CUSTOM_DIR": (
            "o worker não tem pasta de programas (CHIMERA_CUSTOM_DIR)", "the worker has no folder of programs (CHIMERA_CUSTOM_DIR)"
        ),
        "PROGRAM_NOT_FOUND": ("o programa não existe neste worker", "there is no such program on its worker"),
        "PROGRAM_REFUSED": (
            "o programa não pode ser usado (dono, permissões ou caminho); veja os logs",
            "the program may not be used (owner, rights or path); see the logs"
        ),
        "CHILDREN_FAILED": ("uma parte foi cancelada", "a part was cancelled"),
    ]
}
