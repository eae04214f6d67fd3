import Synchronization

/// One value that somebody waits for, given exactly once: by the first `resume(with:)`, whether it comes before or after the waiting begins.
///
/// This is the only place that touches a continuation; everything that waits for a callback goes through it.
package final class Suspension<Value: Sendable>: Sendable {
    private enum State: Sendable {
        case fresh
        case awaited(@Sendable (Value) -> Void)
        case resumedEarly(Value)
        case over
    }

    private let state = Mutex(State.fresh)

    /// Makes one that nobody waits for yet.
    package init() {}

    /// Gives the value to who waits, or will wait; tells whether this call was the first and therefore counted.
    @discardableResult
    package func resume(with value: Value) -> Bool {
        let (isFirst, listener) = state.withLock { state -> (Bool, (@Sendable (Value) -> Void)?) in
            switch state {
            case .fresh:
                state = .resumedEarly(value)
                return (true, nil)
            case .awaited(let listener):
                state = .over
                return (true, listener)
            case .resumedEarly, .over:
                return (false, nil)
            }
        }
        listener?(value)
        return isFirst
    }

    /// Calls `listener` with the value, once: where it is given, or here and now when it was given before. To be called once, or `wait` is.
    package func whenResumed(_ listener: @escaping @Sendable (Value) -> Void) {
        let early = state.withLock { state -> Value? in
            switch state {
            case .fresh:
                state = .awaited(listener)
                return nil
            case .resumedEarly(let value):
                state = .over
                return value
            case .awaited, .over:
                preconditionFailure("A suspension is waited for once.")
            }
        }
        if let early { listener(early) }
    }

    /// Suspends until `resume(with:)`; to be called once.
    ///
    /// `onCancel` runs when the task is cancelled, at once when it already is, on any thread. It must see to it that somebody resumes.
    package func wait(onCancel: @Sendable () -> Void) async -> Value {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in whenResumed { continuation.resume(returning: $0) } }
        } onCancel: {
            onCancel()
        }
    }

    /// Suspends until `resume(with:)` or the task's cancellation, which gives `cancelled`; to be called once.
    package func wait(cancelled: Value) async -> Value {
        await wait(onCancel: { resume(with: cancelled) })
    }
}
