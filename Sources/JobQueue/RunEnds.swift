/// What is written of a run.
protocol RunEnd: Sendable {
    var run: ClaimedRun { get }
}

/// A run that ended for good, as `finish_executions` takes it.
struct FinishedRun: RunEnd {
    let run: ClaimedRun
    let status: String
    let attemptOutcome: String
    let metrics: String?
    let error: String?
}

/// A run that becomes PENDING again, as `return_executions` takes it.
struct ReturnedRun: RunEnd {
    let run: ClaimedRun
    let attemptOutcome: String
    let error: String
    let delay: Duration?
}

/// A run that planned its children, as `fan_out` takes it.
struct PlannedRun: RunEnd {
    let run: ClaimedRun
    let children: [PlannedChild]
    let unit: String
}

/// What a statement that writes the ends of runs does about rows that somebody else has locked.
enum RowLocks: Sendable {
    /// Waits for as long as it takes.
    case waits
    /// Gives up after a moment (55P03). Our own locks are held for the time of a statement; a longer one is an operator's, and must not hold up
    /// the ends of other runs.
    case waitsShortly
    /// Its transaction holds these already, runs and parents; a parent that is not among them is left to the sweep.
    case holds(Set<ExecutionID>)

    func holds(_ parent: ExecutionID) -> Bool {
        if case .holds(let free) = self { return free.contains(parent) }
        return true
    }
}
