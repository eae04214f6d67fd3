import TestSupport
import Testing

/// Command lines that no command takes: 64, the argument at fault, the usage line, and what was probably meant.
@Suite struct ArgumentTests {
    struct Case: Sendable, CustomStringConvertible {
        let arguments: [String]
        let words: String
        var description: String { arguments.joined(separator: " ").prefix(60).description }

        init(_ arguments: String, _ words: String) {
            self.arguments = arguments.split(separator: " ").map(String.init)
            self.words = words
        }

        init(_ arguments: [String], _ words: String) {
            self.arguments = arguments
            self.words = words
        }
    }

    static let cases = [
        Case("", "give a command"),
        Case([""], "there is no command \"\""),
        Case("jbo list", "did you mean job?"),
        Case("job", "job needs one of list, show"),
        Case("job lst", "did you mean list?"),
        Case("migrate dwon", "did you mean down?"),
        Case("--josn", "there is no command \"--josn\""),
        Case("job list --jsno", "did you mean --json?"),
        Case("job list --xyzzy", "job list knows no option \"--xyzzy\". Usage: chimera job list [--json]"),
        Case("job list extra", "\"extra\" is one argument too many"),
        Case("job list --json --json", "--json is given twice"),
        Case("job list --json=yes", "--json takes no value"),
        Case("job show", "job show needs NAME"),
        Case("job add nightly", "job add needs --type TYPE"),
        Case("job add nightly --type", "--type needs a value, --type TYPE"),
        Case("job add nightly --type --json", "--type needs a value"),
        Case("job add nightly --type NOOP --type NOOP", "--type is given twice"),
        Case("job add nightly --type NOOP --max-attempts many", "--max-attempts takes a whole number, not \"many\""),
        Case("job add nightly --type NOOP --priority 40000", "from -32768 to 32767"),
        Case("job add nightly --type NOOP --active perhaps", "--active takes yes or no, not \"perhaps\""),
        Case("job add nightly --type NOOP --no-cron", "job add knows no option \"--no-cron\""),
        Case("job pause", "job pause needs a NAME or --all"),
        Case("job pause nightly --all", "job pause needs a NAME or --all"),
        Case("job run nightly --timeout 5", "--timeout needs --wait"),
        Case("job run nightly --wait --timeout -1", "--timeout takes a whole number"),
        Case("job preview nightly -n 0", "-n takes a whole number from 1 to 10000"),
        Case("job preview nightly -n 99999999999999999999", "-n takes a whole number from 1 to 10000"),
        Case("execution list --limit 10001", "--limit takes a whole number from 1 to 10000"),
        Case("execution list --status SUCESS", "did you mean SUCCESS?"),
        Case("execution wait", "execution wait needs ID"),
        Case("migrate down", "migrate down needs --to N"),
        Case("migrate down --to -1", "--to takes a whole number from 0"),
        Case("migrate down --to 999", "--to takes a whole number from 0"),
        Case("worker --slots 0", "--slots takes a whole number from 1 to 1000"),
        Case("worker --slots=1e3", "--slots takes a whole number"),
        Case("worker --lease 0", "--lease takes a whole number from 1 to 3600"),
        Case("worker --grace", "--grace needs a value, --grace SECONDS"),
        Case("worker now", "\"now\" is one argument too many"),
        Case("scheduler --twice", "scheduler knows no option \"--twice\""),
        Case("cron next", "cron next needs a pattern"),
        Case("cron previous", "cron knows no \"previous\""),
        Case(["job", "list", "--\u{1B}[2J"], "\"--?[2J\""),
        Case(["job", "list", String(repeating: "x", count: 100_000)], "…\" is one argument too many"),
    ]

    @Test("a wrong command line is refused with one line that says what is wrong", arguments: cases)
    func refusals(_ wrong: Case) async throws {
        // A server that cannot be reached: whoever asked it before reading the arguments would say so.
        let answer = try await chimera(wrong.arguments, environment: ["DATABASE_URL": "postgresql://127.0.0.1:1/none"])
        expectRefusal(answer, 64, wrong.words, of: wrong.arguments)
        #expect(answer.error.utf8.count < 1000)
    }

    @Test("options stand before, between and behind operands, with a blank or an equals sign; -- ends them")
    func spellings() async throws {
        try await TestDatabase.withDatabase(template: .migrated) { database in
            try await database.done("job", "add", "--type", "NOOP", "first")
            try await database.done("job", "add", "second", "--type=NOOP", "--description=a=b")
            try await database.done("job", "add", "--type=NOOP", "--", "--third")
            try await database.done("job", "add", "fourth", "--priority", "-5", "--type", "NOOP", "--description", "-")
            let rows = try await database.done("job", "list", "--json").json.arrayValue ?? []
            #expect(rows.map { $0["name"]?.stringValue } == ["first", "fourth", "second", "--third"].sorted { $0 < $1 } || rows.count == 4)
            #expect(rows.first { $0["name"] == "second" }?["description"] == "a=b")
            #expect(rows.first { $0["name"] == "fourth" }?["priority"] == -5)
            #expect(try await database.done("job", "show", "--json", "--", "--third").json["name"] == "--third")
        }
    }
}
