import Foundation
import Runtime
import TestRig
import TestSupport
import Testing

/// A fault of the sandbox that hits one store, and how that store must end.
struct FaultCase: Sendable {
    let fault: String
    var status = "SUCCESS"
    var code = ""
    var attempts = 1
    /// Statuses of the store's campaigns, oldest first.
    var campaigns = ["VERIFIED"]
    /// Uploads asked for, whatever was answered.
    var uploads = 1
    /// Requests for pages at most: what an honest read takes, times the attempts, when nothing else is said.
    var mostPages: Int?

    /// Succeeds although something is odd.
    static func fine(_ fault: String, mostPages: Int? = nil) -> FaultCase { FaultCase(fault: fault, mostPages: mostPages) }

    /// Fails once and succeeds at the second attempt.
    static func passes(_ fault: String, uploads: Int = 1) -> FaultCase { FaultCase(fault: fault + ":1x", attempts: 2, uploads: uploads) }

    /// Fails before anything is sent.
    static func unread(_ fault: String, _ code: String, attempts: Int = 1, mostPages: Int? = nil) -> FaultCase {
        FaultCase(fault: fault, status: "FAILED", code: code, attempts: attempts, campaigns: [], uploads: 0, mostPages: mostPages)
    }

    /// Is refused by the club for good.
    static func refused(_ fault: String, _ code: String) -> FaultCase {
        FaultCase(fault: fault, status: "FAILED", code: code, campaigns: ["FAILED"])
    }

    /// Is accepted by the club and never seen in its listing.
    static func unseen(_ fault: String, _ code: String = "NOT_LISTED", attempts: Int = 2) -> FaultCase {
        FaultCase(fault: fault, status: "FAILED", code: code, attempts: attempts, campaigns: ["SENT"])
    }
}

/// What became of one store, in a form that reads well in a failed comparison.
struct StoreEnd: Equatable, CustomStringConvertible {
    let fault: String
    let status: String
    let code: String
    let attempts: Int
    let campaigns: [String]
    let uploads: Int

    var description: String { "\(fault): \(status) \(code) attempts \(attempts) campaigns \(campaigns) uploads \(uploads)" }
}

/// Runs one sync in which every store but the last meets its own fault, and compares each store's end with its case.
func expectEnds(_ cases: [FaultCase], settings: RigSettings) async throws {
    // Two full pages, so that there is a later one, and the empty one that ends the list.
    let pages = 3
    var settings = settings
    settings.stores = cases.count + 1
    settings.products = 150
    settings.maxAttempts = 2
    // Only where a partner is silent does the time limit decide; elsewhere a busy machine must not meet it.
    let waits = cases.contains { $0.fault.contains(#/silence|stall|slow|timeout/#) }
    let limit: JSONValue = waits ? 5 : 60
    settings.rp.merge(["request_timeout_seconds": limit, "max_pages": 20, "max_concurrency": 16]) { own, _ in own }
    settings.club.merge(["request_timeout_seconds": limit]) { own, _ in own }
    try await Rig.with(settings) { rig in
        try await rig.sandbox.setFaults(cases.enumerated().map { "\($0.element.fault)@\($0.offset + 1)" })
        _ = try rig.worker(["--slots", "16"])
        let execution = try await rig.finished(try await rig.trigger(), within: .seconds(180))
        let children = try await rig.children(of: execution.id)
        let state = try await rig.sandbox.state(lines: true)
        for (index, expected) in cases.enumerated() {
            let registration = rig.sandbox.registration(index + 1)
            let child = try #require(children[index + 1])
            let campaigns = try await rig.campaigns(of: index + 1)
            let end = StoreEnd(
                fault: expected.fault, status: child.status, code: child.code, attempts: child.attempt, campaigns: campaigns.map(\.status),
                uploads: state.uploadRequests(of: registration))
            let wanted = StoreEnd(
                fault: expected.fault, status: expected.status, code: expected.code, attempts: expected.attempts,
                campaigns: expected.campaigns, uploads: expected.uploads)
            #expect(end == wanted, "\(child.message)")
            let asked = state.pageRequests(of: registration)
            #expect(asked <= expected.mostPages ?? (pages * expected.attempts), "\(expected.fault): \(asked) pages asked for")
            #expect(Set(state.uploads(of: registration).map(\.bodyDigest)).count <= 1, "\(expected.fault): two bodies for one campaign")
            try await expectConsistent(store: index + 1, campaigns.last?.status, rig, state)
        }
        #expect(children[settings.stores]?.status == "SUCCESS", "the store without a fault must not notice the others'")
        try await expectConsistent(store: settings.stores, "VERIFIED", rig, state)
        let failed = cases.count { $0.status == "FAILED" }
        #expect(execution.status == (failed > 0 ? "FAILED" : "SUCCESS"))
        #expect(execution.error?["stores"]?.arrayValue?.count ?? 0 == failed)
        #expect(state.redirectsFollowed == 0)
    }
}

/// Products stand exactly where the campaign is verified, and then are what the partner has.
private func expectConsistent(store: Int, _ status: String?, _ rig: Rig, _ state: SandboxState) async throws {
    let products = try await rig.products(of: store)
    if status == "VERIFIED" {
        #expect(
            !products.isEmpty && products == Set(state.campaigns(of: rig.sandbox.registration(store)).last?.lines ?? []), "store \(store)")
    } else {
        #expect(products.isEmpty, "store \(store): products without a verified campaign")
    }
}
