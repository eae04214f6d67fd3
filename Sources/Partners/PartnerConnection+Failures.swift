import Networking
import Retail

/// The table of PARTNERS.md §3: what is permanent and what is tried again.
enum Permanence {
    /// How long to wait after a 429 that does not say.
    static let defaultRateLimitWait = Duration.seconds(60)

    /// Whether an answer with this status may be different next time.
    static func isRetryable(status: Int) -> Bool {
        status == 408 || status == 425 || status == 429 || (500...599).contains(status)
    }

    /// Whether a request that got this status may have taken effect all the same.
    static func mayHaveTakenEffect(status: Int) -> Bool {
        switch status {
        case 300...399, 400, 401, 403, 404, 405, 413, 415, 422, 425, 429: false
        default: true
        }
    }
}

extension PartnerConnection {
    /// A request that got no whole answer.
    func failure(_ failure: HTTPFailure, purpose: String) -> PartnerFailure {
        let (code, isRetryable): (String, Bool) =
            switch failure.kind {
            case .resolve, .connect: ("UNREACHABLE", true)
            case .tls: ("TLS_FAILED", true)
            case .timeout: ("TIMEOUT", true)
            case .reset: ("CONNECTION_LOST", true)
            case .cancelled: ("CANCELLED", true)
            case .bodyTooLarge: ("TOO_LARGE", false)
            case .malformed: ("NOT_HTTP", false)
            case .invalidRequest, .privateNetwork: ("CONFIGURATION", false)
            }
        let excerpt = quotesAnswers ? redactor.excerpt(cutShort: failure.beginning, bytes: Self.quotedBytes) : ""
        let quoted = excerpt.isEmpty ? "" : ". It begins: \(excerpt)"
        return PartnerFailure(
            code: code, message: sentence(purpose, redactor.line(failure.message) + quoted), isRetryable: isRetryable,
            mayHaveArrived: failure.mayHaveArrived)
    }

    /// An answer whose status says no; `status` may come from the body (`response.code` in a 200).
    func refusal(_ response: HTTPResponse, status: Int? = nil, messages: [String] = [], purpose: String) -> PartnerFailure {
        let status = status ?? response.status
        if (300...399).contains(status) { return redirect(response, purpose: purpose) }
        var wait = RetryAfter.duration(of: response)
        if status == 429 { wait = wait ?? Permanence.defaultRateLimitWait }
        let detail = PartnerMessages.joined(messages, redactor: redactor)
        return PartnerFailure(
            code: "HTTP_\(status)", message: sentence(purpose, "the partner answered \(status)\(detail.isEmpty ? "." : ": \(detail)")"),
            isRetryable: Permanence.isRetryable(status: status), retryAfter: Permanence.isRetryable(status: status) ? wait : nil,
            httpStatus: status, mayHaveArrived: Permanence.mayHaveTakenEffect(status: status))
    }

    /// Bytes of an answer that an error quotes.
    private static let quotedBytes = 200

    /// A permanent failure about the answer itself, with its first bytes; `subject`: what begins with them.
    func unusable(_ code: String, _ text: String, _ response: HTTPResponse, purpose: String, subject: String = "It") -> PartnerFailure {
        let excerpt = redactor.excerpt(response.body, bytes: Self.quotedBytes)
        let quoted = excerpt.isEmpty ? "" : " \(subject) begins: \(excerpt)"
        return PartnerFailure(
            code: code, message: sentence(purpose, "\(text).\(quoted)"), isRetryable: false, httpStatus: response.status)
    }

    /// A table that could not be read.
    func unusable(_ error: JSONTableError, _ response: HTTPResponse, purpose: String) -> PartnerFailure {
        switch error {
        case .empty: unusable("NOT_JSON", "the answer (\(response.status)) is empty", response, purpose: purpose)
        case .notJSON: unusable("NOT_JSON", "the answer (\(response.status)) is not JSON", response, purpose: purpose)
        case .notUTF8: unusable("NOT_UTF8", "the answer (\(response.status)) is not UTF-8", response, purpose: purpose)
        case .wrongShape: unusable("WRONG_SHAPE", "the answer's shape is not known", response, purpose: purpose)
        case .tooManyRows: unusable("TOO_LARGE", "the answer has too many rows", response, purpose: purpose)
        case .outOfMemory: unusable("TOO_LARGE", "the answer is too large to be read", response, purpose: purpose)
        }
    }

    private func redirect(_ response: HTTPResponse, purpose: String) -> PartnerFailure {
        let target = response.headers["location"].map { " to \(redactor.line(ShownURL.withoutQuery($0)))" } ?? ""
        let text = "the partner redirects (\(response.status))\(target), which is not followed; correct base_url or the path."
        return PartnerFailure(
            code: "REDIRECTED", message: sentence(purpose, text), isRetryable: false, httpStatus: response.status, mayHaveArrived: false)
    }
}
