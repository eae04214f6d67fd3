import CCurl
import Foundation
import Synchronization

/// One exchange that the loop drives; the loop's thread alone calls these.
protocol Transfer: AnyObject, Sendable {
    /// Makes a libcurl handle that is ready to run, or ends the transfer itself and returns nil.
    func begin() -> UnsafeMutableRawPointer?
    /// Takes the result and frees the handle, which the loop has let go; returns the next handle when the exchange is not over.
    func finish(_ result: CURLcode) -> UnsafeMutableRawPointer?
    /// Ends the transfer as cancelled and frees the handle, if there is one.
    func abort()
}

/// The thread that runs `curl_multi_poll` and alone touches easy handles; everybody else leaves a command and wakes it.
// @unchecked: `multi` is used by the loop's thread, but for `curl_multi_wakeup`, which libcurl allows from any, and which is called under
// the inbox's lock while it is not closed; `running` and `handles` belong to the loop's thread.
final class TransferLoop: @unchecked Sendable {
    private enum Command {
        case start(any Transfer)
        case cancel(any Transfer)
    }

    private struct Inbox {
        var commands: [Command] = []
        var isStopped = false
        var isClosed = false
    }

    private static let isLibraryReady: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
    private static let keptConnections = 32
    private static let longestPollMilliseconds: Int32 = 60_000

    private let inbox = Mutex(Inbox())
    private let multi: UnsafeMutableRawPointer
    private var running: [UnsafeMutableRawPointer: any Transfer] = [:]
    private var handles: [ObjectIdentifier: UnsafeMutableRawPointer] = [:]

    init() {
        precondition(Self.isLibraryReady, "libcurl does not start")
        guard let multi = curl_multi_init() else { preconditionFailure("libcurl has no memory") }
        self.multi = multi
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, Self.keptConnections)
    }

    /// To be called once.
    func start(name: String) {
        let thread = Thread {
            while self.turn() {}
            self.close()
        }
        thread.name = name
        thread.start()
    }

    /// Ends the thread; transfers under way are aborted. Returns at once: leaving a server may take a while, which the thread does.
    func stop() {
        tell { $0.isStopped = true }
    }

    func submit(_ transfer: any Transfer) {
        send(.start(transfer))
    }

    /// To be called after `submit`; a transfer that has ended is left alone.
    func cancel(_ transfer: any Transfer) {
        send(.cancel(transfer))
    }

    private func send(_ command: Command) {
        tell { $0.commands.append(command) }
    }

    private func tell(_ change: (inout Inbox) -> Void) {
        inbox.withLock { inbox in
            guard !inbox.isClosed else { return }
            change(&inbox)
            curl_multi_wakeup(multi)
        }
    }

    private func close() {
        inbox.withLock { $0.isClosed = true }
        curl_multi_cleanup(multi)
    }

    /// One turn: take commands, move bytes, tell what ended, sleep until something happens. False when it was the last.
    private func turn() -> Bool {
        let (commands, isStopped) = inbox.withLock { inbox in
            defer { inbox.commands = [] }
            return (inbox.commands, inbox.isStopped)
        }
        for command in commands {
            switch command {
            case .start(let transfer): begin(transfer)
            case .cancel(let transfer): abort(transfer)
            }
        }
        if isStopped {
            for transfer in running.values { abort(transfer) }
            return false
        }
        var count: Int32 = 0
        curl_multi_perform(multi, &count)
        collect()
        curl_multi_poll(multi, nil, 0, Self.longestPollMilliseconds, nil)
        return true
    }

    private func begin(_ transfer: any Transfer) {
        guard let easy = transfer.begin() else { return }
        run(easy, transfer)
    }

    private func run(_ easy: UnsafeMutableRawPointer, _ transfer: any Transfer) {
        running[easy] = transfer
        handles[ObjectIdentifier(transfer)] = easy
        curl_multi_add_handle(multi, easy)
    }

    private func abort(_ transfer: any Transfer) {
        guard let easy = handles[ObjectIdentifier(transfer)] else { return }
        release(easy, transfer)
        transfer.abort()
    }

    private func collect() {
        var remaining: Int32 = 0
        while let message = curl_multi_info_read(multi, &remaining) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle, let transfer = running[easy] else {
                continue
            }
            let result = ccurl_message_result(message)
            release(easy, transfer)
            if let next = transfer.finish(result) { run(next, transfer) }
        }
    }

    private func release(_ easy: UnsafeMutableRawPointer, _ transfer: any Transfer) {
        curl_multi_remove_handle(multi, easy)
        running[easy] = nil
        handles[ObjectIdentifier(transfer)] = nil
    }
}
