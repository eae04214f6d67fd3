import Networking
import Retail
import Runtime
import TestSupport
import Testing

@testable import Partners

/// The adapters against the sandbox's faults, by name (PARTNERS.md §3, FAILURES.md R60 to R64).
@Suite(.timeLimit(.minutes(3)))
struct SandboxFaultTests {
    /// What comes of a fault: nil for success, else the failure's code and whether it may pass.
    struct Case: Sendable, CustomStringConvertible {
        let fault: String
        let code: String?
        let isRetryable: Bool

        var description: String { fault }

        static func passes(_ fault: String) -> Case { Case(fault: fault, code: nil, isRetryable: false) }
        static func permanent(_ fault: String, _ code: String) -> Case { Case(fault: fault, code: code, isRetryable: false) }
        static func mayPass(_ fault: String, _ code: String) -> Case { Case(fault: fault, code: code, isRetryable: true) }
    }

    /// What any HTTP service may do wrong.
    private static func common(_ prefix: String) -> [Case] {
        let statuses: [Case] = [
            .permanent("400", "HTTP_400"), .permanent("404", "HTTP_404"), .mayPass("408", "HTTP_408"), .mayPass("425", "HTTP_425"),
            .permanent("410", "HTTP_410"), .permanent("422", "HTTP_422"), .mayPass("429", "HTTP_429"), .mayPass("429-date", "HTTP_429"),
            .mayPass("429-huge", "HTTP_429"), .mayPass("429-negative", "HTTP_429"), .mayPass("429-nonsense", "HTTP_429"),
            .mayPass("502", "HTTP_502"), .mayPass("503", "HTTP_503"), .mayPass("504", "HTTP_504"), .mayPass("500-empty", "HTTP_500"),
            .permanent("redirect", "REDIRECTED"),
        ]
        let answers: [Case] = [
            .permanent("html", "NOT_JSON"), .permanent("not-json", "NOT_JSON"), .permanent("huge-body", "TOO_LARGE"),
            .permanent("endless-body", "TOO_LARGE"), .permanent("gzip-bomb", "TOO_LARGE"), .permanent("huge-headers", "NOT_HTTP"),
        ]
        let connections: [Case] = [
            .mayPass("close", "CONNECTION_LOST"), .mayPass("reset", "CONNECTION_LOST"), .mayPass("silence", "TIMEOUT"),
            .permanent("garbage", "NOT_HTTP"), .mayPass("slow", "TIMEOUT"), .mayPass("stall", "TIMEOUT"),
            .mayPass("reset-mid-page", "CONNECTION_LOST"), .mayPass("truncated", "CONNECTION_LOST"),
        ]
        return (statuses + answers + connections).map { Case(fault: prefix + $0.fault, code: $0.code, isRetryable: $0.isRetryable) }
    }

    private static func limits(for fault: String) -> [String: JSONValue] {
        let isEndless = ["silence", "slow", "stall"].contains { fault.hasSuffix($0) || fault.hasSuffix($0 + "-after-apply") }
        return ["request_timeout_seconds": isEndless ? 0.6 : 10]
    }

    private func check(_ cases: [Case], _ sandbox: SandboxRun, _ call: ([String: JSONValue]) async throws -> Void) async throws {
        for each in cases {
            try await sandbox.use([each.fault])
            let failure = await partnerFailure { try await call(Self.limits(for: each.fault)) }
            #expect(failure?.code == each.code, "\(each.fault): \(failure?.message ?? "passed")")
            if let failure { #expect(failure.isRetryable == each.isRetryable, "\(each.fault)") }
            if let failure { #expect(failure.message.utf8.count < 700 && !failure.message.contains("sandbox-t"), "\(each.fault)") }
        }
    }

    @Test("RP's product list: every fault ends as PARTNERS §3 says")
    func products() async throws {
        let sandbox = try await SandboxRun()
        let cases: [Case] = [
            .permanent("rp-401", "TOKEN_REFUSED"), .permanent("rp-401-always", "TOKEN_REFUSED"),
            .permanent("rp-401-mid-pages", "TOKEN_REFUSED"), .permanent("rp-403", "HTTP_403"), .mayPass("rp-500", "HTTP_500"),
            .permanent("rp-204", "NOT_JSON"), .permanent("rp-empty-body", "NOT_JSON"), .permanent("rp-half-json", "NOT_JSON"),
            .permanent("rp-length-too-short", "NOT_JSON"), .permanent("rp-invalid-utf8", "NOT_UTF8"), .permanent("rp-latin1", "NOT_UTF8"),
            .permanent("rp-deep-nesting", "WRONG_SHAPE"), .mayPass("rp-error-200", "RP_ERROR"), .mayPass("rp-error-mid-pages", "RP_ERROR"),
            .permanent("rp-missing-list-key", "WRONG_SHAPE"), .permanent("rp-list-null", "WRONG_SHAPE"),
            .permanent("rp-missing-status", "WRONG_SHAPE"), .permanent("rp-response-not-object", "WRONG_SHAPE"),
            .permanent("rp-cursor-stuck", "CURSOR_STUCK"), .permanent("rp-same-page-forever", "CURSOR_STUCK"),
            .permanent("rp-unsorted", "NOT_ASCENDING"),
        ]
        try await check(Self.common("rp-") + cases, sandbox) { changes in _ = try await sandbox.products(sandbox.source(changes)) }
        try await check([.permanent("rp-never-ends", "TOO_MANY_PAGES")], sandbox) { _ in
            _ = try await sandbox.products(sandbox.source(["max_pages": 30]))
        }
    }

    @Test("RP's quirks change nothing of what is read")
    func quirks() async throws {
        let sandbox = try await SandboxRun()
        let expected = try await sandbox.products(sandbox.source()).map(Self.facts)
        #expect(expected.count == 250)
        let quirks = [
            "rp-401-once", "rp-token-expired", "rp-token-expired-mid-pages", "rp-short-pages", "rp-comma-price", "rp-blocked-bool",
            "rp-bom",
            "rp-201", "rp-login-token-elsewhere", "rp-login-odd-expiration", "rp-login-short-life",
        ]
        for quirk in quirks {
            try await sandbox.use([quirk])
            let found = try await sandbox.products(sandbox.source()).map(Self.facts)
            #expect(found == expected, "\(quirk)")
        }
    }

    private static func facts(_ product: OfferedProduct) -> String {
        "\(product.code ?? -1)|\(product.name)|\(product.barcode)|\(product.isActive)|\(product.status ?? "")|\(product.price)|\(product.clubPrice)"
    }

    @Test("A row with something wrong is handed on as what it is, and the rest of the store is read")
    func rows() async throws {
        let sandbox = try await SandboxRun()
        let usual = try await sandbox.products(sandbox.source()).count
        let odd: [(String, @Sendable (OfferedProduct) -> Bool)] = [
            ("rp-unreadable-price", { $0.clubPrice == .unreadable }), ("rp-null-price", { $0.clubPrice == .absent }),
            ("rp-negative-price", { $0.clubPrice == .amount(Cents(-150)) }), ("rp-huge-number", { $0.clubPrice == .unreadable }),
            ("rp-code-too-large", { $0.code == nil }), ("rp-code-zero", { $0.code == 0 }),
            ("rp-lone-surrogate", { $0.name.contains("\u{FFFD}") }), ("rp-nul-in-text", { $0.name.contains("\u{FFFD}") }),
            ("rp-duplicate-keys", { $0.code == nil || $0.clubPrice == .unreadable }),
        ]
        for (fault, isOdd) in odd {
            try await sandbox.use([fault])
            let found = try await sandbox.products(sandbox.source())
            #expect(found.count { isOdd($0) } >= 3, "\(fault)")
            #expect(found.count { !isOdd($0) } >= usual - 3, "\(fault)")
            #expect(found.allSatisfy { !$0.name.contains("\0") }, "\(fault)")
        }
        try await sandbox.use(["rp-empty"])
        #expect(try await sandbox.products(sandbox.source()).isEmpty)
    }

    @Test("RP's login: every fault ends as PARTNERS §3 says")
    func login() async throws {
        let sandbox = try await SandboxRun()
        let cases: [Case] = [
            .permanent("rp-login-401", "LOGIN_REFUSED"), .permanent("rp-login-403", "LOGIN_REFUSED"),
            .permanent("rp-login-500", "LOGIN_REFUSED"), .mayPass("rp-login-error-200", "RP_ERROR"),
            .permanent("rp-login-empty-token", "LOGIN_WITHOUT_TOKEN"), .permanent("rp-login-no-token", "LOGIN_WITHOUT_TOKEN"),
            .permanent("rp-login-deep-nesting", "TOO_LARGE"), .permanent("rp-login-204", "NOT_JSON"),
            .permanent("rp-login-half-json", "NOT_JSON"), .passes("rp-login-bom"), .passes("rp-login-201"),
        ]
        try await check(Self.common("rp-login-") + cases, sandbox) { try await sandbox.source($0).logIn(gate: sandbox.gate) }
        try await sandbox.use([])
        let failure = await partnerFailure { try await sandbox.source(["password": "falsch-falsch"]).logIn(gate: sandbox.gate) }
        #expect(failure?.code == "LOGIN_REFUSED")
        #expect(failure?.message.contains("Não foi possível autenticar") == true)
    }

    private static let draft = CampaignDraft(
        name: "001 Descontos", startsAt: "2099-11-21T06:00", endsAt: "2099-11-21T23:59", registration: "",
        lines: (1...40).map { CampaignLine(code: Int64(1000 + $0), price: Cents(1050), finalPrice: Cents(890), limit: 1000) })

    private func draft(_ sandbox: SandboxRun) -> CampaignDraft {
        CampaignDraft(
            name: Self.draft.name, startsAt: Self.draft.startsAt, endsAt: Self.draft.endsAt, registration: sandbox.registration,
            lines: Self.draft.lines)
    }

    @Test("CresceVendas' upload: every fault ends as PARTNERS §3 says")
    func upload() async throws {
        let sandbox = try await SandboxRun()
        let cases: [Case] = [
            .permanent("cv-upload-401", "HTTP_401"), .permanent("cv-upload-403", "HTTP_403"), .mayPass("cv-upload-500", "HTTP_500"),
            .permanent("cv-upload-200-error-key", "REFUSED"), .permanent("cv-upload-200-errors-key", "REFUSED"),
            .mayPass("cv-upload-200-code-500", "HTTP_500"), .permanent("cv-upload-200-error", "HTTP_422"),
            .passes("cv-upload-204"), .passes("cv-upload-201"), .passes("cv-upload-empty-body"), .passes("cv-accept-ignore"),
            .permanent("cv-upload-half-json", "NOT_JSON"), .permanent("cv-upload-invalid-utf8", "NOT_UTF8"),
            .mayPass("cv-timeout-after-apply", "CONNECTION_LOST"), .mayPass("cv-reset-after-apply", "CONNECTION_LOST"),
            .mayPass("cv-silence-after-apply", "TIMEOUT"), .mayPass("cv-500-after-apply", "HTTP_500"),
            .mayPass("cv-502-after-apply", "HTTP_502"), .mayPass("cv-drop-before-apply", "CONNECTION_LOST"),
        ]
        try await check(Self.common("cv-upload-") + cases, sandbox) { changes in
            let target = try sandbox.target(changes)
            _ = try await target.upload(target.encode(draft(sandbox)), gate: sandbox.gate)
        }
    }

    @Test("CresceVendas' listing: every fault ends as PARTNERS §3 says, none as an empty list")
    func listing() async throws {
        let sandbox = try await SandboxRun()
        let target = try sandbox.target()
        _ = try await target.upload(target.encode(draft(sandbox)), gate: sandbox.gate)
        let cases: [Case] = [
            .permanent("cv-list-401", "HTTP_401"), .permanent("cv-list-403", "HTTP_403"), .mayPass("cv-list-500", "HTTP_500"),
            .permanent("cv-list-200-error-key", "REFUSED"), .mayPass("cv-list-200-code-500", "HTTP_500"),
            .permanent("cv-list-empty-body", "NOT_JSON"), .permanent("cv-list-204", "NOT_JSON"),
            .permanent("cv-list-half-json", "NOT_JSON"),
            .permanent("cv-list-length-too-short", "NOT_JSON"), .permanent("cv-list-latin1", "NOT_UTF8"),
            .permanent("cv-list-deep-nesting", "WRONG_SHAPE"), .permanent("cv-list-alt-shape", "WRONG_SHAPE"),
            .permanent("cv-list-unknown-shape", "WRONG_SHAPE"), .permanent("cv-list-huge-number", "WRONG_SHAPE"),
            .permanent("cv-list-line-without-code", "WRONG_SHAPE"), .passes("cv-list-strings"), .passes("cv-list-bom"),
            .passes("cv-list-local-times"), .passes("cv-list-utc-times"),
        ]
        try await check(Self.common("cv-list-") + cases, sandbox) { changes in
            let listed = try await sandbox.target(changes).list(registration: sandbox.registration, day: "2099-11-21", gate: sandbox.gate)
            #expect(listed.lines.map(\.line) == Self.draft.lines)
        }
        try await sandbox.use(["cv-list-alt-shape"])
        let other = try sandbox.target(["listing_shape": "discount_store_lines"])
        #expect(try await other.list(registration: sandbox.registration, day: "2099-11-21", gate: sandbox.gate).lines.count == 40)
    }

    @Test("A probe of the sandbox reports a login, a page and a listing")
    func probe() async throws {
        let sandbox = try await SandboxRun()
        #expect(try await sandbox.products(sandbox.source(["page_limit": 7])).count == 250)
    }
}
