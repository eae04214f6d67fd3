import Foundation
import Glibc
import Testing

@testable import JobQueue

/// Which files are programs that a worker runs.
@Suite struct ProgramFileTests {
    /// A folder of programs, taken down with this object.
    private final class Folder {
        let path: String

        init() throws {
            let url = FileManager.default.temporaryDirectory.appending(path: "chimera-programs-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
            path = url.path
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func add(_ name: String, mode: Int = 0o755) throws {
            #expect(FileManager.default.createFile(atPath: "\(path)/\(name)", contents: Data("#!/bin/sh\n".utf8)))
            chmod("\(path)/\(name)", mode_t(mode))
        }

        func addFolder(_ name: String, mode: Int = 0o755) {
            mkdir("\(path)/\(name)", 0o755)
            chmod("\(path)/\(name)", mode_t(mode))
        }
    }

    private func refusal(_ name: String, in folder: String?) -> String {
        do {
            return "found " + (try ProgramFile(named: name, in: folder)).path
        } catch {
            #expect(!error.isRetryable)
            return "\(error.code): \(error.message)"
        }
    }

    @Test("an ordinary file of ours is found by its name, also by a link within the folder")
    func found() throws {
        let folder = try Folder()
        try folder.add("report")
        folder.addFolder("versions")
        try folder.add("versions/2", mode: 0o555)
        symlink("versions/2", folder.path + "/newest")
        symlink("report", folder.path + "/again")
        let real = try #require(realpath(folder.path, nil).map { String(cString: $0) })
        let report = try ProgramFile(named: "report", in: folder.path)
        #expect(report.path == real + "/report" && report.shownPath == folder.path + "/report" && report.folder == real)
        #expect(try ProgramFile(named: "newest", in: folder.path + "/").path == real + "/versions/2")
        #expect(try ProgramFile(named: "again", in: folder.path).path == real + "/report")
    }

    @Test(
        "names that are no bare names, and names that nothing has, are refused",
        arguments: ["", ".", "..", "a/b", "/bin/sh", "../sh", "a\0b"])
    func names(name: String) throws {
        let folder = try Folder()
        #expect(refusal(name, in: folder.path).hasPrefix("PROGRAM_REFUSED: config.program: "))
        #expect(refusal("missing", in: folder.path).hasPrefix("PROGRAM_NOT_FOUND: there is no program missing"))
    }

    @Test("what leads out, is no file, is not executable or could have been changed by others is refused")
    func refused() throws {
        let folder = try Folder()
        symlink("/bin/sh", folder.path + "/out")
        symlink("/nonexistent", folder.path + "/nowhere")
        folder.addFolder("inside")
        mkfifo(folder.path + "/pipe", 0o755)
        try folder.add("plain", mode: 0o644)
        try folder.add("group", mode: 0o775)
        try folder.add("others", mode: 0o757)
        try folder.add("setuid", mode: 0o4755)
        folder.addFolder("loose", mode: 0o777)
        try folder.add("loose/program")
        symlink("loose/program", folder.path + "/deep")
        #expect(refusal("out", in: folder.path).contains("leads out of"))
        #expect(refusal("nowhere", in: folder.path).hasPrefix("PROGRAM_NOT_FOUND"))
        #expect(
            refusal("inside", in: folder.path).contains("no ordinary file") && refusal("pipe", in: folder.path).contains("no ordinary file")
        )
        #expect(refusal("plain", in: folder.path).contains("may not be executed"))
        #expect(refusal("group", in: folder.path).contains("chmod go-w") && refusal("others", in: folder.path).contains("chmod go-w"))
        #expect(refusal("setuid", in: folder.path).contains("set-id"))
        #expect(refusal("deep", in: folder.path).contains("loose may be written by"))
    }

    @Test("a folder that others may write to, or that is none, holds no programs")
    func folders() throws {
        let folder = try Folder()
        try folder.add("report")
        #expect(refusal("report", in: nil).hasPrefix("CUSTOM_DIR: CHIMERA_CUSTOM_DIR is not set"))
        #expect(refusal("report", in: "").hasPrefix("CUSTOM_DIR: "))
        #expect(
            refusal("report", in: "programs").hasPrefix("CUSTOM_DIR: ") && refusal("report", in: "/nonexistent").hasPrefix("CUSTOM_DIR: "))
        #expect(refusal("report", in: folder.path + "/report").hasPrefix("PROGRAM_NOT_FOUND"))
        chmod(folder.path, 0o775)
        #expect(refusal("report", in: folder.path).contains("may be written by its group"))
        chmod(folder.path, 0o755)
        #expect(refusal("report", in: folder.path).hasPrefix("found"))
    }

    @Test("a file or folder of another user is refused", .enabled(if: geteuid() == 0, "only root can give files away"))
    func owners() throws {
        let folder = try Folder()
        try folder.add("report")
        chown(folder.path + "/report", 12_345, 0)
        #expect(refusal("report", in: folder.path).contains("belongs to user 12345"))
        chown(folder.path + "/report", 0, 0)
        chown(folder.path, 12_345, 0)
        #expect(refusal("report", in: folder.path).contains("belongs to user 12345"))
    }

    @Test("paths are bytes: a combining mark behind a slash hides no folder, and a spelling that only looks alike is another one")
    func bytes() throws {
        let folder = try Folder()
        folder.addFolder("\u{301}open", mode: 0o777)
        try folder.add("\u{301}open/tool")
        symlink("\u{301}open/tool", folder.path + "/tool")
        #expect(refusal("tool", in: folder.path).contains("open may be written by its group"), "\(refusal("tool", in: folder.path))")
        folder.addFolder("caf\u{E9}")
        folder.addFolder("cafe\u{301}")
        try folder.add("cafe\u{301}/tool")
        symlink("../cafe\u{301}/tool", folder.path + "/caf\u{E9}/tool")
        #expect(refusal("tool", in: folder.path + "/caf\u{E9}").contains("leads out of"))
    }
}
