import Networking
import Retail
import Runtime

/// What an answer of CresceVendas means before its list is looked at (PARTNERS.md §2 and §3).
enum CresceVendasAnswer {
    /// What speaks against an answer.
    enum Objection: Equatable {
        /// `response.code` counts as the HTTP status.
        case status(Int)
        /// `error` or `errors` in a 2xx.
        case error
        /// `response.code` is no number.
        case unreadableCode
    }

    /// Nil when the document of a 2xx answer says nothing against it.
    static func objection(in document: JSONValue) -> Objection? {
        let response = document["response"]
        if let code = response?["code"], !code.isNull {
            guard let number = code.intValue ?? code.stringValue.flatMap({ Int($0) }) else { return .unreadableCode }
            guard (200..<300).contains(number) else { return .status(number) }
        }
        let carried = [document, response].compactMap { $0 }.flatMap { [$0["error"], $0["errors"]] }
        return carried.contains(where: saysSomething) ? .error : nil
    }

    /// The same of a table's marks, for documents that are too large or too odd to be read whole.
    static func objection(code: JSONCell, errors: [JSONCell]) -> Objection? {
        if !code.isAbsent, !code.isNull {
            let number = code.isNumber ? code.wholeNumber : code.isString ? Int64(String(decoding: code.bytes, as: UTF8.self)) : nil
            guard let number else { return .unreadableCode }
            guard (200..<300).contains(number) else { return .status(Int(number)) }
        }
        return errors.contains { !($0.isAbsent || $0.isNull || $0.isFalse || $0.isEmpty) } ? .error : nil
    }

    /// `null`, `false`, `""`, `[]` and `{}` stand for "no error".
    private static func saysSomething(_ value: JSONValue?) -> Bool {
        switch value {
        case nil, .null, .bool(false): false
        case .string(let text): !text.isEmpty
        case .array(let elements): !elements.isEmpty
        case .object(let members): !members.isEmpty
        default: true
        }
    }
}

extension PartnerConnection {
    /// Throws unless the answer is 2xx and its document, if it is one, does not object.
    func accept(_ response: HTTPResponse, document: JSONValue?, purpose: String) throws(PartnerFailure) {
        let messages = PartnerMessages.all(in: document)
        guard response.isSuccess else { throw refusal(response, messages: messages, purpose: purpose) }
        guard let objection = document.flatMap({ CresceVendasAnswer.objection(in: $0) }) else { return }
        throw failure(objection, response, messages: messages, purpose: purpose)
    }

    /// A 2xx answer whose content says no.
    func failure(
        _ objection: CresceVendasAnswer.Objection, _ response: HTTPResponse, messages: [String], purpose: String
    ) -> PartnerFailure {
        switch objection {
        case .status(let status):
            return refusal(response, status: status, messages: messages, purpose: purpose)
        case .error:
            let detail = PartnerMessages.joined(messages, redactor: redactor)
            return PartnerFailure(
                code: "REFUSED", message: sentence(purpose, "the partner reports an error\(detail.isEmpty ? "." : ": \(detail)")"),
                isRetryable: false, httpStatus: response.status)
        case .unreadableCode:
            return unusable("WRONG_SHAPE", "response.code is no status", response, purpose: purpose)
        }
    }
}
