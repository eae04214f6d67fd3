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

    @Test("What is too long is cut at a line and says so before its last line; units are UTF-16's, markup and escapes counted")
    func cutting() {
        let line: MessageText.Line = [.init("😀&", .strong)]
        let text = MessageText(Array(repeating: line, count: 1000) + [[.init("show 1", .code)]])
        // <b>😀&amp;</b> is 14 units, and each line has an end.
        for limit in [4096, 100, 91] {
            let html = text.telegramHTML(limit: limit)
            #expect(html.utf16.count <= limit)
            #expect(html.hasSuffix("</b>\n…\n<code>show 1</code>"))
            #expect(html.components(separatedBy: "\n").dropLast(2).allSatisfy { $0 == "<b>😀&amp;</b>" })
            #expect(html.utf16.count + 16 > limit)
            #expect(text.plain(limit: limit).utf16.count <= limit)
        }
        #expect(MessageText([line, line]).telegramHTML(limit: 29) == "<b>😀&amp;</b>\n<b>😀&amp;</b>")
    }

    @Test("A line that is too long is cut between characters and costs none of the others; no tag and no escape is left open")
    func oneLongLine() {
        for count in [4090, 4096, 5000] {
            let long: MessageText.Line = [.init("• "), .init(String(repeating: "&", count: count), .strong), .init(": why")]
            let html = MessageText([[.init("first")], long, long, long, [.init("2 of 3")], [.init("show <1>", .code)]]).telegramHTML(
                limit: 4096)
            #expect(html.utf16.count <= 4096)
            let lines = html.components(separatedBy: "\n")
            #expect(lines.count == 6 && lines[0] == "first" && lines[4] == "2 of 3" && lines[5] == "<code>show &lt;1&gt;</code>")
            for line in lines[1...3] {
                #expect(line.hasPrefix("• <b>&amp;") && line.hasSuffix("&amp;</b>…") && line.utf16.count > 1010)
                #expect(line.replacing("&amp;", with: "") == "• <b></b>…")
            }
        }
        let emoji = MessageText([[.init(String(repeating: "👨‍👩‍👧", count: 1000))]])
        #expect(emoji.plain(limit: 4096).dropLast().allSatisfy { $0 == "👨‍👩‍👧" } && emoji.plain(limit: 4096).hasSuffix("…"))
        #expect(emoji.plain(limit: 4096).utf16.count <= 4096)
    }

    @Test("An empty text stays empty, and blank lines at the cut go")
    func edges() {
        #expect(MessageText().telegramHTML(limit: 10) == "")
        let long: MessageText.Line = [.init("bbbbbbbbbbbbbbbb")]
        #expect(MessageText([[.init("a")], [], [], long, long, long, [.init("c")]]).plain(limit: 16) == "a\n\n\nbbb…\n…\nc")
        #expect(MessageText([[.init("a")], [], [], long, [.init("c")]]).plain(limit: 8) == "a\n…\nc")
    }
}
