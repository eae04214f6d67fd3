import Foundation
import JobQueue
import Postgres
import Runtime
import Synchronization

/// How soon a job starts on an idle worker, one at a time, in turn with the bare way to do the same.
struct LatencyBench {
    /// Connections are made and statements prepared meanwhile.
    private static let warmUp = 10
    private static let patience: Duration = .seconds(10)

    let schema: BenchSchema
    let size: BenchSize

    func run() async throws -> BenchReport {
        for statement in BenchStatements.bareTable { _ = try await schema.pool.query(statement) }
        try await schema.checkpoint()
        let arrivals = Arrivals()
        let bare = BareConsumer(schema: schema)
        let shutdown = ShutdownSignal()
        let (ours, bares) = try await withThrowingTaskGroup(of: Void.self) { services in
            let worker = worker(telling: arrivals)
            services.addTask { await worker.run(until: shutdown) }
            services.addTask { await bare.listen() }
            services.addTask { await bare.claim() }
            do {
                let samples = try await takeTurns(arrivals, bare)
                shutdown.request(grace: .zero)
                services.cancelAll()
                return samples
            } catch {
                shutdown.request(grace: .zero)
                throw error
            }
        }
        StandardOutput.progress("")
        var report = BenchReport("latency")
        report.add("samples", .integer(Int64(size.samples)))
        report.add("finished_before", .integer(Int64(size.finished)))
        report.add("configurations", .integer(Int64(size.configurations)))
        for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            report.add(
                "\(name)_ms", "INSERT to the start of the job, \(name)", ours.percentile(share), bare: bares.percentile(share), "ms",
                digits: 2)
        }
        return report
    }

    private func takeTurns(_ arrivals: Arrivals, _ bare: BareConsumer) async throws -> (ours: Samples, bares: Samples) {
        var ours = Samples()
        var bares = Samples()
        _ = try await bare.isListening.next(within: Self.patience)
        let firstJob = try await schema.firstJob()
        for number in 0..<(size.samples + Self.warmUp) {
            StandardOutput.progress("sample \(number) of \(size.samples)")
            let our = try await sample(BenchStatements.addExecution(job: firstJob + number % size.configurations), until: arrivals)
            let theirs = try await sample(BenchStatements.announceBare, until: bare.arrivals)
            guard number >= Self.warmUp else { continue }
            ours.add(our)
            bares.add(theirs)
        }
        return (ours, bares)
    }

    /// Milliseconds from before the statement is sent to the arrival; first a pause in which everything becomes idle.
    private func sample(_ insert: SQL, until arrivals: Arrivals) async throws -> Double {
        try await Task.sleep(for: .milliseconds(Int.random(in: 15...35)))
        arrivals.forget()
        let start = MonotonicClock.now()
        _ = try await schema.pool.query(insert)
        return (try await arrivals.next(within: Self.patience) - start).milliseconds
    }

    /// A worker of this program's own, for only it can tell when the job's code begins.
    private func worker(telling arrivals: Arrivals) -> Worker {
        let usual = WorkerCommand()
        let identity = WorkerIdentity(
            id: UUID().uuidString.lowercased(), host: ProcessInfo.processInfo.hostName, pid: ProcessInfo.processInfo.processIdentifier,
            version: Composition.version, slots: usual.slots)
        return Worker(
            identity: identity,
            settings: WorkerSettings(
                slots: usual.slots, grace: usual.grace, lease: usual.lease, drains: false, listens: schema.configuration.usesNamedStatements
            ),
            database: schema.configuration, jobs: ["NOOP": TellingJob(arrivals: arrivals, job: NoopJob())])
    }
}

/// A job that tells when it begins.
private struct TellingJob: Job {
    let arrivals: Arrivals
    let job: any Job

    func run(_ context: RunContext) async throws -> JobResult {
        arrivals.note()
        return try await job.run(context)
    }
}

/// The moment at which something arrived, for one that waits for it.
private final class Arrivals: Sendable {
    private let moment = Mutex<Duration?>(nil)
    private let wakeup = Wakeup()

    func note() {
        let now = MonotonicClock.now()
        moment.withLock { $0 = $0 ?? now }
        wakeup.signal()
    }

    func forget() { moment.withLock { $0 = nil } }

    func next(within limit: Duration) async throws -> Duration {
        let deadline = MonotonicClock.now() + limit
        while true {
            if let moment = moment.withLock({ $0 }) { return moment }
            try Task.checkCancellation()
            guard MonotonicClock.now() < deadline else {
                throw OperatorError(exitCode: .unavailable, message: "nothing started within \(Int(limit / .seconds(1))) s")
            }
            _ = await wakeup.wait(upTo: deadline - MonotonicClock.now())
        }
    }
}

/// The least that starts something in another session: it is notified and claims a row.
private struct BareConsumer: Sendable {
    let schema: BenchSchema
    let arrivals = Arrivals()
    let isListening = Arrivals()
    private let wakeup = Wakeup()

    init(schema: BenchSchema) { self.schema = schema }

    func listen() async {
        await PostgresListener(
            schema.configuration, channels: ["chimera_bench"], onNotify: { _, _ in wakeup.signal() }, onConnected: { isListening.note() }
        ).run()
    }

    func claim() async {
        while !Task.isCancelled {
            guard await wakeup.wait(upTo: .seconds(1)) else { continue }
            let claimed = try? await schema.pool.query(BenchStatements.claimBare(1))
            if claimed?.first?["ids"] != nil { arrivals.note() }
        }
    }
}
