import Runtime
import TestSupport
import Testing

@testable import JobQueue

/// Where claims begin to look, so that dead entries in front of the queue cost little (R25).
@Suite struct ClaimScanTests {
    private func run(_ priority: Int, at second: Int, id: Int) -> ClaimedRun {
        ClaimedRun(
            id: "00000000-0000-7000-8000-00000000000\(id)", token: 1, jobConfigID: 1, attempt: 1, maxAttempts: 1, paramsText: nil,
            parentID: nil,
            storeID: nil, registration: nil, sourceID: 0, targetID: 0, scheduledFor: nil, priority: priority,
            runAtText: "2026-01-01 00:00:0\(second)+00", retryOf: nil, isGated: false)
    }

    @Test("as long as a look from the beginning is cheap, every claim that did not follow a full one is one")
    func cheap() {
        var scan = ClaimScan()
        #expect(scan.mark(at: .seconds(1)).isStart)
        scan.record([run(0, at: 1, id: 1)], from: .start, at: .seconds(1), took: .milliseconds(20), isFull: false)
        #expect(scan.mark(at: .seconds(1.03)).isStart)
    }

    @Test("behind a full claim the next one begins, and once a second from the beginning")
    func drain() {
        var scan = ClaimScan()
        scan.record([run(0, at: 1, id: 1), run(0, at: 2, id: 2)], from: .start, at: .seconds(1), took: .milliseconds(3), isFull: true)
        let behind = scan.mark(at: .seconds(1.9))
        #expect(behind.runAt.contains("00:00:02") && behind.dueWithin == nil && !behind.isStart)
        scan.record([run(0, at: 3, id: 3)], from: behind, at: .seconds(1.9), took: .milliseconds(3), isFull: true)
        #expect(scan.mark(at: .seconds(1.95)).runAt.contains("00:00:03"))
        #expect(scan.mark(at: .seconds(2.1)).isStart)
    }

    @Test("R25: after slow looks from the beginning, claims see what became due since, until twenty times their duration has passed")
    func slow() throws {
        var scan = slowScan(until: .seconds(10))
        scan.record([run(-5, at: 1, id: 1), run(0, at: 1, id: 2)], from: .start, at: .seconds(10), took: .milliseconds(100), isFull: false)
        let mark = scan.mark(at: .seconds(10.5))
        #expect(mark.priority == -5 && mark.dueWithin == .seconds(1.5))
        scan.record([run(-7, at: 2, id: 3)], from: mark, at: .seconds(10.5), took: .milliseconds(1), isFull: false)
        #expect(scan.mark(at: .seconds(11)).priority == -7)
        #expect(scan.mark(at: .seconds(11.99)).dueWithin == .seconds(2.99))
        #expect(scan.mark(at: .seconds(12)).isStart)
        // A look that found nothing says nothing about priorities.
        scan.record([], from: .start, at: .seconds(12), took: .milliseconds(80), isFull: false)
        #expect(scan.mark(at: .seconds(12.1)).priority == -7)
        scan.record([], from: .start, at: .seconds(14), took: .milliseconds(2), isFull: false)
        #expect(scan.mark(at: .seconds(14.01)).isStart)
    }

    @Test("R10: one slow look, which an outage or a lock kept waiting, puts off nothing that was handed back")
    func waited() {
        var scan = ClaimScan()
        scan.record([run(0, at: 1, id: 1)], from: .start, at: .seconds(1), took: .seconds(2), isFull: false)
        #expect(scan.mark(at: .seconds(3)).isStart)
        scan.record([], from: .start, at: .seconds(3), took: .milliseconds(2), isFull: false)
        scan.record([run(0, at: 1, id: 1)], from: .start, at: .seconds(4), took: .seconds(9), isFull: false)
        #expect(scan.mark(at: .seconds(13)).isStart)
    }

    @Test("looks from the beginning are 5 s apart at most, however slow they are")
    func verySlow() {
        var scan = slowScan(until: .seconds(10))
        scan.record([run(0, at: 1, id: 1)], from: .start, at: .seconds(10), took: .seconds(2), isFull: false)
        scan.record([run(0, at: 1, id: 1)], from: .start, at: .seconds(20), took: .seconds(2), isFull: false)
        #expect(!scan.mark(at: .seconds(24.9)).isStart)
        #expect(scan.mark(at: .seconds(25.1)).isStart)
    }

    /// One whose last look was slow, and before which it looks from the beginning.
    private func slowScan(until now: Duration) -> ClaimScan {
        var scan = ClaimScan()
        scan.record([], from: .start, at: now - .seconds(8), took: .milliseconds(200), isFull: false)
        return scan
    }

    @Test("a slow look from the beginning is no more than a twentieth of a drain either")
    func slowDrain() {
        var scan = slowScan(until: .seconds(1))
        scan.record([run(0, at: 1, id: 1)], from: .start, at: .seconds(1), took: .milliseconds(200), isFull: true)
        #expect(!scan.mark(at: .seconds(4.9)).isStart)
        #expect(scan.mark(at: .seconds(5.1)).isStart)
    }

    @Test("a claim of what became due lately takes that, and of later priorities everything")
    func lately() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob()
            let worker = try await queue.addWorker()
            let ids = try await queue.texts(
                """
                INSERT INTO job_executions (job_config_id, priority, run_at) VALUES
                  (\(job), 0, now() - interval '1 minute'), (\(job), 0, now() - interval '1 second'), (\(job), 5, now() - interval '1 hour'),
                  (\(job), -5, now() - interval '1 second') RETURNING id
                """)
            let lately = try await queue.claim(worker, after: Watermark(priority: 0, dueWithin: .seconds(30)))
            #expect(lately.map(\.id) == [ids[1], ids[2]])
            #expect(try await queue.claim(worker).map(\.id) == [ids[3], ids[0]])
        }
    }
}
