import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// Logins, partners that cannot be reached, waiting as asked, and the circuit breaker.
@Suite struct PartnerOutageTests {
    struct LoginCase: Sendable, CustomTestStringConvertible {
        let fault: String
        /// Nil: the sync succeeds.
        var code: String?
        var attempts = 1
        let logins: ClosedRange<Int>
        var testDescription: String { fault }
    }

    @Test(
        "a login that is refused ends the sync once and without children; one that may pass is tried again",
        arguments: [
            LoginCase(fault: "rp-login-500", code: "LOGIN_REFUSED", logins: 1...1),
            LoginCase(fault: "rp-login-empty-token", code: "LOGIN_WITHOUT_TOKEN", logins: 1...1),
            LoginCase(fault: "rp-login-no-token", code: "LOGIN_WITHOUT_TOKEN", logins: 1...1),
            LoginCase(fault: "rp-login-403", code: "LOGIN_REFUSED", logins: 1...1),
            LoginCase(fault: "rp-login-html", code: "NOT_JSON", logins: 1...1),
            LoginCase(fault: "rp-login-503", code: "HTTP_503", attempts: 3, logins: 3...3),
            LoginCase(fault: "rp-login-error-200", code: "RP_ERROR", attempts: 3, logins: 3...3),
            LoginCase(fault: "rp-login-502:2x", attempts: 3, logins: 3...3),
            LoginCase(fault: "rp-login-truncated:1x", attempts: 2, logins: 2...2),
            LoginCase(fault: "rp-login-token-elsewhere", logins: 1...1), LoginCase(fault: "rp-login-odd-expiration", logins: 1...1),
            LoginCase(fault: "rp-login-short-life", logins: 1...8), LoginCase(fault: "rp-login-kills-older", logins: 1...1),
            LoginCase(fault: "rp-token-expired", logins: 2...2), LoginCase(fault: "rp-token-expired-mid-pages", logins: 2...2),
        ])
    func logins(login: LoginCase) async throws {
        try await Rig.with(RigSettings(products: 120)) { rig in
            try await rig.sandbox.setFaults([login.fault])
            _ = try rig.worker(["--slots", "8"])
            let execution = try await rig.finished(try await rig.trigger())
            #expect(execution.status == (login.code == nil ? "SUCCESS" : "FAILED") && execution.attempt == login.attempts)
            #expect(execution.code == login.code ?? "", "\(execution.message)")
            let state = try await rig.sandbox.state()
            #expect(login.logins.contains(state.loginRequests), "\(state.loginRequests) logins")
            #expect(state.uploads.count == (login.code == nil ? 3 : 0))
            if login.code != nil { #expect(try await rig.children(of: execution.id).isEmpty) }
            #expect(!execution.message.contains("br.com"), "no stack trace")
        }
    }

    @Test("two workers with a key file share one login, also when every new token ends the older ones")
    func sharedLogin() async throws {
        try await Rig.with(RigSettings(stores: 6, products: 150, sandbox: ["--latency-ms", "30"])) { rig in
            let key = NSTemporaryDirectory() + "chimera-acceptance-\(UUID().uuidString).key"
            defer { try? FileManager.default.removeItem(atPath: key) }
            let bytes = (0..<32).map { _ in UInt8.random(in: 0...255) }
            try #require(
                FileManager.default.createFile(
                    atPath: key, contents: Data("k1:\(Data(bytes).base64EncodedString())\n".utf8), attributes: [.posixPermissions: 0o600]))
            try await rig.sandbox.setFaults(["rp-login-kills-older", "rp-token-expired@2"])
            for _ in 1...2 { _ = try rig.worker(["--slots", "2"], environment: ["CHIMERA_KEY_FILE": key]) }
            let execution = try await rig.finished(try await rig.trigger())
            #expect(execution.status == "SUCCESS", "\(execution.message)")
            let workers = Set(try await rig.children(of: execution.id).values.compactMap(\.worker))
            #expect(workers.count == 2, "one worker did it all, so nothing was shared")
            #expect(try await rig.sandbox.state().loginRequests == 2, "the first, and the one after the token's end")
            let stored: String = try await rig.value("SELECT value FROM integration_keys WHERE key = 'login_token'")
            #expect(stored.hasPrefix("enc:v1:"))
        }
    }

    @Test("a worker without the key costs an attempt: another one, which has it, publishes all the same")
    func missingKey() async throws {
        let key = NSTemporaryDirectory() + "chimera-acceptance-\(UUID().uuidString).key"
        defer { try? FileManager.default.removeItem(atPath: key) }
        try CustomJobTests.sealed.line.write(toFile: key, atomically: true, encoding: .utf8)
        try await Rig.with(RigSettings(stores: 1, products: 50)) { rig in
            _ = try await rig.pool.query(
                """
                UPDATE integrations SET config = jsonb_set(config, '{auth_headers,X-Other}', to_jsonb(\(CustomJobTests.sealed.envelope)::text))
                WHERE name = 'club'
                """)
            _ = try await rig.pool.query("UPDATE job_configurations SET retry_delay_seconds = 1")
            let blind = try rig.worker()
            let id = try await rig.trigger()
            try await eventually("a first attempt without the key") {
                try await rig.value(
                    "SELECT count(*) AS value FROM job_attempts WHERE error_details ->> 'message' LIKE '%CHIMERA_KEY_FILE%'") > 0
            }
            blind.signal(SIGKILL)
            try await blind.waitForExit()
            _ = try rig.worker(environment: ["CHIMERA_KEY_FILE": key])
            #expect(try await rig.finished(id).status == "SUCCESS")
        }
    }

    @Test("a partner that cannot be reached costs the attempts and nothing else")
    func unreachable() async throws {
        let settings = RigSettings(
            stores: 2, rp: ["connect_timeout_seconds": 1, "request_timeout_seconds": 1],
            club: ["connect_timeout_seconds": 1, "request_timeout_seconds": 1], maxAttempts: 2)
        try await Rig.with(settings) { rig in
            _ = try rig.worker()
            let urls = [
                (rig.sandbox.announced.refusing, "UNREACHABLE"), (rig.sandbox.announced.silent, "TIMEOUT"),
                (rig.sandbox.announced.silentTls, "TLS_FAILED"), ("http://chimera.invalid", "UNREACHABLE"),
            ]
            for (url, code) in urls {
                _ = try await rig.pool.query("UPDATE integrations SET base_url = \(url) WHERE name = 'rp'")
                let execution = try await rig.finished(try await rig.trigger())
                #expect(execution.status == "FAILED" && execution.attempt == 2, "\(url)")
                #expect(execution.code == code || execution.code == "TIMEOUT", "\(url): \(execution.code) \(execution.message)")
            }
            _ = try await rig.pool.query("UPDATE integrations SET base_url = \(rig.sandbox.announced.rp) WHERE name = 'rp'")
            _ = try await rig.pool.query("UPDATE integrations SET base_url = \(rig.sandbox.announced.refusing) WHERE name = 'club'")
            let execution = try await rig.finished(try await rig.trigger())
            #expect(execution.status == "FAILED")
            for (store, child) in try await rig.children(of: execution.id) {
                #expect(child.code == "UNREACHABLE" && child.attempt == 2)
                #expect(try await rig.campaigns(of: store).map(\.status) == ["PLANNED"])
            }
            #expect(try await rig.sandbox.state().uploads.isEmpty)
            // The partner is back: the same day's next run publishes each store once.
            _ = try await rig.pool.query("UPDATE integrations SET base_url = \(rig.sandbox.announced.crescevendas) WHERE name = 'club'")
            #expect(try await rig.finished(try await rig.trigger()).status == "SUCCESS")
            #expect(try await rig.sandbox.state().uploads.count == 2)
        }
    }

    @Test("R61: a store whose own RP is down or wrongly configured fails by name and delays nobody else's morning")
    func ownSourceDown() async throws {
        try await Rig.with(RigSettings(stores: 4, rp: ["connect_timeout_seconds": 1], maxAttempts: 2)) { rig in
            let refusing = rig.sandbox.announced.refusing
            try await rig.insertIntegration("rp-down", "RP", refusing, ["username": "x", "password": "y", "connect_timeout_seconds": 1])
            try await rig.insertIntegration("rp-wrong", "RP", rig.sandbox.announced.rp, ["password": "y"])
            _ = try await rig.pool.query("UPDATE job_configurations SET config = config || '{\"source\": \"rp\"}'")
            _ = try await rig.pool.query("UPDATE stores SET config = '{\"source\": \"rp-down\"}' WHERE id = 2")
            _ = try await rig.pool.query("UPDATE stores SET config = '{\"source\": \"rp-wrong\"}' WHERE id = 3")
            _ = try rig.worker()
            let execution = try await rig.finished(try await rig.trigger())
            #expect(execution.attempt == 1 && execution.status == "FAILED")
            let children = try await rig.children(of: execution.id)
            #expect(children[1]?.status == "SUCCESS" && children[4]?.status == "SUCCESS")
            #expect(children[2]?.code == "UNREACHABLE" && children[2]?.attempt == 2 && children[2]?.message.contains("rp-down") == true)
            #expect(children[3]?.attempt == 1 && children[3]?.message.contains("rp-wrong") == true)
            #expect(children[3]?.message.contains("username") == true)
        }
    }

    @Test("R61: a wait that the partner asks for is kept, within an hour; one that makes no sense is a minute")
    func retryAfter() async throws {
        let cases = [
            ("cv-upload-429-huge", 3500.0...3600), ("cv-upload-429-none", 50...60), ("cv-upload-429-negative", 0...60),
            ("cv-upload-429-nonsense", 50...60), ("cv-upload-429", 0...1.1), ("cv-upload-503-retry-after", 0...1.1),
        ]
        try await Rig.with(RigSettings(stores: cases.count, maxAttempts: 5)) { rig in
            try await rig.sandbox.setFaults(cases.enumerated().map { "\($0.element.0)@\($0.offset + 1)" })
            _ = try rig.worker(["--slots", "8"])
            let id = try await rig.trigger()
            try await eventually(within: .seconds(30), "every store waits or has failed") {
                let children = try await rig.children(of: id)
                return children.count == cases.count
                    && (1...4).allSatisfy { children[$0]?.attempt == 1 && children[$0]?.status == "PENDING" }
            }
            for (index, (fault, range)) in cases.enumerated() {
                let waits = try await rig.pool.query(
                    """
                    SELECT extract(epoch FROM e.run_at - a.finished_at)::float8 AS seconds FROM job_executions AS e
                    JOIN job_attempts AS a ON a.execution_id = e.id AND a.outcome = 'RETRY'
                    WHERE e.parent_id = \(id)::uuid AND e.store_id = \(index + 1) AND e.status = 'PENDING' AND a.attempt = e.attempt
                    """)
                for wait in waits {
                    let seconds = try wait.get("seconds", as: Double.self)
                    #expect(range.contains(seconds.rounded()), "\(fault): \(seconds) s")
                }
            }
            let cancelled: Bool = try await rig.value("SELECT cancel_execution(\(id)::uuid) AS value")
            #expect(cancelled)
            #expect(try await rig.children(of: id).values.allSatisfy { ["CANCELLED", "FAILED"].contains($0.status) })
        }
    }

    @Test("R61: while a partner is down requests stay bounded, runs wait without using attempts, and its return mends everything")
    func breaker() async throws {
        try await Rig.with(RigSettings(stores: 6, maxAttempts: 20)) { rig in
            try await rig.sandbox.setFaults(["rp-503"])
            _ = try rig.worker(["--slots", "6"])
            let id = try await rig.trigger()
            try await eventually(within: .seconds(30), "the breaker is open") {
                try await rig.value("SELECT count(*) > 0 AS value FROM integration_state WHERE open_until > now()")
            }
            // Other jobs go on meanwhile.
            _ = try await rig.pool.query("INSERT INTO job_configurations (name, job_type) VALUES ('drill', 'NOOP')")
            #expect(try await rig.finished(try await rig.trigger("drill"), within: .seconds(10)).status == "SUCCESS")
            let down = try await rig.sandbox.state()
            let asked = (1...6).reduce(0) { $0 + down.pageRequests(of: rig.sandbox.registration($1)) }
            #expect((20...32).contains(asked), "\(asked) requests before it opened")
            #expect(try await rig.children(of: id).values.allSatisfy { ["PENDING", "RUNNING"].contains($0.status) })
            try await rig.sandbox.setFaults([])
            #expect(try await rig.finished(id, within: .seconds(90)).status == "SUCCESS")
            let after = try await rig.sandbox.state()
            for store in 1...6 {
                let registration = rig.sandbox.registration(store)
                #expect(after.uploads(of: registration).count == 1)
                #expect(after.pageRequests(of: registration) - down.pageRequests(of: registration) <= 3)
            }
        }
    }
}
