import Cron
import Glibc
import Runtime

/// `chimera cron next`.
enum CronCommand {
    static let command = Command(
        words: ["cron", "next"], summary: "Prints the next due times of a cron pattern, one a line, or `never`; needs no database",
        operands: [
            Operand(
                name: "PATTERN",
                help: "five fields, or six with seconds in front, or @hourly and friends; whatever follows `next`, dash or not")
        ],
        options: [
            Option(
                name: "--zone", value: "ZONE", help: "a name from the system's time zones, spelled exactly (America/Sao_Paulo)"),
            Option(
                name: "--from", value: "TIME",
                help: "due times lie strictly after it: 2026-11-21, 2026-11-21T05:10 (in ZONE) or 2026-11-21T05:10:00-03:00 (now)"),
            Option(name: "-n", value: "N", help: "how many, 1 to 10000 (10)"),
            Option(name: "--json", help: "one line: {\"never\", \"pattern\", \"times\", \"zone\"}"),
        ],
        notes: """
            Day of month and day of week: one of them is enough when both are restricted; a field is restricted unless it is exactly * or ?
            (cronie also takes */n for unrestricted). A time that spring skips is due at the gap's end, one that autumn repeats once, the
            first time; a pattern whose hour field begins with * is due every real hour.
            """,
        takesRawArguments: true
    ) { invocation in
        try runCronNext(arguments: invocation.rawArguments, write: StandardOutput.write)
        return .ok
    }
}

/// Runs `chimera cron next`: `arguments` are those after `next`, and `write` takes each line of the answer without its end.
///
/// Throws `OperatorError`: `.usage` for wrong arguments, `.badData` for a wrong pattern, zone or time.
func runCronNext(arguments: [String], now: Int64 = Int64(time(nil)), write: (String) -> Void) throws {
    let question = try CronNextQuestion(arguments)
    let schedule: CronSchedule
    var instant = now
    do {
        let zone = try TimeZoneRules(named: question.zone)
        schedule = CronSchedule(pattern: try CronPattern(question.pattern), zone: zone)
        if let from = question.from { instant = try parseInstant(from, defaultZone: zone) }
    } catch {
        throw OperatorError(exitCode: .badData, message: "\(error)")
    }
    let times = schedule.times(after: instant, count: question.count)
    guard question.isJSON else {
        (times.isEmpty ? ["never"] : times).forEach(write)
        return
    }
    let answer: JSONValue = [
        "pattern": .string(question.pattern), "zone": .string(question.zone), "never": .bool(times.isEmpty),
        "times": .array(times.map { .string($0) }),
    ]
    write(answer.text)
}

extension CronSchedule {
    /// The due times after `instant`, in ISO 8601 with offset; fewer than `count` when there are no more.
    func times(after instant: Int64, count: Int) -> [String] {
        sequence(state: instant) { last in
            guard let next = next(after: last) else { return nil }
            last = next
            return iso8601(next, in: zone)
        }.prefix(count).map { $0 }
    }
}

/// The arguments of `cron next`.
private struct CronNextQuestion {
    let pattern: String
    private(set) var zone = "America/Sao_Paulo"
    private(set) var from: String?
    private(set) var count = 10
    private(set) var isJSON = false

    init(_ arguments: [String]) throws(OperatorError) {
        guard let pattern = arguments.first else { throw Self.usage("cron next needs a pattern") }
        self.pattern = pattern
        var rest = arguments.dropFirst()
        while var option = rest.popFirst() {
            if option.hasPrefix("--"), let equals = option.firstIndex(of: "=") {
                rest = [String(option[option.index(after: equals)...])] + rest
                option = String(option[..<equals])
                guard option != "--json" else { throw Self.usage("--json takes no value") }
            }
            switch option {
            case "--json": isJSON = true
            case "--zone": zone = try Self.value(of: option, from: &rest)
            case "--from": from = try Self.value(of: option, from: &rest)
            case "-n":
                let text = try Self.value(of: option, from: &rest)
                guard let number = Int(text), (1...10_000).contains(number) else { throw Self.usage("-n takes a number from 1 to 10000") }
                count = number
            default:
                throw Self.usage(
                    option.hasPrefix("-")
                        ? "cron next knows no option \(Self.shown(option))"
                        : "\(Self.shown(option)) is one argument too many; put the pattern in quotes")
            }
        }
    }

    private static func value(of option: String, from rest: inout ArraySlice<String>) throws(OperatorError) -> String {
        guard let value = rest.popFirst() else { throw usage("\(option) needs a value") }
        return value
    }

    private static func usage(_ sentence: String) -> OperatorError {
        OperatorError(
            exitCode: .usage, message: "\(sentence): chimera cron next 'PATTERN' [--zone ZONE] [--from TIME] [-n N] [--json].")
    }

    /// An argument fit for a message.
    private static func shown(_ argument: String) -> String {
        let plain = argument.prefix(40).filter { $0.isASCII && !$0.isNewline && $0 >= " " }
        return "\"\(plain)\""
    }
}
