import Foundation
import Postgres
import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// R29: partitions are made ahead, on the spot where one is missing, and where that cannot be nothing is given up.
@Suite struct PartitionTests {
    private static let kinds = ["job_finished", "job_attempts_past", "execution_logs"]

    /// Today's suffix by the server's clock, in UTC as the partitions are.
    private func today(_ queue: Queue) async throws -> String {
        try await queue.text("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')")
    }

    private func dropToday(_ queue: Queue) async throws -> String {
        let day = try await today(queue)
        for kind in Self.kinds { try await queue.run("DROP TABLE \(spliced("\(kind)_\(day)"))") }
        return day
    }

    private func writer(_ queue: Queue, _ logs: ExecutionLogWriter) -> OutcomeWriter {
        OutcomeWriter(pool: queue.pool, logs: logs, wakeup: Wakeup(), onWritten: { _ in })
    }

    private func attached(_ queue: Queue) async throws -> Set<String> {
        Set(
            try await queue.texts(
                "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent IN ('job_finished'::regclass, 'execution_logs'::regclass)"))
    }

    @Test("R29: partitions are there a week ahead, and for a day long ago on which a live execution was made")
    func madeAhead() async throws {
        try await Queue.withDatabase { queue in
            let old = try await queue.text("SELECT overlay(uuid_v7_floor('2020-03-03 12:00Z')::text PLACING '7' FROM 15 FOR 1)")
            let job = try await queue.addJob()
            try await queue.plant("INSERT INTO job_executions (id, job_config_id) VALUES (\(old)::uuid, \(job))")
            try await Maintenance(pool: queue.pool, interval: .seconds(10)).runOnce(withHousekeeping: true)
            let days = try await queue.texts(
                "SELECT to_char((now() AT TIME ZONE 'UTC')::date + n, 'YYYYMMDD') FROM generate_series(-1, 7) AS n")
            let expected = (days + ["20200303"]).flatMap { day in ["job_finished_\(day)", "execution_logs_\(day)"] }
            #expect(try await attached(queue).isSuperset(of: expected))
            #expect(try await queue.number("SELECT count(*) FROM missing_partition_days") == 0)
        }
    }

    @Test("R29: the day's partitions are missing: INSERT and claim do without, the end and its lines make them and are kept")
    func madeOnTheSpot() async throws {
        try await Queue.withDatabase { queue in
            let day = try await dropToday(queue)
            let job = try await queue.addJob()
            try await queue.enqueue(job, count: 2)
            let runs = try await queue.claim(try await queue.addWorker())
            let logs = ExecutionLogWriter(wakeup: Wakeup())
            for number in 1...3 { logs.append(run: runs[0], level: .info, message: "line \(number)", fields: [:]) }
            let writer = writer(queue, logs)
            writer.submit(runs[0], .succeeded(metrics: nil))
            writer.submit(runs[1], .retried(RunError(code: "X", message: "m", isRetryable: true), timedOut: false, delay: .zero))
            try await writer.writeOnce()
            #expect(try await queue.texts("SELECT message FROM execution_logs ORDER BY id") == ["line 1", "line 2", "line 3"])
            #expect(try await queue.status(runs[0].id) == "SUCCESS")
            #expect(try await queue.attempts(runs[1].id) == ["1 RETRY"])
            #expect(try await attached(queue).isSuperset(of: ["job_finished_\(day)", "execution_logs_\(day)"]))
        }
    }

    @Test(
        "R29: where a partition cannot be made, ends wait and none becomes a failure, the rest of the queue goes on, and then all is written"
    )
    func cannotBeMade() async throws {
        try await Queue.withDatabase { queue in
            let day = try await dropToday(queue)
            for kind in Self.kinds { try await queue.run("CREATE TABLE \(spliced("\(kind)_\(day)")) (in_the_way int)") }
            let job = try await queue.addJob()
            try await queue.enqueue(job, count: 2)
            let worker = try await queue.addWorker()
            let run = try await queue.claimOne(worker)
            let logs = ExecutionLogWriter(wakeup: Wakeup())
            logs.append(run: run, level: .info, message: "kept", fields: [:])
            let writer = writer(queue, logs)
            writer.submit(run, .succeeded(metrics: nil))
            try await writer.writeOnce()
            #expect(writer.unwrittenCount == 1 && !logs.isEmpty, "they wait")
            #expect(try await queue.status(run.id) == "RUNNING")
            // Others are claimed, and maintenance does what it can: it says what is missing, and gates and sweeps all the same.
            #expect(try await queue.claim(worker).count == 1)
            try await queue.run("SELECT pause_job('job')")
            let late = try await queue.enqueue(job)[0]
            try await queue.plant("UPDATE job_live SET gated = false WHERE id = \(late)::uuid")
            try await Maintenance(pool: queue.pool, interval: .seconds(10)).runOnce(withHousekeeping: true)
            #expect(try await queue.column("gated", of: late) == "true")
            #expect(try await queue.texts("SELECT to_char(day, 'YYYYMMDD') FROM missing_partition_days") == [day])
            for kind in Self.kinds { try await queue.run("DROP TABLE \(spliced("\(kind)_\(day)"))") }
            try await eventually(within: .seconds(20), "the end to be written") {
                // Making the tables is not tried all the time.
                try? await writer.writeOnce()
                return writer.unwrittenCount == 0 && logs.isEmpty
            }
            #expect(try await queue.status(run.id) == "SUCCESS")
            #expect(try await queue.texts("SELECT message FROM execution_logs") == ["kept"])
        }
    }

    @Test("R29: an end whose own day cannot be made waits apart, and holds up no other end of its worker")
    func oneCannotBeMade() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let ids = try await queue.enqueue(job, count: 3)
            // As if it were made on a day whose table an operator detached since: far enough ahead for no partition to be there.
            try await queue.plant("UPDATE job_live SET id = 'fff00000-0000-7000-8000-000000000001' WHERE id = \(ids[0])::uuid")
            let runs = try await queue.claim(worker)
            let writer = writer(queue, ExecutionLogWriter(wakeup: Wakeup()))
            for run in runs { writer.submit(run, .succeeded(metrics: nil)) }
            try await writer.writeOnce()
            #expect(writer.unwrittenCount == 1)
            #expect(try await queue.status(ids[1]) == "SUCCESS")
            #expect(try await queue.status(ids[2]) == "SUCCESS")
            #expect(try await queue.status("fff00000-0000-7000-8000-000000000001") == "RUNNING")
        }
    }

    @Test("R29: only the lines' partition cannot be made: ends are written all the same")
    func linesCannotBeStored() async throws {
        try await Queue.withDatabase { queue in
            let day = try await today(queue)
            try await queue.run("DROP TABLE \(spliced("execution_logs_\(day)"))")
            try await queue.run("CREATE TABLE \(spliced("execution_logs_\(day)")) (in_the_way int)")
            let job = try await queue.addJob()
            try await queue.enqueue(job)
            let run = try await queue.claimOne(try await queue.addWorker())
            let logs = ExecutionLogWriter(wakeup: Wakeup())
            logs.append(run: run, level: .info, message: "line", fields: [:])
            let writer = writer(queue, logs)
            writer.submit(run, .succeeded(metrics: nil))
            _ = try? await writer.writeOnce()
            #expect(try await queue.status(run.id) == "SUCCESS" && writer.unwrittenCount == 0)
        }
    }

    @Test("R29: CANCELLED by hand makes the day's partition, as cancel_execution does")
    func cancelledByHand() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let ids = try await queue.enqueue(job, count: 2)
            _ = try await dropToday(queue)
            try await queue.run("UPDATE job_executions SET status = 'CANCELLED' WHERE id = \(ids[0])::uuid")
            #expect(try await queue.status(ids[0]) == "CANCELLED")
        }
    }

    @Test("R29: an operator cancels and a lost worker's runs are rescued although a partition cannot be made")
    func othersGoOn() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let ids = try await queue.enqueue(job, count: 2)
            let worker = try await queue.addWorker()
            _ = try await queue.claimOne(worker)
            // Tomorrow's: nobody needs it yet.
            let tomorrow = try await queue.text("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 day', 'YYYYMMDD')")
            try await queue.run("DROP TABLE \(spliced("job_finished_\(tomorrow)"))")
            try await queue.run("CREATE TABLE \(spliced("job_finished_\(tomorrow)")) (in_the_way int)")
            try await queue.kill(worker)
            #expect(try await queue.rescue() == 1)
            for id in ids { #expect(try await queue.text("SELECT cancel_execution(\(id)::uuid)") == "t") }
        }
    }
}
