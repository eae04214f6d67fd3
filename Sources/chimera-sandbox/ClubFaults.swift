/// Faults that only CresceVendas has (PARTNERS §2, §3).
enum ClubFaults {
    static let all: [Fault] = answers + uploads + listings

    private static let answers: [Fault] =
        answers("cv-", both) + answers("cv-upload-", [.clubUpload]) + answers("cv-list-", [.clubListing])

    private static func answers(_ prefix: String, _ endpoints: Set<Endpoint>) -> [Fault] {
        let bodies = [
            ("200-error-key", "error", #"{"error":"Não foi possível concluir"}"#),
            ("200-errors-key", "errors", #"{"errors":["Não foi possível concluir"]}"#),
            ("200-code-500", "response.code 500", #"{"response":{"code":500,"error":"Internal Server Error"}}"#),
            (
                "200-error", "response.code 422 and errors",
                #"{"response":{"code":422,"errors":[{"message":"discount_store_lines is invalid"}]}}"#
            ),
        ]
        return bodies.map { suffix, what, body in
            Fault(
                name: prefix + suffix, meaning: "HTTP 200 with \(what), not carried out", endpoints: endpoints,
                deed: .instead { json(body) })
        }
    }

    private static let both: Set<Endpoint> = [.clubUpload, .clubListing]

    private static func json(_ text: String) -> Reply { .answer(.text(200, text, type: "application/json; charset=utf-8")) }

    private static func afterApplying(_ name: String, _ meaning: String, _ reply: @escaping @Sendable () -> Reply) -> Fault {
        Fault(
            name: name, meaning: "upload: applied, then " + meaning, endpoints: [.clubUpload],
            deed: .after { answer in
                BufferPool.shared.giveBack(answer.body)
                return reply()
            })
    }

    private static let uploads: [Fault] = [
        afterApplying("cv-timeout-after-apply", "the connection is dropped") { .talk(BareTalk(steps: [])) },
        afterApplying("cv-reset-after-apply", "the connection is reset") { .talk(BareTalk(steps: [.reset])) },
        afterApplying("cv-silence-after-apply", "never answered") { .talk(BareTalk(steps: [.silence])) },
        afterApplying("cv-500-after-apply", "HTTP 500") { .answer(.empty(500)) },
        afterApplying("cv-502-after-apply", "HTTP 502, as a proxy that lost patience") {
            .answer(.text(502, "<html>Bad Gateway</html>", type: "text/html"))
        },
        Fault(
            name: "cv-drop-before-apply", meaning: "upload: read to its end, then the connection is dropped, nothing applied",
            endpoints: [.clubUpload], deed: .instead { .talk(BareTalk(steps: [])) }),
        Fault(
            name: "cv-accept-ignore", meaning: "upload: answered as a success, nothing applied", endpoints: [.clubUpload],
            deed: .upload(.ignored)),
        Fault(
            name: "cv-accept-half", meaning: "upload: answered as a success, every second line dropped", endpoints: [.clubUpload],
            deed: .upload(.halfApplied)),
    ]

    private static func listing(_ name: String, _ meaning: String, _ quirk: ListingQuirk, usualCount: Int? = nil) -> Fault {
        Fault(
            name: "cv-list-" + name, meaning: "listing: " + meaning, endpoints: [.clubListing], usualCount: usualCount,
            deed: .listing(quirk))
    }

    private static let listings: [Fault] = [
        listing("empty", "no lines in a known shape", .empty),
        listing("strings", "all numbers are strings", .strings),
        listing("alt-shape", "the second document's shape, {\"discount_store_lines\": […]}", .altShape),
        listing("unknown-shape", "a shape that no document has", .unknownShape),
        listing("lag", "shows what stood before the newest upload; with 3x, up to the third listing", .lag, usualCount: 1),
        listing("wrong-price", "the first line's final_price is one cent more", .wrongPrice),
        listing("wrong-limit", "the first line's limit is one more", .wrongLimit),
        listing("wrong-window", "all lines end an hour earlier", .wrongWindow),
        listing("missing-line", "the first line is missing", .missingLine),
        listing("extra-line", "a line that nobody sent comes last", .extraLine),
        listing("duplicate-line", "the first line comes twice", .duplicateLine),
        listing("local-times", "start_at and expire_at are yyyy-MM-ddTHH:mm", .localTimes),
        listing("utc-times", "start_at and expire_at are in UTC with Z", .utcTimes),
        listing("huge-number", "the first line's price is 1e400", .hugeNumber),
        listing("line-without-code", "the first line has no code", .lineWithoutCode),
    ]
}
