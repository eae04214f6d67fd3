import Networking
import Secrets

extension Redactor {
    /// Bytes of an answer that are kept with an upload (PARTNERS.md §2).
    static let excerptBytes = 2048

    /// The answer's first bytes; secrets are looked for beyond the cut, so that no half of one is left.
    func excerpt(_ body: ResponseBody, bytes limit: Int = excerptBytes) -> String {
        let text = String(decoding: body.prefix(limit + longestByteCount + 1024), as: UTF8.self)
        return cut(line(text), toBytes: limit)
    }

    /// The first bytes of an answer that ended where nobody looked for secrets: half of one may stand there, so its end is left out.
    func excerpt(cutShort beginning: [UInt8], bytes limit: Int) -> String {
        guard !beginning.isEmpty else { return "" }
        let text = line(String(decoding: beginning, as: UTF8.self))
        return cut(text, toBytes: min(limit, max(0, text.utf8.count - longestByteCount)))
    }

    private func cut(_ text: String, toBytes limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var end = text.startIndex
        var used = 0
        for index in text.indices {
            used += text[index].utf8.count
            if used > limit { break }
            end = text.index(after: index)
        }
        return String(text[..<end])
    }
}
