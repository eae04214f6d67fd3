import Postgres
import Runtime

/// Keeps the queue's tables going: rescue, late rows of changed jobs, waits without end, parents, partitions, old workers. Every worker and every scheduler runs it; it is no job in
/// the queue it looks after.
package struct Maintenance: Sendable {
    private static let rescueBatch = 500
    private static let stragglerBatch = 10_000
    private let pool: PostgresPool
    private let interval: Duration
    private let logger = Logger(label: "maintenance")

    /// `interval`: between two rounds, a third of the lease; lost runs are looked for sooner while there is a worker with a shorter one.
    package init(pool: PostgresPool, interval: Duration) {
        self.pool = pool
        self.interval = interval
    }

    /// Runs until the task is cancelled. Lost runs are looked for apart from the rest, which may wait for locks.
    package func run() async {
        await withDiscardingTaskGroup { tasks in
            tasks.addTask { await repeating { try await rescue().wait } }
            tasks.addTask {
                var rounds = 0
                await repeating {
                    try await keepHouse(thoroughly: rounds % 60 == 0)
                    rounds += 1
                    return interval
                }
            }
        }
    }

    /// `round` gives the longest wait for the next one.
    private func repeating(_ round: () async throws -> Duration) async {
        var rounds = PollTimes(every: interval)
        var backoff = Backoff()
        while !Task.isCancelled {
            var wait = interval
            do {
                wait = try await round()
                backoff.succeeded()
            } catch  where Task.isCancelled {
                return
            } catch {
                _ = backoff.failed()
                if backoff.isNews { logger.warning("maintenance failed; trying again", ["error": "\(error)"]) }
            }
            _ = await Wakeup().wait(upTo: min(wait, rounds.wait()))
        }
    }

    /// One round of everything. Gives how many runs were rescued.
    @discardableResult
    package func runOnce(withHousekeeping: Bool) async throws -> Int {
        let rescued = try await rescue().runs
        try await keepHouse(thoroughly: withHousekeeping)
        return rescued
    }

    /// Takes the runs of lost workers back and ends what these left open. Gives how many runs were rescued, and how soon to look again.
    private func rescue() async throws -> (runs: Int, wait: Duration) {
        try await followClock()
        var (rescued, ended) = (0, 0)
        var wait = interval
        var last: ExecutionID? = Watermark.start.id
        while let page = last {
            let row = try await pool.query(QueueStatements.rescue(batch: Self.rescueBatch, after: page)).first
            rescued += try row?.get("rescued", as: Int.self) ?? 0
            ended += try row?.get("ended", as: Int.self) ?? 0
            last = try row?.getIfPresent("last_id")
            if let lease = try row?.getIfPresent("shortest_lease", as: Double.self) { wait = min(wait, .seconds(max(lease, 1)) / 3) }
        }
        if rescued > 0 { logger.warning("runs of lost workers are pending again", ["runs": "\(rescued)"]) }
        // A run whose row such a transaction had locked is taken back in the next round.
        if ended > 0 { logger.warning("transactions of lost workers were ended", ["sessions": "\(ended)"]) }
        return (rescued, wait)
    }

    /// Notes the server's time, so that a jump of its clock takes no run from its worker. Rescues do not depend on it.
    private func followClock() async throws {
        do throws(PostgresError) {
            guard let row = try await pool.query(QueueStatements.followClock(every: interval)).first,
                let jump = try row.getIfPresent("jump", as: Double.self)
            else { return }
            logger.notice(
                jump < 0 ? "the server's clock was set back" : "nobody looked for lost runs for long, or the server's clock ran ahead",
                ["seconds": "\(Int(jump.magnitude))"])
        } catch {
            if error.isWorthReconnecting || Task.isCancelled { throw error }
            logger.warning("the server's time could not be noted; trying again", ["error": "\(error)"])
        }
    }

    private func keepHouse(thoroughly: Bool) async throws {
        if thoroughly {
            for statement in [QueueStatements.createPartitions, QueueStatements.forgetWorkers, QueueStatements.forgetReservations] {
                try await attempt(statement)
            }
            for row in try await pool.query(QueueStatements.defects) {
                logger.error("the queue's tables need an operator", ["defect": row["defect"] ?? ""])
            }
        } else if try await pool.query(QueueStatements.isHouseworkDue).first?.get("is_due") == false {
            return
        }
        let stragglers = QueueStatements.gateStragglers(looksAtAll: thoroughly, batch: Self.stragglerBatch)
        while try await attempt(stragglers)?.first?.get("found") ?? 0 >= Self.stragglerBatch {}
        try await attempt(QueueStatements.expireWaits)
        try await attempt(QueueStatements.sweepParents)
    }

    /// What cannot be done says so, gives nil, and leaves the rest to be done; a process that leaves begins no more of it.
    @discardableResult
    private func attempt(_ statement: SQL) async throws -> PostgresRows? {
        do throws(PostgresError) {
            return try await pool.query(statement)
        } catch {
            if error.isWorthReconnecting || Task.isCancelled { throw error }
            logger.warning("housekeeping failed; trying again later", ["error": "\(error)"])
            return nil
        }
    }
}
