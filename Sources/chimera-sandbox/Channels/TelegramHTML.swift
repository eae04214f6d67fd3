/// Telegram's HTML: the few tags that its server takes, and the errors that it gives for everything else.
struct TelegramHTML {
    struct Refusal: Error {
        let description: String
    }

    private static let plainTags: Set<String> = [
        "b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "code", "pre", "blockquote", "tg-spoiler",
    ]

    /// What a reader sees.
    private(set) var text = ""
    private var bytes: ArraySlice<UInt8>
    private var open: [(name: String, offset: Int)] = []
    private var shown: [UInt8] = []

    /// Throws what the server says in `description`, without its beginning.
    init(_ source: String) throws(Refusal) {
        bytes = Array(source.utf8)[...]
        while let byte = bytes.first {
            switch byte {
            case UInt8(ascii: "<"): try readTag()
            case UInt8(ascii: "&"): readEntity()
            default:
                shown.append(byte)
                bytes.removeFirst()
            }
        }
        if let tag = open.last { throw Refusal(description: "Can't find end tag corresponding to start tag \"\(tag.name)\"") }
        text = String(decoding: shown, as: UTF8.self)
    }

    private mutating func readTag() throws(Refusal) {
        let offset = bytes.startIndex
        guard let end = bytes.firstIndex(of: UInt8(ascii: ">")) else {
            throw Refusal(description: "Unclosed start tag at byte offset \(offset)")
        }
        let inside = String(decoding: bytes[(offset + 1)..<end], as: UTF8.self)
        bytes = bytes[(end + 1)...]
        if inside.hasPrefix("/") {
            guard let last = open.popLast() else { throw Refusal(description: "Unexpected end tag at byte offset \(offset)") }
            guard inside.dropFirst().isEmpty || inside.dropFirst().lowercased() == last.name else {
                throw Refusal(
                    description: "Unmatched end tag at byte offset \(offset), expected \"</\(last.name)>\", found \"<\(inside)>\"")
            }
            return
        }
        let words = inside.split(separator: " ", maxSplits: 1)
        let name = words.first?.lowercased() ?? ""
        guard !name.isEmpty else { throw Refusal(description: "Empty tag name at byte offset \(offset)") }
        guard Self.takes(name, attributes: words.count == 2 ? String(words[1]) : "") else {
            throw Refusal(description: "Unsupported start tag \"\(name)\" at byte offset \(offset)")
        }
        open.append((name, offset))
    }

    private static func takes(_ name: String, attributes: String) -> Bool {
        switch name {
        case "a": attributes.hasPrefix("href=")
        case "span": attributes == #"class="tg-spoiler""#
        case "tg-emoji": attributes.hasPrefix("emoji-id=")
        case "code": attributes.isEmpty || attributes.hasPrefix(#"class="language-"#)
        case "blockquote": attributes.isEmpty || attributes == "expandable"
        default: plainTags.contains(name) && attributes.isEmpty
        }
    }

    /// A name that is none of the four stays as it is written.
    private mutating func readEntity() {
        let named: [(String, String)] = [("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"), ("&quot;", "\"")]
        for (entity, character) in named where bytes.starts(with: entity.utf8) {
            shown += Array(character.utf8)
            bytes.removeFirst(entity.utf8.count)
            return
        }
        if bytes.starts(with: "&#".utf8), let end = bytes.prefix(12).firstIndex(of: UInt8(ascii: ";")) {
            let digits = String(decoding: bytes[(bytes.startIndex + 2)..<end], as: UTF8.self)
            let number = digits.lowercased().hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
            if let scalar = number.flatMap({ Unicode.Scalar($0) }), scalar.value > 0 {
                shown += Array(String(Character(scalar)).utf8)
                bytes = bytes[(end + 1)...]
                return
            }
        }
        shown.append(bytes.removeFirst())
    }
}
