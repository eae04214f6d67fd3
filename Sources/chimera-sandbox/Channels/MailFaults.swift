/// Faults of the mail server (FAILURES R73); `@ADDRESS` behind one limits it to a recipient.
enum MailFaults {
    static let all: [Fault] = [
        fault("greeting-421", "greets with 421 and hangs up", .greeting421),
        fault("greeting-554", "greets with 554", .greeting554),
        fault("silence", "takes connections and says nothing", .silence),
        fault("slow", "waits a second before every answer", .slow),
        fault("no-starttls", "does not offer STARTTLS", .noStartTLS),
        fault("starttls-refused", "offers STARTTLS and answers 454", .startTLSRefused),
        fault("untrusted-certificate", "shows a certificate of an authority that ca_file does not hold", .untrusted),
        fault("expired-certificate", "shows a certificate that has expired", .expired),
        fault("wrong-host-certificate", "shows a certificate of another host", .wrongHost),
        fault("auth-535", "refuses the password", .login535),
        fault("auth-454", "cannot check passwords now", .login454),
        fault("sender-550", "refuses the sender", .sender550),
        fault("recipient-550", "does not know the recipient", .recipient550),
        fault("recipient-451", "does not take mail for the recipient now", .recipient451),
        fault("data-554", "answers DATA with 554", .data554),
        fault("drop-in-data", "hangs up before the final dot has come; nothing is kept", .dropInData),
        fault("message-554", "refuses the mail after the final dot", .message554),
        fault("message-452", "has no room after the final dot", .message452),
        fault("drop-after-dot", "keeps the mail and hangs up without an answer to the final dot", .dropAfterDot),
        fault("silence-after-dot", "keeps the mail and never answers the final dot", .silenceAfterDot),
    ]

    private static func fault(_ name: String, _ meaning: String, _ quirk: MailQuirk) -> Fault {
        Fault(name: "smtp-" + name, meaning: "mail server: " + meaning, endpoints: [.mail], deed: .mail(quirk))
    }
}
