import Foundation
import Testing

@Suite("Faults")
struct FaultTests {
    @Test("a count hits the first calls, a store hits that store only, and the rules can be replaced while it runs")
    func countAndStore() throws {
        let sandbox = try RunningSandbox("--products", "10", "--fault", "rp-503:3x", "--fault", "rp-empty@2")
        let (stores, token) = (sandbox.stores, try sandbox.token())
        #expect(try (0..<5).map { _ in try sandbox.page(stores[0], token: token).status } == [503, 503, 503, 200, 200])
        #expect(try sandbox.page(stores[0], token: token).products.count == 10)
        #expect(try sandbox.page(stores[1], token: token).products.isEmpty)
        #expect(try sandbox.state()["faults"].array.map { $0["fired"].integer } == [3, 1])
        try sandbox.setFaults("rp-500@\(stores[2].registration)")
        #expect(try stores.map { try sandbox.page($0, token: token).status } == [200, 200, 500])
        for bad in [#"{"faults": ["rp-nonsense"]}"#, #"{"faults": ["rp-500:7"]}"#, #"{"faults": "rp-500"}"#, "{}", "["] {
            let answer = try sandbox.control("/faults", bad)
            #expect(answer.status == 400)
            #expect(try !answer.json["error"].string.isEmpty)
        }
        #expect(try sandbox.page(stores[2], token: token).status == 500, "bad rules change nothing")
        try sandbox.setFaults()
        #expect(try sandbox.page(stores[2], token: token).status == 200)
    }

    @Test("a probability hits about that share of the calls, the same ones for the same seed")
    func probability() throws {
        let runs = try ["3", "3", "4"].map { seed in
            let sandbox = try RunningSandbox("--products", "1", "--seed", seed, "--fault", "rp-500-empty:0.3")
            let token = try sandbox.token()
            return try (0..<60).map { _ in try sandbox.page(sandbox.stores[0], token: token).status }
        }
        #expect((6...30).contains(runs[0].count { $0 == 500 }))
        #expect(runs[0] == runs[1])
        #expect(runs[0] != runs[2])
    }

    static let refusals: [(fault: String, status: Int, retryAfter: String?)] = [
        ("400", 400, nil), ("403", 403, nil), ("404", 404, nil), ("408", 408, nil), ("422", 422, nil), ("425", 425, nil), ("500", 500, nil),
        ("500-empty", 500, nil), ("502", 502, nil), ("503", 503, nil), ("503-retry-after", 503, "1"), ("504", 504, nil), ("429", 429, "1"),
        ("429-huge", 429, "1000000000"), ("429-negative", 429, "-5"), ("429-none", 429, nil), ("401", 401, nil), ("redirect", 302, nil),
        ("204", 204, nil), ("410", 410, nil),
    ]

    @Test("statuses, and what they say about when to come again", arguments: refusals)
    func statuses(_ fault: String, _ status: Int, _ retryAfter: String?) throws {
        let sandbox = try RunningSandbox("--products", "3", "--fault", "rp-\(fault)", "--fault", "cv-list-\(fault)")
        let registration = sandbox.stores[0].registration
        for answer in [try sandbox.page(sandbox.stores[0], token: sandbox.token()), try sandbox.listing(registration)] {
            #expect(answer.status == status, "\(answer.exitCode) \(answer.headers)")
            #expect(answer.headers["retry-after"] == retryAfter)
        }
    }

    @Test("Retry-After as a date is one that lies ahead")
    func retryAfterDate() throws {
        let sandbox = try RunningSandbox("--fault", "cv-429-date")
        let text = try sandbox.listing(sandbox.stores[0].registration).headers["retry-after"] ?? ""
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
        let ahead = try #require(formatter.date(from: text), "\(text)").timeIntervalSinceNow
        #expect(ahead > -5 && ahead < 5)
    }

    @Test(
        "broken connections, as curl names them",
        arguments: [
            ("close", Int32(52), 0), ("reset", 56, 0), ("silence", 28, 0), ("garbage", 1, 0), ("slow", 28, 0), ("stall", 28, 200),
            ("reset-mid-page", 56, 200), ("truncated", 18, 200), ("endless-body", 28, 200), ("huge-headers", 56, 200),
        ])
    func connections(_ fault: String, _ exitCode: Int32, _ status: Int) throws {
        let sandbox = try RunningSandbox("--products", "20")
        let (store, token) = (sandbox.stores[0], try sandbox.token())
        let whole = try sandbox.page(store, token: token).body
        try sandbox.setFaults("rp-\(fault)")
        let answer = try HTTPAnswer(
            to: sandbox.listPath(store), seconds: 0.6,
            arguments: ["-H", "token: \(token)"] + (fault == "endless-body" ? ["-o", "/dev/null"] : []))
        #expect(answer.exitCode == exitCode)
        if fault != "endless-body" { #expect(answer.status == status) }
        if ["stall", "truncated"].contains(fault) { #expect(answer.body == whole.prefix(whole.count / 2)) }
        try sandbox.setFaults()
        #expect(try sandbox.page(store, token: token).body == whole, "the next call is served as ever")
        #expect(try sandbox.state()["rp"]["concurrent"].integer == 0)
    }

    @Test("one byte a second is one byte a second")
    func slow() throws {
        let sandbox = try RunningSandbox("--products", "1", "--fault", "rp-login-slow")
        let answer = try sandbox.login(seconds: 2.5)
        #expect(answer.exitCode == 28)
        #expect(try sandbox.state()["rp"]["requests"]["POST login v1.1"].integer == 1)
    }

    @Test("a Content-Length that is too short cuts what a client sees")
    func lengthTooShort() throws {
        let sandbox = try RunningSandbox("--products", "4")
        let (store, token) = (sandbox.stores[0], try sandbox.token())
        let whole = try sandbox.page(store, token: token).body
        try sandbox.setFaults("rp-length-too-short")
        #expect(try sandbox.page(store, token: token).body == whole.prefix(whole.count / 2))
    }

    @Test("bodies that are no good")
    func bodies() throws {
        let sandbox = try RunningSandbox("--products", "4")
        let (store, token) = (sandbox.stores[0], try sandbox.token())
        func page(_ fault: String) throws -> HTTPAnswer {
            try sandbox.setFaults(fault)
            return try sandbox.page(store, token: token)
        }
        #expect(try page("rp-html").text.contains("<html>"))
        #expect(try page("rp-not-json").text == "OK")
        #expect(try page("rp-empty-body").body.isEmpty)
        #expect(try page("rp-bom").body.prefix(3) == Data([0xEF, 0xBB, 0xBF]))
        for fault in ["rp-invalid-utf8", "rp-latin1"] { #expect(try String(validating: page(fault).body, as: UTF8.self) == nil) }
        #expect(try page("rp-half-json").body.count > 10_000)
        #expect(throws: (any Error).self) { try page("rp-half-json").json }
        #expect(try page("rp-deep-nesting").body == Data(repeating: UInt8(ascii: "["), count: 1_000_000))
        let bomb = try page("rp-gzip-bomb")
        #expect(bomb.headers["content-encoding"] == "gzip")
        #expect(bomb.body.count < 5_000_000)
        #expect(try sandbox.state()["redirects_followed"].integer == 0)
    }

    @Test("300 MB and the gzip bomb are as large as they say when decoded", .timeLimit(.minutes(2)))
    func largeBodies() throws {
        let sandbox = try RunningSandbox("--products", "4", "--fault", "rp-huge-body:1x", "--fault", "rp-gzip-bomb")
        func count(_ pipeline: String) throws -> Int {
            let (counter, output) = (Process(), Pipe())
            counter.executableURL = URL(fileURLWithPath: "/bin/sh")
            counter.arguments = ["-c", pipeline, sandbox.listPath(sandbox.stores[0])]
            counter.standardOutput = output
            try counter.run()
            let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            return try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        }
        #expect(try count("curl -s \"$0\" | wc -c") > 300 << 20)
        #expect(try count("curl -s \"$0\" | gzip -dc 2>/dev/null | wc -c") > 500_000_000)
    }
}
