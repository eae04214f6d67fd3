import Synchronization

/// One suspended task, resumed exactly once: by the first `resume(with:)`, whether it comes before or after the task suspends.
///
/// This is the only place that touches a continuation; everything that waits for a callback goes through it.
package final class Suspension<Value: Sendable>: Sendable {
    private enum State: Sendable {
        case fresh
        case suspended(CheckedContinuation<Value, Never>)
        case resumedEarly(Value)
        case over
    }

    private let state = Mutex(State.fresh)

    /// Makes one that nobody waits for yet.
    package init() {}

    /// Resumes the waiting task, or the one that will wait; tells whether this call was the first and therefore counted.
    @discardableResult
    package func resume(with value: Value) -> Bool {
        let (isFirst, continuation) = state.withLock { state -> (Bool, CheckedContinuation<Value, Never>?) in
            switch state {
            case .fresh:
                state = .resumedEarly(value)
                return (true, nil)
            case .suspended(let continuation):
                state = .over
                return (true, continuation)
            case .resumedEarly, .over:
                return (false, nil)
            }
        }
        continuation?.resume(returning: value)
        return isFirst
    }

    /// Suspends until `resume(with:)`; to be called once.
    ///
    /// `onCancel` runs when the task is cancelled, at once when it already is, on any thread. It must see to it that somebody resumes.
    package func wait(onCancel: @Sendable () -> Void) async -> Value {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let early = state.withLock { state -> Value? in
                    switch state {
                    case .fresh:
                        state = .suspended(continuation)
                        return nil
                    case .resumedEarly(let value):
                        state = .over
                        return value
                    case .suspended, .over:
                        preconditionFailure("A suspension is waited for once.")
                    }
                }
                if let early { continuation.resume(returning: early) }
            }
        } onCancel: {
            onCancel()
        }
    }

    /// Suspends until `resume(with:)` or the task's cancellation, which gives `cancelled`; to be called once.
    package func wait(cancelled: Value) async -> Value {
        await wait(onCancel: { resume(with: cancelled) })
    }
}
