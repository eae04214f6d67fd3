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
        try await begin(request).response()
    }

    /// Begins to send a request. Who begins one waits for its response or cancels it.
    package func begin(_ request: HTTPRequest) -> HTTPExchange {
        let transfer = HTTPTransfer(request, body: ResponseBody(pool: pool))
        loop.submit(transfer)
        return HTTPExchange(transfer: transfer, loop: loop)
    }
}

/// A request on its way.
package struct HTTPExchange: Sendable {
    fileprivate let transfer: HTTPTransfer
    fileprivate let loop: TransferLoop

    /// The answer, whatever its status; cancelling the task ends the transfer at once. To be called once.
    package func response() async throws(HTTPFailure) -> HTTPResponse {
        try await response { _ in }.0
    }

    /// Likewise, with what `body` makes of it. That is called the moment the answer is whole, on the thread that all transfers share, and
    /// must be short: it may begin the next request, say, which then waits for no other thread.
    package func response<Made: Sendable>(
        making body: @escaping @Sendable (HTTPResponse) -> Made
    ) async throws(HTTPFailure) -> (HTTPResponse, Made) {
        let answer = Suspension<Result<(HTTPResponse, Made), HTTPFailure>>()
        transfer.outcome.whenResumed { outcome in answer.resume(with: outcome.map { ($0, body($0)) }) }
        return try await answer.wait(onCancel: cancel).get()
    }

    /// Ends the transfer, unless it has ended.
    package func cancel() {
        loop.cancel(transfer)
    }
}
