import Foundation
import Testing

/// What lies in the checkout: folders, scripts, units and what no file may say.
@Suite struct RepositoryTests {
    static let topLevel: Set<String> = [
        "Package.swift", "README.md", "LICENSE", ".ci", ".swift-format", ".gitignore", "Sources", "Tests", "deploy", "scripts",
    ]

    /// Files that are text, with this test left out: it has to spell what it forbids.
    static let texts = Repository.projectFiles.filter { !$0.hasPrefix("Tests/Style/") }

    @Test("the top level holds only what belongs there")
    func topLevelIsKnown() {
        let entries = Set(Repository.projectFiles.map { String($0.split(separator: "/")[0]) })
        #expect(entries.contains("Package.swift"), "the listing of the checkout is empty")
        #expect(entries.subtracting(Self.topLevel).sorted() == [])
    }

    @Test("every script says in its second line what it is for, prints that for --help, and can be run")
    func scriptsSayWhatTheyAreFor() {
        var findings = Findings()
        for path in Repository.projectFiles where path.hasPrefix("scripts/") || path.hasPrefix(".ci/") {
            let lines = Repository.text(path).split(separator: "\n", omittingEmptySubsequences: false)
            guard path.split(separator: "/").count == 2, lines.count > 2, lines[0].hasPrefix("#!") else { continue }
            guard lines[1].contains(#/^# [A-Z].{10,}[^:]$/#) else {
                findings.add(path, 2, "does not say in one line what the script is for")
                continue
            }
            guard FileManager.default.isExecutableFile(atPath: Repository.root.appending(path: path).path) else {
                findings.add(path, nil, "is not executable")
                continue
            }
            let help = Repository.run(Repository.root.appending(path: path).path, ["--help"])
            if help.exitCode != 0 || help.output.split(separator: "\n").first != lines[1].dropFirst(2) {
                findings.add(path, nil, "--help does not print its second line, but \(help.exitCode): \(help.output.prefix(200))")
            }
        }
        findings.expectNone()
    }

    @Test("scripts/help lists every script")
    func helpListsEveryScript() {
        let help = Repository.run(Repository.root.appending(path: "scripts/help").path, [])
        #expect(help.exitCode == 0)
        let listed = Set(help.output.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) })
        let scripts = Set(Repository.projectFiles.filter { $0.hasPrefix("scripts/") && $0.split(separator: "/").count == 2 })
        #expect(scripts.subtracting(listed) == [])
    }

    @Test("nothing points outside of the checkout, and nothing is left to do")
    func textsStandAlone() {
        var findings = Findings()
        let outside = #/\.\./shared\b|/work/(?:shared|notes|wt|main)\b/#
        for path in Self.texts {
            let lines = Repository.text(path).split(separator: "\n", omittingEmptySubsequences: false)
            for (index, line) in lines.enumerated() {
                if line.contains(outside) { findings.add(path, index + 1, "refers to something outside of the checkout") }
                // Only in comments: "todo" is a Portuguese word.
                if line.contains(#/(?:/[/*]|#|--|<!--).*\b(?:TODO|FIXME)\b/#) { findings.add(path, index + 1, "is left unfinished") }
            }
        }
        findings.expectNone()
    }

    static let hasSystemdAnalyze = Repository.run("/usr/bin/env", ["systemd-analyze", "--version"]).exitCode == 0

    @Test(
        "the systemd units verify, and are exposed 1.5 at most",
        .enabled(if: hasSystemdAnalyze, "systemd-analyze is not installed here: apt-get install systemd"))
    func unitsVerify() {
        let lint = Repository.run(Repository.root.appending(path: "scripts/lint-units").path, [])
        #expect(lint.exitCode == 0, "\(lint.output)")
        #expect(lint.output.contains("chimera-scheduler.service") && lint.output.contains("chimera-worker@"))
    }

    @Test("a worker's unit leaves it more time to stop than its jobs have")
    func workerMayFinish() throws {
        let unit = Repository.text("deploy/chimera-worker@.service")
        let grace = try #require(unit.firstMatch(of: #/--grace (\d+)/#).flatMap { Int($0.output.1) })
        let stop = try #require(unit.firstMatch(of: #/(?m)^TimeoutStopSec=(\d+)$/#).flatMap { Int($0.output.1) })
        #expect(stop >= grace + 10)
    }

    @Test("README.md names the scripts that test and demonstrate", .enabled(if: Repository.isFile("README.md"), "no README.md yet"))
    func readmeNamesTheScripts() {
        let readme = Repository.text("README.md")
        #expect(readme.contains("scripts/test"))
        #expect(readme.contains("scripts/demo"))
    }

    @Test("continuous integration runs the command that README.md names, and no step can end it early with success")
    func continuousIntegrationRunsTheTests() {
        let script = Repository.text(".ci/run")
        let steps = script.matches(of: #/(?m)^step (\S+)/#).map { String($0.output.1) }
        #expect(steps == ["scripts/setup", "scripts/lint", "scripts/test"])
        #expect(script.matches(of: #/\bexit 0\b/#).count == 1, "only --help leaves .ci/run with an exit 0")
    }
}
