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

    @Test("scripts/plot draws the median of all rounds of all files, and says what it cannot read")
    func plotDrawsMedians() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "plot-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func write(_ name: String, _ rates: String) throws -> String {
            let file = folder.appending(path: name)
            let lines = ["\"queue_rate_1\": [\(rates)],", "\"queue_worker_cpu_us_1\": [10],", "\"queue_postgres_cpu_us_1\": [20]"]
            try Data("{\n  \(lines.joined(separator: "\n  "))\n}\n".utf8).write(to: file)
            return file.path
        }
        let plot = Repository.root.appending(path: "scripts/plot").path
        // 40 µs are the largest figure, at the top of its panel, which begins at 320; the median is neither the mean nor the last.
        for rates in [[try write("one", "25000, 10000, 1000000")], [try write("a", "25000, 10000"), try write("b", "1000000")]] {
            let drawn = Repository.run(plot, rates)
            #expect(drawn.exitCode == 0)
            #expect(drawn.output.contains(#"<circle cx="725.0" cy="320.0" r="3" class="elapsed"/>"#), "\(drawn.output.prefix(3000))")
        }
        #expect(Repository.run(plot, ["/nonexistent.json"]).exitCode == 66)
        #expect(Repository.run(plot, [Repository.root.appending(path: "README.md").path]).exitCode == 65)
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
