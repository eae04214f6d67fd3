import Networking
import Runtime

/// Why a channel's config cannot be used until somebody mends it: part of a sentence that names the field.
struct ChannelConfigDefect: Error, Hashable {
    let reason: String
}

/// Reads a channel's `config` and says by name what is wrong with it.
struct ChannelFields: Sendable {
    let channel: OpenChannel

    func defect(_ sentence: String) -> ChannelConfigDefect {
        ChannelConfigDefect(reason: "\(sentence); correct it with 'chimera channel edit'")
    }

    /// Nil when it is absent or null.
    func value(_ key: String) -> JSONValue? {
        guard let value = channel.config[key], !value.isNull else { return nil }
        return value
    }

    /// A text; an empty one counts as absent.
    func text(_ key: String) throws(ChannelConfigDefect) -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value.stringValue else { throw defect("config.\(key) must be a text") }
        return text.isEmpty ? nil : text
    }

    func requiredText(_ key: String) throws(ChannelConfigDefect) -> String {
        guard let text = try text(key) else { throw defect("config.\(key) is missing") }
        return text
    }

    /// One text or a list of them; empty when it is absent.
    func texts(_ key: String) throws(ChannelConfigDefect) -> [String] {
        guard let value = value(key) else { return [] }
        if let text = value.stringValue { return text.isEmpty ? [] : [text] }
        guard let elements = value.arrayValue else { throw defect("config.\(key) must be a list of texts") }
        var texts: [String] = []
        for element in elements {
            guard let text = element.stringValue else { throw defect("config.\(key) must be a list of texts") }
            texts.append(text)
        }
        return texts
    }

    func flag(_ key: String) throws(ChannelConfigDefect) -> Bool? {
        guard let value = value(key) else { return nil }
        guard let flag = value.boolValue else { throw defect("config.\(key) must be true or false") }
        return flag
    }

    func proxy() throws(ChannelConfigDefect) -> String? {
        guard let proxy = try text("proxy") else { return nil }
        guard ProxyAddress.isUsable(proxy) else { throw defect("config.proxy must be an address such as http://proxy.example:3128") }
        return proxy
    }

    /// An absolute http or https address, without a slash at its end.
    func webAddress(_ key: String, _ text: String) throws(ChannelConfigDefect) -> String {
        let isWeb = text.hasPrefix("http://") || text.hasPrefix("https://")
        guard isWeb, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), ShownURL.origin(of: text).split(separator: "/").count == 2 else {
            throw defect("config.\(key) must be an address such as https://example.com/path")
        }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }
}

extension ChannelTransport {
    /// Runs what sends a message; a config that cannot be used refuses it with the field's name.
    func orDefect(_ body: () async throws(ChannelConfigDefect) -> DeliveryOutcome) async -> DeliveryOutcome {
        do throws(ChannelConfigDefect) {
            return try await body()
        } catch {
            return .refused(reason: error.reason)
        }
    }
}
