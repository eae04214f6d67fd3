/// Why a text is no cron pattern.
package struct CronPatternError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The field at fault: `second`, `minute`, `hour`, `day of month`, `month`, `day of week`, `number of fields`, `nickname`
    /// (what begins with `@`) or `characters`.
    package let field: String
    /// The offending text, printable and at most 40 characters long.
    package let text: String
    /// What is wrong with it and what may stand there.
    package let allowed: String

    init(field: String, text: String, allowed: String) {
        self.field = field
        self.text = printable(text)
        self.allowed = allowed
    }

    /// One sentence with the field, the text and what is allowed.
    package var description: String {
        "The cron pattern is wrong in its \(field), \"\(text)\": \(allowed)."
    }
}

/// A foreign text made fit for a message: control characters and quotes become `?`, and at most 40 characters remain.
func printable(_ text: String) -> String {
    var shown = ""
    for scalar in text.unicodeScalars.prefix(41) {
        let isPlain = scalar.value >= 0x20 && scalar.value < 0x7F && scalar != "\""
        shown.unicodeScalars.append(isPlain ? scalar : "?")
    }
    return shown.unicodeScalars.count > 40 ? String(shown.prefix(39)) + "…" : shown
}
