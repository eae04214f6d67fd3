import Glibc
import Synchronization

/// A process of its own that cleans up after this one, however it ends: kills process groups, stops servers, removes folders.
///
/// It reads orders from a pipe; when this process is gone, also by SIGKILL, the pipe ends and the orders are carried out.
final class Undertaker: Sendable {
    static let shared = Undertaker()

    private let pipe: Int32
    private let lock = Mutex(())

    private static let script = """
        G=; S=; F=
        while read -r order what; do
          case $order in
            group) G="$G $what " ;;
            forget) G=$(printf %s "$G" | sed "s| $what ||") ;;
            server) S="$S $what" ;;
            folder) F="$F $what" ;;
          esac
        done
        for g in $G; do kill -KILL -- -$g; done
        for s in $S; do [ -s $s/postmaster.pid ] && kill -QUIT $(head -n 1 $s/postmaster.pid); done
        for s in $S; do n=0; while [ -s $s/postmaster.pid ] && [ $n -lt 100 ]; do n=$((n + 1)); sleep 0.05; done; done
        for f in $F; do rm -rf $f; done
        """

    private init() {
        let (readEnd, writeEnd) = makePipe()
        pipe = writeEnd
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer {
            close(readEnd)
            close(null)
        }
        _ = try? Spawn(arguments: ["/bin/sh", "-c", Self.script], input: readEnd, output: null, error: null, isOwnSession: true).start()
    }

    /// Kills a process group at the end of this process.
    func killGroup(_ group: pid_t) { order("group \(group)") }
    /// Takes `killGroup` back: the group is gone and its number may be given to others.
    func forgetGroup(_ group: pid_t) { order("forget \(group)") }
    /// Stops the server whose cluster lies in this folder.
    func stopServer(in folder: String) { order("server \(folder)") }
    /// Removes a folder.
    func remove(_ folder: String) { order("folder \(folder)") }

    private func order(_ line: String) {
        lock.withLock { _ in
            _ = (line + "\n").withCString { write(pipe, $0, strlen($0)) }
        }
    }
}
