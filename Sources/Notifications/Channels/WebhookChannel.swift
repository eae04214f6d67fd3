import Foundation
import Networking
import Runtime
import Secrets

/// Posts messages as Standard Webhooks 1.0 (SPEC §6).
package struct WebhookChannel: ChannelTransport {
    private static let excerptBytes = 2_000
    private static let excerptCharacters = 150

    private let client: HTTPClient
    private let requestTimeout: Duration

    /// Sends through `client`.
    package init(client: HTTPClient) {
        self.init(client: client, requestTimeout: .seconds(30))
    }

    init(client: HTTPClient, requestTimeout: Duration) {
        self.client = client
        self.requestTimeout = requestTimeout
    }

    /// False: every delivery is posted on its own.
    package var folds: Bool { false }

    /// Its own, without a rate.
    package func lane(of channel: OpenChannel) -> SendingLane { SendingLane(own: channel) }

    /// Posts it once; the answer's status decides.
    package func deliver(_ message: NotificationMessage, through channel: OpenChannel) async -> DeliveryOutcome {
        await orDefect { () throws(ChannelConfigDefect) in
            let hook = try WebhookConfiguration(channel)
            let body = WebhookBody(message).document.text
            let timestamp = String(Int(message.now.timeIntervalSince1970.rounded(.down)))
            let id = message.messageID
            let signatures = hook.keys.map { WebhookSignature.v1(id: id, timestamp: timestamp, body: body, key: $0) }
            var request = HTTPRequest(
                .post, hook.url,
                headers: [
                    ("Content-Type", "application/json; charset=utf-8"), ("webhook-id", id), ("webhook-timestamp", timestamp),
                    ("webhook-signature", signatures.joined(separator: " ")),
                ] + hook.headers, body: Array(body.utf8))
            request.timeout = requestTimeout
            request.maximumBodyBytes = Self.excerptBytes
            request.needsHeaderOnly = true
            request.avoidsPrivateNetwork = !hook.allowsPrivateNetwork
            request.proxy = hook.proxy
            request.caFile = hook.caFile
            do throws(HTTPFailure) {
                return Self.outcome(try await client.send(request), hook.redactor)
            } catch {
                return Self.outcome(error, hook.redactor)
            }
        }
    }

    private static func outcome(_ response: HTTPResponse, _ redactor: Redactor) -> DeliveryOutcome {
        let status = response.status
        switch status {
        case 200..<300: return .sent()
        case 410: return .switchedOff(reason: "the receiver answered 410 Gone: it wants no more webhooks")
        case 300..<400: return .retry(reason: "the receiver answered \(status), a redirect, which is not followed; correct config.url")
        default:
            let excerpt = redactor.line(String(decoding: response.body.prefix(excerptBytes), as: UTF8.self))
            let reason = "the receiver answered \(status)" + (excerpt.isEmpty ? "" : ": \(excerpt.prefix(excerptCharacters))")
            let mayAsk = status == 429 || status == 503
            return .retry(after: mayAsk ? RetryAfter.duration(of: response) : nil, reason: reason)
        }
    }

    private static func outcome(_ failure: HTTPFailure, _ redactor: Redactor) -> DeliveryOutcome {
        switch failure.kind {
        case .privateNetwork:
            .refused(
                reason:
                    "config.url leads to an address of a private network; say \"allow_private_network\": true in the config if it is meant to"
            )
        case .invalidRequest: .refused(reason: "the receiver cannot be called: \(redactor.line(failure.message))")
        default: .retry(reason: "the receiver could not be reached: \(redactor.line(failure.message))")
        }
    }
}

/// The `config` of a WEBHOOK channel, checked.
struct WebhookConfiguration: Sendable {
    let url: String
    /// Of the secrets: several while one replaces another; each signs.
    let keys: [[UInt8]]
    let headers: [(name: String, value: String)]
    let allowsPrivateNetwork: Bool
    let proxy: String?
    let caFile: String?
    let redactor: Redactor

    static let keyBytes = 24...64
    private static let ownHeaders: Set<String> = [
        "webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "content-length", "content-encoding", "host", "expect",
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade",
    ]

    init(_ channel: OpenChannel) throws(ChannelConfigDefect) {
        let fields = ChannelFields(channel: channel)
        let address = try fields.requiredText("url")
        _ = try fields.webAddress("url", address)
        url = address
        let secrets = try fields.texts("secret").flatMap { $0.split(separator: " ").map(String.init) }
        guard !secrets.isEmpty else { throw fields.defect("config.secret is missing") }
        var keys: [[UInt8]] = []
        for secret in secrets {
            guard let key = WebhookSignature.key(of: secret), Self.keyBytes.contains(key.count) else {
                throw fields.defect("config.secret must be whsec_ and 24 to 64 bytes in base64, or a list of such secrets")
            }
            keys.append(key)
        }
        self.keys = keys
        headers = try Self.headers(fields)
        allowsPrivateNetwork = try fields.flag("allow_private_network") ?? false
        proxy = try fields.proxy()
        guard proxy == nil || allowsPrivateNetwork else {
            throw fields.defect("config.proxy hides which address is meant; it needs \"allow_private_network\": true")
        }
        caFile = try fields.text("ca_file")
        // A receiver may know a key without its prefix.
        redactor = Redactor(secrets: secrets + secrets.map { String($0.trimmingPrefix("whsec_")) } + headers.map(\.value) + channel.secrets)
    }

    private static func headers(_ fields: ChannelFields) throws(ChannelConfigDefect) -> [(name: String, value: String)] {
        guard let value = fields.value("headers") else { return [] }
        guard let members = value.objectValue else { throw fields.defect("config.headers must be an object") }
        var headers: [(name: String, value: String)] = []
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            guard let text = member.stringValue, HTTPRequest.isHeader(name: name, value: text) else {
                throw fields.defect("config.headers.\(name) is no header: it is no text, or holds a line break")
            }
            guard !ownHeaders.contains(name.lowercased()) else {
                throw fields.defect("config.headers.\(name) is chimera's own, or the connection's")
            }
            headers.append((name, text))
        }
        return headers
    }
}

/// Signatures of Standard Webhooks.
enum WebhookSignature {
    /// `v1,` and the code in base64.
    static func v1(id: String, timestamp: String, body: String, key: [UInt8]) -> String {
        "v1," + Data(hmacSHA256(key: key, message: Array("\(id).\(timestamp).\(body)".utf8))).base64EncodedString()
    }

    /// What stands behind `whsec_`, decoded; nil for what is no base64.
    static func key(of secret: String) -> [UInt8]? {
        let text = secret.hasPrefix("whsec_") ? String(secret.dropFirst("whsec_".count)) : secret
        let padding = String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        return Data(base64Encoded: text + padding).map(Array.init)
    }
}
