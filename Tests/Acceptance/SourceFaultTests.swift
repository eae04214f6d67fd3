import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// What RP may do to one store (PARTNERS §3 and its quirks; R60 to R63): that store's end, and the others unharmed.
@Suite struct SourceFaultTests {
    @Test("R61, R60: what may pass is tried again, and one more attempt is enough")
    func passing() async throws {
        let faults = [
            "408", "425", "429", "429-date", "500", "500-empty", "502", "503", "503-retry-after", "504", "truncated",
            "reset-mid-page", "silence", "stall", "slow", "error-200", "error-mid-pages",
        ]
        try await expectEnds(faults.map { .passes("rp-" + $0) }, settings: RigSettings())
    }

    @Test("R60, R61: what may pass and does not fails when the attempts are used up")
    func lasting() async throws {
        try await expectEnds(
            [
                .unread("rp-503", "HTTP_503", attempts: 2, mostPages: 2),
                .unread("rp-error-200", "RP_ERROR", attempts: 2, mostPages: 2),
                .unread("rp-silence", "TIMEOUT", attempts: 2, mostPages: 2),
                .unread("rp-error-mid-pages", "RP_ERROR", attempts: 2, mostPages: 4),
                .unread("rp-truncated", "CONNECTION_LOST", attempts: 2, mostPages: 2),
                // libcurl itself asks again, at most five times, when a kept connection turns out to be dead.
                .unread("rp-close", "CONNECTION_LOST", attempts: 2, mostPages: 12),
                .unread("rp-reset", "CONNECTION_LOST", attempts: 2, mostPages: 12),
            ], settings: RigSettings())
    }

    @Test("R61, R60, R62: what will not pass fails at once and names what was wrong")
    func permanent() async throws {
        try await expectEnds(
            [
                .unread("rp-400", "HTTP_400"), .unread("rp-403", "HTTP_403"), .unread("rp-404", "HTTP_404"), .unread("rp-410", "HTTP_410"),
                .unread("rp-422", "HTTP_422"), .unread("rp-204", "NOT_JSON"), .unread("rp-redirect", "REDIRECTED"),
                .unread("rp-html", "NOT_JSON"), .unread("rp-not-json", "NOT_JSON"), .unread("rp-half-json", "NOT_JSON"),
                .unread("rp-empty-body", "NOT_JSON"), .unread("rp-invalid-utf8", "NOT_UTF8"), .unread("rp-latin1", "NOT_UTF8"),
                .unread("rp-huge-body", "TOO_LARGE"), .unread("rp-endless-body", "TOO_LARGE"), .unread("rp-deep-nesting", "WRONG_SHAPE"),
                .unread("rp-gzip-bomb", "TOO_LARGE"), .unread("rp-garbage", "NOT_HTTP"),
                .unread("rp-length-too-short", "NOT_JSON"),
            ], settings: RigSettings())
    }

    @Test("R63, R62: a list of the wrong shape, out of order or without end fails at once")
    func wrongLists() async throws {
        try await expectEnds(
            [
                .unread("rp-missing-list-key", "WRONG_SHAPE"), .unread("rp-list-null", "WRONG_SHAPE"),
                .unread("rp-missing-status", "WRONG_SHAPE"), .unread("rp-response-not-object", "WRONG_SHAPE"),
                .unread("rp-cursor-stuck", "CURSOR_STUCK", mostPages: 3), .unread("rp-same-page-forever", "CURSOR_STUCK", mostPages: 3),
                .unread("rp-unsorted", "NOT_ASCENDING"), .unread("rp-never-ends", "TOO_MANY_PAGES", mostPages: 21),
                .unread("rp-duplicate-different", "CATALOGUE"), .unread("rp-401-always", "TOKEN_REFUSED"),
                .unread("rp-401-mid-pages", "TOKEN_REFUSED", mostPages: 4),
            ], settings: RigSettings())
    }

    @Test("R62, R63: oddities of rows and pages cost at most a row")
    func oddities() async throws {
        let faults = [
            "201", "bom", "short-pages", "item-on-two-pages", "duplicate-same", "comma-price", "blocked-bool", "unreadable-price",
            "null-price", "negative-price", "huge-number", "code-too-large", "code-zero", "lone-surrogate", "nul-in-text", "duplicate-keys",
            "list-lags", "401-once",
        ]
        // A renewed token costs one more request.
        try await expectEnds(faults.map { .fine("rp-" + $0, mostPages: $0 == "short-pages" ? 60 : 4) }, settings: RigSettings())
    }

    struct RowQuirk: Sendable, CustomTestStringConvertible {
        let fault: String
        /// Rows of a page that are turned away more than without it, by reason.
        let reason: String?
        var testDescription: String { fault }
    }

    @Test(
        "R62: a row that cannot be used is counted by its reason, and no other row with it",
        arguments: [
            RowQuirk(fault: "rp-unreadable-price", reason: "UNREADABLE"), RowQuirk(fault: "rp-null-price", reason: "NO_CLUB_PRICE"),
            RowQuirk(fault: "rp-negative-price", reason: "NO_CLUB_PRICE"), RowQuirk(fault: "rp-huge-number", reason: "UNREADABLE"),
            RowQuirk(fault: "rp-code-too-large", reason: "CODE"), RowQuirk(fault: "rp-code-zero", reason: "CODE"),
            RowQuirk(fault: "rp-duplicate-same", reason: "DUPLICATE"), RowQuirk(fault: "rp-comma-price", reason: nil),
            RowQuirk(fault: "rp-nul-in-text", reason: nil), RowQuirk(fault: "rp-lone-surrogate", reason: nil),
        ])
    func rows(quirk: RowQuirk) async throws {
        try await Rig.with(RigSettings(stores: 1)) { rig in
            let honest = Selection(try await rig.sandbox.products(of: 1))
            try await rig.sandbox.setFaults([quirk.fault])
            let metrics = try await rig.sync().metrics?["products"]
            var expected = honest.rejected
            if let reason = quirk.reason { expected[reason, default: 0] += 1 }
            #expect(metrics?["rejected"] == .object(expected.mapValues { .integer(Int64($0)) }))
            let isLost = quirk.reason != nil && quirk.reason != "DUPLICATE"
            #expect(metrics?["accepted"]?.intValue == honest.lines.count - (isLost ? 1 : 0))
            #expect(try await rig.products(of: 1).isSubset(of: honest.lines))
        }
    }
}
