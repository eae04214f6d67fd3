import Postgres
import TestRig

/// Writes down, by triggers of its own, what happens to executions: every row that is committed, every claim, every end. The queue's own
/// tables are judged against it, so what they lost or invented shows.
struct Witness {
    /// Begins to write down in a rig's database; to be called before anything is enqueued.
    static func begin(in rig: Rig) async throws {
        try await rig.pool.withConnection { try await $0.script(script) }
    }

    /// Whether it has been writing in this rig's database.
    static func isPresent(in rig: Rig) async throws -> Bool {
        try await rig.value("SELECT to_regclass('witness_rows') IS NOT NULL AS value")
    }

    private static let script = """
        CREATE TABLE witness_rows (id uuid NOT NULL, parent_id uuid);
        CREATE TABLE witness_claims (id uuid NOT NULL, attempt int NOT NULL, token bigint NOT NULL, worker uuid);
        CREATE TABLE witness_ends (id uuid NOT NULL, status text NOT NULL, attempt int NOT NULL, worker uuid);
        CREATE INDEX ON witness_rows (id);
        CREATE INDEX ON witness_claims (id);
        CREATE INDEX ON witness_ends (id);

        CREATE FUNCTION witness_row() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
          INSERT INTO witness_rows VALUES (NEW.id, NEW.parent_id);
          RETURN NULL;
        END $$;
        CREATE TRIGGER witness_row AFTER INSERT ON job_live FOR EACH ROW EXECUTE FUNCTION witness_row();

        CREATE FUNCTION witness_claim() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
          INSERT INTO witness_claims VALUES (NEW.id, NEW.attempt, NEW.token, NEW.worker);
          RETURN NULL;
        END $$;
        CREATE TRIGGER witness_claim AFTER UPDATE ON job_live FOR EACH ROW WHEN (OLD.status = 'PENDING' AND NEW.status = 'RUNNING')
          EXECUTE FUNCTION witness_claim();

        CREATE FUNCTION witness_end() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
          INSERT INTO witness_ends VALUES (NEW.id, NEW.status, NEW.attempt, NEW.worker);
          RETURN NULL;
        END $$;
        CREATE TRIGGER witness_end AFTER INSERT ON job_finished FOR EACH ROW EXECUTE FUNCTION witness_end();
        """

    /// What the queue promises of the rows that were written down, each with a query that names what breaks it in a column `what`.
    static let promises = [
        Promise(
            "nothing is lost",
            breaks: "SELECT w.id::text AS what FROM witness_rows AS w WHERE NOT EXISTS (SELECT FROM job_executions AS e WHERE e.id = w.id)"),
        Promise(
            "nothing is invented",
            breaks: "SELECT e.id::text AS what FROM job_executions AS e WHERE NOT EXISTS (SELECT FROM witness_rows AS w WHERE w.id = e.id)"),
        Promise(
            "an execution ends once",
            breaks: """
                SELECT e.id || ' ended ' || count(w.id) || ' times' AS what FROM job_finished AS e LEFT JOIN witness_ends AS w USING (id)
                GROUP BY e.id HAVING count(w.id) <> 1
                """),
        Promise(
            "what ended is not live",
            breaks: "SELECT l.id::text AS what FROM job_live AS l JOIN witness_ends AS w USING (id)"),
        Promise(
            "every attempt has one recorded end",
            breaks: """
                SELECT e.id || ' attempt ' || c.attempt || ': ' || count(a.execution_id) || ' ends' AS what
                FROM job_finished AS e JOIN witness_claims AS c USING (id)
                LEFT JOIN job_attempts AS a ON a.execution_id = e.id AND a.attempt = c.attempt AND a.outcome IS NOT NULL
                GROUP BY e.id, c.attempt HAVING count(a.execution_id) <> 1
                """),
        Promise(
            "an attempt was claimed",
            breaks: """
                SELECT a.execution_id || ' attempt ' || a.attempt AS what FROM job_attempts AS a
                WHERE NOT EXISTS (SELECT FROM witness_claims AS c WHERE c.id = a.execution_id AND c.attempt = a.attempt)
                """),
        Promise(
            "attempts count claims from 1",
            breaks:
                "SELECT id::text AS what FROM witness_claims GROUP BY id HAVING count(*) <> max(attempt) OR count(DISTINCT attempt) <> count(*)"
        ),
        Promise(
            "a token only grows",
            breaks: """
                SELECT id || ' attempt ' || attempt AS what FROM (
                  SELECT id, attempt, token, lag(token) OVER (PARTITION BY id ORDER BY attempt) AS earlier FROM witness_claims) AS t
                WHERE token <= earlier
                """),
        Promise(
            "an end is that of whoever holds the last attempt",
            breaks: """
                SELECT e.id || ' was ended by ' || coalesce(e.worker::text, 'nobody') AS what
                FROM job_finished AS e JOIN witness_claims AS c ON c.id = e.id AND c.attempt = e.attempt
                WHERE e.worker IS DISTINCT FROM c.worker AND e.worker IS NOT NULL
                """),
        Promise(
            "a line of a log belongs to an attempt",
            breaks: """
                SELECT DISTINCT l.execution_id || ' attempt ' || l.attempt AS what FROM execution_logs AS l
                WHERE NOT EXISTS (SELECT FROM witness_claims AS c WHERE c.id = l.execution_id AND c.attempt = l.attempt)
                """),
    ]
}

/// Something that the tables promise.
struct Promise: Sendable {
    let sentence: String
    /// Names what breaks it in a column `what`; no row: it holds.
    let query: String
    /// Compares the moments of one attempt with those of another.
    let comparesAttempts: Bool

    init(_ sentence: String, comparesAttempts: Bool = false, breaks query: String) {
        self.sentence = sentence
        self.comparesAttempts = comparesAttempts
        self.query = query
    }
}
