import Foundation
import Postgres
import Synchronization
import TestRig
import TestSupport

/// Looks at a rig's database ten times a second while a scenario runs, for what may never be seen there, not even for a moment.
final class Watch: Sendable {
    private struct State {
        var looks = 0
        var longestPastLease = 0.0
        var transactionLocks = 0
        var idleHolders: Set<String> = []
        var rescuableSince: [String: ContinuousClock.Instant] = [:]
        var violations: [String] = []
    }

    private static let interval: Duration = .milliseconds(100)
    /// What a busy machine may add to one lease time: a rescue is looked for every third of a lease and takes some statements.
    private static let allowance = 1.5

    private let pool: PostgresPool
    private let state = Mutex(State())
    private let looking = Mutex<Task<Void, Never>?>(nil)

    /// Begins to look; `stop` ends it.
    init(_ rig: Rig) throws {
        pool = PostgresPool(
            try PostgresConfiguration(url: rig.url, applicationName: "chaos-watch", statementDeadline: .seconds(5)), maximumConnections: 1)
        looking.withLock { looking in
            looking = Task {
                while !Task.isCancelled {
                    let next = ContinuousClock.now + Self.interval
                    await look()
                    try? await eventually(within: .seconds(60)) { ContinuousClock.now >= next }
                }
            }
        }
    }

    /// Ends it.
    func stop() async {
        let task = looking.withLock { $0 }
        task?.cancel()
        await task?.value
        await pool.close()
    }

    /// What was seen and may not be.
    var violations: [String] {
        state.withLock { state in
            state.looks > 0 ? state.violations : ["the watch never saw the database: nothing was shown"]
        }
    }

    /// How long a run stood RUNNING behind the end of its lease at most.
    var figure: String {
        state.withLock { String(format: "at most %.1f s past a lease in %ld looks", $0.longestPastLease, $0.looks) }
    }

    /// How often an advisory lock of a transaction was seen: that the others would have been seen as well.
    var transactionLocksSeen: Int { state.withLock { $0.transactionLocks } }

    private func look() async {
        // A scenario may take the database away.
        guard let late = try? await pool.query(Self.lateRuns), let locks = try? await pool.query(Self.advisoryLocks) else {
            state.withLock { $0.rescuableSince = [:] }
            return
        }
        let now = ContinuousClock.now
        state.withLock { state in
            state.looks += 1
            var rescuable: [String: ContinuousClock.Instant] = [:]
            for row in late {
                guard let run = row["run"], let past = try? row.get("past", as: Double.self),
                    let lease = try? row.get("lease", as: Double.self)
                else { continue }
                state.longestPastLease = max(state.longestPastLease, past)
                // Counted from when there was somebody to rescue it.
                let since = state.rescuableSince[run] ?? now
                rescuable[run] = since
                let waited = (now - since) / .seconds(1)
                if waited > lease + Self.allowance {
                    state.violations.append(
                        String(format: "RUNNING past its lease: %@ for %.1f s under a lease of %.1f s", run, waited, lease))
                    rescuable[run] = .now + .seconds(3600)
                }
            }
            state.rescuableSince = rescuable
            var idle: Set<String> = []
            for row in locks {
                guard let place = row["idle_since"] else {
                    state.transactionLocks += 1
                    continue
                }
                idle.insert(place)
                // Sessions and locks are read one after the other: only what stands unmoved at two looks was held by an idle session.
                let sentence = "a session-level advisory lock: \(row["holder"] ?? "")"
                if state.idleHolders.contains(place), !state.violations.contains(sentence) { state.violations.append(sentence) }
            }
            state.idleHolders = idle
        }
    }

    /// Runs whose lease is over while somebody lives who rescues, and the server has been there for a lease.
    private static let lateRuns: SQL = """
        SELECT l.id || ' attempt ' || l.attempt AS run,
          extract(epoch FROM clock_timestamp() - coalesce(w.lease_until, l.started_at))::float8 AS past,
          extract(epoch FROM coalesce(w.lease, interval '30 seconds'))::float8 AS lease
        FROM job_live AS l LEFT JOIN workers AS w ON w.id = l.worker
        WHERE l.status = 'RUNNING' AND l.worker IS NOT NULL AND coalesce(w.lease_until < clock_timestamp(), true)
          AND clock_timestamp() > pg_postmaster_start_time() + coalesce(w.lease, interval '30 seconds')
          AND EXISTS (SELECT FROM workers AS r WHERE r.lease_until > clock_timestamp())
        """

    /// Every lock with its holder, and when that became idle, if it is.
    private static let advisoryLocks: SQL = """
        SELECT a.application_name || ' ' || l.objid AS holder,
          CASE WHEN a.state = 'idle' AND a.xact_start IS NULL THEN concat_ws(' ', a.pid, l.objid, a.state_change) END AS idle_since
        FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()
        """
}

extension Rig {
    /// Makes a rig with a witness and a watch, lends it, and takes it down.
    static func watched(_ settings: RigSettings = RigSettings(), _ body: (Rig, Watch) async throws -> Void) async throws {
        try await Rig.with(settings) { rig in
            try await Witness.begin(in: rig)
            let watch = try Watch(rig)
            do {
                try await body(rig, watch)
                await watch.stop()
            } catch {
                await watch.stop()
                throw error
            }
        }
    }
}
