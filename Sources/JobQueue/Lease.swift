import Runtime
import Synchronization

/// The lease of this worker as it knows it: the time until which the database surely honours it. Read before every effect.
package final class Lease: Sendable {
    /// How long a renewal lasts.
    package let length: Duration
    private let heldUntil = Mutex<Duration?>(nil)

    /// Takes the length; nothing is held before the first renewal.
    package init(length: Duration) {
        self.length = length
    }

    /// Whether the lease still holds now, by a clock that counts suspension; a sixth of it is kept as a margin.
    package var isHeld: Bool { remaining > .zero }

    /// What is kept of it to come to an end in.
    var margin: Duration { length / 6 }

    /// How long it holds from now, the margin kept; not above zero when it does not.
    var remaining: Duration {
        heldUntil.withLock { $0.map { $0 - margin - MonotonicClock.now() } ?? .zero }
    }

    /// The database renewed the lease after `askedAt`, so it holds until `askedAt` + `length` at least.
    func renewed(askedAt: Duration) {
        heldUntil.withLock { $0 = askedAt + length }
    }

    /// The worker gave the lease up.
    func released() {
        heldUntil.withLock { $0 = nil }
    }
}
