/// One field of a cron pattern: what it is called, which numbers it takes, which names.
struct CronField: Sendable {
    let name: String
    let range: ClosedRange<Int>
    /// Names for the numbers from `range.lowerBound` on.
    var names: [String] = []
    /// What else than numbers, ranges, steps and lists may stand here, for messages.
    var extras = ""

    static let second = CronField(name: "second", range: 0...59)
    static let minute = CronField(name: "minute", range: 0...59)
    static let hour = CronField(name: "hour", range: 0...23)
    static let dayOfMonth = CronField(name: "day of month", range: 1...31, extras: ", L, L-3, 15W, LW or ?")
    static let month = CronField(
        name: "month", range: 1...12,
        names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"])
    static let dayOfWeek = CronField(
        name: "day of week", range: 0...7, names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], extras: ", 5L, 5#2 or ?")

    /// Days of the week lie on a circle of seven, where 7 is 0.
    var isCircular: Bool { range == 0...7 }

    /// How many different numbers there are, which is also the largest step.
    var span: Int { isCircular ? 7 : range.count }

    func error(_ text: some StringProtocol, _ allowed: String? = nil) -> CronPatternError {
        CronPatternError(field: name, text: String(text), allowed: allowed ?? allowedTexts)
    }

    private var allowedTexts: String {
        let numbers = "numbers from \(range.lowerBound) to \(range.upperBound)"
        let named = names.isEmpty ? numbers : "\(numbers) or \(names[0]) to \(names[names.count - 1])"
        return "write *, \(named), ranges (a-b), steps (*/n, a-b/n, a/n)\(extras), or a list of these with commas"
    }

    /// Reads a list item that is `*`, a number or name, or a range, each with or without a step, into `numbers`.
    func read(_ item: Substring, into numbers: inout NumberSet) throws(CronPatternError) {
        let halves = item.split(separator: "/", omittingEmptySubsequences: false)
        guard let base = halves.first, halves.count <= 2 else { throw error(item) }
        let step = halves.count == 2 ? try readStep(halves[1], of: item) : 1
        let (first, last) = try readRange(base, hasStep: halves.count == 2, of: item)
        for number in stride(from: first, through: last, by: step) {
            numbers.insert(isCircular ? number % 7 : number)
        }
    }

    /// Reads a number or a name; 7 remains 7.
    func readNumber(_ text: Substring, of item: Substring) throws(CronPatternError) -> Int {
        if let index = names.firstIndex(of: text.uppercased()) { return range.lowerBound + index }
        guard let number = decimal(text) else { throw error(item) }
        guard range.contains(number) else {
            throw error(item, "\(number) is outside \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private func readStep(_ text: Substring, of item: Substring) throws(CronPatternError) -> Int {
        guard let step = decimal(text), (1...span).contains(step) else {
            throw error(item, "a step is a number from 1 to \(span)")
        }
        return step
    }

    /// The first and last number of an item; on the circle of weekdays the last one may lie beyond 6.
    private func readRange(_ base: Substring, hasStep: Bool, of item: Substring) throws(CronPatternError) -> (Int, Int) {
        let end = range.lowerBound + span - 1
        if base == "*" { return (range.lowerBound, end) }
        let ends = base.split(separator: "-", omittingEmptySubsequences: false)
        guard let start = ends.first, ends.count <= 2 else { throw error(item) }
        let first = try readNumber(start, of: item)
        guard ends.count == 2 else {
            let onCircle = isCircular ? first % 7 : first
            return (onCircle, hasStep ? end : onCircle)
        }
        let last = try readNumber(ends[1], of: item)
        if first <= last { return (first, last) }
        guard isCircular else {
            throw error(item, "a range begins with its smaller number; write two, such as \(start)-\(end),\(range.lowerBound)-\(ends[1])")
        }
        return first == 7 ? (0, last) : (first, last + 7)
    }
}

/// A number of one to four digits and nothing else.
func decimal(_ text: Substring) -> Int? {
    guard (1...4).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text)
}
