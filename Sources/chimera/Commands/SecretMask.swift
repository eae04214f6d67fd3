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
            for (index, element) in elements.enumerated() {
                let counterparts = earlier?.arrayValue ?? []
                let counterpart: JSONValue? = counterparts.dropFirst(index).first
                restored.append(try Self.restored(element, from: counterpart, path: "\(path)[\(index)]"))
            }
            return .array(restored)
        case .string(let text) where text.contains(Masking.mask):
            guard let earlier, stands(text, for: earlier) else {
                throw OperatorError(
                    exitCode: .badData, message: "\(path): \(Masking.mask) stands for a secret that is not there; write the secret itself")
            }
            return earlier
        default: return document
        }
    }

    /// Whether `shown` is what the value looks like: the mask alone, or a text with masked parts.
    private static func stands(_ shown: String, for value: JSONValue) -> Bool {
        if shown == Masking.mask { return !value.isNull }
        return value.stringValue.map { Masking.mask(text: $0) == shown } ?? false
    }
}
