extension MessageText {
    /// As Telegram's HTML with at most `limit` UTF-16 units, tags and escapes counted; what does not fit is left out by whole lines.
    func telegramHTML(limit: Int) -> String {
        Self.cut(lines.map { $0.map(\.telegramHTML).joined() }, limit: limit) { index in
            // The first line alone is too long: its text, without its style, up to where it fits.
            var shortened = ""
            var units = 0
            for character in lines[index].map(\.text).joined() {
                let escaped = String(character).escapedForHTML
                units += escaped.utf16.count
                if units > limit - 2 { break }
                shortened += escaped
            }
            return shortened
        }
    }

    /// Without markup and with at most `limit` UTF-16 units; what does not fit is left out by whole lines.
    func plain(limit: Int) -> String {
        let texts = lines.map { $0.map(\.text).joined() }
        return Self.cut(texts, limit: limit) { index in
            var shortened = ""
            for character in texts[index] {
                if shortened.utf16.count + character.utf16.count > limit - 2 { break }
                shortened.append(character)
            }
            return shortened
        }
    }

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

    /// Lines from the top as long as they fit, then a line that says that there was more.
    private static func cut(_ lines: [String], limit: Int, shortened: (Int) -> String) -> String {
        let whole = lines.joined(separator: "\n")
        if whole.utf16.count <= limit { return whole }
        var kept: [String] = []
        var units = 0
        for line in lines {
            guard units + line.utf16.count + 3 <= limit else { break }
            units += line.utf16.count + 1
            kept.append(line)
        }
        while kept.last?.isEmpty == true { kept.removeLast() }
        return kept.isEmpty ? shortened(lines.firstIndex { !$0.isEmpty } ?? 0) + "\n…" : kept.joined(separator: "\n") + "\n…"
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
