import COpenSSL
import Foundation

/// A receiver of Standard Webhooks: any path below `/webhook` is an endpoint of its own, all with the same secrets.
final class WebhookStandIn: StandIn {
    /// `whsec_` and 24 to 64 bytes in base64.
    static let secret = "whsec_c2FuZGJveC13ZWJob29rLXNlY3JldC1uZXch"
    /// The one before a rotation, still taken.
    static let oldSecret = "whsec_c2FuZGJveC13ZWJob29rLXNlY3JldC1vbGQh"
    private static let toleranceSeconds = 300.0

    let partner = Partner.webhook
    private let clock: StoreClock
    private let channels: ChannelLog
    private let faults: FaultRules

    init(clock: StoreClock, channels: ChannelLog, faults: FaultRules) {
        self.clock = clock
        self.channels = channels
        self.faults = faults
    }

    func receive(_ request: Request) -> Visit {
        Visit(partner: .webhook, endpoint: "\(request.method) webhook") { [self] in
            var hook = ChannelLog.Hook(request, at: clock.now)
            hook.signedWith = signers(of: hook)
            let reply = answer(hook)
            hook.status = reply.status
            channels.add(hook)
            return reply
        }
    }

    private func answer(_ hook: ChannelLog.Hook) -> Reply {
        if let instead = faults.fireInstead(.webhookPost, place: hook.path) { return instead() }
        guard hook.method == "POST" else { return .answer(.empty(405, headers: [("Allow", "POST")])) }
        guard let seconds = Double(hook.timestamp), abs(seconds - clock.now) <= Self.toleranceSeconds else {
            return .answer(.text(400, "webhook-timestamp is missing or more than five minutes off.\n"))
        }
        guard !hook.signedWith.isEmpty else { return .answer(.text(401, "No signature in webhook-signature is right.\n")) }
        return faults.fire(.webhookPost, place: hook.path).spoil(.empty(204))
    }

    /// Which of the secrets signed it: `new`, `old`.
    private func signers(of hook: ChannelLog.Hook) -> [String] {
        let signatures = hook.signature.split(separator: " ").filter { $0.hasPrefix("v1,") }.map { String($0.dropFirst(3)) }
        return [("new", Self.secret), ("old", Self.oldSecret)].filter { _, secret in
            signatures.contains(Self.signature("\(hook.id).\(hook.timestamp).\(hook.body)", secret: secret))
        }.map(\.0)
    }

    private static func signature(_ content: String, secret: String) -> String {
        guard let key = Data(base64Encoded: String(secret.dropFirst("whsec_".count))) else { return "" }
        var code = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        HMAC(EVP_sha256(), Array(key), Int32(key.count), Array(content.utf8), content.utf8.count, &code, &length)
        return Data(code).base64EncodedString()
    }
}

/// Faults that only the webhook receiver has (FAILURES R72); `@PATH` behind one limits it to a path.
enum WebhookFaults {
    static let all: [Fault] = [
        Fault(
            name: "webhook-lost-answer", meaning: "webhook: taken, then the connection is dropped without an answer",
            endpoints: [.webhookPost],
            deed: .after { answer in
                BufferPool.shared.giveBack(answer.body)
                return .talk(BareTalk(steps: []))
            })
    ]
}
