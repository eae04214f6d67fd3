/// Sends mails by SMTP, one recipient at a time.
///
/// Takes nothing from the environment: no proxy, no `.netrc`, no certificate (SPEC.md §6).
package struct MailClient: Sendable {
    /// Makes a client; it holds nothing.
    package init() {}

    /// Hands a mail to the server and returns the server's last answer.
    ///
    /// Each mail has a loop and a connection of its own: libcurl waits in place for the answer to the final dot and to QUIT, and a server
    /// that is slow there must not hold up other transfers. Cancelling the task ends the wait at once.
    package func send(_ mail: Mail, through server: MailServer) async throws(MailFailure) -> String {
        let transfer = MailTransfer(mail, server: server)
        let loop = TransferLoop()
        loop.start(name: "mail")
        loop.submit(transfer)
        let outcome = await transfer.outcome.wait(onCancel: {
            transfer.giveUp()
            loop.cancel(transfer)
        })
        loop.stop()
        return try outcome.get()
    }
}
