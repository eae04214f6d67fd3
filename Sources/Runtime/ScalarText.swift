extension String {
    /// The same with every occurrence of `text` replaced, also one that a combining mark follows: `replacing` compares whole characters, and to
    /// it a quote or a secret's end with a mark is another character.
    package func replacingScalars(_ text: String, with replacement: String) -> String {
        String(unicodeScalars.replacing(text.unicodeScalars, with: replacement.unicodeScalars))
    }
}
