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
        let patience = try fields.seconds("request_timeout_seconds")
        self.timeout = patience ?? timeout
        lowSpeedLimit = HTTPRequest.LowSpeedLimit(
            bytesPerSecond: try fields.wholeNumber("low_speed_bytes_per_second", in: 0...1_000_000_000) ?? 100,
            // A partner that thinks sends nothing either: it has the request's own time for that.
            duration: try fields.wholeNumber("low_speed_seconds", in: 1...3600).map { .seconds($0) }
                ?? max(.seconds(30), self.timeout))
        self.maximumBodyBytes = try fields.wholeNumber("max_response_bytes", in: 1...(1 << 30)) ?? maximumBodyBytes
        proxy = try fields.proxy()
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
    /// Whether an error may show an answer's first bytes.
    private(set) var quotesAnswers = true

    /// The same for an answer that holds a secret nobody knows yet.
    var withoutQuotes: PartnerConnection {
        var connection = self
        connection.quotesAnswers = false
        return connection
    }

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
        try await judged(try await send(request, purpose: purpose, gate: gate), gate: gate, by: judge)
    }

    /// The first half of `exchange`: the answer, whatever it says. It has to be judged, for only then is the gate told.
    func send(_ request: HTTPRequest, purpose: String, gate: any RequestGate) async throws -> HTTPResponse {
        try await gate.admit()
        return try await response(to: client.begin(request), purpose: purpose, gate: gate) { _ in }.0
    }

    /// Likewise for a request that was let through and begun, with what `body` makes of the answer on the transfers' thread.
    func response<Made: Sendable>(
        to exchange: HTTPExchange, purpose: String, gate: any RequestGate, making body: @escaping @Sendable (HTTPResponse) -> Made
    ) async throws -> (HTTPResponse, Made) {
        do throws(HTTPFailure) {
            return try await exchange.response(making: body)
        } catch {
            if error.kind == .cancelled { throw CancellationError() }
            let failure = failure(error, purpose: purpose)
            await gate.record(failure)
            throw failure
        }
    }

    /// The second half.
    func judged<T>(
        _ response: HTTPResponse, gate: any RequestGate, by judge: (HTTPResponse) throws(PartnerFailure) -> T
    ) async throws -> T {
        do throws(PartnerFailure) {
            let value = try judge(response)
            await gate.record(nil)
            return value
        } catch {
            await gate.record(error)
            throw error
        }
    }

    /// A sentence about this partner.
    func sentence(_ purpose: String, _ text: String) -> String {
        "Integration \(integrationName), \(purpose): \(text)"
    }
}
