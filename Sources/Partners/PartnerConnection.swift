import Networking
import Retail
import Runtime
import Secrets

/// How long and how large a partner's answers may be, and the way to them.
struct ConnectionSettings: Sendable {
    let baseURL: String
    let connectTimeout: Duration
    let timeout: Duration
    let lowSpeedLimit: HTTPRequest.LowSpeedLimit
    let maximumBodyBytes: Int
    let proxy: String?
    let caFile: String?
    /// Sent with every request.
    let headers: [(name: String, value: String)]

    init(_ fields: ConfigurationFields, timeout: Duration, maximumBodyBytes: Int) throws(PartnerFailure) {
        baseURL = try fields.baseURL()
        connectTimeout = try fields.seconds("connect_timeout_seconds") ?? .seconds(10)
        self.timeout = try fields.seconds("request_timeout_seconds") ?? timeout
        lowSpeedLimit = HTTPRequest.LowSpeedLimit(
            bytesPerSecond: try fields.wholeNumber("low_speed_bytes_per_second", in: 0...1_000_000_000) ?? 100,
            duration: .seconds(try fields.wholeNumber("low_speed_seconds", in: 1...3600) ?? 30))
        self.maximumBodyBytes = try fields.wholeNumber("max_response_bytes", in: 1...(1 << 30)) ?? maximumBodyBytes
        proxy = try fields.text("proxy")
        caFile = try fields.text("ca_file")
        headers = try fields.headers("headers") ?? []
    }

    /// The values of the additional headers that sound like secrets.
    var secrets: [String] {
        headers.filter { Masking.isSecretKey($0.name) }.map(\.value)
    }
}

/// What RP and CresceVendas have in common: each request waits for the gate, is sent, is judged, and is told to the gate.
struct PartnerConnection: Sendable {
    let integrationName: String
    let settings: ConnectionSettings
    let client: HTTPClient
    let redactor: Redactor

    /// A request to a path of the partner with the settings' limits.
    func request(_ method: HTTPRequest.Method, _ path: String, headers: [(name: String, value: String)]) -> HTTPRequest {
        var request = HTTPRequest(method, settings.baseURL + path, headers: headers + settings.headers)
        request.connectTimeout = settings.connectTimeout
        request.timeout = settings.timeout
        request.lowSpeedLimit = settings.lowSpeedLimit
        request.maximumBodyBytes = settings.maximumBodyBytes
        request.proxy = settings.proxy
        request.caFile = settings.caFile
        return request
    }

    /// Sends one request through the gate and returns what `judge` makes of the answer; `purpose` names the request in messages.
    ///
    /// Throws `PartnerFailure`, `CancellationError`, or what the gate throws. A cancelled request is not told to the gate, since it
    /// says nothing about the partner.
    func exchange<T>(
        _ request: HTTPRequest, purpose: String, gate: any RequestGate, judge: (HTTPResponse) throws(PartnerFailure) -> T
    ) async throws -> T {
        try await gate.admit()
        let result: Result<T, PartnerFailure>
        do throws(HTTPFailure) {
            let response = try await client.send(request)
            result = Result { () throws(PartnerFailure) in try judge(response) }
        } catch {
            if error.kind == .cancelled { throw CancellationError() }
            result = .failure(failure(error, purpose: purpose))
        }
        switch result {
        case .success(let value):
            await gate.record(nil)
            return value
        case .failure(let failure):
            await gate.record(failure)
            throw failure
        }
    }

    /// A sentence about this partner.
    func sentence(_ purpose: String, _ text: String) -> String {
        "Integration \(integrationName), \(purpose): \(text)"
    }
}
