/// A minute on the wall of a job's time zone, as the database's clock has it.
package struct WallTime: Sendable, Hashable {
    /// 1 to 31.
    package let day: Int
    /// 1 to 12.
    package let month: Int
    /// `05:00`.
    package let time: String

    /// Takes `2026-07-27 05:00`; nil for any other text.
    package init?(_ text: String) {
        guard let match = text.wholeMatch(of: #/\d{4,6}-(\d\d)-(\d\d) (\d\d:\d\d)/#), let month = Int(match.output.1),
            let day = Int(match.output.2), (1...12).contains(month)
        else { return nil }
        self.day = day
        self.month = month
        time = String(match.output.3)
    }
}
