import Runtime
import Testing

/// Text that others read as commands: what has a meaning to them is found, whatever stands behind it.
@Suite struct TextTests {
    @Test(
        "a word of a command that is shown to be copied is one word to a shell, and what it was",
        arguments: [
            ("sync-products", "sync-products"), ("http://[::1]:80/a_b.c@d+e", "'http://[::1]:80/a_b.c@d+e'"), ("", "''"), ("a b", "'a b'"),
            ("it's", #"'it'\''s'"#), ("it'\u{301}; rm x", #"'it'\''"# + "\u{301}; rm x'"), ("ação", "'ação'"),
        ])
    func shell(word: String, shown: String) {
        #expect(shellWord(word) == shown)
    }

    @Test("a text is replaced also where a combining mark follows it")
    func marks() {
        #expect("\\\u{670}\\".replacingScalars("\\", with: "//") == "//\u{670}//")
        #expect("pw\u{301} pw".replacingScalars("pw", with: "••••") == "••••\u{301} ••••")
        #expect("aaa".replacingScalars("aa", with: "b") == "ba" && "x".replacingScalars("", with: "") == "x")
    }
}
