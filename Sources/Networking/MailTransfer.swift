import CCurl
import Runtime

/// One mail on its way: owns the libcurl handle and everything that the handle points to.
// @unchecked: all variables belong to the loop's thread, from `begin` to `finish` or `abort`; `outcome` and `talk` are Sendable themselves.
final class MailTransfer: Transfer, @unchecked Sendable {
    /// What `MailClient.send` waits for: the server's last answer.
    let outcome = Suspension<Result<String, MailFailure>>()

    private let mail: Mail
    private let server: MailServer
    private let talk = SMTPTalk()
    private var easy: UnsafeMutableRawPointer?
    private var document: OpaquePointer?
    private var lists: [UnsafeMutablePointer<curl_slist>?] = []
    private let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init(_ mail: Mail, server: MailServer) {
        self.mail = mail
        self.server = server
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        errorText.deallocate()
    }

    func begin() -> UnsafeMutableRawPointer? {
        if let reason = server.defect ?? mail.defect {
            fail(.invalid, reason)
            return nil
        }
        guard let easy = curl_easy_init() else {
            fail(.unreachable, "libcurl has no memory")
            return nil
        }
        self.easy = easy
        configure(easy)
        return easy
    }

    func finish(_ result: CURLcode) -> UnsafeMutableRawPointer? {
        if result == CURLE_OK {
            outcome.resume(with: .success(talk.reply?.text ?? ""))
        } else {
            let (kind, reply) = talk.kind(result)
            fail(kind, describe(result), reply: reply)
        }
        free()
        return nil
    }

    func abort() {
        giveUp()
        free()
    }

    /// Ends the wait, though the loop may still be busy with the server; may be called from any thread.
    func giveUp() {
        fail(talk.handsOver ? .unknownFate : .cancelled, "cancelled")
    }

    private func fail(_ kind: MailFailure.Kind, _ detail: String, reply: Int? = nil) {
        let message = "mail server \(ShownURL.origin(of: server.url)): \(detail)"
        outcome.resume(with: .failure(MailFailure(kind: kind, step: talk.step, reply: reply, message: message)))
    }

    private func describe(_ result: CURLcode) -> String {
        if result == CURLE_USE_SSL_FAILED { return "it does not offer STARTTLS, which is required; nothing was sent" }
        guard let reply = talk.reply, reply.code >= 400 else { return failureText(result, errorText, proxy: server.proxy) }
        return "it answered \(talk.command) with \(reply.text)"
    }

    // MARK: options

    private func configure(_ easy: UnsafeMutableRawPointer) {
        _ = ccurl_set_text(easy, CURLOPT_URL, server.url)
        _ = ccurl_set_text(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps")
        _ = ccurl_set_text(easy, CURLOPT_PROXY, server.proxy ?? "")
        _ = ccurl_set_text(easy, CURLOPT_NOPROXY, "")
        _ = ccurl_set_long(easy, CURLOPT_HTTPPROXYTUNNEL, 1)
        _ = ccurl_set_long(easy, CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
        _ = ccurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        _ = ccurl_set_long(easy, CURLOPT_QUICK_EXIT, 1)
        _ = ccurl_set_private_sockets(easy)
        _ = ccurl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, server.connectTimeout.wholeMilliseconds)
        _ = ccurl_set_long(easy, CURLOPT_TIMEOUT_MS, server.timeout.wholeMilliseconds)
        _ = ccurl_set_long(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, max(1, server.timeout.wholeMilliseconds / 1000))
        setSecurity(easy)
        setMessage(easy)
        _ = ccurl_set_error_buffer(easy, errorText)
        _ = ccurl_set_body_function(easy, { _, size, count, _ in size * count }, nil)
        _ = ccurl_set_debug_function(easy, hear, Unmanaged.passUnretained(talk).toOpaque())
    }

    private func setSecurity(_ easy: UnsafeMutableRawPointer) {
        _ = ccurl_set_long(easy, CURLOPT_USE_SSL, Int(server.requiresTLS ? CURLUSESSL_ALL.rawValue : CURLUSESSL_NONE.rawValue))
        _ = ccurl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 1)
        _ = ccurl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 2)
        if let caFile = server.caFile { _ = ccurl_set_authorities(easy, caFile) }
        if let username = server.username { _ = ccurl_set_text(easy, CURLOPT_USERNAME, username) }
        if let password = server.password { _ = ccurl_set_text(easy, CURLOPT_PASSWORD, password) }
    }

    private func setMessage(_ easy: UnsafeMutableRawPointer) {
        _ = ccurl_set_text(easy, CURLOPT_MAIL_FROM, mail.from)
        let recipients = curl_slist_append(nil, mail.to)
        _ = ccurl_set_list(easy, CURLOPT_MAIL_RCPT, recipients)
        var headers: UnsafeMutablePointer<curl_slist>?
        for line in mail.headers { headers = curl_slist_append(headers, line) }
        _ = ccurl_set_list(easy, CURLOPT_HTTPHEADER, headers)
        lists = [recipients, headers]
        document = curl_mime_init(easy)
        // Later parts are better ones (RFC 2046 §5.1.4).
        for (type, text) in [("text/plain", mail.text), ("text/html", mail.html)] {
            let part = curl_mime_addpart(document)
            let bytes = Array(text.withNetworkLineEnds.utf8).map { CChar(bitPattern: $0) }
            curl_mime_data(part, bytes, bytes.count)
            curl_mime_type(part, "\(type); charset=utf-8")
            curl_mime_encoder(part, "quoted-printable")
        }
        _ = ccurl_set_mime(easy, document)
    }

    private func free() {
        if let easy { curl_easy_cleanup(easy) }
        easy = nil
        if let document { curl_mime_free(document) }
        document = nil
        for list in lists { curl_slist_free_all(list) }
        lists = []
    }
}

private func hear(
    easy: UnsafeMutableRawPointer?, kind: curl_infotype, bytes: UnsafeMutablePointer<CChar>?, count: Int, context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let context, kind == CURLINFO_HEADER_IN || kind == CURLINFO_HEADER_OUT else { return 0 }
    let talk = Unmanaged<SMTPTalk>.fromOpaque(context).takeUnretainedValue()
    let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    if kind == CURLINFO_HEADER_OUT { talk.said(line) } else { talk.heard(line) }
    return 0
}

extension String {
    /// Every line end as CRLF.
    fileprivate var withNetworkLineEnds: String {
        replacing("\r\n", with: "\n").replacing("\r", with: "\n").replacing("\n", with: "\r\n")
    }
}
