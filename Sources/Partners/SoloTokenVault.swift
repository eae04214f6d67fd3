import Retail
import Runtime

/// A vault in memory for one program: what a worker without a key file has, and what a probe uses.
package actor SoloTokenVault: TokenVault {
    private struct Held {
        let token: String
        let ends: Duration?
    }

    private var held: Held?
    private var isLoggingIn = false
    private var waiting: [Suspension<Void>] = []

    /// Makes an empty one.
    package init() {}

    /// The token, unless its time is up.
    package func current() -> String? {
        guard let held else { return nil }
        if let ends = held.ends, MonotonicClock.now() >= ends { return nil }
        return held.token
    }

    /// Logs in unless the refused token has been replaced; all who ask meanwhile share one login.
    package func renew(refused: String?, login perform: @Sendable () async throws -> LoginToken) async throws -> String {
        while isLoggingIn {
            try Task.checkCancellation()
            let turn = Suspension<Void>()
            waiting.append(turn)
            await turn.wait(cancelled: ())
        }
        if let token = current(), token != refused { return token }
        isLoggingIn = true
        defer {
            isLoggingIn = false
            for turn in waiting { turn.resume(with: ()) }
            waiting = []
        }
        let fresh = try await perform()
        held = Held(token: fresh.token, ends: fresh.lifetime.map { MonotonicClock.now() + $0 })
        return fresh.token
    }
}
