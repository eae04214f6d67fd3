import Postgres
import Runtime

/// Keeps the queue's tables going: rescue, late rows of changed jobs, parents, partitions, old workers. Every worker and every scheduler runs it; it is no job in
/// the queue it looks after.
package struct Maintenance: Sendable {
    private static let rescueBatch = 500
    private let pool: PostgresPool
    private let interval: Duration
    private let logger = Logger(label: "maintenance")

    /// `interval`: between two looks for lost runs, a third of the lease.
    package init(pool: PostgresPool, interval: Duration) {
        self.pool = pool
        self.interval = interval
    }

    /// Runs until the task is cancelled.
    package func run() async {
        var rounds = 0
        while !Task.isCancelled {
            do {
                try await runOnce(withHousekeeping: rounds % 60 == 0)
                rounds += 1
            } catch  where Task.isCancelled {
                return
            } catch {
                logger.warning("maintenance failed; trying again", ["error": "\(error)"])
            }
            _ = try? await Task.sleep(for: interval * Double.random(in: 0.8...1))
        }
    }

    /// One round. Gives how many runs were rescued.
    @discardableResult
    package func runOnce(withHousekeeping: Bool) async throws -> Int {
        if withHousekeeping { try await keepHouse() }
        _ = try await pool.query(QueueStatements.gateStragglers(looksAtAll: withHousekeeping))
        var rescued = 0
        var last: ExecutionID? = Watermark.start.id
        while let page = last {
            let row = try await pool.query(QueueStatements.rescue(batch: Self.rescueBatch, after: page)).first
            rescued += try row?.get("rescued", as: Int.self) ?? 0
            last = try row?.getIfPresent("last_id")
        }
        if rescued > 0 { logger.warning("runs of lost workers are pending again", ["runs": "\(rescued)"]) }
        _ = try await pool.query(QueueStatements.sweepParents)
        return rescued
    }

    /// What cannot be done says so and leaves the rest, rescues above all, to be done.
    private func keepHouse() async throws {
        for statement in [QueueStatements.createPartitions, QueueStatements.forgetWorkers, QueueStatements.forgetReservations] {
            do throws(PostgresError) {
                _ = try await pool.query(statement)
            } catch {
                if error.isWorthReconnecting { throw error }
                logger.warning("housekeeping failed; trying again later", ["error": "\(error)"])
            }
        }
        for row in try await pool.query(QueueStatements.defects) {
            logger.error("the queue's tables need an operator", ["defect": row["defect"] ?? ""])
        }
    }
}
