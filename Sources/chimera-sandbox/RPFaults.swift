/// Faults that only RP has (PARTNERS §1, §3).
enum RPFaults {
    static let all: [Fault] = tokens + logins + envelopes + lists + rows

    private static let products: Set<Endpoint> = [.rpList, .rpProduct]

    private static let tokens: [Fault] = [
        Fault(
            name: "rp-401", meaning: "products: HTTP 401 in RP's own shape, the token stays good", endpoints: products,
            deed: .instead { .answer(RPAnswers.unauthorized) }),
        Fault(
            name: "rp-401-once", meaning: "the same, one call only", endpoints: products, usualCount: 1,
            deed: .instead { .answer(RPAnswers.unauthorized) }),
        Fault(
            name: "rp-401-always", meaning: "the same, every call", endpoints: products, deed: .instead { .answer(RPAnswers.unauthorized) }),
        Fault(
            name: "rp-401-mid-pages", meaning: "the same, only for pages after the first", endpoints: [.rpList], onlyLaterPages: true,
            deed: .instead { .answer(RPAnswers.unauthorized) }),
        Fault(
            name: "rp-token-expired", meaning: "every token issued so far is refused from then on; one call only", endpoints: products,
            usualCount: 1, deed: .tokensExpire),
        Fault(
            name: "rp-token-expired-mid-pages", meaning: "the same, at a page after the first", endpoints: [.rpList], usualCount: 1,
            onlyLaterPages: true, deed: .tokensExpire),
    ]

    private static let logins: [Fault] = [
        Fault(
            name: "rp-login-500", meaning: "login: HTTP 500 with error and stackTrace, as for a wrong password", endpoints: [.rpLogin],
            deed: .instead { .answer(RPAnswers.wrongPassword) }),
        Fault(
            name: "rp-login-error-200", meaning: "login: HTTP 200 with status error", endpoints: [.rpLogin],
            deed: .instead { .answer(RPAnswers.businessError(["Falha ao autenticar"])) }),
        Fault(
            name: "rp-login-empty-token", meaning: "login: the token is an empty string", endpoints: [.rpLogin], deed: .login(.emptyToken)),
        Fault(name: "rp-login-no-token", meaning: "login: status ok, no token", endpoints: [.rpLogin], deed: .login(.missingToken)),
        Fault(
            name: "rp-login-token-elsewhere", meaning: "login: v1.1 answers in the shape of v1.2, and the other way round",
            endpoints: [.rpLogin], deed: .login(.tokenElsewhere)),
        Fault(
            name: "rp-login-odd-expiration", meaning: "login: tokenExpiration is not a date", endpoints: [.rpLogin],
            deed: .login(.oddExpiration)),
        Fault(name: "rp-login-short-life", meaning: "login: the token lives two seconds", endpoints: [.rpLogin], deed: .login(.shortLife)),
        Fault(
            name: "rp-login-kills-older", meaning: "login: a new token ends all older ones", endpoints: [.rpLogin],
            deed: .login(.killsOlderTokens)),
    ]

    private static func businessError() -> Reply {
        .answer(
            RPAnswers.businessError([
                "Falha ao carregar dados", "Exception: org.postgresql.util.PSQLException: canceling statement due to user request",
                "StackTrace: br.com.rpinfo.services.produto.Lista.carrega(Lista.java:212)",
            ]))
    }

    private static let envelopes: [Fault] = [
        Fault(
            name: "rp-error-200", meaning: "products: HTTP 200 with status error and three messages", endpoints: products,
            deed: .instead { businessError() }),
        Fault(
            name: "rp-error-mid-pages", meaning: "the same, only for pages after the first", endpoints: [.rpList], onlyLaterPages: true,
            deed: .instead { businessError() }),
        Fault(
            name: "rp-missing-list-key", meaning: "list: status ok without produtos", endpoints: [.rpList],
            deed: .instead { envelope(#"{"response":{"status":"ok","messages":[]}}"#) }),
        Fault(
            name: "rp-list-null", meaning: "list: produtos is null", endpoints: [.rpList],
            deed: .instead { envelope(#"{"response":{"status":"ok","produtos":null}}"#) }),
        Fault(
            name: "rp-missing-status", meaning: "list: an empty produtos without a status", endpoints: [.rpList],
            deed: .instead { envelope(#"{"response":{"produtos":[]}}"#) }),
        Fault(
            name: "rp-response-not-object", meaning: "list: response is an empty array", endpoints: [.rpList],
            deed: .instead { envelope(#"{"response":[]}"#) }),
    ]

    private static func envelope(_ text: String) -> Reply { .answer(.text(200, text, type: "application/json; charset=utf-8")) }

    private static func list(_ name: String, _ meaning: String, _ quirk: PageQuirk, onlyLaterPages: Bool = false) -> Fault {
        Fault(name: name, meaning: "list: " + meaning, endpoints: [.rpList], onlyLaterPages: onlyLaterPages, deed: .page(quirk))
    }

    private static let lists: [Fault] = [
        list("rp-cursor-stuck", "a page after the first ends with the product that the cursor names", .cursorStuck, onlyLaterPages: true),
        list("rp-same-page-forever", "every page is the first", .samePage),
        list("rp-short-pages", "pages hold fewer products than asked for", .shortPage),
        list("rp-unsorted", "the first two products of a page change places", .unsorted),
        list("rp-item-on-two-pages", "a page begins with the product that ended the last", .itemOnTwoPages, onlyLaterPages: true),
        list("rp-duplicate-same", "a good product stands on a page twice, identical", .duplicateSame),
        list("rp-duplicate-different", "a good product stands on a page twice, with two club prices", .duplicateDifferent),
        list("rp-empty", "empty with status ok, as at the end", .empty),
        list("rp-half-catalogue", "every second product is missing", .halfCatalogue),
        list("rp-zero-prices", "every club price is 0", .zeroPrices),
        list("rp-list-lags", "prices set by hand are not shown yet (the single product shows them)", .lagsBehind),
        list("rp-never-ends", "made-up products follow for ever, one a page", .neverEnds),
    ]

    private static let rows: [Fault] = [
        list("rp-comma-price", "every price is a string with a comma, \"8,90\"", .commaPrices),
        list("rp-blocked-bool", "Bloqueado is true or false, as in old versions", .blockedAsBool),
        list("rp-unreadable-price", "one good product a page has the club price \"abc\"", .unreadablePrice),
        list("rp-null-price", "one good product a page has the club price null", .nullPrice),
        list("rp-negative-price", "one good product a page has the club price -1.5", .negativePrice),
        list("rp-huge-number", "one good product a page has the club price 1e400", .hugeNumber),
        list("rp-code-too-large", "one good product a page has the code 9223372036854775809", .codeTooLarge),
        list("rp-code-zero", "one good product a page has the code 0", .codeZero),
        list("rp-lone-surrogate", "one good product a page has a lone surrogate in its name", .loneSurrogate),
        list("rp-nul-in-text", "one good product a page has \\u0000 in its name", .nulInText),
        list("rp-duplicate-keys", "one good product a page has Codigo and PrecoVenda2 twice", .duplicateKeys),
    ]
}
