import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// `job_executions` is one relation to its users, and INSERT is the trigger (SPEC §2, R30).
@Suite struct EnqueueTests {
    @Test("R30: a minimal INSERT gives a time-ordered id and takes what the job's configuration says")
    func minimal() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "NOOP", "priority = -3", "max_attempts = 7")
            let id = try await queue.text("INSERT INTO job_executions (job_config_id) VALUES (\(job)) RETURNING id")
            let row = try await queue.text(
                """
                SELECT concat_ws(' ', status, trigger, priority, params, attempt, max_attempts, rescues, run_at <= now(), created_by, dedupe_key IS NULL,
                  scheduled_for IS NULL, started_at IS NULL, worker IS NULL, error_details IS NULL) FROM job_executions WHERE id = \(id)::uuid
                """)
            #expect(row == "PENDING MANUAL -3 {} 0 7 0 t chimera t t t t t")
            let ids = try await queue.texts(
                "INSERT INTO job_executions (job_config_id) SELECT \(job) FROM generate_series(1, 50) RETURNING id")
            #expect(Set(ids).count == 50 && ids.allSatisfy { $0 >= String(id.prefix(13)) && $0.split(separator: "-")[2].hasPrefix("7") })
            let full = try await queue.text(
                """
                INSERT INTO job_executions (job_config_id, params, run_at, priority, dedupe_key)
                SELECT id, '{"store_ids": [7]}', now() + interval '1 hour', -10, 'store-7' FROM job_configurations WHERE name = 'j' RETURNING priority
                """)
            #expect(full == "-10")
        }
    }

    @Test("what the queue and a sync's plan write of an execution is refused from others: a store by hand would pass its lock")
    func writtenByTheQueue() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            for (field, columns, values) in [
                ("store_id", "store_id", "7"), ("store_id", "registration", "'x'"), ("store_id", "source_id", "1"),
                ("store_id", "target_id", "1"), ("attempt", "metrics", "'[1]'"), ("attempt", "progress", "'{}'"),
                ("attempt", "error_details", "'5'"), ("attempt", "rescues", "1"),
            ] {
                let error = try await queue.refusal(
                    "INSERT INTO job_executions (job_config_id, \(spliced(columns))) VALUES (\(job), \(spliced(values)))")
                #expect(error.message.hasPrefix("\(field): "), "\(columns): \(error.message)")
            }
            #expect(try await queue.number("SELECT count(*) FROM job_executions") == 0)
        }
    }

    @Test("who may only read jobs and write executions can run a job")
    func leastRights() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "SYNC_PRODUCTS")
            let role = "trigger_\(try await queue.text("SELECT pg_backend_pid()"))"
            try await queue.runAsAdministrator("CREATE ROLE \(spliced(role))")
            try await queue.run("GRANT SELECT ON job_configurations TO \(spliced(role))")
            try await queue.run("GRANT SELECT, INSERT ON job_executions TO \(spliced(role))")
            let mayHang = try await queue.texts(
                "SELECT p.proname FROM pg_proc AS p WHERE p.prosecdef AND has_function_privilege(\(role), p.oid, 'EXECUTE')")
            #expect(mayHang == [], "hung on a table of its own, they would run its code with the owner's rights")
            var refusal: PostgresError?
            do {
                try await queue.runAsAdministrator(
                    """
                    DO $$ BEGIN
                      SET LOCAL ROLE \(spliced(role));
                      INSERT INTO job_executions (job_config_id, params) VALUES (1, '{"store_ids": [7]}');
                    END $$
                    """)
            } catch let error as PostgresError {
                refusal = error
            }
            try await queue.runAsAdministrator("DROP OWNED BY \(spliced(role))")
            try await queue.runAsAdministrator("DROP ROLE \(spliced(role))")
            #expect(refusal == nil, "\(refusal?.message ?? "")")
            #expect(try await queue.number("SELECT job_config_id FROM job_executions") == job)
        }
    }

    @Test("rows of one INSERT have ids in its order, but for a few whose moments the clock does not tell apart")
    func idOrder() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "SYNC_PRODUCTS")
            try await queue.run(
                """
                INSERT INTO job_executions (job_config_id, params)
                SELECT \(job), jsonb_build_object('store_ids', jsonb_build_array(n)) FROM generate_series(1, 3000) AS n
                """)
            let astray = try await queue.number(
                """
                SELECT count(*) FILTER (WHERE n < earlier) FROM (SELECT n, lag(n) OVER (ORDER BY id) AS earlier
                FROM (SELECT id, (params #>> '{store_ids,0}')::int AS n FROM job_executions) AS x) AS y
                """)
            #expect(astray <= 30, "\(astray) of 3,000")
        }
    }

    @Test("at most one live top-level execution has a dedupe key; ON CONFLICT DO NOTHING leaves the second out")
    func dedupe() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let other = try await queue.addJob("other")
            let worker = try await queue.addWorker()
            let insert: SQL = "INSERT INTO job_executions (job_config_id, dedupe_key) VALUES (\(job), 'k')"
            let first = try await queue.text(insert + " RETURNING id")
            #expect(try await queue.texts(insert + " ON CONFLICT DO NOTHING RETURNING id") == [])
            let error = try await queue.refusal(insert)
            #expect(error.kind == .constraint(name: "job_dedupe"))
            try await queue.run("INSERT INTO job_executions (job_config_id, dedupe_key) VALUES (\(other), 'k')")
            #expect(try await queue.text("SELECT enqueue_job('job', dedupe_key => 'k')") == first)
            let runs = try await queue.claim(worker)
            #expect(try await queue.texts(insert + " ON CONFLICT DO NOTHING RETURNING id") == [], "a running one counts")
            try await queue.giveBack(runs.filter { $0.jobConfigID == job }, delay: .zero)
            #expect(try await queue.texts(insert + " ON CONFLICT DO NOTHING RETURNING id") == [], "one that waits counts")
            try await queue.finish(try await queue.claim(worker))
            let second = try await queue.text("SELECT enqueue_job('job', dedupe_key => 'k')")
            #expect(second != first)
        }
    }

    @Test("an INSERT that two sessions make at once with one key makes one row and gives both its id")
    func dedupeAtOnce() async throws {
        try await Queue.withDatabase { queue in
            try await queue.addJob()
            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<40 { group.addTask { try await queue.text("SELECT enqueue_job('job', dedupe_key => 'one')") } }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(ids.count == 1)
            #expect(try await queue.number("SELECT count(*) FROM job_executions") == 1)
        }
    }

    @Test("COPY is an INSERT like any other")
    func copy() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "SYNC_PRODUCTS", "priority = 4")
            let rows = (0..<1000).map { "\(job)\t{\"store_ids\": [\($0)]}\n" }
            let copied = try await queue.pool.withConnection { connection in
                try await connection.copyIn("COPY job_executions (job_config_id, params) FROM STDIN", rows: rows)
            }
            #expect(copied == 1000)
            #expect(try await queue.number("SELECT count(*) FROM job_executions WHERE status = 'PENDING' AND priority = 4") == 1000)
            await #expect(throws: PostgresError.self) {
                try await queue.pool.withConnection { connection in
                    _ = try await connection.copyIn(
                        "COPY job_executions (job_config_id, params) FROM STDIN", rows: ["\(job)\t{\"x\": 1}\n"])
                }
            }
        }
    }

    @Test("enqueue_job says all that an INSERT can; unknown names and jobs that were deleted are told by name")
    func enqueueJob() async throws {
        try await Queue.withDatabase { queue in
            try await queue.addJob("j", type: "SYNC_PRODUCTS")
            let id = try await queue.text(
                "SELECT enqueue_job('j', params => '{\"dry_run\": true}', run_at => 'infinity', priority => -32768, dedupe_key => 'd')")
            #expect(
                try await queue.column("concat_ws(' ', params, run_at, priority, dedupe_key)", of: id)
                    == #"{"dry_run": true} infinity -32768 d"#)
            #expect(try await queue.refusal("SELECT enqueue_job('nobody')").message == #"there is no job named "nobody""#)
            #expect(try await queue.refusal("SELECT enqueue_job('j', priority => 32768)").message.hasPrefix("priority: "))
            #expect(try await queue.refusal("SELECT enqueue_job('j', params => '{\"x\": 1}')").message.hasPrefix("params: "))
            try await queue.run("UPDATE job_configurations SET deleted_at = now()")
            for function in ["enqueue_job", "pause_job", "resume_job"] {
                #expect(try await queue.refusal("SELECT \(spliced(function))('j')").message == #"there is no job named "j""#)
            }
            #expect(
                try await queue.refusal("INSERT INTO job_executions (job_config_id) VALUES (1)").message
                    == "job_config_id: job 1 was deleted")
        }
    }

    @Test("one statement may make a job and its first execution")
    func jobAndExecution() async throws {
        try await Queue.withDatabase { queue in
            let begun = try await queue.text(
                """
                WITH job AS (INSERT INTO job_configurations (name, job_type, priority, paused_at) VALUES ('new', 'NOOP', 4, now()) RETURNING id)
                INSERT INTO job_executions (job_config_id) SELECT id FROM job RETURNING concat_ws(' ', priority, max_attempts, gated, run_at = now())
                """)
            #expect(begun == "4 3 t t")
        }
    }

    @Test("R30: run_at may lie anywhere: what lies behind runs, what lies ahead waits")
    func runAt() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            for moment in ["-infinity", "4000-01-01 BC", "1970-01-01", "now"] {
                try await queue.run(
                    "INSERT INTO job_executions (job_config_id, run_at, scheduled_for) VALUES (\(job), \(moment)::timestamptz, \(moment)::timestamptz)"
                )
            }
            for moment in ["infinity", "294276-12-31", "tomorrow"] {
                try await queue.run(
                    "INSERT INTO job_executions (job_config_id, run_at, scheduled_for) VALUES (\(job), \(moment)::timestamptz, \(moment)::timestamptz)"
                )
            }
            let runs = try await queue.claim(worker)
            #expect(runs.count == 4)
            #expect(try await queue.claim(worker).isEmpty)
            #expect(try await queue.finish(runs).count == 4)
            try await queue.run("UPDATE job_executions SET run_at = now() WHERE status = 'PENDING'")
            #expect(try await queue.claim(worker).count == 3)
        }
    }

    @Test("R30: created_at is the database's word, for ends are reckoned from it: another one is refused")
    func createdAt() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            for moment in ["-infinity", "infinity", "290000-01-01", "1970-01-01"] {
                #expect(
                    try await queue.refusal(
                        "INSERT INTO job_executions (job_config_id, created_at) VALUES (\(job), \(moment)::timestamptz)"
                    ).message
                        == "created_at: it is written by the database; leave it out")
            }
        }
    }

    @Test("R30: an INSERT that stays uncommitted holds nobody up and is claimed once it is committed")
    func uncommitted() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.pool.transaction { transaction in
                _ = try await transaction.query("INSERT INTO job_executions (job_config_id) VALUES (\(job))")
                let behind = try await queue.enqueue(job)
                #expect(try await queue.claim(worker).map(\.id) == behind)
                #expect(try await queue.finish(try await queue.claim(worker)).isEmpty)
                try await queue.run("SELECT pause_job('job')")
                try await queue.run("SELECT resume_job('job')")
            }
            #expect(try await queue.claim(worker).count == 1)
        }
    }

    @Test("the id of a row that ended is not given to another")
    func idsOfTheEnded() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let id = try await queue.enqueue(job)[0]
            try await queue.finish(try await queue.claim(worker))
            // As it looks a minute later.
            let minuteAgo: SQL = "(left(uuid_v7_floor(now() - interval '1 minute')::text, 14) || '7000-8000-000000000000')::uuid"
            try await queue.plant("UPDATE job_finished SET id = \(minuteAgo) WHERE id = \(id)::uuid")
            let error = try await queue.refusal(
                "INSERT INTO job_executions (id, job_config_id) SELECT id, job_config_id FROM job_finished")
            #expect(error.message.hasPrefix("id: ") && error.message.contains("ended"))
        }
    }
}
