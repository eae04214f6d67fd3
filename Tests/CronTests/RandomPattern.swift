@testable import Cron

/// A pattern made at random together with what it means, said a second time without the code under test.
struct RandomPattern {
    let text: String
    let followsRealHours: Bool
    private let seconds: Set<Int>
    private let minutes: Set<Int>
    private let hours: Set<Int>
    private let months: Set<Int>
    private let daysOfMonth: [DayTest]?
    private let daysOfWeek: [DayTest]?

    /// Whether a day matches: day of month, its month's length, its weekday (0 is Sunday).
    private typealias DayTest = (_ day: Int, _ length: Int, _ weekday: Int) -> Bool

    init(hasSeconds: Bool, isRare: Bool = false, using generator: inout SeededGenerator) {
        let second = Self.field(0...59, using: &generator)
        let minute = Self.field(0...59, using: &generator)
        let hour = Self.field(0...23, using: &generator)
        let anyMonth = !isRare && Bool.random(using: &generator)
        let month = anyMonth ? ("*", Set(1...12)) : Self.field(1...12, isNarrow: isRare, using: &generator)
        let dayOfMonth = Self.dayOfMonth(isRare: isRare, using: &generator)
        let dayOfWeek = Self.dayOfWeek(isRare: isRare, using: &generator)
        seconds = hasSeconds ? second.1 : [0]
        (minutes, hours, months) = (minute.1, hour.1, month.1)
        (daysOfMonth, daysOfWeek) = (dayOfMonth.1, dayOfWeek.1)
        followsRealHours = hour.0.first == "*"
        text = "\(hasSeconds ? second.0 + " " : "")\(minute.0) \(hour.0) \(dayOfMonth.0) \(month.0) \(dayOfWeek.0)"
    }

    func matches(wall: Int64) -> Bool {
        let day = Int((Double(wall) / 86_400).rounded(.down))
        let time = Int(wall) - day * 86_400
        return hours.contains(time / 3_600) && minutes.contains(time % 3_600 / 60) && seconds.contains(time % 60) && matches(day: day)
    }

    func matches(day number: Int) -> Bool {
        let date = CivilDate(daysSinceEpoch: number)
        guard months.contains(date.month) else { return false }
        let isLeap = date.year % 400 == 0 || (date.year % 4 == 0 && date.year % 100 != 0)
        let length = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][date.month - 1]
        let tests = (daysOfMonth ?? []) + (daysOfWeek ?? [])
        if daysOfMonth == nil, daysOfWeek == nil { return true }
        return tests.contains { $0(date.day, length, date.weekday) }
    }

    /// A field's text and its numbers.
    private static func field(_ range: ClosedRange<Int>, isNarrow: Bool = false, using generator: inout SeededGenerator) -> (
        String, Set<Int>
    ) {
        let low = Int.random(in: range, using: &generator)
        let high = Int.random(in: low...range.upperBound, using: &generator)
        let step = Int.random(in: 1...range.count, using: &generator)
        switch isNarrow ? 0 : Int.random(in: 0...6, using: &generator) {
        case 0: return ("\(low)", [low])
        case 1: return ("\(low)-\(high)", Set(low...high))
        case 2: return ("\(low)-\(high)/\(step)", Set((low...high).filter { ($0 - low) % step == 0 }))
        case 3: return ("*/\(step)", Set(range.filter { ($0 - range.lowerBound) % step == 0 }))
        case 4: return ("\(low)/\(step)", Set((low...range.upperBound).filter { ($0 - low) % step == 0 }))
        case 5: return ("\(high),\(low)", [low, high])
        default: return ("*", Set(range))
        }
    }

    private static func dayOfMonth(isRare: Bool, using generator: inout SeededGenerator) -> (String, [DayTest]?) {
        let day = Int.random(in: isRare ? 28...31 : 1...31, using: &generator)
        let back = Int.random(in: 1...30, using: &generator)
        switch Int.random(in: isRare ? 1...6 : 0...9, using: &generator) {
        case 1: return ("\(day)", [{ candidate, _, _ in candidate == day }])
        case 2: return ("L", [{ candidate, length, _ in candidate == length }])
        case 3: return ("L-\(back)", [{ candidate, length, _ in candidate + back == length }])
        case 4: return ("\(day)W", [{ isWorkdayNearest(to: day, $0, $1, $2) }])
        case 5: return ("LW", [{ isWorkdayNearest(to: $1, $0, $1, $2) }])
        case 6: return ("?", nil)
        case 7:
            let field = field(1...31, using: &generator)
            return field.0 == "*" ? ("*", nil) : (field.0, [{ candidate, _, _ in field.1.contains(candidate) }])
        default: return ("*", nil)
        }
    }

    /// Whether the candidate is a workday and no workday of the month lies nearer to the wanted day, which exists.
    private static func isWorkdayNearest(to wanted: Int, _ candidate: Int, _ length: Int, _ weekday: Int) -> Bool {
        func isWorkday(_ day: Int) -> Bool { (1...5).contains(((weekday + day - candidate) % 7 + 7) % 7) }
        guard wanted <= length, isWorkday(candidate) else { return false }
        return (1...length).filter(isWorkday).allSatisfy { abs($0 - wanted) >= abs(candidate - wanted) }
    }

    private static func dayOfWeek(isRare: Bool, using generator: inout SeededGenerator) -> (String, [DayTest]?) {
        let names = ["SUN", "mon", "Tue", "WED", "THU", "FRI", "SAT"]
        let wanted = Int.random(in: 0...6, using: &generator)
        let end = Int.random(in: 0...6, using: &generator)
        let ordinal = Int.random(in: isRare ? 5...5 : 1...5, using: &generator)
        switch isRare ? Int.random(in: 3...5, using: &generator) : Int.random(in: 0...9, using: &generator) {
        case 1: return (Bool.random(using: &generator) ? names[wanted] : "\(wanted == 0 ? 7 : wanted)", [{ $2 == wanted }])
        case 2: return ("\(names[wanted])-\(names[end])", [{ ($2 - wanted + 7) % 7 <= (end - wanted + 7) % 7 }])
        case 3: return ("\(wanted)#\(ordinal)", [{ day, _, weekday in weekday == wanted && (day + 6) / 7 == ordinal }])
        case 4: return isRare ? ("*", nil) : ("\(names[wanted])L", [{ day, length, weekday in weekday == wanted && day + 7 > length }])
        default: return (isRare ? "?" : "*", nil)
        }
    }
}

/// A small generator whose numbers follow from its seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
