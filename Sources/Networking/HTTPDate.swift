import CCurl

/// Reads the dates of HTTP headers (RFC 9110 §5.6.7): the one in use and the two obsolete ones.
package enum HTTPDate {
    /// Seconds since 1970; nil for what is no such date.
    package static func secondsSince1970(_ text: String) -> Int? {
        // libcurl reads much more than HTTP's dates, lone numbers for instance: a name of a day and a time must be there.
        guard let first = text.first, first.isASCII, first.isUppercase, text.contains(":"), text.utf8.count < 64 else { return nil }
        let seconds = curl_getdate(text, nil)
        return seconds >= 0 ? Int(seconds) : nil
    }
}
