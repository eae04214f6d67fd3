import Foundation
import Runtime
import Secrets

/// `chimera secret …`.
enum SecretCommands {
    static let all = [generateKey, encrypt, rotate]

    private static let generateKey = Command(
        words: ["secret", "generate-key"], summary: "Prints a new key as a line for the key file",
        notes: """
            The key file (CHIMERA_KEY_FILE) holds one or more such lines: the first key encrypts, all of them decrypt. It must be readable by
            the workers' user alone:
              (umask 077; chimera secret generate-key > chimera.key)

            To replace a key while everything runs, on every machine:
              1. put the new line behind the old one, then send SIGHUP to workers and schedulers: they can read it
              2. move the new line to the front, then SIGHUP: it encrypts
              3. chimera secret rotate, once: everything stored is encrypted with it
              4. remove the old line, then SIGHUP
            """
    ) { _ in
        StandardOutput.write(SecretKey.generate().fileLine)
        return .ok
    }

    private static let encrypt = Command(
        words: ["secret", "encrypt"], summary: "Encrypts a secret that stands on standard input and prints what to put in a config",
        notes: """
            Reads until the end; one line break at the end does not belong to the secret. On a terminal it asks, and does not show what is typed.
            Needs no database. The answer may stand in any config, and as a value in integration_keys:
              chimera secret encrypt < token.txt
            """
    ) { invocation in
        let keyring = try keyring(invocation)
        var secret = try isatty(STDIN_FILENO) == 1 ? HiddenInput.line(asking: "Secret: ") : InputFile("-", limit: 64 << 10).text
        if secret.hasSuffix("\r\n") || secret.hasSuffix("\n") { secret.removeLast() }
        guard !secret.isEmpty else {
            throw OperatorError(
                exitCode: .badData, message: "standard input holds no secret; write it there, such as `chimera secret encrypt < FILE`")
        }
        StandardOutput.write(keyring.encrypt(secret))
        return .ok
    }

    private static let rotate = Command(
        words: ["secret", "rotate"], summary: "Encrypts everything stored once more, with the first key of the key file", options: [.json],
        notes: """
            Goes through the configs of integrations, channels, jobs and stores, through integration_keys and through the params of executions
            that wait, a hundred rows at a time; workers go on meanwhile. Running it again does no harm. When it ends with 0, nothing that is
            still to run needs an older key; what has ended keeps its params as they were. Exit code 65: some could not be opened with any
            key of the file, could not be read, or run just now; they are named and left as they are.
            """
    ) { invocation in
        let keyring = try keyring(invocation)
        let database = try await OperatorDatabase(invocation)
        let report = try await SecretRotation(keyring: keyring, database: database).run()
        if invocation.wantsJSON {
            StandardOutput.write(report.document(key: keyring.currentKey.id).text)
        } else {
            StandardOutput.write(
                "key \(keyring.currentKey.id): \(report.renewed) secrets encrypted again in \(report.rows) rows, \(report.kept) were already"
            )
        }
        guard let first = report.unreadable.first else { return .ok }
        let others = report.unreadable.count > 1 ? " (and \(report.unreadable.count - 1) more)" : ""
        throw OperatorError(exitCode: .badData, message: "\(first.place)\(others) was left as it is: \(first.reason)")
    }

    private static func keyring(_ invocation: Invocation) throws(OperatorError) -> SecretKeyring {
        guard let path = invocation.settings.keyFile else {
            throw OperatorError(
                exitCode: .configuration,
                message: "no key is set; set CHIMERA_KEY_FILE to the workers' key file, or make one with `chimera secret generate-key`")
        }
        return try SecretKeyring.load(path: path)
    }
}

/// A line that is typed on the terminal and not shown.
private enum HiddenInput {
    /// What a terminal keeps of a line at most.
    private static let longestLine = 4_095
    private static let interrupt: UInt8 = 3

    static func line(asking question: String) throws(OperatorError) -> String {
        StandardOutput.ask(question)
        var before = termios()
        tcgetattr(STDIN_FILENO, &before)
        var silent = before
        // Ctrl-C ends the line instead of the program, which has to show again what is typed first.
        silent.c_lflag &= ~tcflag_t(ECHO | ISIG)
        silent.c_cc.11 = interrupt  // VEOL
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        var bytes = [UInt8](repeating: 0, count: 2 * longestLine)
        var count = read(STDIN_FILENO, &bytes, bytes.count)
        while count < 0 && errno == EINTR { count = read(STDIN_FILENO, &bytes, bytes.count) }
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
        StandardOutput.ask("\n")
        let line = bytes.prefix(max(count, 0))
        if line.contains(interrupt) {
            signal(SIGINT, SIG_DFL)
            raise(SIGINT)
        }
        let text = line.last == UInt8(ascii: "\n") ? line.dropLast() : line
        guard text.count < longestLine else {
            throw OperatorError(
                exitCode: .badData,
                message: "a terminal cuts lines of \(longestLine) bytes; give the secret by a file: chimera secret encrypt < FILE")
        }
        return String(decoding: text, as: UTF8.self)
    }
}
