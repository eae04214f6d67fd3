import CCurl
import Runtime

/// One request on its way: owns the libcurl handle and everything that the handle points to.
// @unchecked: all variables belong to the loop's thread, from `begin` to `finish` or `abort`; `outcome` is Sendable itself.
final class HTTPTransfer: Transfer, @unchecked Sendable {
    /// What who sent the request waits for.
    let outcome = Suspension<Result<HTTPResponse, HTTPFailure>>()

    private static let maximumHeaderBytes = 256 << 10
    private static let largestReservationBytes = 4 << 20

    private let request: HTTPRequest
    private let body: ResponseBody
    private var easy: UnsafeMutableRawPointer?
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    private var headers: [String: String] = [:]
    private var headerBytes = 0
    private var isTooLarge = false
    private var isHeaderWhole = false
    private var hasAvoidedAddress = false
    private var hasTriedAddress = false

    init(_ request: HTTPRequest, body: ResponseBody) {
        self.request = request
        self.body = body
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        curl_slist_free_all(headerList)
        errorText.deallocate()
    }

    func begin() -> UnsafeMutableRawPointer? {
        begin(onNewConnection: request.method == .post)
    }

    private func begin(onNewConnection isNew: Bool) -> UnsafeMutableRawPointer? {
        if let reason = request.defect {
            fail(.invalidRequest, "\(reason).")
            return nil
        }
        guard let easy = curl_easy_init() else {
            fail(.reset, "libcurl has no memory.")
            return nil
        }
        self.easy = easy
        if headerList == nil { headerList = request.headerList() }
        request.configure(easy, headers: headerList)
        if isNew { _ = ccurl_set_long(easy, CURLOPT_FRESH_CONNECT, 1) }
        // Nor is a POST's connection kept: with one for each, they would stand open in dozens.
        if request.method == .post { _ = ccurl_set_long(easy, CURLOPT_FORBID_REUSE, 1) }
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = ccurl_set_error_buffer(easy, errorText)
        _ = ccurl_set_body_function(easy, receiveBody, context)
        _ = ccurl_set_header_function(easy, receiveHeader, context)
        if request.avoidsPrivateNetwork {
            _ = ccurl_set_socket_function(easy, openPublicSocket, context)
        } else {
            _ = ccurl_set_private_sockets(easy)
        }
        return easy
    }

    func finish(_ result: CURLcode) -> UnsafeMutableRawPointer? {
        guard let easy else { return nil }
        defer { free(easy) }
        if result == CURLE_OK || (request.needsHeaderOnly && isHeaderWhole) {
            let status = ccurl_long(easy, CURLINFO_RESPONSE_CODE)
            outcome.resume(with: .success(HTTPResponse(status: status, headers: headers, body: body)))
        } else {
            let hasBegun = ccurl_offset(easy, CURLINFO_PRETRANSFER_TIME_T) > 0
            var kind = isTooLarge ? .bodyTooLarge : HTTPFailure.Kind(result)
            // "Unsupported protocol" is also what libcurl calls an answer that is not HTTP, and "out of memory" a header that is too long.
            if kind == .invalidRequest || result == CURLE_OUT_OF_MEMORY, hasBegun { kind = .malformed }
            if kind == .malformed, wasKeptConnection(easy) { return restart() }
            // Where a public address was tried as well, that one may answer again.
            if kind == .connect, hasAvoidedAddress, !hasTriedAddress { kind = .privateNetwork }
            fail(kind, describe(kind, result), mayHaveArrived: hasBegun)
        }
        return nil
    }

    /// What came before the answer on a kept connection may be the rest of an earlier answer that was longer than it said (libcurl 7.88
    /// reads it as the next answer's header): such an answer is asked for once more, on a connection of its own.
    private func wasKeptConnection(_ easy: UnsafeMutableRawPointer) -> Bool {
        request.method == .get && body.count == 0 && ccurl_long(easy, CURLINFO_NUM_CONNECTS) == 0
    }

    private func restart() -> UnsafeMutableRawPointer? {
        headers = [:]
        headerBytes = 0
        return begin(onNewConnection: true)
    }

    func abort() {
        let hasBegun = easy.map { ccurl_offset($0, CURLINFO_PRETRANSFER_TIME_T) > 0 } ?? false
        fail(.cancelled, "cancelled", mayHaveArrived: hasBegun)
        if let easy { free(easy) }
    }

    private func fail(_ kind: HTTPFailure.Kind, _ detail: String, mayHaveArrived: Bool = false) {
        let message = "\(request.method.rawValue) \(ShownURL.origin(of: request.url)): \(detail)"
        let beginning = kind == .bodyTooLarge ? body.prefix(HTTPFailure.longestBeginning) : []
        outcome.resume(
            with: .failure(HTTPFailure(kind: kind, mayHaveArrived: mayHaveArrived, message: message, beginning: beginning)))
    }

    private func describe(_ kind: HTTPFailure.Kind, _ result: CURLcode) -> String {
        switch kind {
        case .bodyTooLarge: return "more than \(request.maximumBodyBytes) bytes"
        case .privateNetwork: return "the address lies in a private network"
        default: return failureText(result, errorText, proxy: request.proxy)
        }
    }

    /// Frees a handle; the header list goes with the last one, since every attempt points to the same.
    private func free(_ handle: UnsafeMutableRawPointer) {
        curl_easy_cleanup(handle)
        if easy == handle { easy = nil }
    }

    fileprivate func take(body bytes: UnsafeRawBufferPointer) -> Bool {
        guard body.count + bytes.count <= request.maximumBodyBytes else {
            let wanted = request.needsHeaderOnly ? request.maximumBodyBytes : min(request.maximumBodyBytes, HTTPFailure.longestBeginning)
            body.append(UnsafeRawBufferPointer(rebasing: bytes.prefix(max(0, wanted - body.count))))
            isTooLarge = true
            return false
        }
        if body.count == 0, let easy {
            let announced = max(0, Int(ccurl_offset(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T)))
            body.reserve(min(announced, request.maximumBodyBytes, Self.largestReservationBytes))
        }
        body.append(bytes)
        return true
    }

    /// A socket for an address that is not private; none for others.
    func openSocket(_ address: UnsafeMutablePointer<curl_sockaddr>) -> curl_socket_t {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = Int(ccurl_address_bytes(address, &bytes))
        guard PublicNetwork.contains(Array(bytes.prefix(count))) else {
            hasAvoidedAddress = true
            return CURL_SOCKET_BAD
        }
        hasTriedAddress = true
        return ccurl_make_socket(address)
    }

    fileprivate func take(headerLine bytes: UnsafeRawBufferPointer) -> Bool {
        headerBytes += bytes.count
        guard headerBytes <= Self.maximumHeaderBytes else { return false }
        if bytes.starts(with: "HTTP/".utf8) {
            headers = [:]  // an interim answer (100, 103) came before
            isHeaderWhole = false
        } else if bytes.allSatisfy({ $0 == 0x0D || $0 == 0x0A }) {
            isHeaderWhole = easy.map { ccurl_long($0, CURLINFO_RESPONSE_CODE) >= 200 } ?? false
        } else if let colon = bytes.firstIndex(of: UInt8(ascii: ":")) {
            let name = String(decoding: bytes[..<colon], as: UTF8.self).lowercased()
            let value = bytes[(colon + 1)...].trimmingWhiteSpace()
            if headers[name] == nil { headers[name] = String(decoding: value, as: UTF8.self) }
        }
        return true
    }
}

private func receiveBody(bytes: UnsafeMutablePointer<CChar>?, size: Int, count: Int, context: UnsafeMutableRawPointer?) -> Int {
    guard let context else { return 0 }
    let transfer = Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
    return transfer.take(body: UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
}

private func receiveHeader(bytes: UnsafeMutablePointer<CChar>?, size: Int, count: Int, context: UnsafeMutableRawPointer?) -> Int {
    guard let context else { return 0 }
    let transfer = Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
    return transfer.take(headerLine: UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
}

private func openPublicSocket(
    context: UnsafeMutableRawPointer?, purpose: curlsocktype, address: UnsafeMutablePointer<curl_sockaddr>?
) -> curl_socket_t {
    guard let context, let address else { return CURL_SOCKET_BAD }
    return Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue().openSocket(address)
}

extension Slice<UnsafeRawBufferPointer> {
    fileprivate func trimmingWhiteSpace() -> Self {
        var rest = self
        while let first = rest.first, first <= 0x20 { rest = rest.dropFirst() }
        while let last = rest.last, last <= 0x20 { rest = rest.dropLast() }
        return rest
    }
}

extension HTTPFailure.Kind {
    /// Sorts libcurl's results; what is not named here is an answer that makes no sense.
    fileprivate init(_ result: CURLcode) {
        switch result {
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT, CURLE_BAD_FUNCTION_ARGUMENT, CURLE_SSL_CIPHER, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_ENGINE_INITFAILED:
            self = .invalidRequest
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: self = .resolve
        case CURLE_COULDNT_CONNECT, CURLE_PROXY: self = .connect
        // A file that is missing here may stand on another machine, or come back.
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS,
            CURLE_SSL_CACERT_BADFILE:
            self = .tls
        case CURLE_OPERATION_TIMEDOUT: self = .timeout
        case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE, CURLE_OUT_OF_MEMORY: self = .reset
        case CURLE_FILESIZE_EXCEEDED: self = .bodyTooLarge
        case CURLE_ABORTED_BY_CALLBACK: self = .cancelled
        default: self = .malformed
        }
    }
}
