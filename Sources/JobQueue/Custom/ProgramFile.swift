import Glibc

/// A program of a CUSTOM job that may be run: an ordinary file in the folder of such programs, which nobody but root and the worker's
/// own user can have put there or changed.
struct ProgramFile: Hashable, Sendable {
    /// What is executed; symbolic links are resolved.
    let path: String
    /// What the program is told as its own name: the folder and the name asked for.
    let shownPath: String
    /// The folder.
    let folder: String

    /// Finds a program by its bare name. Throws a permanent `RunError` that says what is wrong.
    init(named name: String, in folder: String?) throws(RunError) {
        guard let folder, !folder.isEmpty else {
            throw Self.unusable("CUSTOM_DIR", "CHIMERA_CUSTOM_DIR is not set on this worker; set it to the folder of such programs")
        }
        guard folder.hasPrefix("/"), let root = Self.resolved(folder) else {
            throw Self.unusable("CUSTOM_DIR", "CHIMERA_CUSTOM_DIR of this worker is \(folder), which is no folder given by its full path")
        }
        guard Self.isBareName(name) else {
            throw Self.unusable("PROGRAM_REFUSED", "config.program: \"\(name.prefix(100))\" is not the name of a program alone")
        }
        shownPath = folder + (folder.hasSuffix("/") ? "" : "/") + name
        guard let path = Self.resolved(shownPath) else {
            let error = SystemError.last
            throw error.number == ENOENT || error.number == ENOTDIR
                ? Self.unusable("PROGRAM_NOT_FOUND", "there is no program \(name) in \(folder) on this worker")
                : Self.unusable("PROGRAM_REFUSED", "\(shownPath) cannot be looked at: \(error)")
        }
        // Of bytes, as the kernel's: to a String two spellings of a name are one, and a slash with a mark behind it is no slash.
        guard path.utf8.starts(with: (root == "/" ? root : root + "/").utf8) else {
            throw Self.unusable("PROGRAM_REFUSED", "\(shownPath) leads out of \(folder), to \(path)")
        }
        // The folder, those in between when a link leads deeper, the file.
        var between = root
        try Self.check(between, isProgram: false)
        for name in path.utf8.dropFirst(root.utf8.count).split(separator: UInt8(ascii: "/")).dropLast() {
            between += "/" + String(decoding: name, as: UTF8.self)
            try Self.check(between, isProgram: false)
        }
        try Self.check(path, isProgram: true)
        self.path = path
        self.folder = root
    }

    /// A name of one file: no folder, no way up.
    static func isBareName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 255 && name != "." && name != ".." && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    }

    private static func check(_ path: String, isProgram: Bool) throws(RunError) {
        var facts = stat()
        guard stat(path, &facts) == 0 else { throw unusable("PROGRAM_REFUSED", "\(path) cannot be looked at: \(SystemError.last)") }
        let kind = facts.st_mode & S_IFMT
        guard kind == (isProgram ? S_IFREG : S_IFDIR) else {
            throw unusable("PROGRAM_REFUSED", "\(path) is no \(isProgram ? "ordinary file" : "folder")")
        }
        guard facts.st_uid == 0 || facts.st_uid == geteuid() else {
            throw unusable("PROGRAM_REFUSED", "\(path) belongs to user \(facts.st_uid); it must belong to root or to the worker's own user")
        }
        guard facts.st_mode & (S_IWGRP | S_IWOTH) == 0 else {
            throw unusable("PROGRAM_REFUSED", "\(path) may be written by its group or by others; take that right away (chmod go-w)")
        }
        guard isProgram else { return }
        guard facts.st_mode & (S_ISUID | S_ISGID) == 0 else {
            throw unusable("PROGRAM_REFUSED", "\(path) runs as another user or group (set-id bit), which could not be stopped")
        }
        guard access(path, X_OK) == 0 else { throw unusable("PROGRAM_REFUSED", "\(path) may not be executed by the worker's user") }
    }

    private static func resolved(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    private static func unusable(_ code: String, _ message: String) -> RunError {
        RunError(code: code, message: message, isRetryable: false)
    }
}
