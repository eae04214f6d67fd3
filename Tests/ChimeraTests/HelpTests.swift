import Foundation
import TestSupport
import Testing

/// Help at every level: the texts are goldens, recorded with CHIMERA_RECORD=1, which fails the run.
@Suite struct HelpTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Goldens")
    static let isRecording = ProcessInfo.processInfo.environment["CHIMERA_RECORD"] == "1"

    @Test("every command's help is the recorded one, and nothing else is recorded")
    func goldens() async throws {
        let texts = try await Self.texts()
        #expect(texts.count > 30, "the walk through the help finds no commands any more")
        if Self.isRecording {
            try FileManager.default.createDirectory(at: Self.folder, withIntermediateDirectories: true)
            for old in try FileManager.default.contentsOfDirectory(at: Self.folder, includingPropertiesForKeys: nil) {
                try FileManager.default.removeItem(at: old)
            }
            for (name, text) in texts { try Data((text + "\n").utf8).write(to: Self.folder.appending(path: name)) }
            Issue.record("recorded \(texts.count) help texts: look at them and run again without CHIMERA_RECORD")
            return
        }
        for (name, text) in texts.sorted(by: { $0.key < $1.key }) {
            let golden = try? String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
            #expect(golden == text + "\n", "\(name) differs: run with CHIMERA_RECORD=1 and look at the difference")
        }
        let recorded = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(Set(recorded).subtracting(texts.keys) == [], "goldens of commands that are gone")
    }

    @Test("--help, -h and help say the same, at every level and wherever they stand")
    func spellings() async throws {
        let spellings: [[[String]]] = [
            [["help"], ["--help"], ["-h"]],
            [["help", "job"], ["job", "--help"], ["job", "-h"], ["help", "job", "--help"]],
            [["help", "migrate"], ["migrate", "--help"]],
            [
                ["help", "job", "add"], ["job", "add", "--help"], ["job", "add", "x", "-h"], ["job", "add", "--type", "--help"],
                ["job", "add", "--nonsense", "--help"],
            ],
            [["help", "cron", "next"], ["cron", "next", "--help"], ["cron", "next", "-h"]],
            [["help", "worker"], ["worker", "--slots", "4", "--help"]],
        ]
        for group in spellings {
            let expected = try await chimera(group[0])
            for arguments in group {
                let answer = try await chimera(arguments)
                #expect(answer.exitCode == 0 && answer.errors.isEmpty, "\(arguments): \(answer.errors)")
                #expect(answer.lines == expected.lines && answer.lines.first?.hasPrefix("Usage: chimera") == true, "\(arguments)")
            }
        }
    }

    @Test("no line of help is wider than 140 columns or ends in blanks")
    func shape() async throws {
        for (name, text) in try await Self.texts() {
            for line in text.split(separator: "\n") { #expect(line.count <= 140 && line.last != " ", "\(name): \(line)") }
        }
    }

    @Test("the help names every variable that the settings read")
    func variables() async throws {
        let root = Self.folder.appending(path: "../../..").standardized
        let settings = try ["chimera/ProgramSettings.swift", "Runtime/Logger.swift"].map {
            try String(contentsOf: root.appending(path: "Sources/" + $0), encoding: .utf8)
        }.joined()
        let help = try await chimera(["help"]).text
        let names = Set(settings.matches(of: #/"((?:CHIMERA|DATABASE|CREDENTIALS)_[A-Z_]+)"/#).map { String($0.output.1) })
        #expect(names.contains("DATABASE_URL") && names.count > 6, "\(names)")
        // systemd sets that one.
        for name in names where name != "CREDENTIALS_DIRECTORY" { #expect(help.contains(name), "\(name)") }
    }

    @Test("the READMEs show commands that exist", arguments: ["README.md", "deploy/README.md"])
    func documents(path: String) async throws {
        let root = Self.folder.appending(path: "../../..").standardized
        let document = try String(contentsOf: root.appending(path: path), encoding: .utf8)
        let known = Set(Self.words(of: try await chimera(["help"])))
        let shown = Set(document.matches(of: #/\bchimera ([a-z]+)/#).map { String($0.output.1) })
        #expect(shown.count > 4)
        #expect(shown.subtracting(known) == [])
    }

    @Test("what comes later is no command yet", arguments: ["doctor", "metrics", "import"])
    func unknownCommands(word: String) async throws {
        expectRefusal(try await chimera([word]), 64, "there is no command \"\(word)\"", of: [word])
        expectRefusal(try await chimera(["help", word]), 64, "there is no command \"\(word)\"", of: ["help", word])
    }

    @Test("--version says the version")
    func version() async throws {
        let answer = try await chimera(["--version"])
        #expect(answer.exitCode == 0)
        #expect(answer.lines.count == 1 && answer.lines[0].contains(#/^chimera \d+\.\d+\.\d+$/#))
    }

    /// Every help text by the name of its file, found by walking from the overview.
    private static func texts() async throws -> [String: String] {
        let overview = try await chimera(["help"])
        var texts = ["chimera.txt": overview.text]
        for noun in words(of: overview) where noun != "help" {
            let help = try await chimera(["help", noun])
            texts["chimera-\(noun).txt"] = help.text
            guard help.lines.first?.contains("COMMAND") == true else { continue }
            for verb in words(of: help) { texts["chimera-\(noun)-\(verb).txt"] = try await chimera(["help", noun, verb]).text }
        }
        return texts
    }

    /// The first words of the lines that list something.
    private static func words(of help: Answer) -> [String] {
        help.lines.filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }.compactMap { $0.split(separator: " ").first.map(String.init) }
    }
}
