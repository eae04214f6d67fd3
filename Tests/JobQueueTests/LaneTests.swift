import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// Limits of jobs and integrations, one store one run, the breaker: what waits for them delays nobody else (SPEC §3 Concurrency).
@Suite struct LaneTests {
    @Test("a job's max_concurrency counts leased runs, over all workers; a waiting parent counts for nothing")
    func jobLimit() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "NOOP", "max_concurrency = 3")
            let workers = [try await queue.addWorker(), try await queue.addWorker()]
            let ids = try await queue.enqueue(job, count: 9)
            let first = try await queue.claim(workers[0], batch: 2)
            let second = try await queue.claim(workers[1], batch: 9)
            #expect(first.map(\.id) == Array(ids.prefix(2)) && second.map(\.id) == [ids[2]])
            #expect(try await queue.claim(workers[0]).isEmpty)
            try await queue.finish([first[0]])
            try await queue.giveBack([first[1]], delay: .seconds(60))
            #expect(try await queue.claim(workers[1]).map(\.id) == Array(ids[3...4]))
            try await queue.fanOut(second[0], [PlannedChild(params: [:])])
            #expect(try await queue.claim(workers[1]).map(\.id) == [ids[5]])
            try await queue.run("UPDATE job_configurations SET max_concurrency = NULL")
            #expect(try await queue.claim(workers[1]).count == 4)
        }
    }

    @Test("a limit set while runs are under way counts them, also when they come back")
    func limitSetLater() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            try await queue.enqueue(job, count: 4)
            let runs = try await queue.claim(worker, batch: 3)
            try await queue.run("UPDATE job_configurations SET max_concurrency = 2")
            #expect(try await queue.claim(worker).isEmpty, "three are under way")
            try await queue.giveBack(Array(runs.prefix(2)))
            #expect(try await queue.claim(worker).count == 1)
            #expect(try await queue.claim(worker).isEmpty)
        }
    }

    @Test("an integration's limit counts the runs of all jobs on either side; RP takes 4 unless its config says otherwise")
    func integrationLimit() async throws {
        try await Queue.withDatabase { queue in
            let rp = try await queue.addIntegration("rp", type: "RP")
            let club = try await queue.addIntegration("club", type: "CRESCEVENDAS", config: #"{"max_concurrency": 3}"#)
            let (one, two) = (try await queue.addJob("one"), try await queue.addJob("two"))
            let worker = try await queue.addWorker()
            for store in 1...6 { try await queue.enqueue(store % 2 == 0 ? one : two, store: store, source: rp) }
            #expect(try await queue.claim(worker).count == 4)
            for config in [#"{"max_concurrency": 5.0}"#, #"{"max_concurrency": 1e1}"#] {
                try await queue.run("UPDATE integrations SET config = \(config)::jsonb WHERE id = \(rp)")
                #expect(try await queue.claim(worker).count == 1, "\(config)")
            }
            for store in 11...16 { try await queue.enqueue(one, store: store, source: rp, target: club) }
            #expect(try await queue.claim(worker).count == 3, "the target's limit")
            try await queue.run("UPDATE integrations SET config = '{\"max_concurrency\": 1}' WHERE id = \(rp)")
            try await queue.run("UPDATE integrations SET config = '{}' WHERE id = \(club)")
            #expect(try await queue.claim(worker).isEmpty, "the source's limit")
        }
    }

    @Test("an integration that a CUSTOM or NOOP job names limits it too")
    func jobsIntegration() async throws {
        try await Queue.withDatabase { queue in
            let rp = try await queue.addIntegration("rp", type: "RP", config: #"{"max_concurrency": 2}"#)
            let job = try await queue.addJob("j", type: "CUSTOM", "integration_id = \(rp)")
            try await queue.enqueue(job, count: 5)
            #expect(try await queue.claim(try await queue.addWorker()).count == 2)
        }
    }

    @Test("an integration given to a job later limits what waits and what runs already")
    func integrationGivenLater() async throws {
        try await Queue.withDatabase { queue in
            let rp = try await queue.addIntegration("rp", type: "RP", config: #"{"max_concurrency": 2}"#)
            let job = try await queue.addJob("j", type: "CUSTOM")
            let worker = try await queue.addWorker()
            try await queue.enqueue(job, count: 5)
            let first = try await queue.claimOne(worker)
            try await queue.run("UPDATE job_configurations SET integration_id = \(rp) WHERE id = \(job)")
            #expect(try await queue.claim(worker).count == 1, "one is under way")
            try await queue.finish([first])
            #expect(try await queue.claim(worker).count == 1)
            try await queue.run("UPDATE job_configurations SET integration_id = NULL WHERE id = \(job)")
            #expect(try await queue.claim(worker).count == 2)
        }
    }

    @Test("a row that another session holds takes nobody's place")
    func lockedCandidate() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "NOOP", "max_concurrency = 1")
            let other = try await queue.addJob("other", type: "NOOP", "max_concurrency = 1")
            let worker = try await queue.addWorker()
            let ids = try await queue.enqueue(job, count: 3)
            let behind = try await queue.enqueue(other)
            try await queue.pool.transaction { transaction in
                _ = try await transaction.query("SELECT FROM job_live WHERE id = \(ids[0])::uuid FOR UPDATE")
                #expect(try await queue.claim(worker, batch: 1).map(\.id) == [ids[1]])
                #expect(try await queue.claim(worker, batch: 1).map(\.id) == behind)
            }
        }
    }

    @Test("one store, one run at a target, over all jobs; the second waits and its neighbours do not")
    func oneStoreOneRun() async throws {
        try await Queue.withDatabase { queue in
            let club = try await queue.addIntegration("club", type: "CRESCEVENDAS")
            let other = try await queue.addIntegration("other", type: "CRESCEVENDAS")
            let (sync, compare) = (try await queue.addJob("sync"), try await queue.addJob("compare"))
            let worker = try await queue.addWorker()
            let first = try await queue.enqueue(sync, store: 7, target: club)
            let second = try await queue.enqueue(compare, store: 7, target: club)
            let neighbour = try await queue.enqueue(compare, store: 8, target: club)
            let elsewhere = try await queue.enqueue(compare, store: 7, target: other)
            let runs = try await queue.claim(worker)
            #expect(Set(runs.map(\.id)) == [first, neighbour, elsewhere])
            #expect(try await queue.claim(worker).isEmpty)
            try await queue.finish(runs.filter { $0.id == first })
            #expect(try await queue.claim(worker).map(\.id) == [second])
        }
    }

    @Test("a thousand runs of one busy store in front let the store behind through")
    func busyStoreInFront() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let club = try await queue.addIntegration("club", type: "CRESCEVENDAS")
            try await queue.plant(
                """
                INSERT INTO job_executions (job_config_id, store_id, target_id, priority) SELECT \(job), 7, \(club), -1 FROM generate_series(1, 1000)
                """)
            let behind = try await queue.enqueue(job, store: 8, target: club)
            #expect(try await queue.claim(worker, batch: 4).map(\.storeID) == [7])
            #expect(try await queue.claim(worker, batch: 4).map(\.id) == [behind])
        }
    }

    @Test("an open breaker lets nobody through, a half-open one lets one, a closed one all")
    func breaker() async throws {
        try await Queue.withDatabase { queue in
            let rp = try await queue.addIntegration("rp", type: "RP")
            let (job, free) = (try await queue.addJob(), try await queue.addJob("free"))
            let worker = try await queue.addWorker()
            for store in 1...4 { try await queue.enqueue(job, store: store, source: rp) }
            try await queue.run(
                "INSERT INTO integration_state (integration_id, failures, open_until) VALUES (\(rp), 20, clock_timestamp() + interval '1 minute')"
            )
            let behind = try await queue.enqueue(free)
            #expect(try await queue.claim(worker).map(\.id) == behind)
            try await queue.run("UPDATE integration_state SET open_until = clock_timestamp() - interval '1 second'")
            let probe = try await queue.claim(worker)
            #expect(probe.count == 1)
            #expect(try await queue.claim(worker).isEmpty)
            try await queue.run("SELECT record_request_success(\(rp))")
            #expect(try await queue.claim(worker).count == 3)
            #expect(try await queue.column("attempt", of: probe[0].id) == "1")
        }
    }

    @Test(
        "R53: what a schedule of QUEUE made, or of SKIP that catches up on all, waits for every other top-level run of its job, and nobody for it",
        arguments: ["overlap_policy = 'QUEUE'", "overlap_policy = 'SKIP', misfire_policy = 'RUN_ALL'"])
    func oneAtATime(policy: String) async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("scheduled", type: "NOOP", policy)
            let other = try await queue.addJob("other")
            let worker = try await queue.addWorker()
            let ids = try await queue.texts(
                """
                INSERT INTO job_executions (job_config_id, trigger, run_at)
                SELECT \(job), 'SCHEDULE', now() - interval '1 minute' + n * interval '1 second' FROM generate_series(1, 3) AS n RETURNING id
                """)
            let behind = try await queue.enqueue(other) + queue.enqueue(job)
            let first = try await queue.claim(worker)
            #expect(Set(first.map(\.id)) == Set([ids[0]] + behind), "one of the three, and what was triggered by hand")
            #expect(try await queue.claim(worker).isEmpty)
            let scheduled = try #require(first.first { $0.id == ids[0] })
            try await queue.finish(first.filter { $0.id != ids[0] })
            // A parent that waits for its children runs.
            try await queue.fanOut(scheduled, [PlannedChild(params: [:])])
            let child = try await queue.claimOne(worker)
            #expect(child.parentID == ids[0])
            #expect(try await queue.claim(worker).isEmpty)
            try await queue.finish([child])
            let second = try await queue.claimOne(worker)
            #expect(second.id == ids[1])
            try await queue.giveBack([second], as: "INTERRUPTED", delay: nil)
            #expect(try await queue.claim(worker).map(\.id) == [ids[1]], "it comes back before the third")
            try await queue.run("UPDATE job_configurations SET overlap_policy = 'ALLOW' WHERE id = \(job)")
            #expect(try await queue.claim(worker).map(\.id) == [ids[2]])
        }
    }

    @Test("gated and free rows are claimed in one order")
    func mixedOrder() async throws {
        try await Queue.withDatabase { queue in
            let (gated, free) = (try await queue.addJob("gated", type: "NOOP", "max_concurrency = 2"), try await queue.addJob("free"))
            let worker = try await queue.addWorker()
            for (job, priority) in [(gated, 3), (free, 2), (gated, 1), (free, 4), (gated, 0)] {
                try await queue.run("INSERT INTO job_executions (job_config_id, priority) VALUES (\(job), \(priority))")
            }
            #expect(try await queue.claim(worker, batch: 3).map(\.priority) == [0, 1, 2])
            #expect(try await queue.claim(worker, batch: 3).map(\.priority) == [4])
        }
    }

    @Test("a lane whose integration is gone or off is let through, so that its run can say so")
    func missingIntegration() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            try await queue.enqueue(job, store: 1, source: 404, target: 405)
            #expect(try await queue.claim(try await queue.addWorker()).count == 1)
        }
    }
}
