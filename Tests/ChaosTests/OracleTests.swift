import Foundation
import Postgres
import Runtime
import TestRig
import TestSupport
import Testing

@testable import chaos

/// The judge of all scenarios: each kind of violation is planted in an honest history, and it must name it.
@Suite struct OracleTests {
    /// What is planted, and the sentence that must be said of it.
    private struct Plant {
        let sentence: String
        let statements: String

        init(_ sentence: String, _ statements: String) {
            self.sentence = sentence
            self.statements = statements
        }
    }

    private static let someSuccess =
        "(SELECT id FROM job_finished WHERE status = 'SUCCESS' AND parent_id IS NULL AND attempt = 1 ORDER BY id LIMIT 1)"
    private static let someParent =
        "(SELECT parent_id FROM job_finished WHERE parent_id IS NOT NULL AND status = 'SUCCESS' ORDER BY id LIMIT 1)"
    private static let someRetried = "(SELECT execution_id FROM job_attempts_past ORDER BY 1 LIMIT 1)"

    private static let plants = [
        Plant("nothing is lost", "DELETE FROM job_finished WHERE id = \(someSuccess)"),
        Plant("nothing is invented", "DELETE FROM witness_rows WHERE id = \(someSuccess)"),
        Plant("an execution ends once", "INSERT INTO witness_ends SELECT * FROM witness_ends WHERE id = \(someSuccess)"),
        Plant("an execution ends once", "DELETE FROM witness_ends WHERE id = \(someSuccess)"),
        Plant("what ended is not live", "UPDATE job_executions SET status = 'PENDING' WHERE id = \(someSuccess)"),
        Plant("every attempt has one recorded end", "DELETE FROM job_attempts_past WHERE execution_id = \(someRetried)"),
        Plant("every attempt has one recorded end", "UPDATE job_finished SET attempt_outcome = NULL WHERE id = \(someSuccess)"),
        Plant("an attempt was claimed", "DELETE FROM witness_claims WHERE id = \(someSuccess)"),
        Plant("attempts count claims from 1", "UPDATE witness_claims SET attempt = attempt + 1 WHERE id = \(someSuccess)"),
        Plant("attempts count claims from 1", "UPDATE witness_claims SET attempt = 1 WHERE id = \(someRetried)"),
        Plant("a token only grows", "UPDATE witness_claims SET token = 1000000 - attempt WHERE id = \(someRetried)"),
        Plant(
            "an end is that of whoever holds the last attempt",
            "UPDATE job_finished SET worker = gen_random_uuid() WHERE id = \(someSuccess)"),
        Plant(
            "a line of a log belongs to an attempt",
            "INSERT INTO execution_logs (execution_id, attempt, message) VALUES (\(someSuccess), 7, 'from nowhere')"),
        Plant("attempt <= max_attempts", "UPDATE job_finished SET attempt = max_attempts + 1 WHERE id = \(someSuccess)"),
        Plant(
            "an execution that ended has one end",
            "INSERT INTO job_attempts_past (execution_id, attempt, outcome) SELECT id, attempt, 'RETRY' FROM job_finished WHERE id = \(someSuccess)"
        ),
        Plant(
            "an execution that ended has one end",
            "INSERT INTO job_attempts_past (execution_id, attempt, outcome) SELECT id, attempt + 1, 'RESCUED' FROM job_finished WHERE id = \(someSuccess)"
        ),
        Plant("a success has an attempt that succeeded", "UPDATE job_finished SET attempt_outcome = 'FAILED' WHERE id = \(someSuccess)"),
        Plant("an end has its status and its moment", "UPDATE job_finished SET finished_at = NULL WHERE id = \(someSuccess)"),
        Plant("an end has its status and its moment", "UPDATE job_finished SET error_details = NULL WHERE status = 'FAILED'"),
        Plant(
            "the attempts of an execution never overlap",
            "UPDATE job_attempts_past SET finished_at = clock_timestamp() + interval '1 hour' WHERE execution_id = \(someRetried)"),
        Plant(
            "an execution is in one place",
            "CREATE TEMP TABLE twin AS SELECT * FROM job_finished WHERE id = \(someSuccess); UPDATE twin SET status = 'PENDING';"
                + "INSERT INTO job_live SELECT * FROM twin; DROP TABLE twin"),
        Plant("a parent ends after its children", "UPDATE job_finished SET finished_at = started_at WHERE id = \(someParent)"),
        Plant(
            "a parent succeeds only with every child",
            "UPDATE job_finished SET status = 'FAILED', error_details = '{\"code\": \"X\"}' WHERE parent_id = \(someParent)"),
        Plant("a child has its parent", "DELETE FROM job_finished WHERE id = \(someParent)"),
        Plant(
            "an enqueued tick has its execution",
            "INSERT INTO schedule_ticks (job_config_id, due_at, outcome, execution_id) VALUES (1, '2026-01-01', 'ENQUEUED', gen_random_uuid())"
        ),
        Plant(
            "a due time has one execution",
            "UPDATE job_finished SET trigger = 'SCHEDULE', scheduled_for = '2026-01-01', job_config_id = 1 WHERE parent_id IS NULL"),
        Plant(
            "a store has at most one VERIFIED campaign of an execution",
            "UPDATE campaigns SET execution_id = (SELECT execution_id FROM campaigns ORDER BY id LIMIT 1), store_id = 1 WHERE status = 'VERIFIED'"
        ),
        Plant("a failure is told through every channel", "DELETE FROM notification_deliveries WHERE id % 3 = 0 AND event = 'FAILURE'"),
        Plant("a store's products are those of its newest VERIFIED campaign", "DELETE FROM products WHERE store_id = 1"),
        Plant("nothing is invented: no campaign has the body", "UPDATE campaigns SET body = body || ' ' WHERE body IS NOT NULL"),
        Plant(
            "different campaigns",
            "UPDATE campaigns SET execution_id = (SELECT execution_id FROM campaigns ORDER BY id LIMIT 1) WHERE store_id = 1"),
        Plant(
            "a due time has one tick",
            "ALTER TABLE schedule_ticks DROP CONSTRAINT schedule_ticks_pkey;"
                + "INSERT INTO schedule_ticks (job_config_id, due_at, outcome) SELECT 1, '2026-01-01', 'SKIPPED_PAUSED' FROM generate_series(1, 2)"
        ),
    ]

    private static let tables = [
        "job_executions", "job_attempts_past", "execution_logs", "schedule_ticks", "campaigns", "products",
        "notification_deliveries", "witness_rows", "witness_claims", "witness_ends",
    ]

    @Test("each kind of violation that is planted in the tables is named, and an honest history has none")
    func plants() async throws {
        try await Rig.with(RigSettings(stores: 2, products: 30)) { rig in
            try await rig.addChannels()
            try await makeHistory(in: rig)
            let committed: Int = try await rig.value("SELECT count(*) AS value FROM job_executions WHERE parent_id IS NULL")
            let honest = Oracle(rig: rig, committed: committed)
            #expect(try await honest.violations() == [])
            #expect(try await Oracle(rig: rig, committed: committed + 1).violations().contains { $0.contains("were committed") })
            try await rig.pool.withConnection { connection in
                try await connection.script(
                    "CREATE SCHEMA backup;" + Self.tables.map { "CREATE TABLE backup.\($0) AS TABLE \($0);" }.joined())
            }
            for plant in Self.plants {
                try await change(rig, plant.statements)
                let violations = try await honest.violations()
                #expect(
                    violations.contains { $0.contains(plant.sentence) },
                    "\(plant.sentence): \(plant.statements) was not named: \(violations)")
                await #expect(throws: Failed.self) { try await honest.judge() }
                let restoring =
                    Self.tables.reversed().map { "DELETE FROM \($0);" }
                    + Self.tables.map {
                        "INSERT INTO \($0) OVERRIDING SYSTEM VALUE SELECT * FROM backup.\($0);"
                    }
                try await change(rig, restoring.joined())
                #expect(try await honest.violations() == [], "after \(plant.statements)")
            }
            let judged = Self.plants.map(\.sentence)
            for promise in Oracle.promises + Witness.promises {
                #expect(judged.contains { promise.sentence.contains($0) }, "nobody has shown that \"\(promise.sentence)\" can fail")
            }
        }
    }

    @Test("an upload that is repeated more often than answers were cut is named")
    func repeatedUpload() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 20)) { rig in
            #expect(try await rig.sync().status == "SUCCESS")
            let upload = try #require(try await rig.sandbox.state(bodies: true).uploads.first)
            let announced = rig.sandbox.announced
            let answer = try await Loopback.request(
                "POST", announced.crescevendas + "/admin/integrations/discount_stores/batch_upload",
                headers: [
                    "X-AdminUser-Email": announced.credentials.crescevendas.email,
                    "X-AdminUser-Token": announced.credentials.crescevendas.token,
                    "Content-Type": "application/json",
                ], body: upload.body)
            #expect((200..<300).contains(answer.status))
            #expect(try await Oracle(rig: rig).violations().contains { $0.contains("was sent the same body 2 times") })
            #expect(try await Oracle(rig: rig, ambiguousCuts: 1).violations() == [])
        }
    }

    @Test("a run that stands RUNNING past its lease and another one, and a session's advisory lock, are seen while they last")
    func watch() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            let watch = try Watch(rig)
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type) VALUES ('drill', 'NOOP')")
            let id = try await rig.trigger("drill")
            try await change(
                rig,
                """
                INSERT INTO workers (id, host, pid, version, lease, lease_until, slots) VALUES
                  ('00000000-0000-0000-0000-000000000001', 'h', 1, 'v', '1 second', clock_timestamp() - interval '1 second', 1),
                  ('00000000-0000-0000-0000-000000000002', 'h', 2, 'v', '1 hour', clock_timestamp() + interval '1 hour', 1);
                UPDATE job_live SET status = 'RUNNING', attempt = 1, worker = '00000000-0000-0000-0000-000000000001', started_at = now()
                """)
            try await eventually("the late run is seen") { watch.violations.contains { $0.contains("RUNNING past its lease: \(id)") } }
            try await rig.pool.withConnection { connection in
                _ = try await connection.query("SELECT pg_advisory_lock(42)")
                try await eventually("the lock is seen") { watch.violations.contains { $0.contains("session-level advisory lock") } }
                _ = try await connection.query("SELECT pg_advisory_unlock(42)")
            }
            await watch.stop()
            #expect(try await Oracle(rig: rig, watch: watch).violations().count == 2)
        }
    }

    @Test("a session that a program left behind is found")
    func leakedSession() async throws {
        try await Rig.with(RigSettings(stores: 1, products: 1)) { rig in
            try await Oracle(rig: rig).requireNoSessions()
            let pool = PostgresPool(try PostgresConfiguration(url: rig.url, applicationName: "chimera worker"), maximumConnections: 1)
            _ = try await pool.query("SELECT 1")
            await #expect(throws: (any Error).self) { try await Oracle(rig: rig).requireNoSessions(within: .seconds(2)) }
            await pool.close()
        }
    }

    @Test("memory and descriptors that a program does not give back are named")
    func vitals() async throws {
        let program = try RunningProgram("/bin/sleep", ["600"])
        try await eventually("a program that runs") {
            let real = try Vitals(program)
            return real.memory > 0.1 && real.descriptors >= 3
        }
        let baseline = Vitals(memory: 40, descriptors: 20)
        try Vitals(memory: 70, descriptors: 32).requireBack(at: baseline, "it")
        #expect(throws: Failed.self) { try Vitals(memory: 90, descriptors: 20).requireBack(at: baseline, "it") }
        #expect(throws: Failed.self) { try Vitals(memory: 40, descriptors: 40).requireBack(at: baseline, "it") }
    }

    /// Runs that succeed, are tried again, fail and fan out, and two syncs of different prices.
    private func makeHistory(in rig: Rig) async throws {
        try await Witness.begin(in: rig)
        let work = try await Workload(rig)
        try await work.drills(5, milliseconds: 10)
        try await work.others()
        #expect(try await rig.sync().status == "SUCCESS")
        let product = try #require(try await rig.products(of: 1).first)
        try await rig.sandbox.setPrices(store: 1, code: product.code, price: "9.99", clubPrice: "1.23")
        #expect(try await rig.sync().status == "SUCCESS")
        #expect(try await rig.value("SELECT count(*) > 10 AS value FROM job_finished"))
    }

    /// Runs statements past all guards, triggers and foreign keys.
    private func change(_ rig: Rig, _ statements: String) async throws {
        try await rig.pool.withConnection { try await $0.script("SET LOCAL session_replication_role = replica; " + statements) }
    }
}
