import Foundation
import Glibc
import Postgres
import Runtime
import TestRig
import TestSupport

/// Programs that a test writes, in a folder as CHIMERA_CUSTOM_DIR wants it, and a folder in which they may write.
final class CustomPrograms: Sendable {
    /// Where the programs are.
    let folder: String
    /// Where they may leave something behind.
    let scratch: String

    init() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "chimera-custom-\(UUID().uuidString)").path
        folder = root + "/programs"
        scratch = root + "/scratch"
        for path in [folder, scratch] {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: (folder as NSString).deletingLastPathComponent) }

    /// Writes a program.
    func add(_ name: String, mode: Int = 0o755, _ text: String) throws {
        try text.write(toFile: "\(folder)/\(name)", atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: "\(folder)/\(name)")
        Self.waitUntilNobodyWrites("\(folder)/\(name)")
    }

    /// A process that another test forked meanwhile has this one's descriptors until it executes its program, and Linux does not start
    /// a program that somebody may still write (ETXTBSY). A lease for reading is granted once nobody can.
    private static func waitUntilNobodyWrites(_ path: String) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        let (setLease, leaseForReading): (Int32, Int32) = (1024, 0)
        let deadline = ContinuousClock.now + .seconds(30)
        while fcntl(file, setLease, leaseForReading) != 0, errno == EAGAIN, ContinuousClock.now < deadline { sched_yield() }
    }

    /// A file that a program left behind; empty while there is none.
    func left(_ name: String) -> String {
        (try? String(contentsOfFile: "\(scratch)/\(name)", encoding: .utf8)) ?? ""
    }

    /// Processes whose ids a program left behind in a file, one a line, that still run.
    func running(_ name: String) -> [pid_t] {
        left(name).split(separator: "\n").compactMap { pid_t($0) }.filter(Self.isRunning)
    }

    /// A process that only waits to be reaped does not run.
    static func isRunning(_ process: pid_t) -> Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return false }
        return stat.split(separator: ")").last.map { !$0.hasPrefix(" Z") && !$0.hasPrefix(" X") } ?? false
    }
}

extension Rig {
    /// A rig for CUSTOM jobs.
    static func withPrograms(_ body: (Rig, CustomPrograms) async throws -> Void) async throws {
        let programs = try CustomPrograms()
        try await with(RigSettings(stores: 1, products: 1)) { rig in try await body(rig, programs) }
    }

    /// Adds a job that runs one of the programs; `SCRATCH` is the folder they may write to.
    func addCustom(
        _ program: String, _ programs: CustomPrograms, arguments: [JSONValue] = [], environment: [String: JSONValue] = [:],
        maxAttempts: Int = 1, timeoutSeconds: Int = 900
    ) async throws {
        let variables = environment.merging(["SCRATCH": .string(programs.scratch)]) { $1 }
        let config: JSONValue = ["program": .string(program), "arguments": .array(arguments), "environment": .object(variables)]
        _ = try await pool.query(
            """
            INSERT INTO job_configurations (name, job_type, config, max_attempts, retry_delay_seconds, timeout_seconds)
            VALUES (\(program), 'CUSTOM', \(config), \(maxAttempts), 0, \(timeoutSeconds))
            """)
    }

    /// Starts a worker that finds the programs.
    func worker(_ programs: CustomPrograms, _ arguments: [String] = [], url: String? = nil, environment: [String: String] = [:]) throws
        -> RunningProgram
    {
        try worker(arguments, url: url, environment: environment.merging(["CHIMERA_CUSTOM_DIR": programs.folder]) { $1 })
    }

    /// What an execution logged, `level message` a line, in order.
    func lines(of id: String) async throws -> [String] {
        try await pool.query("SELECT level || ' ' || message AS line FROM execution_logs WHERE execution_id = \(id)::uuid ORDER BY id")
            .map { try $0.get("line") }
    }
}
