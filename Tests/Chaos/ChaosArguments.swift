/// What the command line asks for.
struct ChaosArguments: Sendable {
    /// What there is to do.
    enum Task: Sendable {
        case list, help, scenarios, soak
    }

    var task = Task.scenarios
    var seed = UInt64.random(in: 1...999_999)
    /// Repeat with further seeds until this long has passed; the length of a soak.
    var minutes: Double?
    var jsonPath: String?
    var isQuick = false
    /// Leaves out what tests show.
    var isScenariosOnly = false
    /// Empty: all.
    var numbers: [String] = []

    static let help = """
        Injects the failures that Chimera must survive into real programs and judges what became of it from the tables.

        usage: scripts/chaos [--seed S] [--minutes M] [--quick | --scenarios] [--json FILE] [NUMBER …]
               scripts/chaos soak [--minutes M] [--seed S] [--json FILE]
               scripts/chaos --list

          NUMBER        R02, R20 …: only these; all when there is none
          --seed S      repeat a run: the chance of every scenario follows from it (printed at the start)
          --minutes M   repeat with further seeds until M minutes have passed; for soak its length (5)
          --quick       only the scenarios of the quick pass that scripts/test makes
          --scenarios   only scenarios: what tests show is left out
          --json FILE   write what was found for machines
          --list        every failure and where it is shown: a scenario here, a test, or why not

        exit codes: 0 everything held · 1 something did not · 64 usage
        """

    /// Throws a `Failed` that says what is wrong.
    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        func value(of flag: String) throws -> String {
            guard let value = rest.popFirst() else { throw Failed("\(flag) needs a value; see scripts/chaos --help.") }
            return value
        }
        while let argument = rest.popFirst() {
            switch argument {
            case "--help", "-h": task = .help
            case "--list": task = .list
            case "--quick": isQuick = true
            case "--scenarios": isScenariosOnly = true
            case "soak": task = .soak
            case "--json": jsonPath = try value(of: argument)
            case "--seed":
                let text = try value(of: argument)
                guard let number = UInt64(text) else { throw Failed("--seed: \"\(text)\" is no whole number.") }
                seed = number
            case "--minutes":
                let text = try value(of: argument)
                guard let number = Double(text), number > 0, number <= 1440 else {
                    throw Failed("--minutes: \"\(text)\" is no number of minutes from 0 to 1440.")
                }
                minutes = number
            default:
                let number = argument.uppercased()
                guard Catalogue.all.contains(where: { $0.number == number }) else {
                    throw Failed("\"\(argument)\" is no failure that there is; scripts/chaos --list shows all.")
                }
                numbers.append(number)
            }
        }
    }
}
