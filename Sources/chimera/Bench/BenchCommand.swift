import Runtime

/// `chimera bench`: what the queue does on the user's own server, each figure beside one for the least that could be done there.
enum BenchCommand {
    /// In the order in which they run: the last one leaves rows behind.
    private static let subjects = ["drain", "latency", "enqueue"]
    /// Needs no server.
    private static let pages = "pages"

    static let command = Command(
        words: ["bench"],
        summary: "Measures the queue on the server of DATABASE_URL, in a schema of its own; the server is busy meanwhile",
        operands: [
            Operand(
                name: "WHAT", help: "drain, latency or enqueue (all three), or pages", isRequired: false)
        ],
        options: [
            Option(name: "--jobs", value: "N", help: "executions to drain, and rows to enqueue, 1000 to 10000000 (50000)"),
            Option(name: "--workers", value: "N", help: "workers that drain, each a program of its own, 1 to 64 (1)"),
            Option(name: "--samples", value: "N", help: "samples of the latency, 10 to 100000 (300)"),
            Option(name: "--finished", value: "N", help: "finished executions that lie in the tables before, 0 to 100000000 (0)"),
            Option(name: "--configurations", value: "N", help: "jobs over which the executions are spread, 1 to 1000000 (1)"),
            Option(name: "--page", value: "FILE", help: "a page of RP's product list as it was answered, for pages"),
            Option(name: "--json", help: "answers in JSON: an object for each subject"),
        ],
        notes: """
            drain    jobs a second from the first claim to the last end, by workers with default settings; beside it bare statements that
                     claim and finish 500 rows at a time on two connections, without history, fence and attempts.
            latency  from before the INSERT to the first instruction of the job, one at a time, on an idle worker; beside it a bare INSERT
                     with a NOTIFY, a LISTEN, and a bare claim.
            enqueue  one INSERT … SELECT, and single INSERTs by four connections; beside them the same into a bare table, and without the
                     trigger that wakes workers.
            pages    megabytes of RP's pages a second that become typed products on one core: the page in FILE, again and again for two
                     seconds, without network and server.

            Everything lies in a schema named \(BenchSchema.name), which must not be there before and is dropped at the end, also after
            Ctrl-C. Workers that wait on the same database are woken for nothing. Figures of different servers or moments say little:
            compare ratios.
            """
    ) { invocation in
        let what = invocation.operands["WHAT"]
        if let what, !(subjects + [pages]).contains(what) {
            throw invocation.command.misuse("bench knows no \(shown(what)); it knows \((subjects + [pages]).joined(separator: ", "))")
        }
        let page = invocation.text("--page")
        guard (what == pages) == (page != nil) else {
            throw invocation.command.misuse("bench pages takes --page FILE, and nothing else does")
        }
        if let page {
            tell([try PagesBench(file: page).run()], invocation)
            return .ok
        }
        let size = BenchSize(
            jobs: try invocation.number("--jobs", in: 1000...10_000_000) ?? 50_000,
            workers: try invocation.number("--workers", in: 1...64) ?? 1,
            samples: try invocation.number("--samples", in: 10...100_000) ?? 300,
            finished: try invocation.number("--finished", in: 0...100_000_000) ?? 0,
            configurations: try invocation.number("--configurations", in: 1...1_000_000) ?? 1)
        let reports = try await BenchSchema.lend(invocation) { schema in
            try await schema.fill(size)
            return try await measure(subjects.filter { what == nil || what == $0 }, schema, size)
        }
        tell(reports, invocation)
        return .ok
    }

    private static func tell(_ reports: [BenchReport], _ invocation: Invocation) {
        if invocation.wantsJSON {
            StandardOutput.write(JSONValue.object(Dictionary(uniqueKeysWithValues: reports.map { ($0.subject, $0.json) })).text)
        } else {
            StandardOutput.write(BenchReport.table(reports))
        }
    }

    private static func measure(_ subjects: [String], _ schema: BenchSchema, _ size: BenchSize) async throws -> [BenchReport] {
        var reports: [BenchReport] = []
        for subject in subjects {
            switch subject {
            case "drain": reports.append(try await DrainBench(schema: schema, size: size).run())
            case "latency": reports.append(try await LatencyBench(schema: schema, size: size).run())
            default: reports.append(try await EnqueueBench(schema: schema, size: size).run())
            }
        }
        return reports
    }
}

/// How much is measured.
struct BenchSize: Sendable {
    let jobs: Int
    let workers: Int
    let samples: Int
    let finished: Int
    let configurations: Int
}
