extension MessageText {
    /// As Telegram's HTML with at most `limit` UTF-16 units, tags and escapes counted; what does not fit is left out.
    func telegramHTML(limit: Int) -> String { cut(to: limit, \.telegramHTML) }

    /// Without markup and with at most `limit` UTF-16 units; what does not fit is left out.
    func plain(limit: Int) -> String { cut(to: limit, \.text) }

    /// As the body of an HTML mail: a whole document.
    var mailHTML: String {
        var paragraphs: [[String]] = [[]]
        for line in lines {
            if line.allSatisfy({ $0.text.isEmpty }) {
                paragraphs.append([])
            } else {
                paragraphs[paragraphs.count - 1].append(line.map(\.mailHTML).joined())
            }
        }
        let body = paragraphs.filter { !$0.isEmpty }.map { "<p>\($0.joined(separator: "<br>\n"))</p>\n" }.joined()
        return """
            <!DOCTYPE html>
            <html>
            <head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>
            <body style="font-family: sans-serif; font-size: 16px; line-height: 1.4">
            \(body)</body>
            </html>

            """
    }

    /// All of it where it fits. Else lines from the top, one that is over-long shortened, a line that says that there was more, and the last one:
    /// the command to look further.
    private func cut(to limit: Int, _ shown: (Span) -> String) -> String {
        let whole = lines.map { $0.map(shown).joined() }.joined(separator: "\n")
        guard whole.utf16.count > limit else { return whole }
        let longest = limit / 4
        var last = lines.count > 1 ? Self.shorten(lines[lines.count - 1], to: longest, shown) : ""
        if !last.isEmpty { last = "\n" + last }
        var kept: [String] = []
        var left = limit - last.utf16.count - 2
        for line in lines.dropLast(lines.count > 1 ? 1 : 0) {
            let text = Self.shorten(line, to: longest, shown)
            guard text.utf16.count + 1 <= left else { break }
            left -= text.utf16.count + 1
            kept.append(text)
        }
        let isCut = kept.count < lines.count - 1
        while kept.last?.isEmpty == true { kept.removeLast() }
        return kept.joined(separator: "\n") + (isCut ? "\n…" : "") + last
    }

    /// A line, cut between characters and ended by `…` where it has more units than `limit`.
    private static func shorten(_ line: Line, to limit: Int, _ shown: (Span) -> String) -> String {
        let whole = line.map(shown).joined()
        guard whole.utf16.count > limit else { return whole }
        var text = ""
        var left = limit - 1
        for span in line {
            var kept = ""
            var units = shown(Span("x", span.style)).utf16.count - 1
            for character in span.text {
                units += shown(Span(String(character))).utf16.count
                guard units <= left else { return text + shown(Span(kept, span.style)) + "…" }
                kept.append(character)
            }
            text += shown(span)
            left -= units
        }
        return text
    }
}

extension MessageText.Span {
    fileprivate var telegramHTML: String {
        guard !text.isEmpty else { return "" }
        return switch style {
        case .plain: text.escapedForHTML
        case .strong: "<b>\(text.escapedForHTML)</b>"
        case .code: "<code>\(text.escapedForHTML)</code>"
        }
    }

    fileprivate var mailHTML: String {
        switch style {
        case .plain: text.escapedForHTML
        case .strong: "<strong>\(text.escapedForHTML)</strong>"
        case .code: "<code style=\"font-size: 14px\">\(text.escapedForHTML)</code>"
        }
    }
}

extension String {
    /// With every character that could begin markup written as an entity.
    fileprivate var escapedForHTML: String {
        var escaped = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
