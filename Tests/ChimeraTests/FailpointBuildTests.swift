import Foundation
import TestSupport
import Testing

/// Failpoints kill and stop programs: only builds for tests may hold them. `scripts/release` looks into the whole program.
@Suite(.serialized) struct FailpointBuildTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    private static let variable = "CHIMERA_FAILPOINT"

    /// Every place that the sources mark, and lines that mark one in another way than inside of an assertion.
    private static func places() throws -> (names: Set<String>, unasserted: [String]) {
        var names: Set<String> = []
        var unasserted: [String] = []
        let files = try #require(FileManager.default.enumerator(at: root.appending(path: "Sources"), includingPropertiesForKeys: nil))
        for case let file as URL in files where file.pathExtension == "swift" && file.lastPathComponent != "Failpoint.swift" {
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") where line.contains("Failpoint.") {
                if let match = line.firstMatch(of: #/assert\(Failpoint\.reach\("([a-z.-]+)"\)\)/#) {
                    names.insert(String(match.output.1))
                } else {
                    unasserted.append("\(file.lastPathComponent): \(line)")
                }
            }
        }
        return (names, unasserted)
    }

    @Test("R01: places stand in assertions, which an optimised build leaves out")
    func placesAreAssertions() throws {
        let (names, unasserted) = try Self.places()
        #expect(unasserted == [])
        #expect(names.count >= 10, "the pattern finds the places")
    }

    @Test("R01: compiled as a release, neither failpoints nor any place's name are left; compiled for tests, all of them are there")
    func releaseHasNone() async throws {
        let names = try Self.places().names
        let release = try await Self.compile(["-O"], names)
        for word in names.union([Self.variable]) { #expect(!release.contains(word: word), "a release holds \(word)") }
        let debug = try await Self.compile(["-Onone", "-D", "DEBUG"], names)
        for word in names.union([Self.variable]) { #expect(debug.contains(word: word), "a build for tests lacks \(word)") }
    }

    /// The objects of Failpoint.swift as the module Runtime, and of a program that passes every place.
    private static func compile(_ mode: [String], _ names: Set<String>) async throws -> [Foundation.Data] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "chimera-failpoints-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = { (name: String) in folder.appending(path: name).path() }
        let calls = names.sorted().map { "    assert(Failpoint.reach(\"\($0)\"))\n" }.joined()
        try "import Runtime\n\npackage func pass() {\n\(calls)}\n".write(toFile: path("Passing.swift"), atomically: true, encoding: .utf8)
        let common = mode + ["-parse-as-library", "-package-name", "chimera", "-swift-version", "6", "-wmo", "-I", folder.path()]
        let modules = [
            (
                ["-module-name", "Runtime", "-emit-module", "-emit-module-path", path("Runtime.swiftmodule")],
                "Sources/Runtime/Failpoint.swift"
            ),
            (["-module-name", "Passing"], path("Passing.swift")),
        ]
        var objects: [Foundation.Data] = []
        for (flags, source) in modules {
            let object = path("\(objects.count).o")
            let file = source.hasPrefix("/") ? source : root.appending(path: source).path()
            let compiler = try RunningProgram("/usr/bin/env", ["swiftc"] + common + flags + ["-c", "-o", object, file])
            let end = try await compiler.waitForExit(within: .seconds(300))
            try #require(end == .exited(0), "\(compiler.errors.joined(separator: "\n"))")
            objects.append(try Foundation.Data(contentsOf: URL(filePath: object)))
        }
        return objects
    }
}

extension [Foundation.Data] {
    fileprivate func contains(word: String) -> Bool { contains { $0.range(of: Foundation.Data(word.utf8)) != nil } }
}
