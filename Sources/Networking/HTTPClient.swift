import Runtime

/// Sends HTTP requests, all of them over one libcurl loop on one thread, with connections kept for the next request.
///
/// Takes nothing from the environment: no proxy, no `.netrc`, no certificate (SPEC.md §6).
package final class HTTPClient: Sendable {
    private let loop = TransferLoop()
    private let pool = BodyPool()

    /// Starts the loop's thread.
    package init() {
        loop.start(name: "http")
    }

    deinit {
        loop.stop()
    }

    /// Sends a request and returns the answer, whatever its status; cancelling the task ends the transfer at once.
    ///
    /// A POST always opens a connection of its own, since libcurl silently repeats a request when a kept connection turns out dead.
    package func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        let transfer = HTTPTransfer(request, body: ResponseBody(pool: pool))
        loop.submit(transfer)
        return try await transfer.outcome.wait(onCancel: { loop.cancel(transfer) }).get()
    }
}
