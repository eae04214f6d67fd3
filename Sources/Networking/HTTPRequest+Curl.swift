import CCurl

extension HTTPRequest {
    /// Whether a header can be sent as it is: its name a token, its value without line breaks.
    package static func isHeader(name: String, value: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }
            && value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }

    /// What makes the request impossible to send, as part of a sentence; nil when nothing does.
    var defect: String? {
        guard url.hasPrefix("http://") || url.hasPrefix("https://"), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            return "the URL is not an absolute, percent-encoded http or https URL"
        }
        for header in headers where !Self.isHeader(name: header.name, value: header.value) {
            return "a header has no name, or holds a line break or another control character"
        }
        return nil
    }

    /// Sets all options of a fresh handle; the list must live as long as the handle.
    func configure(_ easy: UnsafeMutableRawPointer, headers list: UnsafeMutablePointer<curl_slist>?) {
        setBasics(easy)
        setLimits(easy)
        _ = ccurl_set_text(easy, CURLOPT_PROXY, proxy ?? "")
        _ = ccurl_set_text(easy, CURLOPT_NOPROXY, "")  // unset, libcurl would ask $no_proxy
        if let caFile { _ = ccurl_set_authorities(easy, caFile) }
        if method == .post {
            _ = ccurl_set_long(easy, CURLOPT_POST, 1)
            _ = body.withUnsafeBytes { ccurl_set_copied_body(easy, $0.baseAddress ?? UnsafeRawPointer(easy), $0.count) }
        }
        _ = ccurl_set_list(easy, CURLOPT_HTTPHEADER, list)
    }

    /// The header lines as libcurl takes them; the caller frees the list.
    func headerList() -> UnsafeMutablePointer<curl_slist>? {
        var list: UnsafeMutablePointer<curl_slist>?
        for header in headers {
            list = curl_slist_append(list, header.value.isEmpty ? "\(header.name);" : "\(header.name): \(header.value)")
        }
        list = curl_slist_append(list, "Expect:")  // a large body must not wait for a 100 that never comes
        if !headers.contains(where: { $0.name.lowercased() == "content-type" }) { list = curl_slist_append(list, "Content-Type:") }
        return list
    }

    private func setBasics(_ easy: UnsafeMutableRawPointer) {
        _ = ccurl_set_text(easy, CURLOPT_URL, url)
        _ = ccurl_set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        _ = ccurl_set_text(easy, CURLOPT_USERAGENT, "chimera")
        _ = ccurl_set_text(easy, CURLOPT_ACCEPT_ENCODING, "gzip")
        _ = ccurl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        _ = ccurl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        _ = ccurl_set_long(easy, CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
        _ = ccurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        _ = ccurl_set_long(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        _ = ccurl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
        _ = ccurl_set_long(easy, CURLOPT_TCP_KEEPIDLE, 15)
        _ = ccurl_set_long(easy, CURLOPT_TCP_KEEPINTVL, 5)
        _ = ccurl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 1)
        _ = ccurl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 2)
        // As few reads a page as fit: from 128 KiB on (`Footprint`) it would be mapped, faulted in and unmapped for every request.
        _ = ccurl_set_long(easy, CURLOPT_BUFFERSIZE, 124 << 10)
        // Without this, letting go of a transfer would wait for its resolver thread, and every other transfer with it.
        _ = ccurl_set_long(easy, CURLOPT_QUICK_EXIT, 1)
    }

    private func setLimits(_ easy: UnsafeMutableRawPointer) {
        _ = ccurl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, connectTimeout.wholeMilliseconds)
        _ = ccurl_set_long(easy, CURLOPT_TIMEOUT_MS, timeout.wholeMilliseconds)
        if !needsHeaderOnly { _ = ccurl_set_offset(easy, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(maximumBodyBytes)) }
        if let lowSpeedLimit {
            _ = ccurl_set_long(easy, CURLOPT_LOW_SPEED_LIMIT, lowSpeedLimit.bytesPerSecond)
            _ = ccurl_set_long(easy, CURLOPT_LOW_SPEED_TIME, max(1, Int(lowSpeedLimit.duration.components.seconds)))
        }
    }
}

extension Duration {
    /// At least 1, since libcurl takes 0 for "no limit".
    var wholeMilliseconds: Int {
        max(1, Int(components.seconds) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000))
    }
}
