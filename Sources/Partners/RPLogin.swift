import Foundation
import Networking
import Retail
import Runtime

/// The login of RP Services (PARTNERS.md §1).
struct RPLogin: Sendable {
    private static let purpose = "login"
    private static let maximumAnswerBytes = 256 << 10
    /// A token is given up this long before it ends.
    private static let margin = Duration.seconds(60)

    let connection: PartnerConnection
    let path: String
    let username: String
    let password: String
    let tokenPaths: [String]

    /// Logs in; a wrong password is a permanent failure.
    func perform(gate: any RequestGate) async throws -> LoginToken {
        let headers = [(name: "Content-Type", value: "application/json"), (name: "Accept", value: "application/json")]
        var request = connection.request(.post, path, headers: headers)
        request.maximumBodyBytes = min(request.maximumBodyBytes, Self.maximumAnswerBytes)
        let credentials: JSONValue = ["usuario": .string(username), "senha": .string(password)]
        request.body = Array(credentials.text.utf8)
        // The answer may hold a token anywhere.
        return try await connection.withoutQuotes.exchange(request, purpose: Self.purpose, gate: gate, judge: judge)
    }

    /// What an answer to the login means.
    func judge(_ response: HTTPResponse) throws(PartnerFailure) -> LoginToken {
        let document = PartnerMessages.document(response.body)
        let messages = PartnerMessages.all(in: document)
        guard response.isSuccess else {
            let isRefusal =
                response.status == 401 || response.status == 403 || (response.status == 500 && document?["error"]?.stringValue != nil)
            guard isRefusal else { throw connection.refusal(response, messages: messages, purpose: Self.purpose) }
            throw refused(response, messages)
        }
        guard let document else {
            throw unusable("NOT_JSON", "the answer (\(response.status)) is not JSON.", response)
        }
        if let status = document["response"]?["status"]?.stringValue, status != "ok" {
            throw RPEnvelope.failure(messages, response, connection: connection, purpose: Self.purpose)
        }
        guard let token = token(in: document) else {
            let text = "the answer holds no token at \(tokenPaths.joined(separator: " or ")); correct token_response_field."
            throw unusable("LOGIN_WITHOUT_TOKEN", text, response)
        }
        return LoginToken(token: token, lifetime: lifetime(in: document, answeredAt: response.headers["date"]))
    }

    private func refused(_ response: HTTPResponse, _ messages: [String]) -> PartnerFailure {
        let detail = PartnerMessages.joined(messages, redactor: connection.redactor)
        let text = "the partner refuses user name or password (\(response.status))\(detail.isEmpty ? "." : ": \(detail)")"
        return PartnerFailure(
            code: "LOGIN_REFUSED", message: connection.sentence(Self.purpose, text), isRetryable: false, httpStatus: response.status)
    }

    /// The answer may hold a token anywhere: it is not quoted.
    private func unusable(_ code: String, _ text: String, _ response: HTTPResponse) -> PartnerFailure {
        PartnerFailure(code: code, message: connection.sentence(Self.purpose, text), isRetryable: false, httpStatus: response.status)
    }

    private func token(in document: JSONValue) -> String? {
        for path in tokenPaths {
            var value: JSONValue? = document
            for key in path.split(separator: ".") { value = value?[String(key)] }
            if let token = value?.stringValue, !token.isEmpty { return token }
        }
        return nil
    }

    /// `tokenExpiration` is São Paulo's wall time without a zone (UTC-3 since 2019), read against the partner's own clock where the
    /// answer's `Date` shows it; a lifetime that makes no sense is none.
    private func lifetime(in document: JSONValue, answeredAt date: String?) -> Duration? {
        let response = document["response"]
        let text = response?["tokenExpiration"]?.stringValue ?? response?["content"]?["tokenExpiration"]?.stringValue
        guard let text, let end = Self.secondsSince1970(text) else { return nil }
        let now = date.flatMap { HTTPDate.secondsSince1970($0) } ?? Int(Date().timeIntervalSince1970)
        let lifetime = Duration.seconds(end - now) - Self.margin
        return lifetime > .zero && lifetime <= .seconds(86_400) ? lifetime : nil
    }

    /// Reads `dd/MM/yyyy HH:mm:ss` as UTC-3; nil when no clock and no calendar shows it.
    static func secondsSince1970(_ text: String) -> Int? {
        let parts = text.split { $0 == "/" || $0 == " " || $0 == ":" || $0 == "-" }.compactMap { Int($0) }
        guard parts.count == 6, (1970...9999).contains(parts[2]), let utc = TimeZone(secondsFromGMT: 0) else { return nil }
        var components = DateComponents()
        (components.day, components.month, components.year) = (parts[0], parts[1], parts[2])
        (components.hour, components.minute, components.second) = (parts[3], parts[4], parts[5])
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = utc
        guard components.isValidDate(in: calendar), let date = calendar.date(from: components) else { return nil }
        return Int(date.timeIntervalSince1970) + 3 * 3600
    }
}
