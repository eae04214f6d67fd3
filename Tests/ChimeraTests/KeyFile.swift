import Foundation

/// A key file of the test's own.
final class KeyFile: Sendable {
    let path = FileManager.default.temporaryDirectory.appending(path: "chimera-key-\(UUID().uuidString)").path

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ lines: String...) throws {
        try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: URL(filePath: path))
    }

    var environment: [String: String] { ["CHIMERA_KEY_FILE": path] }
}
