#if DEBUG
    import Foundation
    import Runtime
    import TestRig
    import TestSupport
    import Testing

    /// R01 and R02 at moments that no signal from outside can hit: debug builds kill or stop themselves there.
    @Suite struct FailpointTests {
        struct Point: Sendable, CustomTestStringConvertible {
            let name: String
            /// At the how-manieth time the place is reached.
            var pass = 1
            var testDescription: String { "\(name):\(pass)" }
        }

        /// Logins, pages, uploads and listings all pass `request.before`; claims and ends come once for the parent and once for the child.
        static let points = [
            Point(name: "claim.committed"), Point(name: "claim.committed", pass: 2), Point(name: "request.before"),
            Point(name: "request.before", pass: 2), Point(name: "request.before", pass: 3), Point(name: "catalogue.page"),
            Point(name: "catalogue.page", pass: 2), Point(name: "fenced.before-commit"), Point(name: "sync.planned"),
            Point(name: "sync.uploaded"), Point(name: "fenced.before-commit", pass: 2), Point(name: "sync.sent"),
            Point(name: "sync.swapping"), Point(name: "fenced.before-commit", pass: 3), Point(name: "sync.verified"),
            Point(name: "ends.before"), Point(name: "ends.before", pass: 2), Point(name: "ends.committed"),
            Point(name: "ends.committed", pass: 2),
        ]

        @Test("R01: a worker killed at a named moment of a sync, attempts used up: one upload, one verified campaign", arguments: points)
        func killed(point: Point) async throws {
            try await expectOneCampaign(point, "kill") { rig, first in
                #expect(try await first.waitForExit(within: .seconds(30)) == .signalled(SIGKILL), "\(point) was never reached")
                return try rig.worker(["--lease", "2", "--slots", "2"])
            }
        }

        @Test("R02: a worker stopped at a named moment, woken after another one finished: it changes nothing", arguments: points)
        func stopped(point: Point) async throws {
            try await expectOneCampaign(point, "stop") { rig, first in
                try await eventually(within: .seconds(30), "\(point)") { Self.isStopped(first.pid) }
                try await eventually(within: .seconds(30), "the end of its lease") {
                    try await rig.value("SELECT bool_and(lease_until < clock_timestamp()) AS value FROM workers")
                }
                let second = try rig.worker(["--lease", "2", "--slots", "2"])
                // Whatever the sleeper has left open in the database: it holds nobody up for longer than another lease.
                try await eventually(within: .seconds(30), "the sleeper's runs are taken from it") {
                    try await rig.value(
                        """
                        SELECT NOT EXISTS (SELECT FROM job_live AS l JOIN workers AS w ON w.id = l.worker
                          WHERE l.status = 'RUNNING' AND w.lease_until < clock_timestamp()) AS value
                        """)
                }
                return second
            }
        }

        struct Spoilt: Sendable, CustomTestStringConvertible {
            let point: String
            /// What somebody did to the campaign's row.
            let change: String
            var reason = "its stored products cannot be read"
            var testDescription: String { "\(point), \(change)" }
        }

        @Test(
            "a campaign whose row somebody spoilt is given up with the reason, and another is built from the source",
            arguments: [
                Spoilt(point: "sync.planned", change: "staged_products = NULL"),
                Spoilt(point: "sync.planned", change: "staged_products = '7'"),
                Spoilt(point: "sync.planned", change: "body = NULL"), Spoilt(point: "sync.sent", change: "staged_products = NULL"),
                Spoilt(point: "sync.sent", change: #"staged_products = regexp_replace(staged_products, '^[^\n]*\n', '')"#),
                Spoilt(point: "sync.sent", change: "staged_products = '', line_count = 0"),
                Spoilt(
                    point: "sync.sent", change: "status = 'VERIFIED'",
                    reason: "it was marked VERIFIED by hand, and the store's products were not swapped"),
            ])
        func spoilt(_ spoilt: Spoilt) async throws {
            try await Rig.with(RigSettings(stores: 1, products: 150, maxAttempts: 1)) { rig in
                let first = try rig.worker(["--lease", "2", "--slots", "2"], environment: ["CHIMERA_FAILPOINT": "\(spoilt.point):1=kill"])
                let id = try await rig.trigger()
                #expect(try await first.waitForExit(within: .seconds(30)) == .signalled(SIGKILL))
                try await rig.pool.withConnection { try await $0.script("UPDATE campaigns SET \(spoilt.change)") }
                _ = try rig.worker(["--lease", "2", "--slots", "2"])
                let execution = try await rig.finished(id, within: .seconds(45))
                #expect(execution.status == "SUCCESS", "\(execution.message)")
                let campaigns = try await rig.campaigns(of: 1)
                #expect(campaigns.map(\.status) == ["FAILED", "VERIFIED"])
                #expect(campaigns.first?.reason == spoilt.reason)
                let selection = Selection(try await rig.sandbox.products(of: 1)).lines
                let listed = try await rig.sandbox.state(lines: true).campaigns(of: rig.sandbox.registration(1)).last?.lines
                #expect(Set(listed ?? []) == selection)
                #expect(try await rig.products(of: 1) == selection)
            }
        }

        @Test("an upload that is refused for its start, which passed while it waited for its turn, is built anew by the next attempt")
        func startPassed() async throws {
            try await Rig.with(RigSettings(stores: 1, products: 150)) { rig in
                try await rig.sandbox.setFaults(["cv-upload-422:1x"])
                let worker = try rig.worker(["--lease", "30", "--slots", "2"], environment: ["CHIMERA_FAILPOINT": "sync.planned:1=stop"])
                let id = try await rig.trigger()
                try await eventually(within: .seconds(30), "the plan") { Self.isStopped(worker.pid) }
                try await rig.pool.withConnection { try await $0.script("UPDATE campaigns SET starts_at = now() - interval '1 min'") }
                worker.signal(SIGCONT)
                #expect(try await rig.finished(id, within: .seconds(45)).status == "SUCCESS")
                #expect(try await rig.campaigns(of: 1).map(\.status) == ["FAILED", "VERIFIED"])
                let child = try #require(try await rig.children(of: id)[1])
                #expect(try await rig.attempts(of: child.id) == ["RETRY", "SUCCESS"])
            }
        }

        /// Runs one store's sync with a worker that meets the point; `takeOver` gives the worker that finishes.
        private func expectOneCampaign(
            _ point: Point, _ deed: String, takeOver: (Rig, RunningProgram) async throws -> RunningProgram
        ) async throws {
            try await Rig.with(RigSettings(stores: 1, products: 150, maxAttempts: 1)) { rig in
                let first = try rig.worker(
                    ["--lease", "2", "--slots", "2"], environment: ["CHIMERA_FAILPOINT": "\(point.name):\(point.pass)=\(deed)"])
                let id = try await rig.trigger()
                _ = try await takeOver(rig, first)
                let execution = try await rig.finished(id, within: .seconds(45))
                #expect(execution.status == "SUCCESS", "\(execution.message)")
                let asked = try await rig.sandbox.state().requestCount
                let attempts = try await rig.value(
                    "SELECT string_agg(a::text, ';' ORDER BY a.*) AS value FROM job_attempts AS a", as: String.self)
                if deed == "stop" {
                    first.signal(SIGCONT)
                    first.signal(SIGTERM)
                    #expect(try await first.waitForExit(within: .seconds(60)) == .exited(0))
                }
                let state = try await rig.sandbox.state(lines: true)
                #expect(state.requestCount - asked <= 1, "at most the request that was under way")
                #expect((1...2).contains(state.uploads.count) && Set(state.uploads.map(\.bodyDigest)).count == 1)
                #expect(try await rig.campaigns(of: 1).count { $0.status == "VERIFIED" } == 1)
                let selection = Selection(try await rig.sandbox.products(of: 1)).lines
                #expect(Set(state.campaigns(of: rig.sandbox.registration(1)).last?.lines ?? []) == selection)
                #expect(try await rig.products(of: 1) == selection)
                let later = try await rig.value(
                    "SELECT string_agg(a::text, ';' ORDER BY a.*) AS value FROM job_attempts AS a", as: String.self)
                #expect(later == attempts)
            }
        }

        private static func isStopped(_ pid: pid_t) -> Bool {
            guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
            return stat.split(separator: ")").last?.split(separator: " ").first == "T"
        }
    }
#endif
