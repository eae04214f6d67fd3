import Networking
import Retail
import Runtime
import Secrets

/// RP Services as a source of products (PARTNERS.md §1).
package struct RPSource: ProductSource {
    private let configuration: RPConfiguration
    private let connection: PartnerConnection
    private let tokens: any TokenVault
    private let logger: Logger
    private let reader = RPPageReader()

    /// A call for a page, on its way.
    private struct PageCall: Sendable {
        /// The code that the page follows.
        let cursor: Int64
        let token: String
        let exchange: HTTPExchange
    }

    /// An answer to the call for a page, not judged yet.
    private struct PageAnswer: Sendable {
        let response: HTTPResponse
        let token: String
        /// It masks the token too, should the partner repeat it.
        let connection: PartnerConnection
        let purpose: String
        /// The call for the page behind it, which went out when this one was whole.
        let next: PageCall?
    }

    /// Takes an integration of type RP, and what stood sealed in its configuration; throws a permanent failure that names the field when the
    /// configuration is wrong.
    package init(
        integration: Integration, secrets: [String] = [], client: HTTPClient, tokens: any TokenVault, logger: Logger = Logger(label: "rp")
    ) throws(PartnerFailure) {
        configuration = try RPConfiguration(integration)
        connection = PartnerConnection(
            integrationName: integration.name, settings: configuration.connection, client: client,
            redactor: Redactor(secrets: configuration.secrets + secrets))
        self.tokens = tokens
        self.logger = logger
    }

    /// Proves the credentials by a login, unless a shared token that is still good proves them already.
    package func logIn(gate: any RequestGate) async throws {
        guard case .login = configuration.authentication else { return }
        guard try await tokens.current() == nil else { return }
        _ = try await renew(refused: nil, gate: gate)
    }

    /// Whether there is a login at all (`auth_method` LOGIN).
    var hasLogin: Bool {
        if case .login = configuration.authentication { true } else { false }
    }

    /// Logs in whatever tokens are shared, and keeps the new one to itself.
    func logInAnew(gate: any RequestGate) async throws -> LoginToken {
        guard case .login(let path, let username, let password) = configuration.authentication else {
            throw connection.unneededLogin()
        }
        let login = RPLogin(
            connection: connection, path: path, username: username, password: password, tokenPaths: configuration.tokenPaths)
        return try await login.perform(gate: gate)
    }

    /// Reads all products of a unit; see `ProductSource`.
    ///
    /// The next page is asked for behind the last code that stands in the answer's text, the moment that the answer is whole. A page that turns
    /// out to end elsewhere has its next one asked for again, and from then on every page is parsed first.
    package func readProducts(
        unit: String, gate: any RequestGate, receive: @Sendable ([OfferedProduct]) async throws -> Void
    ) async throws {
        var cursor = PageCursor(maximumPages: configuration.maximumPages)
        var asksAhead = true
        var page = try await askForPage(unit: unit, after: 0, token: nil, gate: gate, ahead: cursor)
        while true {
            var next = page.next
            // The call that nobody waits for any more; one that is waited for ends with whoever waits.
            defer { next?.exchange.cancel() }
            let products = try await judge(page, gate: gate)
            guard let end = try advance(&cursor, over: products, of: page) else { break }
            page.response.body.discard()
            if let wrong = next, wrong.cursor != end {
                wrong.exchange.cancel()
                next = nil
                asksAhead = false
            }
            if next == nil {
                try await gate.admit()
                next = call(unit: unit, after: end, token: page.token)
            }
            try await receive(products)
            let begun = next
            next = nil
            page = try await askForPage(
                unit: unit, after: end, token: page.token, gate: gate, ahead: asksAhead ? cursor : nil, begun: begun)
        }
        logger.debug("read all products", ["unit": unit, "pages": "\(cursor.pageCount)"])
    }

    /// The products of a page that was answered to somebody else. Throws for what is none.
    package func products(in page: HTTPResponse) throws(PartnerFailure) -> [OfferedProduct] {
        try reader.products(in: page, connection: connection, purpose: "page")
    }

    /// One page: the products with the codes that follow `cursor`.
    func readPage(unit: String, after cursor: Int64, gate: any RequestGate) async throws -> [OfferedProduct] {
        try await judge(try await askForPage(unit: unit, after: cursor, token: nil, gate: gate), gate: gate)
    }

    /// What RP answers to the call for a page, to be judged. `known`: the token that the page before was read with; nil: the shared one.
    /// A token that RP refuses is renewed once. `ahead`: where the page begins, if the next one is to be asked for when this one is whole.
    /// `begun`: the call is on its way already.
    private func askForPage(
        unit: String, after cursor: Int64, token known: String?, gate: any RequestGate, ahead: PageCursor? = nil, begun: PageCall? = nil
    ) async throws -> PageAnswer {
        let token: String
        if let known { token = known } else { token = try await currentToken(gate: gate) }
        func request(_ token: String) async throws -> PageAnswer? {
            try await gate.admit()
            return try await answer(to: call(unit: unit, after: cursor, token: token), unit: unit, gate: gate, ahead: ahead)
        }
        let first =
            if let begun { try await answer(to: begun, unit: unit, gate: gate, ahead: ahead) } else { try await request(token) }
        if let first { return first }
        guard case .login = configuration.authentication else { throw refused(unit: unit, after: cursor) }
        if let second = try await request(try await renew(refused: token, gate: gate)) { return second }
        throw refused(unit: unit, after: cursor)
    }

    private func call(unit: String, after cursor: Int64, token: String) -> PageCall {
        let headers = [(name: configuration.tokenHeader, value: token), (name: "Accept", value: "application/json")]
        let request = connection.request(.get, configuration.pagePath(unit: unit, after: cursor), headers: headers)
        return PageCall(cursor: cursor, token: token, exchange: connection.client.begin(request))
    }

    /// Nil when the token was refused.
    private func answer(to page: PageCall, unit: String, gate: any RequestGate, ahead: PageCursor?) async throws -> PageAnswer? {
        let purpose = Self.purpose(unit: unit, after: page.cursor)
        let connection = connection.redacting(page.token)
        let (response, next) = try await connection.response(to: page.exchange, purpose: purpose, gate: gate) { response -> PageCall? in
            guard let ahead, response.isSuccess, let code = ahead.plausible(RPPageReader.lastCode(in: response.body)), gate.admitsNow()
            else { return nil }
            return call(unit: unit, after: code, token: page.token)
        }
        guard response.status == 401 else {
            return PageAnswer(response: response, token: page.token, connection: connection, purpose: purpose, next: next)
        }
        await gate.record(nil)
        return nil
    }

    /// The products of an answer.
    private func judge(_ answer: PageAnswer, gate: any RequestGate) async throws -> [OfferedProduct] {
        try await connection.judged(answer.response, gate: gate) { response throws(PartnerFailure) in
            guard response.isSuccess else {
                let messages = PartnerMessages.all(in: PartnerMessages.document(response.body))
                throw answer.connection.refusal(response, messages: messages, purpose: answer.purpose)
            }
            return try reader.products(in: response, connection: answer.connection, purpose: answer.purpose)
        }
    }

    /// Where the next page begins; nil: there is none. Throws a failure that quotes the page when it cannot be the one that was asked for.
    private func advance(
        _ cursor: inout PageCursor, over products: [OfferedProduct], of page: PageAnswer
    ) throws(PartnerFailure) -> Int64? {
        do throws(PageCursor.Defect) {
            return try cursor.advance(over: products)
        } catch {
            let (code, text) =
                switch error {
                case .noCodes: ("WRONG_SHAPE", "no product of the page has a Codigo that can be read")
                case .stuck(let position): ("CURSOR_STUCK", "the page does not lead beyond code \(position)")
                case .notAscending(let item, let before): ("NOT_ASCENDING", "code \(item) comes after \(before), but codes must ascend")
                case .tooManyPages:
                    ("TOO_MANY_PAGES", "more than \(cursor.maximumPages) pages; raise max_pages if the store is that large")
                }
            throw page.connection.unusable(code, text, page.response, purpose: page.purpose, subject: "The page")
        }
    }

    private func currentToken(gate: any RequestGate) async throws -> String {
        if case .token(let token) = configuration.authentication { return token }
        if let token = try await tokens.current() { return token }
        return try await renew(refused: nil, gate: gate)
    }

    private func renew(refused: String?, gate: any RequestGate) async throws -> String {
        try await tokens.renew(refused: refused) { try await logInAnew(gate: gate) }
    }

    private func refused(unit: String, after cursor: Int64) -> PartnerFailure {
        let text =
            switch configuration.authentication {
            case .login: "the partner refuses the token of a fresh login (401); check token_header and the user's rights."
            case .token: "the partner refuses static_token (401); enter a new one."
            }
        let message = connection.sentence(Self.purpose(unit: unit, after: cursor), text)
        return PartnerFailure(code: "TOKEN_REFUSED", message: message, isRetryable: false, httpStatus: 401, mayHaveArrived: false)
    }

    private static func purpose(unit: String, after cursor: Int64) -> String {
        "products of unit \(unit) after code \(cursor)"
    }
}

extension PartnerConnection {
    /// The same connection, which also masks a token.
    fileprivate func redacting(_ token: String) -> PartnerConnection {
        PartnerConnection(integrationName: integrationName, settings: settings, client: client, redactor: redactor.adding(token))
    }

    fileprivate func unneededLogin() -> PartnerFailure {
        PartnerFailure(
            code: "CONFIGURATION", message: sentence("login", "auth_method is TOKEN, so there is nothing to log in to."),
            isRetryable: false, mayHaveArrived: false)
    }
}
