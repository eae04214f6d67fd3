import Runtime

extension WorkerCommand {
    /// How the command line says it.
    static let command = Command(
        words: ["worker"], summary: "Claims and runs executions until it is stopped",
        options: [
            Option(name: "--slots", value: "N", help: "how many runs at once, 1 to 1000 (16)"),
            Option(
                name: "--grace", value: "SECONDS",
                help: "how long runs may go on after SIGTERM before they are handed back, 0 to 86400 (30)"),
            Option(name: "--lease", value: "SECONDS", help: "how long a claim holds without renewal, 1 to 3600 (30)"),
            Option(name: "--drain", help: "leaves with 0 once nothing claimable is due and its own runs have ended"),
        ],
        notes: """
            SIGTERM and SIGINT: claims nothing more and lets its runs end within the grace; a second one: leaves at once. SIGHUP: reads the
            configuration again. Any number of workers may run, on any number of machines.
            """
    ) { invocation in
        var command = WorkerCommand()
        if let slots = try invocation.number("--slots", in: 1...1000) { command.slots = slots }
        if let grace = try invocation.number("--grace", in: 0...86_400) { command.grace = .seconds(grace) }
        if let lease = try invocation.number("--lease", in: 1...3600) { command.lease = .seconds(lease) }
        command.drains = invocation.has("--drain")
        try await command.run(invocation.settings)
        return .ok
    }
}
