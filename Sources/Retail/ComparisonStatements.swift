import JobQueue
import Postgres
import Runtime

/// The statements of comparisons.
enum ComparisonStatements {
    /// What was published for a store's day: the window of its newest SENT or VERIFIED campaign (a row made by hand names no target), and the
    /// limit of the sync that made it, else of the first one; one row, with nulls for what there is not.
    static func published(store: Int, target: Int, day: String) -> SQL {
        """
        SELECT extract(epoch FROM c.starts_at)::bigint AS starts_at, extract(epoch FROM c.ends_at)::bigint AS ends_at,
          (coalesce(made.config, sync.config) ->> 'quantity_limit')::numeric::int AS quantity_limit
        FROM (SELECT) AS one
        LEFT JOIN LATERAL (SELECT execution_id, starts_at, ends_at FROM campaigns
          WHERE store_id = \(store) AND target_id IN (\(target), 0) AND day = \(day)::date AND NOT dry_run AND status IN ('SENT', 'VERIFIED')
          ORDER BY id DESC LIMIT 1) AS c ON true
        LEFT JOIN LATERAL (SELECT j.config FROM job_executions AS e JOIN job_configurations AS j ON j.id = e.job_config_id
          WHERE e.id = c.execution_id LIMIT 1) AS made ON true
        LEFT JOIN LATERAL (SELECT config FROM job_configurations WHERE job_type = 'SYNC_PRODUCTS' AND deleted_at IS NULL
          ORDER BY active DESC, id LIMIT 1) AS sync ON true
        """
    }

    /// Rows that an earlier attempt of the execution left.
    static func removeDifferences(of execution: ExecutionID) -> SQL {
        "DELETE FROM comparison_differences WHERE execution_id = \(execution)::uuid"
    }

    static let copyDifferences = "COPY comparison_differences (execution_id, store_id, code, kind, expected, actual) FROM STDIN"

    /// A sync that is due, runs or waits for its next attempt, and has not planned its stores yet, when they may be a comparison's own, at its
    /// target; none once the comparison's first attempt began longer ago than `patience`. A sync or a comparison that names no target may
    /// have any.
    static func unplannedSync(comparison: ExecutionID, of choice: StoreChoice, patience: Duration) -> SQL {
        """
        SELECT l.id::text AS id FROM job_live AS l JOIN job_configurations AS j ON j.id = l.job_config_id
        CROSS JOIN LATERAL (SELECT j.config || coalesce(l.params, '{}') AS options OFFSET 0) AS o
        WHERE j.job_type = 'SYNC_PRODUCTS' AND j.paused_at IS NULL AND l.parent_id IS NULL AND l.store_id IS NULL
          AND (l.status = 'RUNNING' AND l.worker IS NOT NULL OR l.status = 'PENDING' AND (l.run_at <= clock_timestamp() OR l.attempt > 0))
          AND NOT is_dry_run(l.params, j.config)
          AND (\(choice.target ?? "") = '' OR coalesce(o.options ->> 'target', '') IN ('', \(choice.target ?? "")))
          AND (\(choice.storeIDs)::int[] = '{}' OR coalesce(o.options -> 'store_ids', 'null') IN ('null', '[]')
            OR EXISTS (SELECT FROM unnest(\(choice.storeIDs)::int[]) AS s(id) WHERE o.options -> 'store_ids' @> to_jsonb(s.id)))
          AND NOT EXISTS (SELECT FROM job_attempts_past AS p
            WHERE p.execution_id = \(comparison)::uuid AND p.started_at <= clock_timestamp() - \(patience)::interval)
        LIMIT 1
        """
    }
}

/// The rows of a comparison as COPY takes them, in pieces of about 64 KiB.
struct DifferenceRows: Sequence {
    let comparison: Comparison
    let execution: ExecutionID
    let store: Int

    func makeIterator() -> AnyIterator<[UInt8]> {
        var differences = comparison.makeIterator()
        return AnyIterator {
            var piece: [UInt8] = []
            while piece.count < 65_536, let difference = differences.next() {
                let texts = comparison.texts(of: difference)
                CopyText.append(
                    row: [execution, "\(store)", "\(difference.code)", difference.kind.rawValue, texts.expected, texts.actual], to: &piece)
            }
            return piece.isEmpty ? nil : piece
        }
    }
}
