/// The language of notifications (`CHIMERA_LOCALE`).
package enum MessageLanguage: String, Sendable, CaseIterable {
    /// Portuguese, the default.
    case portuguese = "pt_BR"
    /// English.
    case english = "en"

    /// One of two texts that say the same.
    func of(_ portuguese: String, _ english: String) -> String {
        self == .portuguese ? portuguese : english
    }

    /// A count with its noun: `1 loja`, `1.204 lojas`.
    func count(_ number: Int, _ one: (String, String), _ many: (String, String)) -> String {
        let noun = number == 1 ? one : many
        return "\(grouped(number)) \(of(noun.0, noun.1))"
    }

    /// `9.874` or `9,874`.
    func grouped(_ number: Int) -> String {
        let digits = Array(String(number.magnitude))
        var text = number < 0 ? "-" : ""
        for (place, digit) in digits.enumerated() {
            if place > 0, (digits.count - place) % 3 == 0 { text += self == .portuguese ? "." : "," }
            text.append(digit)
        }
        return text
    }

    /// `27/07 às 05:00` or `27 Jul 05:00`.
    func moment(_ wall: WallTime) -> String {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return of("\(two(wall.day))/\(two(wall.month)) às \(wall.time)", "\(wall.day) \(months[wall.month - 1]) \(wall.time)")
    }

    /// `820 ms`, `4 min 12 s`, `1 h 05 min`, `2 d 3 h`: the same in both languages.
    static func duration(_ length: Duration) -> String {
        let milliseconds = Int(min(length / .milliseconds(1), 1e15))
        if milliseconds < 1000 { return "\(max(milliseconds, 0)) ms" }
        let seconds = (milliseconds + 500) / 1000
        if seconds < 60 { return "\(seconds) s" }
        if seconds < 3600 { return seconds % 60 == 0 ? "\(seconds / 60) min" : "\(seconds / 60) min \(seconds % 60) s" }
        let minutes = seconds / 60
        if minutes < 48 * 60 {
            return minutes % 60 == 0 ? "\(minutes / 60) h" : "\(minutes / 60) h \(minutes % 60 < 10 ? "0" : "")\(minutes % 60) min"
        }
        let hours = minutes / 60
        return hours % 24 == 0 ? "\(hours / 24) d" : "\(hours / 24) d \(hours % 24) h"
    }
}
