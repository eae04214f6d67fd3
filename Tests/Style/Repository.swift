import Foundation

/// The checkout that this test was compiled from.
enum Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The Swift files under `Sources` and `Tests`, by path.
    static let swiftFiles: [SwiftFile] = (files(under: "Sources") + files(under: "Tests"))
        .filter { $0.hasSuffix(".swift") }
        .map { SwiftFile(path: $0, source: text($0)) }

    static let sources = swiftFiles.filter { $0.path.hasPrefix("Sources/") }
    static let tests = swiftFiles.filter { $0.path.hasPrefix("Tests/") }

    /// Paths of the regular files under a folder, relative to the root, sorted.
    static func files(under folder: String) -> [String] {
        let paths = FileManager.default.enumerator(atPath: root.appending(path: folder).path)?.compactMap { $0 as? String } ?? []
        return paths.map { "\(folder)/\($0)" }.filter { isFile($0) }.sorted()
    }

    static func isFile(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: root.appending(path: path).path, isDirectory: &isFolder) && !isFolder.boolValue
    }

    /// A file's text; bytes that are no UTF-8 come out as replacement characters.
    static func text(_ path: String) -> String {
        guard let bytes = FileManager.default.contents(atPath: root.appending(path: path).path) else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What belongs to the project: what git tracks or would track, or everything but build products where git cannot say.
    static let projectFiles: [String] = {
        // The checkout may belong to someone else than who runs the tests; that is no reason to see less.
        let listing = run(
            "/usr/bin/env", ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        let tracked = listing.output.split(separator: "\0").map(String.init).filter { isFile($0) }
        if listing.exitCode == 0, !tracked.isEmpty { return tracked.sorted() }
        let top = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return top.filter { ![".git", ".build"].contains($0) }.flatMap { isFile($0) ? [$0] : files(under: $0) }.sorted()
    }()

    /// Runs a program in the checkout with nothing on its standard input, and returns what it said on both outputs.
    static func run(_ program: String, _ arguments: [String]) -> (exitCode: Int32, output: String) {
        let task = Process()
        let pipe = Pipe()
        task.executableURL = URL(filePath: program)
        task.arguments = arguments
        task.currentDirectoryURL = root
        task.standardInput = FileHandle.nullDevice
        task.standardOutput = pipe
        task.standardError = pipe
        do {
            try task.run()
        } catch {
            return (127, "\(program) does not start: \(error)")
        }
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        task.waitUntilExit()
        return (task.terminationStatus, output)
    }
}

/// One Swift file of the checkout.
struct SwiftFile: Sendable {
    /// Relative to the root: `Sources/Cron/CronPattern.swift`.
    let path: String
    /// The folder under `Sources` or `Tests`.
    let target: String
    let code: [String]
    let comments: [String]
    let literals: [(line: Int, text: String)]

    init(path: String, source: String) {
        let text = SwiftText(source)
        self.path = path
        target = path.split(separator: "/").dropFirst().first.map(String.init) ?? ""
        code = text.code
        comments = text.comments
        literals = text.literals
    }

    /// The file's name without folders.
    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    /// Lines as an editor counts them: what follows the last line's end is none.
    var lineCount: Int { code.last?.allSatisfy(\.isWhitespace) == true ? code.count - 1 : code.count }

    /// Every match of a pattern in the code (no comments, no literals), with its line number.
    func matches<Output>(_ pattern: Regex<Output>) -> [(line: Int, match: Regex<Output>.Match)] {
        code.enumerated().flatMap { index, line in line.matches(of: pattern).map { (index + 1, $0) } }
    }

    /// Whether a comment stands at the end of a line, or right above it; attributes in between do not count.
    func hasComment(at line: Int) -> Bool {
        if !isBlank(comments[line - 1]) { return true }
        var above = line - 2
        while above >= 0, isAttribute(above) { above -= 1 }
        return above >= 0 && isBlank(code[above]) && !isBlank(comments[above])
    }

    /// Whether a doc comment stands above a line; attributes and ordinary comments in between do not count.
    func hasDocumentation(at line: Int) -> Bool {
        var above = line - 2
        while above >= 0, isAttribute(above) || comments[above].contains(#/^\s*//(?!/)/#) { above -= 1 }
        return above >= 0 && isBlank(code[above]) && comments[above].contains(#/^\s*///|\*/\s*$/#)
    }

    private func isAttribute(_ index: Int) -> Bool { isBlank(comments[index]) && code[index].contains(#/^\s*@/#) }

    /// Whether a comment stands anywhere in the lines above that no empty line separates.
    func hasCommentInParagraph(at line: Int) -> Bool {
        var index = line - 1
        while index >= 0, !(isBlank(code[index]) && isBlank(comments[index]) && !isInLiteral(index + 1)) {
            if !isBlank(comments[index]) { return true }
            index -= 1
        }
        return false
    }

    private func isInLiteral(_ line: Int) -> Bool {
        literals.contains { $0.line <= line && line < $0.line + $0.text.count(where: { $0 == "\n" }) }
    }

    private func isBlank(_ text: String) -> Bool { text.allSatisfy(\.isWhitespace) }
}
