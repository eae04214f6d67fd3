import Runtime

/// A partner system as its row in `integrations` describes it, with every secret already decrypted.
package struct Integration: Sendable {
    /// The row's id.
    package let id: Int
    /// The name that operators use.
    package let name: String
    /// `RP`, `CRESCEVENDAS`, …
    package let type: String
    /// The column `base_url`, which wins over `config.base_url`; neither ends in a slash. Empty when the row names none.
    package let baseURL: String
    /// The column `config` with `enc:v1:` strings replaced by what they hold. Never log it.
    package let config: JSONValue

    /// Takes a row whose secrets are already opened.
    package init(id: Int, name: String, type: String, baseURL: String, config: JSONValue) {
        self.id = id
        self.name = name
        self.type = type
        self.baseURL = baseURL
        self.config = config
    }
}

/// What a partner's client asks before and tells after every request, so that leases, rates and the circuit breaker hold
/// for all requests of all workers.
package protocol RequestGate: Sendable {
    /// Returns when a request may be sent now; throws when the run no longer holds its lease, was cancelled, or the breaker is open.
    func admit() async throws
    /// Whether a request may be sent at this very moment: like `admit`, for who cannot wait. False says only that `admit` is to be asked.
    func admitsNow() -> Bool
    /// Tells how a request ended: `passing` is true for a failure that may pass (PARTNERS §3), nil for an answer the partner gave.
    func record(_ failure: PartnerFailure?) async
}

/// The token of a partner's login, shared by all that talk to that partner.
package protocol TokenVault: Sendable {
    /// The token that is good as far as is known, or nil.
    func current() async throws -> String?
    /// Logs in with `login` unless somebody has replaced the `refused` token meanwhile; one login at a time for an integration.
    func renew(refused: String?, login: @Sendable () async throws -> LoginToken) async throws -> String
}

/// What a login gave.
package struct LoginToken: Sendable {
    /// What goes into the request header.
    package let token: String
    /// How long the token is good, measured from its receipt; nil when the partner did not say.
    package let lifetime: Duration?

    /// Takes what the login answered.
    package init(token: String, lifetime: Duration?) {
        self.token = token
        self.lifetime = lifetime
    }
}

/// Why a call to a partner failed, in the operator's words.
package struct PartnerFailure: Error, Sendable, CustomStringConvertible {
    /// A stable word for machines: `UNREACHABLE`, `HTTP_503`, `LOGIN_REFUSED`, `NOT_JSON`, `TOO_LARGE`, `CURSOR_STUCK` …
    package let code: String
    /// One sentence without secrets and without URLs that hold any: what happened, with the partner's message when it gave one.
    package let message: String
    /// Whether trying again later may help (PARTNERS §3).
    package let isRetryable: Bool
    /// How long the partner asked to wait, at most an hour.
    package let retryAfter: Duration?
    /// The HTTP status, when there was an answer.
    package let httpStatus: Int?
    /// Whether the request may have reached the partner and taken effect: false only when it surely did not.
    package let mayHaveArrived: Bool
    /// The beginning of the answer, redacted, where it is kept with what was sent.
    package private(set) var excerpt: String?

    /// Takes the facts; an answer of unknown effect may have arrived.
    package init(
        code: String, message: String, isRetryable: Bool, retryAfter: Duration? = nil, httpStatus: Int? = nil,
        mayHaveArrived: Bool = true
    ) {
        self.code = code
        self.message = message
        self.isRetryable = isRetryable
        self.retryAfter = retryAfter
        self.httpStatus = httpStatus
        self.mayHaveArrived = mayHaveArrived
    }

    /// The sentence.
    package var description: String { message }

    /// The same with the beginning of the answer; an empty one is none.
    package func quoting(_ excerpt: String) -> PartnerFailure {
        var quoting = self
        quoting.excerpt = excerpt.isEmpty ? nil : excerpt
        return quoting
    }
}
