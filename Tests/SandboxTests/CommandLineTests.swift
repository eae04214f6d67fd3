import Foundation
import Testing

@Suite("The program")
struct CommandLineTests {
    /// Exit code, standard output, standard error.
    private func run(_ arguments: [String]) throws -> (Int32, String, String) {
        let (output, errors) = (Pipe(), Pipe())
        let process = Process()
        process.executableURL = RunningSandbox.executable
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = try output.fileHandleForReading.readToEnd() ?? Data()
        let problem = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: text, as: UTF8.self), String(decoding: problem, as: UTF8.self))
    }

    @Test(
        "bad arguments leave with 64 and one sentence",
        arguments: [
            ["--port", "70000"], ["--stores", "0"], ["--stores"], ["--products", "many"], ["--latency-ms=-1"], ["--nonsense"], ["extra"],
            ["--fault", "rp-nonsense"], ["--fault", "rp-503:0"], ["--fault", "rp-503:1.5"], ["--fault", "rp-503:0x"],
            ["--fault", "rp-503:"],
            ["--fault", "rp-503@99"], ["--fault", "rp-503@00000000000191"],
        ])
    func badArguments(_ arguments: [String]) throws {
        let (code, output, problem) = try run(arguments)
        #expect(code == 64)
        #expect(output.isEmpty)
        #expect(problem.hasPrefix("chimera-sandbox: ") && problem.split(separator: "\n").count == 1)
    }

    @Test("a taken port leaves with 69")
    func takenPort() throws {
        let sandbox = try RunningSandbox()
        let port = try #require(URL(string: sandbox.rp)?.port)
        let (code, _, problem) = try withExtendedLifetime(sandbox) { try run(["--port", String(port)]) }
        #expect(code == 69)
        #expect(problem.contains(String(port)))
    }

    @Test("SIGTERM and SIGINT end it with 0", arguments: [SIGTERM, SIGINT])
    func signals(_ signal: Int32) throws {
        let sandbox = try RunningSandbox()
        #expect(try sandbox.login().status == 200)
        #expect(sandbox.end(with: signal) == 0)
    }

    @Test("it listens on the loopback interface only, and offers a port that refuses and one that is silent")
    func ports() throws {
        let sandbox = try RunningSandbox()
        for key in ["rp", "crescevendas", "state", "refusing", "silent"] {
            #expect(sandbox.announcement[key].string.hasPrefix("http://127.0.0.1:"))
        }
        #expect(try HTTPAnswer(to: sandbox.announcement["refusing"].string).exitCode == 7)
        #expect(try HTTPAnswer(to: sandbox.announcement["silent"].string, seconds: 0.4).exitCode == 28)
        #expect(try HTTPAnswer(to: sandbox.announcement["silent_tls"].string, seconds: 0.4).exitCode == 28)
    }

    @Test("--faults lists every fault with its meaning, among them all that other people's tests name")
    func faultTable() throws {
        let (code, output, _) = try run(["--faults"])
        #expect(code == 0)
        let names = Set(output.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) })
        #expect(output.split(separator: "\n").allSatisfy { $0.split(separator: " ").count > 2 })
        #expect(names.count == output.split(separator: "\n").count)
        let expected = """
            rp-close rp-401-once rp-401-always rp-login-500 rp-error-200 rp-500 rp-502 rp-503 rp-503-retry-after rp-504 rp-429 rp-429-date
            rp-429-huge rp-429-negative rp-html rp-not-json rp-invalid-utf8 rp-huge-body rp-deep-nesting rp-cursor-stuck rp-same-page-forever
            rp-short-pages rp-slow rp-silence rp-reset-mid-page rp-truncated rp-duplicate-same rp-duplicate-different rp-unreadable-price
            rp-comma-price rp-empty rp-half-catalogue rp-zero-prices rp-missing-list-key rp-token-expired rp-error-mid-pages rp-gzip-bomb
            rp-redirect cv-401 cv-403 cv-422 cv-200-error cv-200-errors-key cv-429 cv-500 cv-503 cv-timeout-after-apply
            cv-drop-before-apply cv-accept-ignore cv-list-empty cv-list-strings cv-list-alt-shape cv-list-unknown-shape cv-list-500
            cv-list-lag cv-list-wrong-price cv-204 cv-slow telegram-429 telegram-401 telegram-403 telegram-404 telegram-500 telegram-silence
            telegram-ok-false telegram-migrated telegram-cannot-parse webhook-410 webhook-400 webhook-500 webhook-redirect webhook-silence
            smtp-recipient-550 smtp-recipient-451 smtp-drop-after-dot smtp-no-starttls smtp-untrusted-certificate smtp-slow
            """
        for name in expected.split(whereSeparator: \.isWhitespace) { #expect(names.contains(String(name)), "\(name)") }
    }

    @Test("latency makes requests overlap, and the state log counts how many did, by partner and by store")
    func concurrency() throws {
        let sandbox = try RunningSandbox("--latency-ms", "300", "--products", "5")
        let token = try sandbox.token()
        let urls = [0, 0, 1].map { sandbox.listPath(sandbox.stores[$0]) }
        let answer = try HTTPAnswer(
            to: urls[0], "-Z", "--parallel-immediate", "-H", "token: \(token)", "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null",
            urls[1], urls[2])
        #expect(answer.exitCode == 0)
        let rp = try sandbox.state()["rp"]
        #expect(rp["max_concurrent"].integer == 3)
        #expect(rp["concurrent"].integer == 0)
        #expect(rp["stores"][sandbox.stores[0].registration]["max_concurrent"].integer == 2)
        #expect(rp["stores"][sandbox.stores[1].registration]["max_concurrent"].integer == 1)
    }
}
