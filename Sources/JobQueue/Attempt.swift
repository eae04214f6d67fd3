import Postgres
import Runtime

/// One attempt as a visible list of steps that ends in an outcome; `OutcomeStore` carries it out.
struct Attempt: Sendable {
    let jobs: [String: any Job]
    let pool: PostgresPool
    let lease: Lease
    let logs: ExecutionLogWriter
    /// A run that was handed back more often, and meets a conflict or a shortage once more, makes them itself.
    private static let mostHandBacks = 20
    private let logger = Logger(label: "run")

    func run(_ assignment: Assignment, pause: SlotPause) async -> RunOutcome {
        let run = assignment.run
        assert(Failpoint.reach("run.begins"))
        guard let configuration = assignment.configuration else {
            let error = RunError(code: "JOB_DELETED", message: "job configuration \(run.jobConfigID) no longer exists", isRetryable: false)
            return .failed(error, timedOut: false)
        }
        do {
            guard let job = jobs[configuration.jobType] else {
                throw RunError(
                    code: "UNSUPPORTED", message: "this version of chimera does not run \(configuration.jobType) jobs yet",
                    isRetryable: false)
            }
            if let problem = configuration.integrationProblem {
                throw RunError(code: "INTEGRATION", message: problem, isRetryable: false)
            }
            let context = RunContext(
                run: run, configuration: configuration, options: try Self.options(configuration: configuration, run: run), pool: pool,
                lease: lease, term: assignment.term, logWriter: logs, slotPause: pause)
            switch try await job.run(context) {
            case .succeeded(let metrics): return .succeeded(metrics: metrics?.replacingNUL.text)
            case .fanOut(let children, let unit) where !children.isEmpty: return .fannedOut(children, unit: unit)
            case .fanOut: return .succeeded(metrics: nil)
            }
        } catch let postponed as RunPostponed {
            log(run, .notice, "\(postponed.message); due again in \(postponed.delay.operatorText)")
            return .interrupted(RunError(code: postponed.code, message: postponed.message, isRetryable: true), delay: postponed.delay)
        } catch is LeaseLost {
            return .interrupted(.interruption, delay: nil)
        } catch let error as PostgresError where error.isWorthReconnecting || error.kind == .commitUnknown {
            // The database went away: nobody's fault, and what the run had done is recorded, be it that the last commit is not known.
            return .interrupted(
                RunError(code: "DATABASE_AWAY", message: "PostgreSQL: \(error.message)", isRetryable: true), delay: .seconds(1))
        } catch let error as PostgresError where error.isNobodysFault && (error.isDiskFull || run.handBacks <= Self.mostHandBacks) {
            return .interrupted(
                RunError(code: "DATABASE_AWAY", message: "PostgreSQL: \(error.message)", isRetryable: true), delay: .seconds(5))
        } catch let error as PostgresError where error.kind == .deadlineExceeded {
            return await unanswered(error, run: run, configuration: configuration)
        } catch is FencedOff {
            return .fencedOff
        } catch  where Task.isCancelled {
            // It was stopped, and what becomes of it is decided: it did not fail, and its lines shall not say so.
            return .fencedOff
        } catch {
            return failure(error, run: run, configuration: configuration, timedOut: false)
        }
    }

    /// A statement that got no answer in time: the database is away, or, when it answers another one, this statement is the run's own fault.
    private func unanswered(_ error: PostgresError, run: ClaimedRun, configuration: JobConfiguration) async -> RunOutcome {
        guard (try? await pool.query(QueueStatements.probe, deadline: .seconds(5))) != nil else {
            return .interrupted(
                RunError(code: "DATABASE_AWAY", message: "PostgreSQL: \(error.message)", isRetryable: true), delay: .seconds(5))
        }
        let limit = pool.configuration.statementDeadline.operatorText
        let message = "one of its statements did not end within \(limit), while PostgreSQL answered others"
        return failure(
            RunError(code: "DATABASE", message: message, isRetryable: true), run: run, configuration: configuration, timedOut: false)
    }

    /// What the queue does with a run whose `timeout_seconds` passed.
    func timeout(_ run: ClaimedRun, _ configuration: JobConfiguration?) -> RunOutcome {
        guard let configuration else { return interruption(run, nil) }
        let error = RunError(
            code: "TIMEOUT", message: "it did not end within \(configuration.timeout.operatorText) (timeout_seconds)", isRetryable: true)
        return failure(error, run: run, configuration: configuration, timedOut: true)
    }

    /// What the queue does with a run that is stopped through no fault of its own: handed back, due when what it started is over.
    func interruption(_ run: ClaimedRun, _ configuration: JobConfiguration?) -> RunOutcome {
        let windDown = windDown(configuration)
        return .interrupted(.interruption, delay: windDown > .zero ? windDown : nil)
    }

    private func windDown(_ configuration: JobConfiguration?) -> Duration {
        configuration.flatMap { jobs[$0.jobType]?.windDown } ?? .zero
    }

    /// Tried again while attempts are left and the error may pass; failed otherwise.
    private func failure(_ error: any Error, run: ClaimedRun, configuration: JobConfiguration, timedOut: Bool) -> RunOutcome {
        let runError = (error as? RunError) ?? Self.describe(error)
        guard runError.isRetryable, run.attempt < run.maxAttempts else {
            log(run, .error, "attempt \(run.attempt) of \(run.maxAttempts) failed for good: \(runError.message)")
            logger.error("a run failed for good", Self.fields(run, configuration, runError))
            return .failed(runError, timedOut: timedOut)
        }
        let policy = RetryPolicy.delay(
            afterFailures: run.failures + 1, base: configuration.retryDelay, retryAfter: runError.retryAfter,
            jitter: .random(in: -0.2...0.2))
        let delay = timedOut ? max(policy, windDown(configuration)) : policy
        log(
            run, .warning,
            "attempt \(run.attempt) of \(run.maxAttempts) failed: \(runError.message); tried again in \(delay.operatorText)")
        logger.warning("a run failed and is tried again", Self.fields(run, configuration, runError))
        return .retried(runError, timedOut: timedOut, delay: delay)
    }

    /// What the worker's own log says of a failure, for who looks there first.
    private static func fields(_ run: ClaimedRun, _ configuration: JobConfiguration, _ error: RunError) -> [String: String] {
        [
            "job": configuration.name, "execution": run.id.description, "attempt": "\(run.attempt) of \(run.maxAttempts)",
            "error": error.message,
        ]
    }

    private func log(_ run: ClaimedRun, _ level: LogLevel, _ message: String) {
        logs.append(run: run, level: level, message: message, fields: [:])
    }

    private static func describe(_ error: any Error) -> RunError {
        switch error {
        case let error as PostgresError:
            let isData = ["22", "23", "42"].contains(String((error.sqlState ?? "").prefix(2)))
            return RunError(code: "DATABASE", message: "PostgreSQL: \(error.message)", isRetryable: !isData)
        case is CancellationError:
            return RunError(code: "INTERRUPTED", message: "the run was interrupted", isRetryable: true)
        default:
            return RunError(code: "INTERNAL", message: "\(error)", isRetryable: true)
        }
    }

    /// The params over the job's config, key by key.
    private static func options(configuration: JobConfiguration, run: ClaimedRun) throws -> JSONValue {
        guard let config = configuration.config.objectValue else {
            throw RunError(
                code: "CONFIG_UNREADABLE", message: "the config of job \(configuration.name) is no JSON object that can be read; mend it",
                isRetryable: false)
        }
        guard let text = run.paramsText else { return configuration.config }
        guard let params = try? JSONValue(parsing: text).objectValue else {
            throw RunError(code: "PARAMS_UNREADABLE", message: "its params are no JSON object that can be read", isRetryable: false)
        }
        return .object(config.merging(params) { _, param in param })
    }
}

extension PostgresError {
    /// The database is overloaded or full, or conflicts outlasted the pool's own repeats: as if it were away, and no attempt is used.
    fileprivate var isNobodysFault: Bool { kind == .resourcesExhausted || kind == .serialization }

    /// An outage that operators end, however long it takes them.
    fileprivate var isDiskFull: Bool { sqlState == "53100" }
}

extension ClaimedRun {
    /// How many attempts before this one used none: interruptions, rescues, outages, claims for which there was no slot.
    fileprivate var handBacks: Int { attempt - 1 - failures }
}

extension RunError {
    /// Shutdown, or a lease that could not be renewed.
    static let interruption = RunError(code: "INTERRUPTED", message: "its worker stopped; it is handed back", isRetryable: true)
}

extension Duration {
    /// `450 ms`, `30 s`, `12 min`: for sentences.
    package var operatorText: String {
        let seconds = self / .seconds(1)
        if seconds < 1 { return "\(Int((seconds * 1000).rounded())) ms" }
        if seconds < 120 { return seconds == seconds.rounded() ? "\(Int(seconds)) s" : "\((seconds * 10).rounded() / 10) s" }
        return "\(Int((seconds / 60).rounded())) min"
    }
}
