import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// Workers that stand still or lose the database while others take their runs over (R02, R03, R22).
@Suite struct FencingTests {
    static let lease = ["--lease", "2", "--slots", "4"]

    /// A store whose sync takes some seconds, nearly all of it waiting for pages.
    static let slowSync = RigSettings(stores: 1, products: 900, sandbox: ["--latency-ms", "250"])

    @Test("R02: a worker frozen past its lease changes nothing after another one finished, and goes on with other work")
    func frozenUntilTheEnd() async throws {
        try await Rig.with(Self.slowSync) { rig in
            try await rig.sandbox.setFaults(["rp-silence:1x"])
            let sleeper = try rig.worker(Self.lease)
            let id = try await rig.trigger()
            try await freeze(sleeper, rig)
            let helper = try rig.worker(Self.lease)
            #expect(try await rig.finished(id).status == "SUCCESS")
            let child = try #require(try await rig.children(of: id)[1])
            let before = try await snapshot(rig)
            let asked = try await rig.sandbox.state().requestCount
            sleeper.signal(SIGCONT)
            _ = try await sleeper.line(containing: "the lease could not be renewed in time", within: .seconds(20))
            // What it does next is other work.
            helper.signal(SIGTERM)
            try await helper.waitForExit(within: .seconds(40))
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type) VALUES ('drill', 'NOOP')")
            let other = try await rig.finished(try await rig.trigger("drill"))
            #expect(other.status == "SUCCESS" && other.worker != child.worker)
            #expect(try await rig.sandbox.state().requestCount - asked <= 1, "the one request that was under way")
            #expect(try await snapshot(rig) == before)
            #expect(try await rig.attempts(of: child.id) == ["RESCUED", "SUCCESS"])
        }
    }

    @Test("R03: a worker that wakes while the second attempt runs does not finish it, feed it or fail it")
    func frozenUntilTheSecondAttempt() async throws {
        try await Rig.with(Self.slowSync) { rig in
            try await rig.sandbox.setFaults(["rp-silence:1x"])
            let sleeper = try rig.worker(Self.lease)
            let id = try await rig.trigger()
            try await freeze(sleeper, rig)
            _ = try rig.worker(Self.lease)
            try await eventually(within: .seconds(30), "the second attempt") {
                let child = try await rig.children(of: id)[1]
                return child?.status == "RUNNING" && child?.attempt == 2
            }
            let second = try #require(try await rig.children(of: id)[1]?.worker)
            sleeper.signal(SIGCONT)
            #expect(try await rig.finished(id).status == "SUCCESS")
            let child = try #require(try await rig.children(of: id)[1])
            #expect(child.worker == second && child.attempt == 2)
            #expect(try await rig.attempts(of: child.id) == ["RESCUED", "SUCCESS"])
            let state = try await rig.sandbox.state()
            #expect(state.uploads.count == 1)
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["VERIFIED"])
            #expect(try await rig.products(of: 1) == Selection(try await rig.sandbox.products(of: 1)).lines)
        }
    }

    @Test("systemd's order, SIGTERM and then SIGCONT, to a frozen worker: it leaves with 0 and changes nothing")
    func stoppedWhileFrozen() async throws {
        try await Rig.with(Self.slowSync) { rig in
            try await rig.sandbox.setFaults(["rp-silence:1x"])
            let sleeper = try rig.worker(Self.lease + ["--grace", "5"])
            let id = try await rig.trigger()
            try await freeze(sleeper, rig)
            _ = try rig.worker(Self.lease)
            #expect(try await rig.finished(id).status == "SUCCESS")
            let before = try await snapshot(rig)
            sleeper.signal(SIGTERM)
            sleeper.signal(SIGCONT)
            #expect(try await sleeper.waitForExit(within: .seconds(30)) == .exited(0))
            #expect(try await snapshot(rig) == before)
        }
    }

    @Test("R22: a worker whose database falls silent stops its runs before the lease ends, hands over, and works again afterwards")
    func blackHole() async throws {
        try await Rig.with(Self.slowSync) { rig in
            let port = try #require(URLComponents(string: rig.url)?.port)
            let proxy = try TCPProxy(to: port)
            try await rig.sandbox.setFaults(["rp-silence:1x"])
            let deaf = try rig.worker(Self.lease, url: rig.url.replacingOccurrences(of: ":\(port)/", with: ":\(proxy.port)/"))
            let id = try await rig.trigger()
            try await Self.pageIsAskedFor(rig)
            proxy.set(.blackHole)
            _ = try await deaf.line(containing: "the lease could not be renewed in time", within: .seconds(20))
            let asked = try await rig.sandbox.state().requestCount
            let helper = try rig.worker(Self.lease)
            #expect(try await rig.finished(id).status == "SUCCESS")
            let child = try #require(try await rig.children(of: id)[1])
            let pages = 11
            let since = try await rig.sandbox.state().requestCount - asked
            #expect(since <= pages + 4, "\(since) requests: a login, the pages, an upload, a listing, and one that was under way")
            proxy.set(.forward)
            helper.signal(SIGTERM)
            try await helper.waitForExit(within: .seconds(40))
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type) VALUES ('drill', 'NOOP')")
            let other = try await rig.finished(try await rig.trigger("drill"), within: .seconds(60))
            #expect(other.status == "SUCCESS" && other.worker != child.worker)
            #expect(try await rig.attempts(of: child.id).last == "SUCCESS")
            #expect(try await rig.sandbox.state().uploads.count == 1)
        }
    }

    /// Stops the worker while it waits for a page, which RP never sends, and waits until its lease is over.
    private func freeze(_ worker: RunningProgram, _ rig: Rig) async throws {
        try await Self.pageIsAskedFor(rig)
        worker.signal(SIGSTOP)
        try await eventually(within: .seconds(30), "the end of the lease") {
            try await rig.value("SELECT bool_and(lease_until < clock_timestamp()) AS value FROM workers")
        }
    }

    private static func pageIsAskedFor(_ rig: Rig) async throws {
        try await eventually(within: .seconds(30), "a call for a page") {
            try await rig.sandbox.state().pageRequests(of: rig.sandbox.registration(1)) >= 1
        }
    }

    /// Everything that a late writer could spoil.
    private func snapshot(_ rig: Rig) async throws -> String {
        try await rig.value(
            """
            SELECT concat_ws('|',
              (SELECT string_agg(concat_ws(',', id, status, attempt, token, worker, finished_at, metrics), ';' ORDER BY id) FROM job_executions WHERE job_config_id = 1),
              (SELECT string_agg(concat_ws(',', id, status, verified_at, http_status), ';' ORDER BY id) FROM campaigns),
              (SELECT md5(string_agg(p::text, ';' ORDER BY code)) FROM products AS p),
              (SELECT string_agg(a::text, ';' ORDER BY a.execution_id, a.attempt) FROM job_attempts AS a JOIN job_executions AS e ON e.id = a.execution_id WHERE e.job_config_id = 1),
              (SELECT count(*) FROM execution_logs AS l JOIN job_executions AS e ON e.id = l.execution_id WHERE e.job_config_id = 1)) AS value
            """)
    }
}
