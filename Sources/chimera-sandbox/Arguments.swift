/// What the command line asks for.
enum Command {
    case serve(SandboxSettings)
    case showHelp
    case showFaults

    /// Throws a sentence about the first argument that is wrong.
    init(_ arguments: [String]) throws(UsageProblem) {
        var settings = SandboxSettings()
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            let halves = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            func value() throws(UsageProblem) -> String {
                if halves.count == 2 { return halves[1] }
                guard let next = rest.popFirst() else { throw UsageProblem(sentence: "\(argument) needs a value after it.") }
                return next
            }
            func number(_ range: ClosedRange<Int>) throws(UsageProblem) -> Int {
                let text = try value()
                guard let number = Int(text), range.contains(number) else {
                    throw UsageProblem(
                        sentence: "\(halves[0]) takes a whole number from \(range.lowerBound) to \(range.upperBound), not \"\(text)\".")
                }
                return number
            }
            switch halves[0] {
            case "--port": settings.port = UInt16(try number(0...65_535))
            case "--stores": settings.stores = try number(1...20_000)
            case "--products": settings.products = try number(0...5_000_000)
            case "--seed": settings.seed = UInt64(try number(0...Int.max))
            case "--latency-ms": settings.latencyMilliseconds = try number(0...600_000)
            case "--utc-offset-minutes": settings.utcOffsetMinutes = try number(-720...840)
            case "--fault": settings.faults.append(try value())
            case "--faults":
                self = .showFaults
                return
            case "--help", "-h":
                self = .showHelp
                return
            default: throw UsageProblem(sentence: "\"\(argument)\" is not an option of chimera-sandbox; see chimera-sandbox --help.")
            }
        }
        self = .serve(settings)
    }

    static let help = """
        chimera-sandbox: stand-ins for RP, CresceVendas, Telegram, a webhook receiver and a mail server on the loopback interface, with
        faults on demand.

        usage: chimera-sandbox [options]

          --port N                 port to listen on (0: the system chooses)
          --stores N               stores in the catalogue (3)
          --products M             products with a club price in each store (500)
          --seed S                 the catalogue follows from it: same seed, same products (1)
          --latency-ms L           every answer of a partner waits this long (0)
          --utc-offset-minutes Z   the stores' clock (-180, São Paulo)
          --fault NAME[:RATE][@STORE]
                                   RATE is a probability (0.05) or a count (3x: the first three requests that match);
                                   STORE is a registration or a number from 1; of telegram-…, webhook-… and smtp-… a chat,
                                   a path or a recipient; may be given several times
          --faults                 list the faults
          --help                   this text

        Prints one line of JSON with the base URLs, the credentials, the mail server's ca_file and the stores, then serves until SIGTERM
        or SIGINT.
          GET  /_sandbox/state[?bodies=1][&lines=1]   what was received, and the campaigns as they stand
          POST /_sandbox/faults     {"faults": ["NAME:RATE@STORE", …]}   replaces the faults
          POST /_sandbox/reset      forgets requests, messages, mails, campaigns and prices set by hand
          POST /_sandbox/prices     {"store", "code", "price", "club_price"}
          POST /_sandbox/campaigns  {"store", "set": [{"code", "price", "final_price", "limit"}], "remove": [code]}

        """
}

struct UsageProblem: Error {
    let sentence: String
}
