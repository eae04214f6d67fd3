import Foundation
import Glibc

/// Makes the clock of a program wrong or its disk full, while it runs: `Shim/shim.c`, compiled when first asked for.
///
/// Give `environment` to the program, and it sees what the shim says from then on.
package final class Shim: Sendable {
    /// How full the disk of a PostgreSQL server is.
    package enum Fullness: Int64, Sendable {
        case none = 0
        /// No table and no index can grow; the WAL can.
        case data = 1
        /// Nothing can.
        case all = 2
    }

    private static let library = Result { try compile() }
    private let folder: String

    /// A right clock and an empty disk.
    package init() throws {
        _ = try Self.library.get()
        folder = try Self.temporaryFolder("shim")
        try Foundation.Data(count: 16).write(to: URL(filePath: folder + "/state"))
        // PostgreSQL may run as another user.
        chmod(folder, 0o755)
        chmod(folder + "/state", 0o644)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// What a program's environment needs.
    package var environment: [String: String] {
        ["LD_PRELOAD": (try? Self.library.get()) ?? "", "CHIMERA_SHIM": folder + "/state"]
    }

    /// Sets the clock so far ahead of the real time, or behind it.
    package func setClock(ahead: Duration) throws { try write(Int64(ahead / .microseconds(1)), at: 0) }

    /// Fills the disk, or gives room again.
    package func fillDisk(_ fullness: Fullness) throws { try write(fullness.rawValue, at: 8) }

    private func write(_ number: Int64, at offset: UInt64) throws {
        let file = try FileHandle(forWritingTo: URL(filePath: folder + "/state"))
        try file.seek(toOffset: offset)
        try file.write(contentsOf: withUnsafeBytes(of: number) { Foundation.Data($0) })
        try file.close()
    }

    private static func compile() throws -> String {
        let source = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Shim/shim.c").path()
        let library = try temporaryFolder("shim-library") + "/shim.so"
        Undertaker.shared.remove((library as NSString).deletingLastPathComponent)
        try Spawn(arguments: ["/usr/bin/cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source]).run()
        chmod((library as NSString).deletingLastPathComponent, 0o755)
        return library
    }

    private static func temporaryFolder(_ name: String) throws -> String {
        let folder = "/tmp/chimera-\(name)-\(getpid())-\(UUID().uuidString)"
        guard mkdir(folder, 0o700) == 0 else { throw TestSupportError("cannot make \(folder)") }
        return folder
    }
}
