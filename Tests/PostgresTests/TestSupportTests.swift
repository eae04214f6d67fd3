import Glibc
import Postgres
import Runtime
import TestSupport
import Testing

@Suite("Test support")
struct TestSupportTests {
    @Test("a program's lines, environment, folder and end are seen")
    func program() async throws {
        let program = try RunningProgram(
            "/bin/sh", ["-c", "echo \"$GREETING from $(pwd)\"; echo trouble >&2; read x; exit 3"], environment: ["GREETING": "hello you"],
            workingDirectory: "/usr")
        #expect(try await program.line(containing: "hello") == "hello you from /usr")
        _ = try await program.line(containing: "trouble")
        #expect(try await program.waitForExit() == .exited(3))
        #expect(program.output == ["hello you from /usr"] && program.errors == ["trouble"])
    }

    @Test("a line that never comes is an error that shows what came instead")
    func missingLine() async throws {
        let program = try RunningProgram("/bin/sh", ["-c", "echo something else; sleep 100"])
        let error = await #expect(throws: TestSupportError.self) { try await program.line(containing: "hello", within: .milliseconds(300)) }
        #expect(error?.description.contains("something else") == true)
        program.signal(SIGTERM)
        #expect(try await program.waitForExit() == .signalled(SIGTERM))
    }

    @Test("a program that is forgotten is killed with its children")
    func forgotten() async throws {
        var program: RunningProgram? = try RunningProgram("/bin/sh", ["-c", "sleep 1000 & echo child $!; wait"])
        let line = try #require(try await program?.line(containing: "child"))
        let child = try #require(pid_t(line.split(separator: " ")[1]))
        #expect(kill(child, 0) == 0)
        program = nil
        try await eventually("the child's end") { !isRunning(child) }
    }

    /// Whether a process runs; a zombie that nobody reaped does not.
    private func isRunning(_ pid: pid_t) -> Bool {
        guard let file = fopen("/proc/\(pid)/stat", "r") else { return false }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, 256, file) != nil else { return false }
        return String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).contains(") Z ") == false
    }

    @Test("a template is made once and every test gets a copy of its own")
    func templates() async throws {
        let made = Counter()
        let template = DatabaseTemplate("once") { pool in
            made.increment()
            _ = try await pool.query("CREATE TABLE t AS SELECT 1 AS a")
        }
        try await withThrowingTaskGroup(of: String.self) { group in
            for index in 0..<4 {
                group.addTask {
                    try await TestDatabase.withDatabase(template: template) { database in
                        _ = try await database.pool.query("INSERT INTO t VALUES (\(index))")
                        let count = try await database.pool.value("SELECT count(*) FROM t", as: Int.self)
                        #expect(count == 2)
                        return database.name
                    }
                }
            }
            var names: Set<String> = []
            for try await name in group { names.insert(name) }
            #expect(names.count == 4 && made.value == 1)
            let left = try await TestCluster.shared.pool.value(
                "SELECT count(*) FROM pg_database WHERE datname = ANY(\(Array(names)))", as: Int.self)
            #expect(left == 0)
        }
    }

    @Test("a fake notify socket keeps what is sent to it")
    func notifySocket() async throws {
        let socket = try FakeNotifySocket()
        SystemdNotifier(environment: ["NOTIFY_SOCKET": socket.path]).ready()
        #expect(try await socket.message(containing: "READY=1") == "READY=1")
    }
}
