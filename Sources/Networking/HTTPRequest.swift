/// One HTTP request with the limits it must keep.
package struct HTTPRequest: Sendable {
    /// What is asked of the resource.
    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
    }

    /// A speed below which a transfer counts as dead.
    package struct LowSpeedLimit: Sendable {
        /// Bytes a second, averaged over `duration`; waiting for the answer's first byte counts as zero.
        package var bytesPerSecond: Int
        /// Whole seconds.
        package var duration: Duration

        /// Takes the speed and how long it may stay below.
        package init(bytesPerSecond: Int, duration: Duration) {
            self.bytesPerSecond = bytesPerSecond
            self.duration = duration
        }
    }

    /// GET or POST.
    package var method: Method
    /// An absolute `http` or `https` URL, percent-encoded; it may hold secrets and is never shown.
    package var url: String
    /// Sent as they are, in this order.
    package var headers: [(name: String, value: String)]
    /// The body of a POST.
    package var body: [UInt8]
    /// From the start to the end of the TLS handshake.
    package var connectTimeout: Duration = .seconds(10)
    /// From the start to the last byte of the answer.
    package var timeout: Duration = .seconds(60)
    /// None when nil.
    package var lowSpeedLimit: LowSpeedLimit?
    /// Bytes of the decoded body; one more fails the request.
    package var maximumBodyBytes = 1 << 20
    /// A proxy's URL; none when nil, whatever the environment says.
    package var proxy: String?
    /// A PEM file with the authorities to trust; the system's when nil.
    package var caFile: String?
    /// Connects to no address of a private network, whatever the host's name or spelling; a proxy's address counts, the host's behind it
    /// does not.
    package var avoidsPrivateNetwork = false
    /// An answer counts once its header is whole: a body that is too long, breaks off or never ends is cut.
    package var needsHeaderOnly = false

    /// Makes a request with default limits.
    package init(_ method: Method, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}
