import Runtime

/// The secrets that a program was given: they are hidden in what it writes, as they are and as JSON and URLs spell them, besides what looks like
/// a secret anyway.
struct SecretTexts: Sendable {
    private static let hidden = "••••"
    private let texts: [String]
    private let mask: @Sendable (String) -> String

    /// `environment` as the program gets it, `configured` as it stands in the configuration; `mask` hides what looks like a secret.
    init(in environment: [String: String], configured: [String: String], mask: @escaping @Sendable (String) -> String) {
        var texts: Set<String> = []
        for (name, value) in environment where value != configured[name] || Self.isSecret(name, mask) || mask(value) != value {
            // Output comes line by line. Shorter than four characters they are too common to be looked for.
            for line in [value] + value.split(whereSeparator: \.isNewline).map(String.init) where line.count >= 4 {
                texts.formUnion(line.spellings.filter { $0.count >= 4 })
            }
        }
        self.texts = texts.sorted { $0.count > $1.count }
        self.mask = mask
    }

    /// The text without them.
    @Sendable func hide(_ text: String) -> String {
        var result = text
        for secret in texts { result = result.hiding(secret, as: Self.hidden) }
        return mask(result)
    }

    /// A document fit to be kept: keys, strings and numbers are masked, and what stands under a key that says secret, but for a number: that is a
    /// count (`passed`), unless it is a secret itself.
    static func shown(_ document: JSONValue, _ mask: (String) -> String) -> JSONValue {
        switch document {
        case .string(let text): .string(mask(text))
        case .integer, .number: mask(document.text) == document.text ? document : .string(hidden)
        case .array(let elements): .array(elements.map { shown($0, mask) })
        case .object(let members):
            .object(
                members.reduce(into: [:]) { result, member in
                    let mayBeSecret =
                        switch member.value {
                        case .string, .array, .object: true
                        default: false
                        }
                    result[mask(member.key)] = mayBeSecret && isSecret(member.key, mask) ? .string(hidden) : shown(member.value, mask)
                })
        default: document
        }
    }

    /// Whether a name says that its value is a secret.
    private static func isSecret(_ name: String, _ mask: (String) -> String) -> Bool { mask("\(name)=x") == "\(name)=\(hidden)" }
}
