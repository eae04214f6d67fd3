import Testing

@testable import Notifications

@Suite struct RenderingTests {
    @Test("Inserted text is escaped span by span, in Telegram's HTML and in mail")
    func escaping() {
        let text = MessageText([
            [.init("<b>A_B*&", .strong), .init(" & \"quotes\" </b>")], [], [.init("show '<1>'", .code), .init("", .strong)],
        ])
        #expect(
            text.telegramHTML(limit: 4096)
                == "<b>&lt;b&gt;A_B*&amp;</b> &amp; &quot;quotes&quot; &lt;/b&gt;\n\n<code>show '&lt;1&gt;'</code>")
        #expect(text.mailHTML.contains("<p><strong>&lt;b&gt;A_B*&amp;</strong> &amp; &quot;quotes&quot; &lt;/b&gt;</p>\n<p><code"))
        #expect(text.plain(limit: 4096) == "<b>A_B*& & \"quotes\" </b>\n\nshow '<1>'")
    }

    @Test("What is too long is cut at a line and says so; units are UTF-16's, markup and escapes counted")
    func cutting() {
        let line: MessageText.Line = [.init("😀&", .strong)]
        let text = MessageText(Array(repeating: line, count: 1000))
        // <b>😀&amp;</b> is 14 units, and each line has an end.
        for limit in [4096, 100, 46, 45, 31] {
            let html = text.telegramHTML(limit: limit)
            #expect(html.utf16.count <= limit)
            #expect(html.hasSuffix("</b>\n…"))
            #expect(html.components(separatedBy: "\n").dropLast().allSatisfy { $0 == "<b>😀&amp;</b>" })
            #expect(html.utf16.count + 16 > limit)
            #expect(text.plain(limit: limit).utf16.count <= limit)
        }
        #expect(MessageText([line, line]).telegramHTML(limit: 29) == "<b>😀&amp;</b>\n<b>😀&amp;</b>")
    }

    @Test("A line that alone is too long is cut between characters, and no tag and no escape is left open")
    func oneLongLine() {
        for count in [4090, 4096, 5000] {
            let text = MessageText([[.init(String(repeating: "&", count: count), .strong)], [.init("x")]])
            let html = text.telegramHTML(limit: 4096)
            #expect(html.utf16.count <= 4096 && html.hasSuffix("&amp;\n…"))
            #expect(html.replacing("&amp;", with: "").filter { $0 == "&" || $0 == "<" }.isEmpty)
        }
        let emoji = MessageText([[.init(String(repeating: "👨‍👩‍👧", count: 1000))]])
        #expect(emoji.plain(limit: 4096).dropLast(2).allSatisfy { $0 == "👨‍👩‍👧" })
        #expect(emoji.plain(limit: 4096).utf16.count <= 4096)
    }

    @Test("An empty text stays empty, and blank lines at the cut go")
    func edges() {
        #expect(MessageText().telegramHTML(limit: 10) == "")
        #expect(MessageText([[.init("a")], [], [], [.init("bbbbbbbb")]]).plain(limit: 8) == "a\n…")
    }
}
