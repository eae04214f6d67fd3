import Notifications
import Runtime

/// `chimera channel test`: a real message through the channel, switched off or not.
enum ChannelTest {
    static let command = Command(
        words: ["channel", "test"], summary: "Sends a real message through a channel and says what happened",
        operands: [Operand(name: "NAME", help: "its name or id")], options: [.json],
        notes: """
            It is sent at once, whether the channel is switched on or off, and changes nothing but the id of a chat that has moved. Exit code 69
            when the other side cannot be reached or may take it later, 78 when it refuses what is configured.
            """
    ) { invocation in
        let keyring = try CurrentKeyring(path: invocation.settings.keyFile)
        let language = try invocation.settings.language()
        let database = try await OperatorDatabase(invocation)
        let found = try await database.transaction { try await Noun.channel.find(invocation.operand("NAME"), in: $0) }
        let probe = ChannelProbe(
            transports: Channels.transports(), directory: ChannelDirectory(pool: database.pool) { keyring.keyring },
            pool: database.pool, language: language)
        let report = try await probe.run(channel: found.id)
        let name = shown(found.name)
        switch report.outcome {
        case .sent(let note):
            let sentence = note.map { "sent, but not to everybody: \($0)" } ?? "sent; look whether it arrived"
            if invocation.wantsJSON {
                StandardOutput.write(answer(found.name, sentence, report).text)
            } else {
                if let chat = report.movedTo { StandardOutput.write("the chat has moved; chat_id is \(chat) now") }
                StandardOutput.write(printableLine("channel \(name): \(sentence)"))
            }
            return .ok
        case .retry(_, let reason, _): throw OperatorError(exitCode: .unavailable, message: "channel \(name): \(reason)")
        case .refused(let reason), .switchedOff(let reason):
            throw OperatorError(exitCode: .configuration, message: "channel \(name): \(reason)")
        case .migrated(_, let chat):
            throw OperatorError(
                exitCode: .unavailable, message: "channel \(name): the chat moved to \(shown(chat)), and again; try once more")
        }
    }

    private static func answer(_ name: String, _ sentence: String, _ report: ChannelProbe.Report) -> JSONValue {
        ["name": .string(name), "report": .string(sentence), "moved_to": report.movedTo.map { .string($0) } ?? .null]
    }
}
