import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// Functions that run with their owner's rights look nothing up where their caller says to: he would have them run his code.
@Suite struct DefinerTests {
    @Test(
        "an INSERT whose search path names the caller's own functions, operators and types first runs none of them with the owner's rights")
    func callersNames() async throws {
        try await Queue.withDatabase { queue in
            try await queue.addJob("j", type: "SYNC_PRODUCTS")
            let clerk = "clerk_\(try await queue.text("SELECT pg_backend_pid()"))"
            var sentences: [String] = []
            try await queue.runAsAdministrator("CREATE ROLE \(spliced(clerk))")
            do {
                try await queue.runAsAdministrator(Self.mimicry(of: clerk))
                let mimics = try await queue.number("SELECT count(*) FROM pg_proc WHERE pronamespace = 'mine'::regnamespace")
                #expect(mimics > 2000)
                try await queue.runAsAdministrator("GRANT SELECT, INSERT ON job_executions TO \(spliced(clerk))")
                for columns in ["", ", params", ", dedupe_key", ", trigger", ", store_id", ", id"] {
                    sentences.append(try await Self.insert(columns, as: clerk, in: queue))
                }
            } catch {
                Issue.record(error)
            }
            try await queue.runAsAdministrator("DROP OWNED BY \(spliced(clerk))")
            try await queue.runAsAdministrator("DROP ROLE \(spliced(clerk))")
            #expect(sentences == ["", "", "", "", "store_id: ", "id: "])
        }
    }

    private static let values = [
        "": "", ", params": #", '{"store_ids": [7]}'"#, ", dedupe_key": ", 'k'", ", trigger": ", 'RETRY'", ", store_id": ", 7",
        ", id": ", '00000000-0000-0000-0000-000000000000'",
    ]

    /// Inserts an execution with what the caller says of these columns; the field of the refusal, or another error's sentence.
    private static func insert(_ columns: String, as clerk: String, in queue: Queue) async throws -> String {
        do {
            try await queue.runAsAdministrator(
                """
                DO $$ BEGIN
                  SET LOCAL ROLE \(spliced(clerk));
                  SET LOCAL search_path = mine, pg_catalog, public;
                  INSERT INTO public.job_executions (job_config_id\(spliced(columns))) VALUES (1\(spliced(values[columns] ?? "")));
                END $$
                """)
            return ""
        } catch let error as PostgresError {
            return error.message.contains("is mine") ? error.message : "\(error.message.prefix(while: { $0 != " " })) "
        }
    }

    /// A schema `mine` with a function, operator and type for each that pg_catalog has and that a statement can name. Each does what its model does,
    /// unless it runs with other rights than `clerk`'s.
    private static func mimicry(of clerk: String) -> SQL {
        let isPlain: SQL = "NOT EXISTS (SELECT FROM pg_type AS t WHERE t.oid = ANY (touched) AND t.typtype = 'p')"
        return """
            DO $do$
            DECLARE
              model record;
              guard text := 'BEGIN IF current_user OPERATOR(pg_catalog.<>) ''\(spliced(clerk))'' THEN RAISE EXCEPTION ''% is mine'', %L; END IF; ';
            BEGIN
              CREATE SCHEMA mine;
              GRANT USAGE ON SCHEMA mine TO PUBLIC;
              FOR model IN
                SELECT oid, oprname AS name, touched[1]::regtype AS l, touched[2]::regtype AS r, oprresult::regtype AS gives
                FROM pg_operator, LATERAL (SELECT ARRAY[oprleft, oprright, oprresult] AS touched) AS types
                WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprkind = 'b' AND \(isPlain)
              LOOP
                EXECUTE format('CREATE FUNCTION mine.operator_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', model.oid, model.l, model.r, model.gives,
                  replace(guard, '%L', quote_literal(model.oid::regoperator)) || format('RETURN $1 OPERATOR(pg_catalog.%s) $2; END', model.name));
                EXECUTE format('CREATE OPERATOR mine.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = mine.operator_%s)',
                  model.name, model.l, model.r, model.oid);
              END LOOP;
              FOR model IN
                SELECT oid, proname AS name, array(SELECT t::regtype FROM unnest(proargtypes) WITH ORDINALITY AS a(t, n) ORDER BY n) AS takes,
                  prorettype::regtype AS gives, (SELECT string_agg('$' || n, ', ') FROM generate_series(1, pronargs) AS n) AS arguments
                FROM pg_proc, LATERAL (SELECT array_append(proargtypes::oid[], prorettype) AS touched) AS types
                WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset AND provariadic = 0 AND proallargtypes IS NULL
                  AND \(isPlain)
              LOOP
                EXECUTE format('CREATE FUNCTION mine.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', model.name, array_to_string(model.takes, ', '), model.gives,
                  replace(guard, '%L', quote_literal(model.oid::regprocedure)) || format('RETURN pg_catalog.%I(%s); END', model.name, model.arguments));
              END LOOP;
              FOR model IN SELECT typname AS name FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typelem = 0 LOOP
                EXECUTE format('CREATE DOMAIN mine.%1$I AS pg_catalog.%1$I CHECK (current_user OPERATOR(pg_catalog.=) %2$L)', model.name, '\(spliced(clerk))');
              END LOOP;
            END $do$
            """
    }
}
