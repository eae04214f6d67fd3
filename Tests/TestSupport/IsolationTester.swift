import Foundation

/// PostgreSQL's own isolation tester: runs the steps of several sessions in given orders and notices who waits for whom.
package struct IsolationTester: Sendable {
    /// One order of steps, and what came of it.
    package struct Permutation: Sendable {
        /// The steps' names, in the order in which they were begun.
        package let steps: [String]
        /// What the tool printed, without the statements.
        package fileprivate(set) var lines: [String] = []
        /// The steps that waited for another session.
        package fileprivate(set) var waiting: Set<String> = []
        /// Errors of steps, as the server worded them.
        package fileprivate(set) var errors: [(step: String, message: String)] = []

        /// The order and what happened, for people.
        package var description: String { (["permutation \(steps.joined(separator: " "))"] + lines).joined(separator: "\n  ") }
    }

    private let path: String

    /// Finds the tool where Debian's `postgresql-client-*` puts it, or beside `pg_config`.
    package init() throws {
        guard let path = Self.candidates().first(where: { access($0, X_OK) == 0 }) else {
            throw TestSupportError("PostgreSQL's isolationtester is not there: run scripts/setup, which installs postgresql-client-15")
        }
        self.path = path
    }

    private static func candidates() -> [String] {
        let root = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).compactMap { Int($0) }.sorted(by: >)
        let folders = versions.map { "\(root)/\($0)/lib/pgxs" } + [pgxs()].compactMap { $0 }
        return folders.map { $0 + "/src/test/isolation/isolationtester" }
    }

    /// The folder of PostgreSQL's build files, as `pg_config` says.
    private static func pgxs() -> String? {
        let search = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/pg_config" }
        guard let config = search.first(where: { access($0, X_OK) == 0 }), let file = try? Spawn(arguments: [config, "--pgxs"]).answer()
        else {
            return nil
        }
        let suffix = "/src/makefiles/pgxs.mk"
        let line = file.split(separator: "\n").first.map(String.init) ?? ""
        return line.hasSuffix(suffix) ? String(line.dropLast(suffix.count)) : nil
    }

    /// Runs a specification on a database. A step that waits for longer than a minute is cut off by the tool and told as an error.
    package func run(_ specification: String, on url: String, within limit: Duration) async throws -> [Permutation] {
        let file = NSTemporaryDirectory() + "chimera-\(getpid())-\(UUID().uuidString).spec"
        try specification.write(toFile: file, atomically: true, encoding: .utf8)
        defer { unlink(file) }
        let program = try RunningProgram(
            "/bin/sh", ["-c", "exec \"$0\" \"$1\" <\"$2\"", path, url, file], environment: ["PGISOLATIONTIMEOUT": "60"])
        let end = try await program.waitForExit(within: limit)
        let complaints = program.errors.filter { !$0.hasPrefix("unused step name") }
        guard end == .exited(0), complaints.isEmpty else {
            throw TestSupportError("isolationtester ended \(end):\n" + (complaints + program.output.suffix(20)).joined(separator: "\n"))
        }
        return Self.parse(program.output)
    }

    private static func parse(_ output: [String]) -> [Permutation] {
        var permutations: [Permutation] = []
        var step = ""
        for line in output {
            if line.hasPrefix("starting permutation: ") {
                permutations.append(
                    Permutation(steps: line.dropFirst("starting permutation: ".count).split(separator: " ").map(String.init)))
                step = ""
                continue
            }
            guard var current = permutations.popLast() else { continue }
            if line.hasPrefix("step "), let colon = line.firstIndex(of: ":") {
                step = String(line[line.index(line.startIndex, offsetBy: 5)..<colon])
                let waits = line.hasSuffix("<waiting ...>")
                if waits { current.waiting.insert(step) }
                current.lines.append("\(step)\(waits ? " waits" : line.hasSuffix("<... completed>") ? " goes on" : "")")
            } else if line.hasPrefix("ERROR:") || line.hasPrefix("FATAL:") {
                current.errors.append((step, line.drop { $0 != " " }.trimmingCharacters(in: .whitespaces)))
                current.lines.append(line)
            } else if line.hasPrefix("isolationtester:") {
                current.errors.append((step, line))
                current.lines.append(line)
            } else if !line.isEmpty {
                current.lines.append(line)
            }
            permutations.append(current)
        }
        return permutations
    }
}
