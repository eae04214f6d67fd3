extension Migration {
    /// Ids, the audit log, and the masking that keeps secrets out of it.
    package static let m01Foundations = Migration(
        number: 1, name: "foundations",
        up: #"""
            -- Time-ordered UUIDs (version 7): random keys triple the WAL of a job. Behind the millisecond and the version stand its 4,096th parts, so
            -- that rows of one statement are in order, too (RFC 9562, method 3), but for one in thousands: the clock is read twice, which costs a
            -- tenth of what it costs to hand one reading to two places.
            CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
              SELECT encode(overlay(uuid_send(gen_random_uuid()) PLACING int8send(((date_part('epoch', clock_timestamp()) * 1000000)::bigint / 1000 << 16)
                | 28672 | (date_part('microseconds', clock_timestamp())::bigint % 1000 * 4096 / 1000)) FROM 1 FOR 8), 'hex')::uuid
            $$;

            -- The smallest version 7 UUID of a moment: the bound of a day's partition.
            CREATE FUNCTION uuid_v7_floor(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
              SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
            $$;

            -- The moment a version 7 UUID was made.
            CREATE FUNCTION uuid_v7_time(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
              SELECT to_timestamp(('x' || lpad(left(replace(id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint / 1000.0)
            $$;

            -- A text without its secrets, as `Masking` hides them: envelopes, user info in URLs (also with a raw slash in the password), and what stands
            -- behind a key that says so. Where the end of a secret is not certain it hides too much.
            CREATE FUNCTION mask_text(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
            DECLARE
              words text := 'pass|senha|secret|token|authorization|api[_-]?key|auth_headers';
              tail text := '[][A-Za-z0-9_.%-]*\\*["'']?[ \t]*';
              key text := '(?:' || words || ')' || tail || '(?:=>|[=:])[ \t]*';
            BEGIN
              value := regexp_replace(value, 'enc:v1:[A-Za-z0-9_.:+/=-]+', '••••', 'g');
              IF value LIKE '%://%@%' THEN
                value := regexp_replace(value, '://[^/?#[:space:]"<>]*@', '://••••@', 'g');
                value := regexp_replace(value,
                  '://(?:\[[^]]*\])?[^][/?#@:[:space:]"<>]*:(?![0-9]*(?:[/?#[:space:]"<>]|$))[^[:space:]"<>]*@', '://••••@', 'g');
              END IF;
              IF value ~ '[=:]' AND value ~* words THEN
                value := regexp_replace(value, '(' || key || '")(?:[^"\\]|\\.)*', '\1••••', 'gi');
                value := regexp_replace(value, '(' || key || ''')(?:[^''\\]|\\.)*', '\1••••', 'gi');
                -- Quotes within quotes, and brackets.
                value := regexp_replace(value, '(' || key || '\\+["''])(?!••••).*', '\1••••', 'gi');
                value := regexp_replace(value, '((?:' || words || ')' || tail || '(?:=>|:)[ \t]*)[[{].*', '\1••••', 'gi');
                value := regexp_replace(value, '(authorization' || tail || '[=:][ \t]*)(?!••••|\\*["''])[^[:space:]"][^\n\r"]*', '\1••••', 'gi');
                value := regexp_replace(value,
                  '(' || key || ')(?!••••|\\*["''])(?:[^[:space:]&"<>]*[=:][ \t]+)*[^[:space:]&"<>]+', '\1••••', 'gi');
              END IF;
              RETURN value;
            END $$;

            -- What counts as a secret: what mask_text hides, keys that say so, all of auth_headers, a proxy with a user that no scheme shows.
            CREATE FUNCTION mask_secrets(document jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
            BEGIN
              IF jsonb_typeof(document) = 'object' THEN
                RETURN coalesce((SELECT jsonb_object_agg(key, CASE
                  WHEN value = 'null'::jsonb THEN value
                  WHEN key ~* 'pass|senha|secret|token|authorization|api[_-]?key' THEN '"••••"'::jsonb
                  WHEN key = 'auth_headers' AND jsonb_typeof(value) = 'object'
                    THEN (SELECT coalesce(jsonb_object_agg(k, '••••'), '{}') FROM jsonb_object_keys(value) AS k)
                  WHEN key = 'auth_headers' THEN '"••••"'::jsonb
                  WHEN key ILIKE 'proxy' AND value #>> '{}' LIKE '%@%' AND value #>> '{}' NOT LIKE '%://%' THEN '"••••"'::jsonb
                  ELSE mask_secrets(value) END) FROM jsonb_each(document)), '{}');
              ELSIF jsonb_typeof(document) = 'array' THEN
                RETURN coalesce((SELECT jsonb_agg(mask_secrets(value) ORDER BY place)
                  FROM jsonb_array_elements(document) WITH ORDINALITY AS e(value, place)), '[]');
              ELSIF jsonb_typeof(document) = 'string' THEN
                IF document #>> '{}' LIKE 'enc:v1:%' THEN
                  RETURN '"••••"';
                END IF;
                RETURN to_jsonb(mask_text(document #>> '{}'));
              END IF;
              RETURN document;
            END $$;

            CREATE TABLE audit_log (
              id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
              at timestamptz NOT NULL DEFAULT clock_timestamp(),
              actor text NOT NULL,
              table_name text NOT NULL,
              row_id text NOT NULL,
              action text NOT NULL CHECK (action IN ('INSERT', 'UPDATE', 'DELETE')),
              before jsonb,
              after jsonb
            );
            CREATE INDEX audit_log_row ON audit_log (table_name, row_id, id);

            -- Who acts: the name that a program set for its session, else the database's user.
            CREATE FUNCTION current_actor() RETURNS text LANGUAGE sql STABLE AS $$
              SELECT coalesce(nullif(current_setting('chimera.actor', true), ''), session_user::text)
            $$;

            -- TG_ARGV names the columns that make the row's id, and after '-' those whose change alone is not worth a line.
            CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            DECLARE
              was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
              becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
            BEGIN
              IF TG_OP = 'UPDATE' AND was - 'updated_at' = becomes - 'updated_at' THEN
                RETURN NULL;
              END IF;
              INSERT INTO audit_log (actor, table_name, row_id, action, before, after)
              VALUES (current_actor(), TG_TABLE_NAME,
                (SELECT string_agg(coalesce(becomes, was) ->> part, '/' ORDER BY place) FROM unnest(TG_ARGV) WITH ORDINALITY AS a(part, place)),
                TG_OP, mask_secrets(was), mask_secrets(becomes));
              RETURN NULL;
            END $$;

            -- Every refusal of a bad value: one sentence that begins with the field's name. With a constraint, for a row that has no partition is a
            -- check_violation without one.
            CREATE FUNCTION refuse(field text, sentence text) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
              RAISE EXCEPTION USING ERRCODE = 'check_violation', COLUMN = field, CONSTRAINT = 'refused', MESSAGE = field || ': ' || sentence;
            END $$;

            -- The same of a setting in `config`, without the colon: what stands behind `password:` is hidden wherever the sentence is shown.
            CREATE FUNCTION refuse_setting(path text, sentence text) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
              RAISE EXCEPTION USING ERRCODE = 'check_violation', COLUMN = 'config.' || path, CONSTRAINT = 'refused', MESSAGE = format('config.%s %s', path, sentence);
            END $$;

            -- Refuses the first field whose rule does not hold, of rows (field, whether it holds, sentence); null does not hold. Before CHECK and NOT
            -- NULL can, which name a constraint and print the whole row, secrets and all.
            CREATE FUNCTION refuse_first(rules text[]) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            DECLARE rule text[];
            BEGIN
              FOREACH rule SLICE 1 IN ARRAY rules LOOP
                IF rule[2] IS DISTINCT FROM 'true' THEN
                  PERFORM refuse(rule[1], rule[3]);
                END IF;
              END LOOP;
            END $$;

            -- PostgreSQL takes documents that the programs cannot read, and one of them would end every listing of its table.
            CREATE FUNCTION check_document(field text, document jsonb) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            BEGIN
              IF octet_length(document::text) > 2000000 THEN
                PERFORM refuse(field, 'it has more than two million bytes');
              ELSIF jsonb_path_exists(document, '$.**{33 to last}') THEN
                PERFORM refuse(field, 'it is nested more than 32 levels deep');
              ELSIF jsonb_path_exists(document, '$.** ? (@.type() == "number" && (@ > 1e300 || @ < -1e300))') THEN
                PERFORM refuse(field, 'a number in it is too large');
              END IF;
            END $$;

            -- Rows that go all at once are not told one by one.
            CREATE FUNCTION audit_truncate() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            BEGIN
              INSERT INTO audit_log (actor, table_name, row_id, action) VALUES (current_actor(), TG_TABLE_NAME, 'all', 'DELETE');
              RETURN NULL;
            END $$;
            """#,
        down: #"""
            DROP FUNCTION audit_truncate, check_document, refuse_first, refuse_setting, refuse, audit_change, current_actor CASCADE;
            DROP TABLE audit_log;
            DROP FUNCTION mask_secrets, mask_text, uuid_v7_time, uuid_v7_floor, uuid_v7 CASCADE;
            """#)
}
