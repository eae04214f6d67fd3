import Foundation
import Postgres
import TestSupport

@testable import JobQueue
@testable import Postgres

/// A small queue in which every operation finds something to do: parents whose children's ids come in the wrong order, runs of a worker
/// whose lease ended, rows of limited, paused and deleted jobs.
struct InterleavingWorld: Sendable {
    static let deadWorker = "0a000000-0000-7000-8000-00000000000a"
    /// Two runs were rescued from it.
    static let lostWorker = "0d000000-0000-7000-8000-00000000000d"
    static let worker = "0b000000-0000-7000-8000-00000000000b"
    static let lastWorker = "0c000000-0000-7000-8000-00000000000c"

    /// The executions by name, in order of id.
    enum Row: Int, CaseIterable {
        case goneParent = 1, parent, otherParent, otherChild, child, pendingChild, run, due, keyed, waiting, limitedRun, limited,
            limitedToo, paused
        case goneChild, gone, goneGated, failed

        static var live: [Row] { allCases.filter { $0 != .failed } }
    }

    /// The first milliseconds of the ids: those of now, so that their day has its partition.
    let moment: UInt64

    init() { moment = UInt64(Date().timeIntervalSince1970 * 1000) - 60_000 }

    func id(_ row: Row) -> ExecutionID {
        let hex = String(moment + UInt64(row.rawValue), radix: 16)
        let time = String(repeating: "0", count: 12 - hex.count) + hex
        let number = String(row.rawValue, radix: 16)
        return "\(time.prefix(8))-\(time.suffix(4))-7000-8000-" + String(repeating: "0", count: 12 - number.count) + number
    }

    /// A run that the dead worker holds.
    func held(_ row: Row, childOf parent: Row? = nil) -> ClaimedRun {
        ClaimedRun(
            id: id(row), token: Int64(row.rawValue), jobConfigID: row == .limitedRun ? 2 : 1, attempt: 1, maxAttempts: 3, paramsText: nil,
            parentID: parent.map(id), storeID: parent == nil ? nil : row.rawValue, registration: nil, sourceID: 0, targetID: 0,
            scheduledFor: nil, priority: 0, runAtText: "", retryOf: nil, isGated: row != .run)
    }

    var heldRuns: [ClaimedRun] {
        [held(.otherChild, childOf: .otherParent), held(.child, childOf: .parent), held(.run), held(.limitedRun)]
    }

    /// Everything back to the beginning, in one transaction without triggers.
    var setup: String {
        let running = "'RUNNING', 1, '\(Self.deadWorker)'::uuid"
        let waits = "'RUNNING', 1, NULL"
        let pending = "'PENDING', 0, NULL"
        let rows: [(Row, job: Int, parent: Row?, state: String, gated: Bool, rest: String)] = [
            (.goneParent, 4, nil, waits, false, "NULL, NULL, 1"), (.parent, 1, nil, waits, false, "NULL, NULL, 2"),
            (.otherParent, 1, nil, waits, false, "NULL, NULL, 1"), (.otherChild, 1, .otherParent, running, true, "4, NULL, NULL"),
            (.child, 1, .parent, running, true, "5, NULL, NULL"), (.pendingChild, 1, .parent, pending, true, "6, NULL, NULL"),
            (.run, 1, nil, running, false, "NULL, NULL, NULL"), (.due, 1, nil, pending, false, "NULL, NULL, NULL"),
            (.keyed, 1, nil, pending, false, "NULL, 'key', NULL"), (.waiting, 1, nil, "'PENDING', 1, NULL", false, "NULL, NULL, NULL"),
            (.limitedRun, 2, nil, running, true, "NULL, NULL, NULL"), (.limited, 2, nil, pending, true, "NULL, NULL, NULL"),
            (.limitedToo, 2, nil, pending, true, "NULL, NULL, NULL"), (.paused, 3, nil, pending, true, "NULL, NULL, NULL"),
            (.goneChild, 4, .goneParent, pending, false, "NULL, NULL, NULL"), (.gone, 4, nil, pending, false, "NULL, NULL, NULL"),
            (.goneGated, 4, nil, pending, true, "17, NULL, NULL"),
        ]
        let values = rows.map { row in
            """
            ('\(id(row.0))'::uuid, \(row.job), \(row.parent.map { "'\(id($0))'" } ?? "NULL")::uuid, \(row.state), \(row.0.rawValue), \(row.gated), \(row.rest))
            """
        }
        return """
            BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL client_min_messages = warning;
            DELETE FROM job_live; DELETE FROM job_finished; DELETE FROM job_attempts_past; DELETE FROM workers; DELETE FROM job_configurations;
            DELETE FROM said; DELETE FROM claims; DELETE FROM audit_log; DELETE FROM notification_deliveries; DELETE FROM job_failures;
            DELETE FROM job_notifications; DELETE FROM notification_channels;
            INSERT INTO notification_channels (id, name, type) VALUES (1, 'one', 'WEBHOOK'), (2, 'two', 'WEBHOOK');
            INSERT INTO job_notifications (job_config_id, notification_channel_id, on_start, on_success) VALUES (1, 2, true, true);
            INSERT INTO job_configurations (id, name, job_type, max_concurrency, paused_at, deleted_at) VALUES
              (1, 'open', 'NOOP', NULL, NULL, NULL), (2, 'limited', 'NOOP', 2, NULL, NULL), (3, 'paused', 'NOOP', NULL, now(), NULL),
              (4, 'gone', 'NOOP', NULL, NULL, now());
            INSERT INTO workers (id, host, pid, version, lease, lease_until, slots) VALUES
              ('\(Self.deadWorker)', 'h', 1, 'v', '1 ms', now() - interval '1 s', 9), ('\(Self.worker)', 'h', 2, 'v', '1 h', now() + interval '1 h', 9),
              ('\(Self.lastWorker)', 'h', 3, 'v', '1 h', now() + interval '1 h', 9);
            INSERT INTO job_live (id, job_config_id, parent_id, status, attempt, worker, token, gated, store_id, dedupe_key, progress,
              priority, max_attempts, run_at, started_at)
            SELECT id, job, parent, status, attempt, worker, token, gated, store, key,
              CASE WHEN children > 0 THEN jsonb_build_object('done', 0, 'total', children, 'unit', 'stores') END,
              0, 3, now() - interval '1 s', CASE status WHEN 'RUNNING' THEN now() END
            FROM (VALUES \(values.joined(separator: ", "))) AS r(id, job, parent, status, attempt, worker, token, gated, store, key, children);
            UPDATE job_live SET run_at = now() + interval '1 h', failures = 1 WHERE id = '\(id(.waiting))';
            UPDATE job_live SET rescues = 1, rescued_from = ARRAY['\(Self.lostWorker)'::uuid] WHERE id IN ('\(id(.due))', '\(id(.run))');
            UPDATE job_live SET rescues = 2, rescued_from = ARRAY['\(Self.lostWorker)', '\(Self.lostWorker)']::uuid[]
              WHERE id IN ('\(id(.child))', '\(id(.otherChild))', '\(id(.limitedRun))');
            INSERT INTO job_attempts_past (execution_id, attempt, worker, started_at, outcome) VALUES
              ('\(id(.waiting))', 1, '\(Self.deadWorker)', now(), 'RETRY');
            INSERT INTO job_finished (id, job_config_id, status, attempt, max_attempts, priority, attempt_outcome, finished_at) VALUES
              ('\(id(.failed))', 1, 'FAILED', 1, 3, 0, 'FAILED', now());
            INSERT INTO job_failures VALUES ('\(id(.failed))', 1);
            INSERT INTO notification_deliveries (channel_id, execution_id, job_config_id, event) VALUES (2, '\(id(.failed))', 1, 'FAILURE');
            DELETE FROM born; INSERT INTO born SELECT id FROM job_executions;
            SELECT setval('lease_token', 1000);
            COMMIT;
            """.replacing("\n", with: " ")
    }

    /// What sessions were told, and the oracle of FAILURES.md: it looks, lets everything end as workers would, and looks again.
    static let oracle = #"""
        CREATE TABLE born (id uuid);
        CREATE TABLE said (id uuid, status text);
        CREATE TABLE claims (id uuid, attempt int, token bigint, job int);

        -- Rows and attempts as they stood at a look: the checks read them once, not the partitions of every day for each row.
        CREATE TABLE rows_seen (id uuid, parent uuid, job int, status text, attempt int, max_attempts int);
        CREATE TABLE attempts_seen (id uuid, n bigint);

        CREATE FUNCTION violations() RETURNS SETOF text LANGUAGE plpgsql SET jit = off AS $$
        BEGIN
          DELETE FROM rows_seen;
          DELETE FROM attempts_seen;
          INSERT INTO rows_seen SELECT id, parent_id, job_config_id, status, attempt, max_attempts FROM job_executions;
          INSERT INTO attempts_seen SELECT execution_id, count(*) FROM job_attempts GROUP BY execution_id;
          RETURN QUERY SELECT 'a row stands twice: ' || id FROM rows_seen GROUP BY id HAVING count(*) > 1
          UNION ALL SELECT 'lost: ' || id FROM born WHERE NOT EXISTS (SELECT FROM rows_seen AS e WHERE e.id = born.id)
          UNION ALL SELECT 'attempts without a record, or with two: ' || id FROM rows_seen LEFT JOIN attempts_seen USING (id)
            WHERE attempt <> coalesce(n, 0)
          UNION ALL SELECT 'more attempts than allowed: ' || id FROM rows_seen WHERE attempt > max_attempts
          UNION ALL SELECT 'its end is not the one that was told: ' || id FROM said JOIN rows_seen AS e USING (id) WHERE e.status <> said.status
          UNION ALL SELECT 'two ends were told: ' || id FROM said GROUP BY id HAVING count(*) > 1
          UNION ALL SELECT 'claimed twice with one token or attempt: ' || id FROM claims GROUP BY id
            HAVING count(*) > count(DISTINCT attempt) OR count(*) > count(DISTINCT token)
          UNION ALL SELECT 'more runs than the limit: ' || count(*) FROM rows_seen WHERE job = 2 AND status = 'RUNNING' HAVING count(*) > 2
          UNION ALL SELECT 'a claim from a deleted job: ' || id FROM claims WHERE job = 4
          UNION ALL SELECT 'a parent ended against its children: ' || p.id FROM rows_seen AS p JOIN rows_seen AS c ON c.parent = p.id
            WHERE p.status IN ('SUCCESS', 'FAILED') GROUP BY p.id, p.status
            HAVING (p.status = 'SUCCESS') <> bool_and(c.status = 'SUCCESS') OR bool_or(c.status IN ('PENDING', 'RUNNING'))
          UNION ALL SELECT 'nobody is told of the failure of ' || id FROM rows_seen AS e WHERE status = 'FAILED' AND parent IS NULL
            AND NOT EXISTS (SELECT FROM notification_deliveries AS d WHERE d.execution_id = e.id AND d.event = 'FAILURE')
          UNION ALL SELECT 'a cancelled parent has a live child: ' || c.id FROM rows_seen AS c JOIN rows_seen AS p ON p.id = c.parent
            WHERE p.status = 'CANCELLED' AND c.status IN ('PENDING', 'RUNNING');
        END $$;

        CREATE FUNCTION claim_all(claimer uuid) RETURNS void LANGUAGE sql SET jit = off AS $$
          INSERT INTO claims SELECT id, attempt, token, job_config_id
          FROM claim_executions(claimer, 100, (-32768)::smallint, '-infinity', '00000000-0000-0000-0000-000000000000')
        $$;

        CREATE FUNCTION finish_all(claimer uuid) RETURNS void LANGUAGE plpgsql SET jit = off AS $$
        DECLARE held record;
        BEGIN
          SELECT array_agg(id ORDER BY id) AS ids, array_agg(token ORDER BY id) AS tokens, count(*)::int AS n,
            coalesce(array_agg(DISTINCT parent_id) FILTER (WHERE parent_id IS NOT NULL), '{}') AS parents INTO held
          FROM job_live WHERE worker = claimer AND status = 'RUNNING';
          IF held.n > 0 THEN
            INSERT INTO said SELECT unnest(finish_executions(held.ids, held.tokens, array_fill('SUCCESS'::text, ARRAY[held.n]),
              array_fill('SUCCESS'::text, ARRAY[held.n]), array_fill(NULL::jsonb, ARRAY[held.n]), array_fill(NULL::jsonb, ARRAY[held.n]),
              held.parents, false)), 'SUCCESS';
          END IF;
        END $$;

        CREATE FUNCTION settle(claimer uuid) RETURNS SETOF text LANGUAGE plpgsql SET jit = off AS $$
        DECLARE rounds int := 0; closed int[];
        BEGIN
          RETURN QUERY SELECT 'VIOLATION before: ' || v FROM violations() AS v;
          DELETE FROM born;
          INSERT INTO born SELECT id FROM rows_seen;
          -- What a worker may take before anybody tidies up: nothing of a paused or deleted job.
          closed := ARRAY(SELECT id FROM job_configurations WHERE paused_at IS NOT NULL OR deleted_at IS NOT NULL);
          DELETE FROM claims;
          PERFORM claim_all(claimer);
          RETURN QUERY SELECT 'VIOLATION: claimed although its job is paused or deleted: ' || id FROM claims WHERE job = ANY (closed);
          -- Then whatever holds anything back goes away, and everything ends.
          UPDATE job_configurations SET paused_at = NULL, max_concurrency = NULL WHERE paused_at IS NOT NULL OR max_concurrency IS NOT NULL;
          UPDATE workers SET lease = '1 ms', lease_until = clock_timestamp() - interval '1 s' WHERE id <> claimer;
          WHILE rounds < 5 AND EXISTS (SELECT FROM job_live) LOOP
            rounds := rounds + 1;
            PERFORM * FROM rescue_executions(500);
            PERFORM gate_stragglers(NULL, 100);
            PERFORM set_config('commit_siblings', '997', true);
            UPDATE job_live SET run_at = clock_timestamp() WHERE run_at > clock_timestamp();
            PERFORM set_config('commit_siblings', '5', true);
            PERFORM claim_all(claimer);
            PERFORM finish_all(claimer);
            PERFORM sweep_parents();
          END LOOP;
          RETURN QUERY SELECT 'VIOLATION: it never ends: ' || id FROM job_live;
          RETURN QUERY SELECT 'VIOLATION: claimed although its job is deleted: ' || c.id FROM claims AS c
            JOIN job_configurations AS j ON j.id = c.job AND j.deleted_at IS NOT NULL;
          RETURN QUERY SELECT 'VIOLATION after: ' || v FROM violations() AS v;
        END $$;
        """#
}

extension SQL {
    /// The statement with its values in it: isolationtester binds none, and takes no braces in a statement.
    var literalText: String {
        var text = fragments[0]
        for (parameter, fragment) in zip(parameters, fragments.dropFirst()) {
            let literal = parameter?.replacing("'", with: "''").replacing("\\", with: "\\\\").replacing("{", with: "\\007B").replacing(
                "}", with: "\\007D")
            text += (literal.map { "U&'\($0)'" } ?? "NULL") + fragment
        }
        return text.replacing("\n", with: " ")
    }
}
