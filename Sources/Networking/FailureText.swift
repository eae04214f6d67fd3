import CCurl

/// What libcurl says of a transfer that failed; `buffer` holds its own words, if any. Of a proxy it quotes the whole address, with the password:
/// then no more than the sort of failure is told.
func failureText(_ result: CURLcode, _ buffer: UnsafePointer<CChar>, proxy: String?) -> String {
    let (text, sort) = (String(cString: buffer), String(cString: curl_easy_strerror(result)))
    guard let proxy, text.lowercased().contains("proxy") || text.contains(proxy) else { return text.isEmpty ? sort : text }
    return "the proxy cannot be used: \(sort)"
}
