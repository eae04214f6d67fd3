import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// A program whose guard cannot be told what to do, or is lost.
@Suite struct CustomGuardTests {
    /// How a run ends whose guard is another program.
    private func failure(guardPath: String, environment: [String: JSONValue] = [:]) async throws -> RunError? {
        let folder = FileManager.default.temporaryDirectory.appending(path: "chimera-programs-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "#!/bin/sh\n".write(toFile: folder + "/tool", atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/tool")
        let pool = PostgresPool(try PostgresConfiguration(url: "host=127.0.0.1 port=1"), maximumConnections: 1)
        let lease = Lease(length: .seconds(900))
        lease.renewed(askedAt: MonotonicClock.now())
        let context = RunContext(
            run: .sample(), configuration: .sample(type: "CUSTOM"), options: ["program": "tool", "environment": .object(environment)],
            pool: pool, lease: lease, term: Lease.Term(number: 1), logWriter: ExecutionLogWriter(wakeup: Wakeup()),
            slotPause: SlotPause { _ in })
        let job = CustomJob(folder: folder, guardPath: guardPath, openSecrets: { $0 }, mask: { $0 })
        let error = await #expect(throws: RunError.self) { try await job.run(context) }
        await pool.close()
        return error
    }

    @Test(
        "an order that the guard could not read as a whole is a mistake in the configuration, for good",
        arguments: ["\"", "\u{1}"])
    func longOrder(character: String) async throws {
        let error = try await failure(
            guardPath: "/bin/true", environment: ["LONG": .string(String(repeating: character, count: 99_990))])
        #expect(error?.code == "CONFIG" && error?.isRetryable == false, "\(error?.code ?? "")")
        #expect(error?.message.hasPrefix("config.environment: ") == true, "\(error?.message ?? "")")
    }

    @Test("of a program whose guard was lost nothing is said that is not known")
    func lostGuard() async throws {
        let error = try await failure(guardPath: "/bin/true")
        #expect(error?.code == "GUARD_LOST" && error?.isRetryable == true)
        #expect(error?.message == "the process that guards tool was lost before it had said that tool runs", "\(error?.message ?? "")")
    }

    @Test("a program that nobody reads from is ended as any other, and nothing waits for its output", .timeLimit(.minutes(1)))
    func blocked() async throws {
        let order = ProgramOrder(
            path: "/usr/bin/yes", arguments: ["yes"], environment: [:], workingDirectory: "/", hold: .seconds(60), grace: .seconds(3),
            graceWithoutLease: .seconds(1))
        let program = try GuardedProgram(order, guardPath: builtProgram("chimera"), label: "blocked")
        let looks = Heard()
        let run = Task {
            await program.run(
                input: [], holdsFor: { .seconds(60) },
                pausesOutput: {
                    looks.append("look")
                    return true
                }, onOutput: { _, _ in })
        }
        try await eventually("it has been looked at for a while") { looks.all.count > 20 }
        run.cancel()
        guard case .ended(let end) = await run.value else { throw Unexpected("\(await run.value)") }
        #expect(end.cause == .order && end.signalName == "SIGTERM")
    }
}
