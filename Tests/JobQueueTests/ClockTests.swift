import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// R31: what the queue makes of a server whose clock jumps. The jumps are made in `queue_clock`, which says when somebody looked last.
@Suite struct ClockTests {
    private func look(_ queue: Queue) async throws -> Double? {
        try await queue.pool.query(QueueStatements.followClock(every: .seconds(1))).first?.getIfPresent("jump", as: Double.self)
    }

    @Test("a clock that ran ahead takes no run from a worker that lives; one that does not renew loses it within its lease")
    func ranAhead() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            try await queue.enqueue(job, count: 2)
            let (living, lost) = (try await queue.addWorker(), try await queue.addWorker())
            let kept = try await queue.claim(living, batch: 1)
            let taken = try await queue.claim(lost, batch: 1)
            #expect(try await look(queue) == nil, "the first look knows no other")
            // Both leases end by a jump of two hours. The server itself may be younger than a lease.
            try await queue.run("UPDATE workers SET lease = '2 s', lease_until = clock_timestamp() - interval '1 hour'")
            try await eventually("a server older than a lease") {
                try await queue.text("SELECT clock_timestamp() > pg_postmaster_start_time() + interval '2 s'") == "t"
            }
            try await queue.run("UPDATE queue_clock SET seen_at = clock_timestamp() - interval '2 hours'")
            let jump = try #require(try await look(queue))
            #expect(jump > 7_190 && jump < 7_260)
            #expect(try await queue.rescue() == 0)
            #expect(try await look(queue) == nil, "it is told once")
            try await queue.run(
                "UPDATE workers SET lease_until = clock_timestamp() + interval '1 hour', lease = '1 hour' WHERE id = \(living)::uuid")
            try await eventually("the rescue of the other one") { try await queue.rescue() == 1 }
            #expect(try await queue.status(kept[0].id) == "RUNNING")
            #expect(try await queue.attempts(taken[0].id) == ["1 RESCUED"])
        }
    }

    @Test("what was computed from a clock that is set back moves with it, once; what somebody asked for stays")
    func setBack() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let partner = try await queue.addIntegration("club", type: "CRESCEVENDAS")
            let worker = try await queue.addWorker()
            let retried = try await queue.enqueue(job)[0]
            try await queue.giveBack(try await queue.claim(worker), delay: .seconds(7_230))
            try await queue.run("UPDATE job_attempts_past SET finished_at = finished_at + interval '2 hours'")
            let early = try await queue.enqueue(job)[0]
            try await queue.giveBack(try await queue.claim(worker), delay: .seconds(7_230))
            func make(dueIn wait: String) async throws -> ExecutionID {
                let id = try await queue.enqueue(job)[0]
                try await queue.plant(
                    """
                    UPDATE job_live SET created_at = now() + interval '2 hours', run_at = now() + \(wait)::interval WHERE id = \(id)::uuid
                    """)
                return id
            }
            let waiting = try await make(dueIn: "2 hours")
            let asked = try await make(dueIn: "5 hours")
            try await queue.run(
                """
                INSERT INTO integration_state (integration_id, next_request_at, open_until, login_until)
                VALUES (\(partner), clock_timestamp() + interval '2 hours 30 s', clock_timestamp() + interval '2 hours 30 s', clock_timestamp() - interval '1 s')
                """)
            try await queue.run(
                "INSERT INTO request_reservations VALUES (\(partner), \(retried)::uuid, clock_timestamp() + interval '2 hours 30 s')")
            try await queue.run("UPDATE workers SET lease = '10 s', lease_until = clock_timestamp() + interval '2 hours'")
            try await queue.run(
                "UPDATE queue_clock SET seen_at = clock_timestamp() + interval '2 hours', ran_ahead_at = clock_timestamp() + interval '2 hours'"
            )
            let jump = try #require(try await look(queue))
            #expect(jump > -7_201 && jump < -7_140)
            #expect(try await look(queue) == nil)
            func seconds(_ id: ExecutionID) async throws -> Int {
                try await queue.number("SELECT extract(epoch FROM run_at - clock_timestamp())::int FROM job_live WHERE id = \(id)::uuid")
            }
            #expect((-61...1).contains(try await seconds(waiting)), "what was due at once is due")
            #expect((-31...31).contains(try await seconds(retried)), "a retry of the wrong time keeps its delay")
            #expect((7_100...7_231).contains(try await seconds(early)), "one that was computed before stays")
            #expect((17_900...18_001).contains(try await seconds(asked)))
            let moments = try await queue.texts(
                """
                SELECT (m - clock_timestamp() BETWEEN interval '-1 minute' AND interval '31 s')::text FROM (
                  SELECT unnest(ARRAY[next_request_at, open_until, login_until]) AS m FROM integration_state
                  UNION ALL SELECT at FROM request_reservations UNION ALL SELECT lease_until FROM workers
                  UNION ALL SELECT seen_at FROM queue_clock) AS all_of_them
                """)
            #expect(moments == Array(repeating: "true", count: 6))
            #expect(try await queue.text("SELECT ran_ahead_at FROM queue_clock") == "-infinity", "nothing holds rescues up until then")
        }
    }

    @Test("nothing ends before it began, nor a parent before its children, when the clock is set back meanwhile")
    func endsInOrder() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let parent = try await queue.addParent(job, stores: [1, 2], worker: worker)
            let children = try await queue.claimChildren(worker)
            try await queue.plant("UPDATE job_live SET started_at = clock_timestamp() + interval '2 hours' WHERE store_id = 1")
            try await queue.finish(children)
            let single = try await queue.enqueue(job)[0]
            let run = try await queue.claimOne(worker)
            try await queue.plant("UPDATE job_live SET started_at = clock_timestamp() + interval '2 hours' WHERE id = \(single)::uuid")
            try await queue.giveBack([run])
            #expect(try await queue.status(parent) == "SUCCESS")
            #expect(
                try await queue.texts(
                    """
                    SELECT id::text FROM job_finished WHERE finished_at < started_at
                    UNION ALL SELECT execution_id::text FROM job_attempts_past WHERE finished_at < started_at
                    UNION ALL SELECT c.id::text FROM job_finished AS c JOIN job_finished AS p ON p.id = c.parent_id WHERE c.finished_at > p.finished_at
                    """) == [])
        }
    }
}
