import Cron
import Foundation
import Postgres
import Runtime

/// `chimera job …`.
enum JobCommands {
    static let all: [Command] = Noun.job.commands + [pause, resume, run, preview, JobNotify.command]

    private static let name = Operand(name: "NAME", help: "the job's name or id")

    private static let pause = switching(
        "pause", summary: "Claims nothing more of a job; what runs goes on", one: JobStatements.pause, all: JobStatements.pauseAll,
        done: "paused")

    private static let resume = switching(
        "resume", summary: "Lets a paused job go on", one: JobStatements.resume, all: JobStatements.resumeAll, done: "resumed")

    private static func switching(
        _ verb: String, summary: String, one: @escaping @Sendable (Int) -> SQL, all: SQL, done: String
    ) -> Command {
        Command(
            words: ["job", verb], summary: summary, operands: [Operand(name: "NAME", help: "the job's name or id", isRequired: false)],
            options: [Option(name: "--all", help: "every job")]
        ) { invocation in
            guard invocation.has("--all") == (invocation.operands["NAME"] == nil) else {
                throw invocation.command.misuse("job \(verb) needs a NAME or --all")
            }
            let names = try await OperatorDatabase(invocation).transaction { transaction in
                guard let name = invocation.operands["NAME"] else { return try await transaction.query(all).compactMap { $0["name"] } }
                let found = try await Noun.job.find(name, in: transaction)
                _ = try await transaction.query(one(found.id))
                return [found.name]
            }
            for name in names { StandardOutput.write(printableLine("job \(shown(name)) \(done)")) }
            if names.isEmpty { StandardOutput.note("note: there was no job to be \(done)") }
            return .ok
        }
    }

    private static let run = Command(
        words: ["job", "run"], summary: "Runs a job now, or later, and prints the execution's id", operands: [name],
        options: [
            Option(
                name: "--params", value: "JSON",
                help: "laid over the job's config, such as '{\"store_ids\": [7]}': JSON, @FILE, or - for standard input"),
            Option(name: "--at", value: "TIME", help: "ISO 8601 (without an offset: of the job's zone), or from now: +10m, +1h30m"),
            Option(name: "--wait", help: "waits for the end: exit code 0 after SUCCESS, 1 after any other"),
            Option(name: "--timeout", value: "SECONDS", help: "waits no longer than this: exit code 75"), .json,
        ],
        notes: "Without --wait it answers at once, whether a worker is there or not."
    ) { invocation in
        let timeout = try invocation.number("--timeout", in: 0...31_536_000)
        guard timeout == nil || invocation.has("--wait") else { throw invocation.command.misuse("--timeout needs --wait") }
        let params = try invocation.text("--params").map { try JSONArgument($0, of: "--params") }
        if let params { _ = try SecretMask.restored(params.value, from: nil, path: "params") }
        let database = try await OperatorDatabase(invocation)
        let (id, plan) = try await database.transaction { transaction in
            let found = try await Noun.job.find(invocation.operand("NAME"), in: transaction)
            guard let plan = try await transaction.query(JobStatements.plan(id: found.id)).first else {
                throw OperatorError(exitCode: .badData, message: "the job was removed meanwhile; `chimera job list` shows all")
            }
            let time = try invocation.text("--at").map { try TimeArgument($0) { try TimeZoneRules(named: plan.get("time_zone")) } }
            let id: String? = try await transaction.query(JobStatements.run(job: found.name, params: params?.text ?? "{}", at: time)).first?
                .get("id")
            return (id ?? "", plan)
        }
        if try plan.get("is_paused") {
            StandardOutput.note("note: the job is paused: it waits for `chimera job resume \(shellWord(plan["name"] ?? ""))`")
        } else if try !plan.get("has_workers", as: Bool.self) {
            StandardOutput.note("note: no worker is alive: it waits for `chimera worker`")
        }
        guard invocation.has("--wait") else {
            let row = try await ExecutionCommands.row(id: id, database)
            StandardOutput.write(invocation.wantsJSON ? row.text : id)
            return .ok
        }
        if !invocation.wantsJSON { StandardOutput.write(id) }
        return try await ExecutionCommands.wait(for: id, database, invocation, timeout: timeout)
    }

    private static let preview = Command(
        words: ["job", "preview"], summary: "Prints a job's next due times in its zone", operands: [name],
        options: [Option(name: "-n", value: "N", help: "how many, 1 to 10000 (10)"), .json],
        notes: "From the database's clock on. `never`: the job has no pattern, or one that never comes."
    ) { invocation in
        let count = try invocation.number("-n", in: 1...10_000) ?? 10
        let row = try await OperatorDatabase(invocation).transaction { transaction in
            let found = try await Noun.job.find(invocation.operand("NAME"), in: transaction)
            return try await transaction.query(JobStatements.plan(id: found.id)).first
        }
        guard let row else {
            throw OperatorError(exitCode: .badData, message: "the job was removed meanwhile; `chimera job list` shows all")
        }
        let pattern = row["cron_pattern"]
        let zone: String = try row.get("time_zone")
        let times = try pattern.map { try dueTimes(pattern: $0, zone: zone, after: row.get("now"), count: count) } ?? []
        if invocation.wantsJSON {
            let answer: JSONValue = [
                "name": .string(try row.get("name")), "cron_pattern": pattern.map { .string($0) } ?? .null, "time_zone": .string(zone),
                "never": .bool(times.isEmpty), "times": .array(times.map { .string($0) }),
            ]
            StandardOutput.write(answer.text)
        } else {
            (times.isEmpty ? ["never"] : times).forEach(StandardOutput.write)
        }
        if pattern == nil {
            StandardOutput.note("note: the job has no pattern: it runs only by hand")
        } else if try row.get("is_paused") {
            StandardOutput.note("note: the job is paused: these will be skipped until `chimera job resume`")
        } else if try !row.get("active", as: Bool.self) {
            StandardOutput.note("note: the job is inactive: these will not run until `chimera job edit … --active yes`")
        }
        return .ok
    }

    private static func dueTimes(pattern: String, zone: String, after now: Int64, count: Int) throws -> [String] {
        let schedule: CronSchedule
        do {
            schedule = CronSchedule(pattern: try CronPattern(pattern), zone: try TimeZoneRules(named: zone))
        } catch {
            throw OperatorError(exitCode: .badData, message: "\(error)")
        }
        return schedule.times(after: now, count: count)
    }
}
