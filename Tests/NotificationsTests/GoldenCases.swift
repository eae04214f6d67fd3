import Foundation

@testable import Notifications

/// What a golden shows: a name of a file and what a delivery tells.
struct GoldenCase: Sendable {
    let name: String
    let content: NotificationMessage.Content

    private static let id = "019fa2c0-0000-7000-8000-000000000001"
    /// 2026-07-27 05:00 in São Paulo.
    private static let due = Date(timeIntervalSince1970: 1_785_139_200)
    private static let sync = JobFacts(id: 1, name: "sync-products", type: "SYNC_PRODUCTS")
    private static let compare = JobFacts(id: 2, name: "compare-data", type: "COMPARE_DATA")
    private static let custom = JobFacts(id: 3, name: "backup", type: "CUSTOM")
    /// A name that would be markup in Telegram's HTML, in Markdown and in mail.
    static let awkwardName = "<b>A_B*&"

    private static func execution(
        _ job: JobFacts, _ status: String, seconds: Double? = nil, isManual: Bool = false, severity: String? = nil,
        error: FailureReason? = nil, parts: [FailedPart] = [], failedCount: Int? = nil, partCount: Int? = nil, club: ClubToday? = nil,
        remarks: [(String, RemarkedPart.Remark)] = [], remarkCount: Int? = nil, counts: (inout ExecutionCounts) -> Void = { _ in }
    ) -> Delivery.Subject {
        var counted = ExecutionCounts()
        counts(&counted)
        return .execution(
            ExecutionFacts(
                job: job, id: id, status: status, scheduledFor: isManual ? nil : due, wallTime: WallTime("2026-07-27 05:00"),
                startedAt: due + 1, finishedAt: seconds.map { due + 1 + $0 }, severity: severity, error: error, failedParts: parts,
                failedCount: failedCount, partCount: partCount ?? counted.stores?.total,
                remarks: remarks.map { RemarkedPart(name: $0.0, remark: $0.1) }, remarkCount: remarkCount, clubToday: club, counts: counted)
        )
    }

    private static func single(_ name: String, _ event: NotificationEvent, edition: Int = 1, _ subject: Delivery.Subject) -> GoldenCase {
        GoldenCase(
            name: name,
            content: .single(Delivery(id: 42, edition: edition, event: event, subject: subject, occurredAt: due + 252)))
    }

    private static func part(_ number: Int, _ name: String?, _ code: String, _ message: String, codeCount: Int? = nil) -> FailedPart {
        FailedPart(
            storeID: number, registration: "0000000000\(1000 + number)", name: name, reason: FailureReason(code: code, message: message),
            codeCount: codeCount)
    }

    private static func club(without: Int = 0, unverified: Int = 0, published: Int = 0) -> ClubToday {
        var today = ClubToday()
        (today.without, today.unverified, today.published) = (without, unverified, published)
        return today
    }

    private static func down(_ unit: Int) -> String {
        "Integration RP, products of unit 0000000000\(1000 + unit) after code 0: the partner answered 503: Servidor em manutenção"
    }

    static let awkward = single(
        "FAILURE-awkward-name", .failure,
        execution(
            sync, "FAILED", seconds: 61.5, parts: [part(7, awkwardName, "HTTP_503", down(7))], club: club(without: 1),
            counts: { $0.stores = .init(total: 3, succeeded: 2, skipped: 0, failed: 1) }))

    private static let failures: [GoldenCase] = [
        awkward,
        single(
            "FAILURE-so-far", .failure,
            execution(sync, "RUNNING", parts: [part(2, "Lagoa Clara", "HTTP_503", down(2))], partCount: 50, club: club(without: 1))),
        single(
            "FAILURE-cancelled", .failure,
            execution(
                sync, "CANCELLED", seconds: 95, parts: [part(2, "Lagoa Clara", "HTTP_503", down(2))], partCount: 50, club: club(without: 1))
        ),
        single(
            "FAILURE-several-stores", .failure, edition: 2,
            execution(
                sync, "FAILED", seconds: 312, error: FailureReason(code: "CHILDREN_FAILED", message: "4 of 50 stores did not succeed"),
                parts: [
                    part(2, "Lagoa Clara", "HTTP_503", down(2)),
                    part(
                        9, "Serra Azul", "CATALOGUE_DROPPED",
                        "only 1204 products have a club price, 4784 had at the last verified campaign: more than 50 % less; look at the ERP, or "
                            + "confirm with params {\"confirm_drop\": true}"),
                    part(11, "Campo Verde", "HTTP_503", down(11)),
                    part(
                        23, "São João", "NOT_LISTED",
                        "the club accepted the campaign but its listing does not show 12 of 4796 lines as sent"),
                ], club: club(without: 2, unverified: 1, published: 1),
                counts: {
                    $0.stores = .init(total: 50, succeeded: 46, skipped: 0, failed: 4)
                    $0.products = .init(
                        fetched: 248_113, accepted: 231_704, rejected: ["NO_CLUB_PRICE": 16_020, "STATUS": 389], uploaded: 4796, verified: 0
                    )
                })),
        single(
            "FAILURE-source-down", .failure,
            execution(
                sync, "FAILED", seconds: 1_805, error: FailureReason(code: "CHILDREN_FAILED", message: "500 of 500 stores did not succeed"),
                parts: (1...100).map {
                    part(
                        $0, "Loja \($0)", "UNREACHABLE",
                        "Integration RP, products of unit 0000000000\(1000 + $0) after code 0: GET http://10.0.0.9:8080: Failed to connect to 10.0.0.9 port 8080",
                        codeCount: 500)
                }, failedCount: 500, club: club(without: 500),
                counts: { $0.stores = .init(total: 500, succeeded: 0, skipped: 0, failed: 500) })),
        single(
            "FAILURE-two-reasons", .failure,
            execution(
                sync, "FAILED", seconds: 1_805, error: FailureReason(code: "CHILDREN_FAILED", message: "13 of 50 stores did not succeed"),
                parts: (1...12).map { part($0, "Loja \($0)", "HTTP_503", down($0)) } + [
                    part(
                        23, "São João", "CATALOGUE_DROPPED",
                        "only 1204 products have a club price, 4784 had at the last verified campaign: more than 50 % less; look at the ERP, or "
                            + "confirm with params {\"confirm_drop\": true}")
                ], club: club(without: 13), counts: { $0.stores = .init(total: 50, succeeded: 37, skipped: 0, failed: 13) })),
        single(
            "FAILURE-both-stores", .failure,
            execution(
                sync, "FAILED", seconds: 5, parts: (1...2).map { part($0, String(repeating: "Loja\($0)", count: 20), "TOO_LATE", "x") },
                club: club(without: 2), counts: { $0.stores = .init(total: 2, succeeded: 0, skipped: 0, failed: 2) })),
        single(
            "FAILURE-login-refused", .failure,
            execution(
                sync, "FAILED", seconds: 0.84,
                error: FailureReason(
                    code: "LOGIN_REFUSED",
                    message: "Integration RP, login: the partner refuses user name or password (401): Usuário ou senha inválidos"),
                club: club(without: 49, published: 1))),
        single(
            "FAILURE-compare", .failure,
            execution(
                compare, "FAILED", seconds: 95,
                parts: [
                    part(
                        3, "Serra Azul", "WRONG_SHAPE",
                        "Integration CRESCEVENDAS, listing of 00000000001003: the listing has no discount_store_lines; see listing_shape. It begins: {}"
                    )
                ],
                counts: {
                    $0.stores = .init(total: 3, succeeded: 2, skipped: 0, failed: 1)
                    $0.differences = ["PRICE": 1]
                })),
        single(
            "FAILURE-custom", .failure,
            execution(
                custom, "FAILED", seconds: 3.2, isManual: true,
                error: FailureReason(code: "EXIT_3", message: "backup.sh left with exit code 3; it said last: disco cheio"))),
        single(
            "FAILURE-timeout", .failure,
            execution(
                custom, "FAILED", seconds: 900,
                error: FailureReason(code: "TIMEOUT", message: "it did not end within 15 min (timeout_seconds)"))),
        single(
            "FAILURE-quarantined", .failure,
            execution(
                custom, "FAILED", seconds: 95,
                error: FailureReason(code: "QUARANTINED", message: "three workers in a row were lost while they ran it"))),
        single(
            "FAILURE-schedule", .failure,
            .schedule(
                ScheduleFacts(
                    job: sync, problem: "The cron pattern is wrong in its day of week, \"MON#6\": # needs a number from 1 to 5."))),
        single(
            "FAILURE-channel-off", .failure,
            .channel(
                SwitchedOffChannel(
                    id: 3, name: "plantão",
                    reason: "Telegram: the bot may not write to this chat (403 Forbidden: bot was kicked from the group chat)"))),
        single(
            "FAILURE-mail-off", .failure,
            .channel(
                SwitchedOffChannel(
                    id: 4, name: "correio",
                    reason: "the mail server does not accept the login: mail server smtp://mail.example:587: it answered AUTH with "
                        + "535 5.7.8 Error: authentication failed"))),
    ]

    private static let lateness: [GoldenCase] = [
        ("LATE-no-worker", true, "PENDING", "ENQUEUED", nil), ("LATE-no-scheduler", true, nil, nil, club(without: 50)),
        ("LATE-running", true, "RUNNING", "ENQUEUED", club(without: 3, unverified: 1, published: 46)),
        ("LATE-no-pattern", false, nil, nil, nil),
        ("LATE-overlap", true, nil, "SKIPPED_OVERLAP", ClubToday()), ("LATE-misfire", true, nil, "SKIPPED_MISFIRE", nil),
        ("LATE-paused", true, nil, "SKIPPED_PAUSED", nil), ("LATE-mended", true, "FAILED", "ENQUEUED", club(published: 50)),
    ].map { (name: String, isScheduled: Bool, status: String?, tickOutcome: String?, club: ClubToday?) in
        single(
            name, .late,
            .lateness(
                LatenessFacts(
                    job: isScheduled ? sync : custom, dueAt: due, dueWallTime: WallTime("2026-07-27 05:00"), expectedWithin: .seconds(5400),
                    isScheduled: isScheduled, tickOutcome: tickOutcome, execution: status.map { (id: id, status: $0) }, clubToday: club)))
    }

    static let all: [GoldenCase] =
        failures + lateness + [
            single("START", .start, execution(sync, "RUNNING")),
            single(
                "SUCCESS", .success,
                execution(
                    sync, "SUCCESS", seconds: 252.4, severity: "ok",
                    counts: {
                        $0.stores = .init(total: 50, succeeded: 50, skipped: 0, failed: 0)
                        $0.products = .init(
                            fetched: 250_000, accepted: 239_211, rejected: ["INACTIVE": 789, "NO_CLUB_PRICE": 10_000], uploaded: 1,
                            verified: 1)
                    })),
            single(
                "SUCCESS-cleanup", .success,
                execution(
                    JobFacts(id: 4, name: "cleanup-logs", type: "CLEANUP_LOGS"), "SUCCESS", seconds: 1.4, severity: "ok",
                    counts: { $0.removed = ["execution_logs": 10_000_000, "job_executions": 1, "schedule_ticks": 0] })),
            single(
                "WARNING-compare", .warning,
                execution(
                    compare, "SUCCESS", seconds: 73, severity: "critical",
                    remarks: [("Serra Azul", .differences(1204))] + (1...14).map { ("Loja \($0)", .differences($0 < 5 ? 2 : 1)) },
                    remarkCount: 15,
                    counts: {
                        $0.stores = .init(total: 50, succeeded: 50, skipped: 0, failed: 0)
                        $0.differences = [
                            "MISSING_IN_TARGET": 1, "FINAL_PRICE": 1204, "PRICE": 2, "LIMIT": 1, "WINDOW": 3, "EXTRA_IN_TARGET": 12,
                        ]
                    })),
            single(
                "WARNING-empty-stores", .warning,
                execution(
                    sync, "SUCCESS", seconds: 240, severity: "warning", remarks: [("Lagoa Clara", .skipped), ("Serra Azul", .skipped)],
                    counts: {
                        $0.stores = .init(total: 50, succeeded: 48, skipped: 2, failed: 0)
                        $0.products = .init(fetched: 240_000, accepted: 229_000, rejected: ["CLUB_NOT_BELOW": 11_000])
                    })),
            single(
                "WARNING-cleanup", .warning,
                execution(
                    JobFacts(id: 4, name: "cleanup-logs", type: "CLEANUP_LOGS"), "SUCCESS", seconds: 31, severity: "warning",
                    counts: { ($0.keptPartitions, $0.isDryRun, $0.removed) = (1, true, ["execution_logs": 20_000]) })),
            single(
                "WARNING-unverified", .warning,
                execution(
                    sync, "SUCCESS", seconds: 240, severity: "warning",
                    remarks: [
                        (
                            awkwardName,
                            .unverified(
                                FailureReason(
                                    ofSentence:
                                        "Integration CRESCEVENDAS, listing of 00000000001002: the partner answered 404: nada aqui"))
                        )
                    ],
                    counts: {
                        $0.stores = .init(total: 1, succeeded: 1, skipped: 0, failed: 0)
                        $0.products = .init(fetched: 1, accepted: 1, rejected: [:], uploaded: 1, verified: 0)
                    })),
            single(
                "WARNING-empty-and-unverified", .warning,
                execution(
                    sync, "SUCCESS", seconds: 240, severity: "warning",
                    remarks: (1...99).map {
                        (
                            "Loja \($0)",
                            .unverified(
                                FailureReason(
                                    ofSentence:
                                        "the club accepted the campaign but its listing does not show 4796 of 4796 lines as sent"))
                        )
                    } + [("Serra Azul", .skipped)], remarkCount: 301,
                    counts: {
                        $0.stores = .init(total: 500, succeeded: 499, skipped: 1, failed: 0)
                        $0.products = .init(
                            fetched: 2_400_000, accepted: 2_290_000, rejected: ["CODE": 1, "NO_CLUB_PRICE": 109_999], uploaded: 2_290_000,
                            verified: 894_300)
                    })),
            single(
                "RECOVERY", .recovery,
                execution(
                    sync, "SUCCESS", seconds: 3_905, severity: "ok",
                    counts: {
                        $0.stores = .init(total: 50, succeeded: 50, skipped: 0, failed: 0)
                        $0.products = .init(
                            fetched: 250_000, accepted: 239_211, rejected: ["INACTIVE": 789, "NO_CLUB_PRICE": 10_000], uploaded: 1,
                            verified: 1)
                    })),
            folded, GoldenCase(name: "channel-test", content: .test),
        ]

    private static let folded: GoldenCase = {
        var groups = (1...11).map { FoldedDeliveries.Group(jobName: "job-\($0)", event: .failure, count: 12 - $0) }
        groups.append(.init(jobName: "sync-products", event: .late, count: 1))
        groups.append(.init(jobName: "compare-data", event: .success, count: 37))
        let count = groups.reduce(0) { $0 + $1.count }
        guard case .single(let newest) = awkward.content else { return awkward }
        return GoldenCase(
            name: "folding",
            content: .folded(FoldedDeliveries(count: count, groups: groups, span: .seconds(154), newest: newest)))
    }()
}
