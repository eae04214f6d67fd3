import Foundation
import Postgres
import Runtime
import TestRig
import TestSupport
import Testing

/// What CresceVendas may do to one store (PARTNERS §3 and its quirks; R60 to R64).
@Suite struct TargetFaultTests {
    @Test("R61, R64: an upload that surely or perhaps did not arrive is looked for, then sent again, byte for byte")
    func uploadsTriedAgain() async throws {
        let faults = [
            "408", "425", "429", "500", "500-empty", "502", "503", "503-retry-after", "504", "close", "reset", "silence", "200-code-500",
        ]
        let cases = faults.map { FaultCase.passes("cv-upload-" + $0, uploads: 2) } + [.passes("cv-drop-before-apply", uploads: 2)]
        try await expectEnds(cases, settings: RigSettings())
    }

    @Test("R64: what was applied before the connection was lost is found in the listing and not sent again")
    func appliedAndLost() async throws {
        let faults = [
            "cv-timeout-after-apply", "cv-reset-after-apply", "cv-silence-after-apply", "cv-500-after-apply", "cv-502-after-apply",
            "cv-upload-truncated", "cv-upload-stall", "cv-upload-slow", "cv-upload-reset-mid-page",
        ]
        try await expectEnds(faults.map { .passes($0) }, settings: RigSettings())
    }

    @Test("a registration that is corrected between two attempts: what was planned for the other store is not sent again, but built anew")
    func correctedRegistration() async throws {
        try await Rig.with(RigSettings(stores: 2, products: 50)) { rig in
            let rows = try await rig.pool.query("SELECT registration FROM stores ORDER BY id")
            let (own, others) = (rows[0]["registration"] ?? "", rows[1]["registration"] ?? "")
            _ = try await rig.pool.query("UPDATE stores SET active = false, registration = 'moved' WHERE id = 2")
            _ = try await rig.pool.query("UPDATE stores SET registration = \(others) WHERE id = 1")
            _ = try await rig.pool.query("UPDATE job_configurations SET retry_delay_seconds = 3600")
            try await rig.sandbox.setFaults(["cv-drop-before-apply:1x"])
            _ = try rig.worker()
            let id = try await rig.trigger()
            try await eventually("the first attempt's end") {
                try await rig.value("SELECT count(*) AS value FROM job_attempts WHERE outcome = 'RETRY'") > 0
            }
            _ = try await rig.pool.query("UPDATE stores SET registration = \(own) WHERE id = 1")
            _ = try await rig.pool.query("SELECT retry_execution(id) FROM job_executions WHERE parent_id = \(id)::uuid")
            let ended = try await rig.finished(id)
            #expect(ended.status == "SUCCESS", "\(ended.message)")
            #expect(try await rig.sandbox.state().uploads.map(\.registrations) == [[others], [own]])
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["FAILED", "VERIFIED"])
        }
    }

    @Test("a store that fails at a later attempt counts what an earlier one read; its campaign keeps what the club answered")
    func countedBefore() async throws {
        try await Rig.with(RigSettings(stores: 2, products: 50, maxAttempts: 2)) { rig in
            try await rig.sandbox.setFaults(["cv-upload-500@1", "cv-list-missing-line@2"])
            let execution = try await rig.sync()
            #expect(execution.status == "FAILED")
            let counted: SQL =
                "concat_ws(' ', metrics #>> '{products,fetched}', metrics #>> '{products,accepted}', metrics #>> '{products,uploaded}')"
            let rows = try await rig.pool.query(
                "SELECT \(counted) AS counted, attempt FROM job_executions WHERE parent_id = \(execution.id)::uuid ORDER BY store_id")
            let lines = try await [rig.campaigns(of: 1)[0].lineCount, rig.campaigns(of: 2)[0].lineCount]
            #expect(rows.map { $0["counted"] } == ["50 \(lines[0]) 0", "50 \(lines[1]) \(lines[1])"])
            #expect(rows.allSatisfy { $0["attempt"] == "2" })
            let sum: String = try await rig.value(
                "SELECT \(counted) AS value FROM job_executions WHERE id = \(execution.id)::uuid")
            #expect(sum == "100 \(lines[0] + lines[1]) \(lines[1])")
            let campaign = try await rig.campaigns(of: 1)[0]
            #expect(campaign.httpStatus == 500 && !campaign.reason.isEmpty && !campaign.excerpt.isEmpty, "\(campaign)")
        }
    }

    @Test("an upload that is refused is not repeated")
    func refusals() async throws {
        try await expectEnds(
            [
                .refused("cv-upload-400", "HTTP_400"), .refused("cv-upload-401", "HTTP_401"), .refused("cv-upload-403", "HTTP_403"),
                .refused("cv-upload-404", "HTTP_404"), .refused("cv-upload-410", "HTTP_410"), .refused("cv-upload-422", "HTTP_422"),
                .refused("cv-upload-200-error", "HTTP_422"), .refused("cv-upload-200-error-key", "REFUSED"),
                .refused("cv-upload-200-errors-key", "REFUSED"), .refused("cv-upload-redirect", "REDIRECTED"),
                .refused("cv-upload-html", "NOT_JSON"), .refused("cv-upload-not-json", "NOT_JSON"),
                .refused("cv-upload-invalid-utf8", "NOT_UTF8"), .refused("cv-upload-deep-nesting", "NOT_JSON"),
                .refused("cv-upload-huge-body", "TOO_LARGE"),
                .refused("cv-upload-gzip-bomb", "TOO_LARGE"),
                .fine("cv-upload-201"), .fine("cv-upload-204"), .fine("cv-upload-empty-body"),
            ], settings: RigSettings())
    }

    @Test("a listing that fails once is read once more; the upload is not repeated")
    func listingsTriedAgain() async throws {
        let faults = ["408", "429", "500", "502", "503", "504", "silence", "stall", "truncated", "200-code-500", "lag"]
        try await expectEnds(faults.map { .passes("cv-list-" + $0) }, settings: RigSettings())
    }

    @Test("accepted and not listed as sent: it stays SENT, fails, and later attempts only list")
    func notListed() async throws {
        let faults = [
            "cv-accept-ignore", "cv-accept-half", "cv-list-empty", "cv-list-wrong-price", "cv-list-wrong-limit", "cv-list-missing-line",
        ]
        // libcurl itself asks once more when a kept connection turns out to be dead, so one such fault alone would not be seen.
        let lost = ["cv-list-close", "cv-list-reset"].map { FaultCase.unseen($0, "CONNECTION_LOST") }
        try await expectEnds(faults.map { .unseen($0) } + lost, settings: RigSettings())
    }

    @Test("a listing that cannot be read is an error at once, and never \"nothing listed\"")
    func unreadableListings() async throws {
        try await expectEnds(
            [
                .unseen("cv-list-unknown-shape", "WRONG_SHAPE", attempts: 1), .unseen("cv-list-alt-shape", "WRONG_SHAPE", attempts: 1),
                .unseen("cv-list-huge-number", "WRONG_SHAPE", attempts: 1),
                .unseen("cv-list-line-without-code", "WRONG_SHAPE", attempts: 1),
                .unseen("cv-list-html", "NOT_JSON", attempts: 1), .unseen("cv-list-empty-body", "NOT_JSON", attempts: 1),
                .unseen("cv-list-invalid-utf8", "NOT_UTF8", attempts: 1), .unseen("cv-list-404", "HTTP_404", attempts: 1),
                .unseen("cv-list-422", "HTTP_422", attempts: 1), .unseen("cv-list-200-error-key", "REFUSED", attempts: 1),
                .unseen("cv-list-redirect", "REDIRECTED", attempts: 1),
                .fine("cv-list-strings"), .fine("cv-list-extra-line"), .fine("cv-list-duplicate-line"), .fine("cv-list-local-times"),
                .fine("cv-list-utc-times"), .fine("cv-list-wrong-window"),
            ], settings: RigSettings())
    }

    @Test("verify when_readable: what was accepted and cannot be read back succeeds with a warning and stays SENT")
    func whenReadable() async throws {
        try await Rig.with(RigSettings(job: ["verify": "when_readable"])) { rig in
            try await rig.sandbox.setFaults(["cv-list-empty@1", "cv-list-unknown-shape@2"])
            let execution = try await rig.sync()
            #expect(execution.status == "SUCCESS" && execution.severity == "warning")
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["SENT"])
            #expect(try await rig.campaigns(of: 2).map(\.status) == ["SENT"])
            #expect(try await rig.campaigns(of: 3).map(\.status) == ["VERIFIED"])
            let states = try await rig.pool.query("SELECT state, reason FROM store_status ORDER BY store_id")
            #expect(states.map { $0["state"] } == ["SENT", "SENT", "VERIFIED"] && states[0]["reason"] != nil)
            // The next run finds the first one listed after all and has nothing to send for it.
            try await rig.sandbox.setFaults([])
            #expect(try await rig.sync().severity == "ok")
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["VERIFIED", "SKIPPED"])
            #expect(try await rig.sandbox.state().uploads.count == 3)
        }
    }

    @Test("a price corrected after a campaign that nobody could read back goes out, though the listing still does not answer")
    func correctedPrice() async throws {
        for (verify, ending) in [("when_readable", "SUCCESS"), ("required", "FAILED")] {
            try await Rig.with(RigSettings(stores: 1, job: ["verify": .string(verify)])) { rig in
                let code = try #require(Selection(try await rig.sandbox.products(of: 1)).lines.first).code
                try await rig.sandbox.setFaults(["cv-list-503"])
                #expect(try await rig.sync().status == ending)
                try await rig.sandbox.setPrices(store: 1, code: code, price: "99.90", clubPrice: "88.80")
                #expect(try await rig.sync().status == ending)
                let uploads = try await rig.sandbox.state().uploads
                #expect(uploads.count == 2 && uploads[0].bodyDigest != uploads[1].bodyDigest, "\(verify)")
                #expect(try await rig.campaigns(of: 1).map(\.status) == ["SENT", "SENT"])
            }
        }
    }

    @Test("the second document's listing is read when the configuration says so")
    func alternativeShape() async throws {
        try await Rig.with(RigSettings(stores: 1, club: ["listing_shape": "discount_store_lines", "code_as_string": true])) { rig in
            try await rig.sandbox.setFaults(["cv-list-alt-shape"])
            #expect(try await rig.sync().status == "SUCCESS")
            #expect(try await rig.campaigns(of: 1).map(\.status) == ["VERIFIED"])
        }
    }
}
