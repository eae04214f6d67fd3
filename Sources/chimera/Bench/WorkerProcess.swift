import Foundation
import Glibc
import JobQueue
import Postgres
import Runtime

/// A `chimera worker --drain` of this very program.
final class WorkerProcess {
    /// How it ended and what it used.
    struct End {
        let status: Int32
        /// User and system time from its start, in seconds.
        let processorSeconds: Double
        /// The largest resident size that was seen.
        let peakMegabytes: Double
    }

    let pid: pid_t
    private var peak = 0.0

    /// Starts it with default settings against the database of `url`. It says warnings and errors on this program's standard error.
    init(url: String, environment: [String: String]) throws {
        var environment = environment
        environment["DATABASE_URL"] = url
        environment["CHIMERA_LOG_LEVEL"] = "warning"
        environment["NOTIFY_SOCKET"] = nil
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        let spawn = ProgramSpawn(
            path: "/proc/self/exe", arguments: ["chimera", "worker", "--drain"], environment: environment,
            descriptors: [null, null, STDERR_FILENO])
        switch spawn.start() {
        case .success(let pid): self.pid = pid
        case .failure(let error): throw OperatorError(exitCode: .internal, message: "a worker cannot be started: \(error)")
        }
    }

    /// Looks at its memory, of which nothing is left when it has ended.
    func notePeak() { peak = max(peak, ProcessTable.peakMegabytes(pid)) }

    /// Nil while it runs.
    func end() throws -> End? {
        notePeak()
        var status: Int32 = 0
        var usage = rusage()
        let answer = wait4(pid, &status, WNOHANG, &usage)
        guard answer != 0 else { return nil }
        guard answer == pid else { throw OperatorError(exitCode: .internal, message: "a worker was lost sight of") }
        let seconds = Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
        return End(status: status, processorSeconds: seconds, peakMegabytes: peak)
    }
}

/// What Linux says about programs of this machine in /proc.
enum ProcessTable {
    /// User and system seconds of a program, and of the children that it has waited for.
    static func processorSeconds(_ pid: pid_t) -> (own: Double, children: Double) {
        let fields = stat(pid)
        guard fields.count > 14 else { return (0, 0) }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        func seconds(_ first: Int) -> Double { ((Double(fields[first]) ?? 0) + (Double(fields[first + 1]) ?? 0)) / ticks }
        return (seconds(11), seconds(13))
    }

    static func parent(_ pid: pid_t) -> pid_t? {
        let fields = stat(pid)
        return fields.count > 1 ? pid_t(fields[1]) : nil
    }

    static func residentMegabytes(_ pid: pid_t) -> Double { megabytes("VmRSS:", of: pid) }
    static func peakMegabytes(_ pid: pid_t) -> Double { megabytes("VmHWM:", of: pid) }

    static var all: [pid_t] { ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { pid_t($0) } }

    /// The fields of `stat` behind the name, which may hold blanks: the state is the first.
    private static func stat(_ pid: pid_t) -> [Substring] {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        guard let end = text.lastIndex(of: ")") else { return [] }
        return text[text.index(after: end)...].split(whereSeparator: { $0 == " " || $0 == "\n" })
    }

    private static func megabytes(_ field: String, of pid: pid_t) -> Double {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix(field) }
        return (line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Double($0) } ?? 0) / 1024
    }
}

/// The processor time of the PostgreSQL behind a pool, when it runs on this machine.
struct ServerProcessor: Sendable {
    private let postmaster: pid_t

    /// Nil when the server is elsewhere, in another container, or not to be seen.
    init?(_ pool: PostgresPool) async throws {
        guard let row = try await pool.query(BenchStatements.server).first, try row.get("is_local", as: Bool.self) else { return nil }
        let backend = try row.get("pid", as: Int32.self)
        // The number may mean another program here when the server lives in a container of its own.
        let title = (try? String(contentsOfFile: "/proc/\(backend)/cmdline", encoding: .utf8)) ?? ""
        guard title.hasPrefix("postgres:"), title.contains(try row.get("database", as: String.self)),
            let parent = ProcessTable.parent(backend)
        else { return nil }
        postmaster = parent
    }

    /// Of all its programs, those that have ended included.
    func seconds() -> Double {
        let own = ProcessTable.processorSeconds(postmaster)
        return ProcessTable.all.filter { ProcessTable.parent($0) == postmaster }
            .reduce(own.own + own.children) { $0 + ProcessTable.processorSeconds($1).own }
    }
}
