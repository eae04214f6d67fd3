#if DEBUG
    import Foundation
    import Runtime
    import TestRig
    import TestSupport
    import Testing

    /// R01 and R02 for comparisons: workers are killed or stopped at named moments; the differences stand there once.
    @Suite struct CompareKillTests {
        struct Point: Sendable, CustomTestStringConvertible {
            let name: String
            /// At the how-manieth time the place is reached.
            var pass = 1
            var testDescription: String { "\(name):\(pass)" }
        }

        /// The parent logs in and ends, the child asks for the listing and two pages, writes once and ends.
        static let points = [
            Point(name: "claim.committed"), Point(name: "claim.committed", pass: 2), Point(name: "request.before", pass: 2),
            Point(name: "request.before", pass: 4), Point(name: "catalogue.page"), Point(name: "catalogue.page", pass: 2),
            Point(name: "fenced.before-commit"), Point(name: "compare.recorded"), Point(name: "ends.before", pass: 2),
            Point(name: "ends.committed"), Point(name: "ends.committed", pass: 2),
        ]

        @Test(
            "R01: a worker killed at a named moment of a comparison, attempts used up: every difference stands there once",
            arguments: points)
        func killed(point: Point) async throws {
            try await expectDifferencesOnce(point, "kill") { rig, first in
                #expect(try await first.waitForExit(within: .seconds(30)) == .signalled(SIGKILL), "\(point) was never reached")
                return try rig.worker(["--lease", "2", "--slots", "2"])
            }
        }

        @Test("R02: a worker stopped at a named moment, woken after another one finished: it writes nothing", arguments: points)
        func stopped(point: Point) async throws {
            try await expectDifferencesOnce(point, "stop") { rig, first in
                try await eventually(within: .seconds(30), "\(point)") { first.isStopped }
                try await eventually(within: .seconds(30), "the end of its lease") {
                    try await rig.value("SELECT bool_and(lease_until < clock_timestamp()) AS value FROM workers")
                }
                return try rig.worker(["--lease", "2", "--slots", "2"])
            }
        }

        private func expectDifferencesOnce(
            _ point: Point, _ deed: String, takeOver: (Rig, RunningProgram) async throws -> RunningProgram
        ) async throws {
            try await Rig.with(RigSettings(stores: 1, products: 150)) { rig in
                try await rig.addComparison()
                let expected = try await plantDifferences(rig)
                let first = try rig.worker(
                    ["--lease", "2", "--slots", "2"], environment: ["CHIMERA_FAILPOINT": "\(point.name):\(point.pass)=\(deed)"])
                let id = try await rig.trigger("compare-data")
                _ = try await takeOver(rig, first)
                let execution = try await rig.finished(id)
                #expect(execution.status == "SUCCESS" && execution.differences == expected, "\(execution.message)")
                let found = try await rig.differences(of: id)
                #expect(found.count == expected.values.reduce(0, +) && Set(found).count == found.count)
                let asked = try await rig.sandbox.state().requestCount
                let rows = try await Self.rows(rig)
                if deed == "stop" {
                    first.signal(SIGCONT)
                    first.signal(SIGTERM)
                    #expect(try await first.waitForExit(within: .seconds(60)) == .exited(0))
                }
                let state = try await rig.sandbox.state()
                // Both sides are read at the same time: one request of each may have been under way.
                #expect(state.requestCount - asked <= 2 && state.clubWrites == [])
                #expect(try await Self.rows(rig) == rows)
            }
        }

        @Test("rows that an attempt recorded are gone when the next one cannot compare")
        func failedLater() async throws {
            try await Rig.with(RigSettings(stores: 1)) { rig in
                try await rig.addComparison()
                _ = try await plantDifferences(rig)
                let first = try rig.worker(["--lease", "2"], environment: ["CHIMERA_FAILPOINT": "compare.recorded=kill"])
                let id = try await rig.trigger("compare-data")
                #expect(try await first.waitForExit(within: .seconds(30)) == .signalled(SIGKILL))
                #expect(try await rig.differences(of: id).count > 3, "they were recorded")
                try await rig.sandbox.setFaults(["cv-list-404"])
                _ = try rig.worker(["--lease", "2"])
                let execution = try await rig.finished(id)
                #expect(execution.status == "FAILED" && execution.differences == [:])
                #expect(try await rig.differences(of: id) == [])
            }
        }

        /// Plants what RP offers but for a few lines; gives what must be found.
        private func plantDifferences(_ rig: Rig) async throws -> [String: Int] {
            let lines = Selection(try await rig.sandbox.products(of: 1)).lines.sorted { $0.code < $1.code }
            let wrong = lines[1...3].map { Line(code: $0.code, price: $0.price + 1, finalPrice: $0.finalPrice, limit: 5) }
            let extra = Line(code: 987_654_321, price: 10, finalPrice: 9, limit: 3)
            try await rig.sandbox.plant(store: 1, set: wrong + [extra] + lines.dropFirst(4))
            return ["MISSING_IN_TARGET": 1, "EXTRA_IN_TARGET": 1, "PRICE": 3, "LIMIT": 3]
        }

        private static func rows(_ rig: Rig) async throws -> String {
            try await rig.value(
                """
                SELECT (SELECT string_agg(d::text, ';' ORDER BY d.id) FROM comparison_differences AS d)
                  || (SELECT string_agg(a::text, ';' ORDER BY a.*) FROM job_attempts AS a) AS value
                """)
        }
    }

    extension RunningProgram {
        /// Whether a signal holds it.
        fileprivate var isStopped: Bool {
            guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
            return stat.split(separator: ")").last?.split(separator: " ").first == "T"
        }
    }
#endif
