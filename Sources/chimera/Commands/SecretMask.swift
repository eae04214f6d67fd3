import Runtime
import Secrets

/// What a mask stands for that comes back in a document which an operator was shown.
enum SecretMask {
    /// The document with every mask replaced by what stands at the same place of `earlier`, so that what was shown can be sent back.
    /// Throws `.badData` for a mask that stands for nothing.
    static func restored(_ document: JSONValue, from earlier: JSONValue?, path: String) throws(OperatorError) -> JSONValue {
        switch document {
        case .object(let members):
            var restored: [String: JSONValue] = [:]
            for (key, value) in members { restored[key] = try Self.restored(value, from: earlier?[key], path: "\(path).\(key)") }
            return .object(restored)
        case .array(let elements):
            var restored: [JSONValue] = []
            // In a list of another length nobody knows which element is which.
            let counterparts = earlier?.arrayValue.flatMap { $0.count == elements.count ? $0 : nil }
            for (index, element) in elements.enumerated() {
                restored.append(try Self.restored(element, from: counterparts?[index], path: "\(path)[\(index)]"))
            }
            return .array(restored)
        case .string(let text) where text.contains(Masking.mask):
            guard let earlier, stands(text, for: earlier) else {
                throw OperatorError(
                    exitCode: .badData,
                    message:
                        "\(path): \(Masking.mask) stands for a secret that is not there, or in a list of another length; write the secret itself"
                )
            }
            return earlier
        default: return document
        }
    }

    /// Whether `shown` is what the value looks like: the mask alone, or a text with masked parts. Which parts the one who showed it masked does
    /// not matter: all others are the value's.
    private static func stands(_ shown: String, for value: JSONValue) -> Bool {
        if shown == Masking.mask { return !value.isNull }
        guard var rest = value.stringValue.map({ $0[...] }) else { return false }
        let parts = shown.split(separator: Masking.mask, omittingEmptySubsequences: false)
        guard rest.count >= parts.reduce(0, { $0 + $1.count }), rest.hasPrefix(parts[0]), rest.hasSuffix(parts[parts.count - 1]) else {
            return false
        }
        rest = rest.dropFirst(parts[0].count).dropLast(parts[parts.count - 1].count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let place = rest.firstRange(of: part) else { return false }
            rest = rest[place.upperBound...]
        }
        return true
    }
}
