import Foundation
import Glibc
import Postgres
import Runtime
import TestRig
import TestSupport
import Testing

/// R12 for custom programs: whatever stops a run ends the whole of its program, and the slot is free.
@Suite struct CustomStopTests {
    /// Ignores TERM, and so do its child, a child in another session and a daemon; it says when an earlier one still runs.
    private static let stubborn = """
        #!/bin/bash
        trap '' TERM HUP INT
        for p in $(cat "$SCRATCH/all" 2>/dev/null); do kill -0 $p 2>/dev/null && echo "$p" >> "$SCRATCH/overlap"; done
        forever='trap "" TERM HUP INT; echo $$ >> "$SCRATCH/all"; while :; do sleep 1; done'
        bash -c "$forever" &
        setsid bash -c "$forever" </dev/null >/dev/null 2>&1 &
        (setsid bash -c "$forever" </dev/null >/dev/null 2>&1 &) &
        echo $$ >> "$SCRATCH/all"
        until [ "$(wc -l < "$SCRATCH/all")" -ge $((4 * CHIMERA_ATTEMPT)) ]; do sleep 0.05; done
        echo "$CHIMERA_ATTEMPT" > "$SCRATCH/ready"
        while :; do sleep 1; echo still here; done
        """

    /// A worker with one slot whose program runs, ignoring everything.
    private func withStubborn(
        _ arguments: [String] = ["--slots", "1"], timeoutSeconds: Int = 900, url: (Rig) throws -> String? = { _ in nil },
        _ body: (Rig, CustomPrograms, RunningProgram, String) async throws -> Void
    ) async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add("stubborn", Self.stubborn)
            try await rig.addCustom("stubborn", programs, timeoutSeconds: timeoutSeconds)
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type) VALUES ('next', 'NOOP')")
            let worker = try rig.worker(programs, arguments, url: url(rig))
            let id = try await rig.trigger("stubborn")
            try await eventually("the program's four processes") { programs.left("ready") == "1\n" }
            #expect(programs.left("all").split(separator: "\n").count == 4)
            if timeoutSeconds == 900 { #expect(programs.running("all").count == 4) }
            try await body(rig, programs, worker, id)
        }
    }

    private func allGone(_ programs: CustomPrograms) async throws {
        try await eventually("all processes of the program are gone") { programs.running("all") == [] }
    }

    @Test("R12: a custom program that ignores its timeout: the slot is free, all its processes are gone, the cause is recorded")
    func timeout() async throws {
        try await withStubborn(timeoutSeconds: 5) { rig, programs, _, id in
            let ended = try await rig.finished(id)
            #expect(ended.status == "FAILED" && ended.code == "TIMEOUT" && ended.message.contains("timeout_seconds"), "\(ended)")
            #expect(try await rig.attempts(of: id) == ["TIMED_OUT"])
            #expect(try await rig.finished(try await rig.trigger("next")).status == "SUCCESS", "the only slot is free")
            try await allGone(programs)
        }
    }

    @Test("R12: a custom program that ignores its cancellation: the slot is free, all its processes are gone, its lines are fenced off")
    func cancellation() async throws {
        try await withStubborn { rig, programs, _, id in
            _ = try await rig.pool.query("SELECT cancel_execution(\(id)::uuid)")
            let next = try await rig.finished(try await rig.trigger("next"))
            #expect(next.status == "SUCCESS")
            try await allGone(programs)
            #expect(try await rig.attempts(of: id) == ["CANCELLED"])
            let late: Int = try await rig.value(
                """
                SELECT count(*) AS value FROM execution_logs AS l JOIN job_executions AS e ON e.id = l.execution_id
                WHERE l.logged_at > e.finished_at + interval '1 second'
                """)
            #expect(late == 0)
        }
    }

    @Test("R12: a shutdown ends a custom program that ignores it; it is handed back and begins again when the first one is gone")
    func shutdown() async throws {
        try await withStubborn(["--slots", "1", "--grace", "1"]) { rig, programs, worker, id in
            worker.signal(SIGTERM)
            #expect(try await worker.waitForExit(within: .seconds(30)) == .exited(0))
            let returned = try await rig.execution(id)
            #expect(returned.status == "PENDING" && returned.maxAttempts == 2)
            _ = try rig.worker(programs)
            try await eventually("the second attempt") { programs.left("ready") == "2\n" }
            #expect(programs.left("overlap") == "", "the first was still running")
            #expect(programs.running("all").count == 4)
            #expect(try await rig.attempts(of: id) == ["INTERRUPTED", "RUNNING"])
        }
    }

    @Test("R12: a worker that is killed takes its custom program along; the next attempt finds none of it")
    func killedWorker() async throws {
        try await withStubborn(["--slots", "1", "--lease", "2"]) { rig, programs, worker, id in
            worker.signal(SIGKILL)
            try await allGone(programs)
            _ = try rig.worker(programs, ["--lease", "2"])
            try await eventually("the second attempt") { programs.left("ready") == "2\n" }
            #expect(programs.left("overlap") == "")
            #expect(try await rig.attempts(of: id).first == "RESCUED")
        }
    }

    @Test("R12: a worker stopped past its lease: its custom program ends with the lease, though the worker cannot say so")
    func stoppedWorker() async throws {
        try await withStubborn(["--slots", "1", "--lease", "2"]) { rig, programs, worker, id in
            worker.signal(SIGSTOP)
            try await allGone(programs)
            _ = try rig.worker(programs, ["--lease", "2"])
            try await eventually("the second attempt") { programs.left("ready") == "2\n" }
            worker.signal(SIGCONT)
            try await rig.waitFor("RUNNING", id)
            #expect(programs.left("overlap") == "")
            let next = try await rig.finished(try await rig.trigger("next"))
            #expect(next.status == "SUCCESS")
            #expect(try await rig.execution(id).attempt == 2)
        }
    }

    @Test("R12: a worker cut off from the database ends its custom program before the lease ends")
    func lostLease() async throws {
        let proxies = Proxies()
        try await withStubborn(["--slots", "1", "--lease", "4"], url: proxies.url) { rig, programs, worker, id in
            proxies.cut()
            try await allGone(programs)
            _ = try rig.worker(programs, ["--lease", "4"])
            try await eventually("the second attempt") { programs.left("ready") == "2\n" }
            #expect(programs.left("overlap") == "" && worker.end == nil)
            #expect(try await rig.attempts(of: id).first == "RESCUED")
        }
    }

    @Test("a guard that is killed costs its run, not the worker; nothing of the program's group is left")
    func killedGuard() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add("show", "#!/bin/sh\necho $$ > \"$SCRATCH/all\"; echo $PPID > \"$SCRATCH/guard\"; exec sleep 1000\n")
            try await rig.addCustom("show", programs)
            _ = try rig.worker(programs, ["--slots", "1"])
            let id = try await rig.trigger("show")
            try await eventually("the program") { programs.left("guard").hasSuffix("\n") }
            let guardian = try #require(programs.running("guard").first)
            // Once it has told the worker which process it started it waits for the program in a second thread.
            try await eventually("the guard has told the worker of the program") {
                let status = try String(contentsOfFile: "/proc/\(guardian)/status", encoding: .utf8)
                return !status.contains("Threads:\t1\n")
            }
            kill(guardian, SIGKILL)
            let ended = try await rig.finished(id)
            #expect(ended.code == "GUARD_LOST" && ended.error?["retryable"] == true, "\(ended)")
            #expect(ended.message == "the process that guards show was lost; show and its process group were killed")
            try await allGone(programs)
        }
    }

    /// The one proxy of a test, which is made when the rig stands.
    private final class Proxies: @unchecked Sendable {
        // Written once, before the worker starts; read by the same task afterwards.
        private var proxy: TCPProxy?

        func url(_ rig: Rig) throws -> String? {
            let proxy = try rig.proxyToDatabase()
            self.proxy = proxy
            return rig.url(through: proxy)
        }

        func cut() { proxy?.set(.blackHole) }
    }
}
