import Foundation
import Postgres
import Runtime
import TestRig
import TestSupport
import Testing

/// R24: disks are full, the database's and the one behind standard error. The server really meets ENOSPC: a shim refuses its writes.
@Suite struct DiskTests {
    private func addDrill(_ rig: Rig) async throws {
        _ = try await rig.pool.query(
            "INSERT INTO job_configurations (name, job_type, max_attempts, retry_delay_seconds) VALUES ('drill', 'NOOP', 1, 0)")
    }

    /// Fills what room is left in the tables' files until the server says 53100.
    private func expectFull(_ rig: Rig) async throws {
        let error = await #expect(throws: PostgresError.self) {
            for _ in 0..<2_000 { _ = try await rig.pool.query("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 100)") }
        }
        #expect(error?.sqlState == "53100" && error?.kind == .resourcesExhausted, "\(error?.description ?? "nothing")")
    }

    @Test("R24: the database's disk is full: ends wait for room, no attempt is used, no worker leaves, and what was due then ends")
    func dataIsFull() async throws {
        let shim = try Shim()
        // Files grow by themselves at every statement here: nothing is hidden in memory.
        let server = try await RestartableServer.start(environment: shim.environment)
        try await Rig.with(RigSettings(stores: 2, products: 300, server: server)) { rig in
            try await addDrill(rig)
            _ = try await rig.pool.query("CREATE TABLE filler (t text)")
            let worker = try rig.worker(["--slots", "4", "--lease", "6"])
            _ = try await worker.line(containing: "works", within: .seconds(30))
            _ = try await rig.pool.query("SELECT pause_job('drill')")
            var ids: [String] = []
            for number in 1...200 {
                // Rows of two kilobytes: their claims and their ends need room that will not be there.
                let note = (1...200).map { "\(number * $0)" }.joined(separator: " ")
                ids.append(try await rig.trigger("drill", params: ["note": .string(note), "sleep_ms": 5]))
            }
            try shim.fillDisk(.data)
            try await expectFull(rig)
            _ = try await rig.pool.query("SELECT resume_job('drill')")
            _ = try await worker.line(containing: "53100", within: .seconds(60))
            let ended: Int = try await rig.value("SELECT count(*) AS value FROM job_executions WHERE finished_at IS NOT NULL")
            #expect(ended < ids.count && worker.end == nil)
            try shim.fillDisk(.none)
            ids.append(try await rig.trigger())
            for id in ids {
                let ended = try await rig.finished(id, within: .seconds(120))
                #expect(ended.status == "SUCCESS", "\(ended.message)")
            }
            let failures: Int = try await rig.value(
                "SELECT count(*) AS value FROM job_attempts WHERE outcome IN ('RETRY', 'FAILED', 'TIMED_OUT')")
            #expect(failures == 0, "a full disk is nobody's fault")
            #expect(worker.end == nil)
            worker.signal(SIGTERM)
            #expect(try await worker.waitForExit(within: .seconds(60)) == .exited(0))
        }
    }

    @Test("R24: the WAL's disk is full and the server goes down: no worker leaves, and with room and the server everything ends")
    func walIsFull() async throws {
        let shim = try Shim()
        let server = try await RestartableServer.start(
            settings: ["max_wal_size": "32MB", "min_wal_size": "32MB", "wal_recycle": "off"], environment: shim.environment)
        try await Rig.with(RigSettings(stores: 1, products: 1, server: server)) { rig in
            try await addDrill(rig)
            let worker = try rig.worker(["--slots", "4", "--lease", "6"])
            let id = try await rig.trigger("drill", params: ["sleep_ms": 3_000])
            try await rig.waitFor("RUNNING", id)
            try shim.fillDisk(.all)
            // A segment holds 16 MB; the next one has no room, which ends the server.
            try await eventually(within: .seconds(90), "the server's end") {
                let isUp = (try? await rig.pool.query("SELECT pg_logical_emit_message(false, 'fill', repeat('x', 4000000))")) != nil
                return !isUp && server.log.contains { $0.contains("PANIC") && $0.contains("No space left") }
            }
            #expect(worker.end == nil)
            try shim.fillDisk(.none)
            try? await server.stop(.immediate)
            try await server.start()
            try await eventually(within: .seconds(90), "the execution's end") { (try? await rig.execution(id).status) == "SUCCESS" }
            #expect(worker.end == nil)
        }
    }

    @Test("R24: standard error and standard output on a full disk do not stop a worker")
    func logsHaveNoRoom() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            try await addDrill(rig)
            let program = builtProgram("chimera")
            let environment = ["DATABASE_URL": rig.url, "CHIMERA_KEY_FILE": "", "CHIMERA_LOG_LEVEL": "debug", "NOTIFY_SOCKET": ""]
            let worker = try RunningProgram(
                "/bin/sh", ["-c", "exec \"$0\" worker >/dev/full 2>/dev/full", program], environment: environment)
            var ids: [String] = []
            for _ in 0..<20 { ids.append(try await rig.trigger("drill", params: ["sleep_ms": 5])) }
            for id in ids { #expect(try await rig.finished(id).status == "SUCCESS") }
            let lines: Int = try await rig.value("SELECT count(*) AS value FROM execution_logs")
            #expect(lines >= 20, "what jobs log goes to the database")
            worker.signal(SIGTERM)
            #expect(try await worker.waitForExit(within: .seconds(40)) == .exited(0))
        }
    }
}
