import Networking
import Retail
import Runtime

/// Reads an integration's `config` and says by name what is wrong with it.
struct ConfigurationFields: Sendable {
    let integration: Integration

    /// A permanent failure that names the integration and the field.
    func defect(_ sentence: String) -> PartnerFailure {
        PartnerFailure(
            // Behind a name such as CV-Token a colon would make a secret of the sentence.
            code: "CONFIGURATION",
            message: "Integration \(integration.name), configuration: \(sentence); correct it with 'chimera integration edit'.",
            isRetryable: false, mayHaveArrived: false)
    }

    /// The value at a dotted path; nil when it is absent or null.
    func value(_ path: String) -> JSONValue? {
        var value: JSONValue? = integration.config
        for key in path.split(separator: ".") { value = value?[String(key)] }
        return value?.isNull == true ? nil : value
    }

    /// A text; an empty one counts as absent.
    func text(_ path: String) throws(PartnerFailure) -> String? {
        guard let value = value(path) else { return nil }
        guard let text = value.stringValue else { throw defect("config.\(path) must be a text") }
        return text.isEmpty ? nil : text
    }

    func requiredText(_ path: String) throws(PartnerFailure) -> String {
        guard let text = try text(path) else { throw defect("config.\(path) is missing") }
        return text
    }

    func wholeNumber(_ path: String, in range: ClosedRange<Int>) throws(PartnerFailure) -> Int? {
        guard let value = value(path) else { return nil }
        guard let number = value.intValue, range.contains(number) else {
            throw defect("config.\(path) must be a whole number between \(range.lowerBound) and \(range.upperBound)")
        }
        return number
    }

    func flag(_ path: String) throws(PartnerFailure) -> Bool? {
        guard let value = value(path) else { return nil }
        guard let flag = value.boolValue else { throw defect("config.\(path) must be true or false") }
        return flag
    }

    func seconds(_ path: String) throws(PartnerFailure) -> Duration? {
        guard let value = value(path) else { return nil }
        guard let seconds = value.doubleValue, seconds >= 0.05, seconds <= 3600 else {
            throw defect("config.\(path) must be a number of seconds, at most 3600")
        }
        return .milliseconds(Int(seconds * 1000))
    }

    /// Refuses what stands in place of an object; its members would be taken for absent.
    func requireObject(_ path: String) throws(PartnerFailure) {
        guard value(path) == nil || value(path)?.objectValue != nil else { throw defect("config.\(path) must be an object") }
    }

    /// The members of an object as texts, by key; numbers and truth values are spelled out.
    func texts(_ path: String) throws(PartnerFailure) -> [(name: String, value: String)]? {
        guard let value = value(path) else { return nil }
        guard let members = value.objectValue else { throw defect("config.\(path) must be an object") }
        var result: [(name: String, value: String)] = []
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            switch member {
            case .string(let text): result.append((name, text))
            case .bool, .integer, .number: result.append((name, member.text))
            default: throw defect("config.\(path).\(name) must be a text")
            }
        }
        return result
    }

    /// Headers, checked as far as they can be before they are sent.
    func headers(_ path: String) throws(PartnerFailure) -> [(name: String, value: String)]? {
        guard let headers = try texts(path) else { return nil }
        for header in headers where !HTTPRequest.isHeader(name: header.name, value: header.value) {
            throw defect("config.\(path).\(header.name) is no header: it is empty or holds a line break")
        }
        return headers
    }

    func proxy() throws(PartnerFailure) -> String? {
        guard let proxy = try text("proxy") else { return nil }
        guard ProxyAddress.isUsable(proxy) else { throw defect("config.proxy must be an address such as http://proxy.example:3128") }
        return proxy
    }

    /// A path on the partner's server, with its leading slash.
    func path(_ key: String, default fallback: String) throws(PartnerFailure) -> String {
        let path = try text(key) ?? fallback
        guard !path.contains("://"), !path.contains("#"), path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw defect("config.\(key) must be a path such as \(fallback), without host, spaces and '#'")
        }
        return path.hasPrefix("/") ? path : "/" + path
    }

    /// The partner's address: the column `base_url`, else `config.base_url`, without a slash at its end.
    func baseURL() throws(PartnerFailure) -> String {
        var url = integration.baseURL.isEmpty ? try text("base_url") ?? "" : integration.baseURL
        while url.hasSuffix("/") { url.removeLast() }
        guard !url.isEmpty else { throw defect("base_url is missing") }
        let isWeb = url.hasPrefix("http://") || url.hasPrefix("https://")
        let isClean = url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } && !url.contains("?") && !url.contains("#")
        guard isWeb, isClean, ShownURL.origin(of: url).split(separator: "/").count == 2 else {
            throw defect("base_url must be an address such as http://10.0.0.5:9000, without query")
        }
        return url
    }
}
