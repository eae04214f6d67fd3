import Runtime
import Synchronization

/// The lease of this worker as it knows it: the time until which the database surely honours it. Read before every effect.
///
/// It is held in terms, stretches without a gap. A run belongs to the term in which it was claimed: once that is over others may have taken
/// the run, be it that the worker holds the lease again by then.
package final class Lease: Sendable {
    /// A stretch of time through which the lease was held.
    struct Term: Hashable, Sendable {
        let number: Int
    }

    private struct State {
        var heldUntil: Duration?
        var term = 0
    }

    /// How long a renewal lasts.
    package let length: Duration
    private let state = Mutex(State())
    /// Signalled by every renewal.
    let renewals = Wakeup()

    /// Takes the length; nothing is held before the first renewal.
    package init(length: Duration) {
        self.length = length
    }

    /// What is kept of it to come to an end in.
    var margin: Duration { length / 6 }

    /// The term that lasts now, by a clock that counts suspension; a sixth of the lease is kept as a margin. Nil: the lease is not held.
    var term: Term? {
        state.withLock { timeLeft($0) > .zero ? Term(number: $0.term) : nil }
    }

    /// Whether the lease still holds now.
    package var isHeld: Bool { term != nil }

    /// How long the lease still holds unless it is renewed; never negative.
    var timeLeft: Duration { state.withLock { timeLeft($0) } }

    /// The database renewed the lease after `askedAt`, so it holds until `askedAt` + `length` at least. A gap before it begins a new term.
    package func renewed(askedAt: Duration) {
        state.withLock { state in
            if timeLeft(state) == .zero { state.term += 1 }
            state.heldUntil = askedAt + length
        }
        renewals.signal()
    }

    /// The worker gave the lease up.
    func released() {
        state.withLock { $0.heldUntil = nil }
    }

    private func timeLeft(_ state: State) -> Duration {
        state.heldUntil.map { max($0 - margin - MonotonicClock.now(), .zero) } ?? .zero
    }
}
