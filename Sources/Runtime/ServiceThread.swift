import Dispatch

/// Where tasks run that must go on whatever others do with the threads that all tasks share: a task that blocks its thread holds nothing up
/// here. One piece of work at a time; to be given with `withTaskExecutorPreference`, child tasks follow.
package final class ServiceThread: TaskExecutor {
    private let queue: DispatchQueue

    /// Makes one with a name for debuggers.
    package init(label: String) {
        // A serial queue of Dispatch's own gets a thread at once, however many are blocked.
        queue = DispatchQueue(label: label, qos: .userInitiated)
    }

    /// See `TaskExecutor`.
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
