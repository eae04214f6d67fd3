import Postgres

@testable import JobQueue

/// The database's rows beside the model's.
extension ModelSession {
    private static let rows: SQL = """
        SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now, e.id::text AS id, e.token, e.parent_id::text AS parent,
          e.retry_of::text AS retry_of, e.worker::text AS worker, array_to_string(e.rescued_from, ' ') AS rescued_from,
          (extract(epoch FROM e.run_at) * 1000000)::bigint AS due_at, (e.params ->> 'n')::int AS number, e.params ->> 'store_ids' AS store_ids,
          e.trigger,
          concat_ws(' ', e.status, 'job', e.job_config_id, e.trigger, 'priority', e.priority, 'key', coalesce(e.dedupe_key, '-'),
            'attempt', e.attempt, 'of', e.max_attempts, 'rescues', e.rescues, 'failures', e.failures,
            'children', coalesce((e.progress ->> 'done') || '/' || (e.progress ->> 'total'), '-'), coalesce(e.error_details ->> 'code', '-'),
            'gated', e.gated, 'store', coalesce(e.store_id, 0), e.source_id, e.target_id, coalesce(e.attempt_outcome, '-')) AS line
        FROM (SELECT 1) AS one LEFT JOIN job_executions AS e ON true
        """

    private static let attempts: SQL = """
        SELECT execution_id::text AS id, attempt, worker::text AS worker, outcome FROM job_attempts ORDER BY execution_id, attempt
        """

    /// Throws when a row, an attempt or a token is not what the model says; takes over ids and moments that the database chose.
    func compare() async throws {
        let rows = try await queue.pool.query(Self.rows)
        let before = clock
        clock = try rows.first?.get("now") ?? clock
        let found = rows.filter { $0["id"] != nil }
        for row in found { try adopt(row) }
        for (key, row) in model.rows where row.id.isEmpty { throw ModelDivergence("row \(key) is not in the database: \(line(row))") }
        try agree("rows", found.count, model.rows.count)
        for row in found { try compare(row, since: before) }
        try compareAttempts(try await queue.pool.query(Self.attempts))
    }

    /// A row that was made by the last step.
    private func adopt(_ row: PostgresRow) throws {
        let id: ExecutionID = try row.get("id")
        guard keys[id] == nil else { return }
        let number: Int = try row.get("number")
        let retryOf = row["retry_of"].flatMap { keys[$0] }
        let trigger: String = try row.get("trigger")
        let match = model.rows.values.filter { $0.id.isEmpty && $0.number == number && $0.retryOf == retryOf && $0.trigger == trigger }
        guard let key = match.map(\.key).min() else { throw ModelDivergence("a row that the model does not know: \(row["line"] ?? "")") }
        keys[id] = key
        model.change(key) { $0.id = id }
    }

    private func line(_ row: QueueModel.Row) -> String {
        [
            row.status, "job", "\(row.job)", row.trigger, "priority", "\(row.priority)", "key", row.dedupe.map { "key-\($0)" } ?? "-",
            "attempt", "\(row.attempt)", "of", "\(row.maxAttempts)", "rescues", "\(row.rescues)", "failures", "\(row.failures)",
            "children", row.children.map { "\($0.done)/\($0.total)" } ?? "-", row.code ?? "-", "gated", row.isGated ? "t" : "f",
            "store", "\(row.store ?? 0)", "\(row.source)", "\(row.target)", row.outcome ?? "-",
        ].joined(separator: " ")
    }

    private func compare(_ row: PostgresRow, since before: Int64) throws {
        guard let key = keys[try row.get("id")], let expected = model.rows[key] else {
            throw ModelDivergence("a row that the model does not know: \(row["line"] ?? "")")
        }
        try agree("row \(key)", row["line"] ?? "", line(expected))
        try agree("parent of row \(key)", row["parent"].flatMap { keys[$0] }, expected.parent)
        try agree(
            "stores of row \(key)", row["store_ids"], expected.storeIDs.map { "[" + $0.map(String.init).joined(separator: ", ") + "]" })
        let worker = expected.worker.map { processes[$0].identity.id }
        try agree("worker of row \(key)", row["worker"], worker)
        let lostWorkers = expected.rescuedFrom.map { processes[$0].identity.id }.joined(separator: " ")
        try agree("workers that row \(key) was rescued from", row["rescued_from"] ?? "", lostWorkers)

        let token: Int64 = try row.get("token")
        if let last = tokens[key] {
            guard token > last.token || token == last.token && expected.generation == last.generation else {
                throw ModelDivergence(
                    "the token of row \(key) went from \(last.token) to \(token), \(expected.generation - last.generation) changes")
            }
            if expected.generation == last.generation { try agree("token of row \(key)", token, last.token) }
        }
        tokens[key] = (token, expected.generation)

        let dueAt: Int64 = try row.get("due_at")
        if expected.isLive, let delay = expected.dueAfter {
            let allowed = before + delay.lowerBound - 1000...clock + delay.upperBound + 1000
            guard allowed.contains(dueAt) else {
                throw ModelDivergence("row \(key) is due \((dueAt - clock) / 1_000_000) s from now, expected \(delay)")
            }
        } else if expected.isLive {
            try agree("run_at of row \(key)", dueAt, expected.dueAt)
        }
        model.change(key) { ($0.dueAt, $0.dueAfter) = (dueAt, nil) }
    }

    private func compareAttempts(_ rows: PostgresRows) throws {
        var found: [Int: [QueueModel.Attempt]] = [:]
        for row in rows {
            guard let key = keys[try row.get("id")] else { throw ModelDivergence("an attempt without a row") }
            let worker = row["worker"].map { id in processes.firstIndex { $0.identity.id == id } ?? -1 }
            found[key, default: []].append(QueueModel.Attempt(number: try row.get("attempt"), worker: worker, outcome: row["outcome"]))
        }
        for (key, row) in model.rows {
            var expected = row.past
            if row.status == "RUNNING" || !row.isLive && row.outcome != nil {
                expected.append(QueueModel.Attempt(number: row.attempt, worker: row.worker, outcome: row.isLive ? nil : row.outcome))
            }
            try agree("attempts of row \(key)", found[key] ?? [], expected)
        }
    }
}
