import Postgres
import Runtime

/// `chimera job notify`: which events of a job a channel tells.
enum JobNotify {
    private static let events = ["start", "success", "failure", "warning", "recovery", "late"]

    static let command = Command(
        words: ["job", "notify"], summary: "Says which events of a job a channel tells",
        operands: [Operand(name: "JOB", help: "the job's name or id"), Operand(name: "CHANNEL", help: "the channel's name or id")],
        options: [
            Option(
                name: "--on", value: "EVENTS",
                help: "these and no others: \(events.joined(separator: ", ")), with commas between; or all, or none"),
            Option(name: "--forget", help: "takes back what was said about this channel"), .json,
        ],
        notes: """
            A job for which nothing was said tells failure, warning, recovery and late through all active channels. From the first
            `chimera job notify` on it uses only the channels that were named for it.
            """
    ) { invocation in
        guard invocation.has("--on") != invocation.has("--forget") else {
            throw invocation.command.misuse("job notify needs --on or --forget")
        }
        let chosen = try invocation.text("--on").map { try chosenEvents($0) }
        let (job, channel, isOff, others, row) = try await OperatorDatabase(invocation).transaction { transaction in
            let job = try await Noun.job.find(invocation.operand("JOB"), in: transaction)
            let channel = try await Noun.channel.find(invocation.operand("CHANNEL"), in: transaction)
            let before = try await Noun.job.row(id: job.id, in: transaction)
            if let chosen {
                _ = try await transaction.query(JobStatements.notify(job: job.id, channel: channel.id, flags: events.map(chosen.contains)))
            } else {
                _ = try await transaction.query(JobStatements.forgetNotification(job: job.id, channel: channel.id))
            }
            let isFirst = chosen != nil && before["notifications"]?.arrayValue?.isEmpty == true
            let others =
                isFirst ? try await transaction.query(JobStatements.otherChannels(than: channel.id)).compactMap { $0["name"] } : []
            let isOff = try await Noun.channel.row(id: channel.id, in: transaction)["active"] == false
            return (job, channel, isOff, others, try await Noun.job.row(id: job.id, in: transaction))
        }
        if invocation.wantsJSON {
            StandardOutput.write(row.text)
        } else {
            let sentence =
                switch chosen {
                case nil: "job \(shown(job.name)): nothing is said about channel \(shown(channel.name)) any more"
                case .some(let chosen) where chosen.isEmpty: "job \(shown(job.name)) tells channel \(shown(channel.name)) nothing"
                case .some(let chosen):
                    "job \(shown(job.name)) tells channel \(shown(channel.name)) of \(events.filter(chosen.contains).joined(separator: ", "))"
                }
            StandardOutput.write(printableLine(sentence))
        }
        if chosen?.isEmpty == false, isOff {
            StandardOutput.note(
                "note: \(shown(channel.name)) is switched off: chimera channel edit \(shellWord(channel.name)) --active yes")
        }
        if !others.isEmpty {
            StandardOutput.note(
                "note: it uses this channel alone from now on, and no longer \(others.map { shown($0) }.joined(separator: ", "))")
        }
        return .ok
    }

    private static func chosenEvents(_ text: String) throws(OperatorError) -> Set<String> {
        let words = text.split(whereSeparator: { $0 == "," || $0.isWhitespace }).map { $0.lowercased() }
        if words == ["all"] { return Set(events) }
        if words == ["none"] { return [] }
        guard !words.isEmpty else { throw OperatorError(exitCode: .badData, message: "--on: name events, or all, or none") }
        for word in words where !events.contains(word) {
            let near = nearest(to: word, among: events + ["all", "none"])
            throw OperatorError(
                exitCode: .badData,
                message:
                    "--on: \(shown(word)) is no event\(near.map { "; did you mean \($0)?" } ?? ";") events are \(events.joined(separator: ", "))"
            )
        }
        return Set(words)
    }
}
