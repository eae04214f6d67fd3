/// A text for a phone: lines of spans. Nothing in it is escaped; whoever renders it escapes every span's text for its own format.
package struct MessageText: Sendable, Hashable {
    /// How a span stands out.
    package enum Style: Sendable, Hashable {
        case plain
        /// Telegram's and HTML's `<b>`.
        case strong
        /// Something to copy, such as a command: `<code>`.
        case code
    }

    /// A piece of a line in one style; it holds no line break and no control character.
    package struct Span: Sendable, Hashable {
        /// The text.
        package let text: String
        /// How it stands out.
        package let style: Style

        /// Takes the text on one line: line breaks, control characters and marks that turn the direction of writing become blanks.
        package init(_ text: String, _ style: Style = .plain) {
            self.text = String(String.UnicodeScalarView(text.unicodeScalars.map { Self.isShown($0) ? $0 : " " }))
            self.style = style
        }

        private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: false
            default: !(0x202A...0x202E).contains(scalar.value) && !(0x2066...0x2069).contains(scalar.value)
            }
        }
    }

    /// One line; an empty one separates paragraphs.
    package typealias Line = [Span]

    /// From top to bottom, the most important first: a channel with a limit cuts at a line from the end.
    package var lines: [Line]

    /// Takes lines.
    package init(_ lines: [Line] = []) {
        self.lines = lines
    }

    /// The text without any markup, lines separated by `\n`.
    package var plain: String {
        lines.map { $0.map(\.text).joined() }.joined(separator: "\n")
    }
}
