import Glibc

/// The processes that descend from one, as /proc shows them.
struct ProcessTree: Sendable {
    /// Those that still run, without the one at the root.
    let descendants: [pid_t]

    /// Looks now. Where the root takes in orphans, daemons stand here like any child.
    init(below root: pid_t) {
        var children: [pid_t: [pid_t]] = [:]
        for process in Self.all() { children[process.parent, default: []].append(process.id) }
        var found: [pid_t] = []
        var next = children[root] ?? []
        while let process = next.popLast() {
            found.append(process)
            next += children[process] ?? []
        }
        descendants = found
    }

    private static func all() -> [(id: pid_t, parent: pid_t)] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var found: [(pid_t, pid_t)] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: Int(entry.pointee.d_reclen)) { String(cString: $0) }
            }
            if let id = pid_t(name), let parent = runningParent(of: id) { found.append((id, parent)) }
        }
        return found
    }

    /// The parent's id; nil for a process that is gone or only waits to be reaped.
    private static func runningParent(of process: pid_t) -> pid_t? {
        let file = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = read(file, &buffer, buffer.count)
        // The name stands in parentheses and may hold some itself.
        guard count > 0, let end = buffer[..<count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = String(decoding: buffer[(end + 1)..<count], as: UTF8.self).split(separator: " ")
        guard fields.count > 1, fields[0] != "Z", fields[0] != "X" else { return nil }
        return pid_t(fields[1])
    }
}
