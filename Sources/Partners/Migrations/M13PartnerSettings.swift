import JobQueue

extension Migration {
    /// What SQL can see of a bad setting of RP or CresceVendas, so that who writes it hears of it then, and not at 05:10. The rules and the
    /// sentences are those of `RPConfiguration` and `CresceVendasConfiguration`; what is missing may still come, as a key of `integration_keys`.
    package static let m13PartnerSettings = Migration(
        number: 13, name: "partner settings",
        up: #"""
            -- What is wrong with the members of an object of texts, or of headers: the member and a sentence, or nothing.
            CREATE FUNCTION partner_member_problem(kind text, setting jsonb, OUT member text, OUT sentence text) LANGUAGE sql IMMUTABLE
            SET search_path FROM CURRENT AS $$
              SELECT m.name, CASE WHEN jsonb_typeof(m.value) NOT IN ('string', 'number', 'boolean') THEN 'must be a text'
                ELSE 'is no header: it is empty or holds a line break' END
              FROM jsonb_each(setting) AS m(name, value)
              WHERE jsonb_typeof(m.value) NOT IN ('string', 'number', 'boolean')
                OR kind = 'headers' AND (m.name !~ '^[!-9;-~]+$' OR m.value #>> '{}' ~ '[\u0001-\u0008\u000A-\u001F\u007F]')
              ORDER BY m.name LIMIT 1
            $$;

            -- What is wrong with a setting, as the end of a sentence; null: nothing that can be seen here. `words` are those of the sentence: a path
            -- for example, the words that may stand there, the bounds of a number.
            CREATE FUNCTION partner_setting_problem(kind text, setting jsonb, words text) RETURNS text
            LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
            DECLARE shape text := jsonb_typeof(setting); content text := setting #>> '{}';
            BEGIN
              RETURN CASE
                WHEN kind IN ('object', 'texts', 'headers') THEN CASE WHEN shape <> 'object' THEN 'must be an object' END
                WHEN kind = 'flag' THEN CASE WHEN shape <> 'boolean' THEN 'must be true or false' END
                WHEN kind = 'seconds' THEN
                  CASE WHEN shape <> 'number' OR content::numeric NOT BETWEEN 0.05 AND 3600 THEN 'must be a number of seconds, at most 3600' END
                WHEN kind = 'whole' THEN CASE WHEN shape <> 'number' OR content::numeric <> trunc(content::numeric)
                  OR content::numeric NOT BETWEEN split_part(words, ' and ', 1)::numeric AND split_part(words, ' and ', 2)::numeric
                  THEN format('must be a whole number between %s', words) END
                WHEN shape <> 'string' THEN 'must be a text'
                WHEN content = '' OR content LIKE 'enc:v1:%' THEN NULL
                WHEN kind = 'path' AND (content LIKE '%://%' OR content ~ '[\u0001-\u0020\u007F#]') THEN
                  format('must be a path such as %s, without host, spaces and ''#''', words)
                WHEN kind = 'time' AND content !~ '^([01]?[0-9]|2[0-3]):[0-5]?[0-9]$' THEN 'must be a time such as 06:00'
                WHEN kind = 'word' AND content <> ALL (string_to_array(words, ' or ')) THEN format('must be %s', words) END;
            END $$;

            CREATE FUNCTION check_partner_settings() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
            DECLARE rule record; setting jsonb; name text; problem text; endpoint text := NEW.config ->> 'products_endpoint';
              way_in text := coalesce(nullif(NEW.config ->> 'auth_method', ''), 'LOGIN');
            BEGIN
              -- A row that has to be switched off or renamed is not held up by what else is wrong with it.
              IF TG_OP = 'UPDATE' AND NEW.type = OLD.type AND NEW.config = OLD.config AND NEW.base_url IS NOT DISTINCT FROM OLD.base_url THEN
                RETURN NEW;
              ELSIF coalesce(nullif(NEW.base_url, ''), NEW.config ->> 'base_url') !~ '^(enc:v1:.*|https?://(?=[^/?#])[!"$->@-~]+)$' THEN
                PERFORM refuse('base_url', 'it must be an address such as http://10.0.0.5:9000, without query');
              END IF;
              FOR rule IN SELECT * FROM (VALUES
                ('', 'base_url', 'text', ''), ('', 'proxy', 'text', ''), ('', 'ca_file', 'text', ''),
                ('', 'connect_timeout_seconds', 'seconds', ''), ('', 'request_timeout_seconds', 'seconds', ''),
                ('', 'low_speed_bytes_per_second', 'whole', '0 and 1000000000'), ('', 'low_speed_seconds', 'whole', '1 and 3600'),
                ('', 'max_response_bytes', 'whole', '1 and 1073741824'), ('', 'headers', 'headers', ''),
                ('RP', 'auth_method', 'word', 'LOGIN or TOKEN'), ('RP', 'login_endpoint', 'path', '/v1.1/auth'),
                ('RP', 'username', 'text', ''), ('RP', 'password', 'text', ''), ('RP', 'static_token', 'text', ''),
                ('RP', 'token_response_field', 'text', ''), ('RP', 'token_header', 'text', ''),
                ('RP', 'products_endpoint', 'path', '/v2.8/produtounidade/listaprodutos/{lastId}/unidade/{storeReg}/detalhado'),
                ('RP', 'max_pages', 'whole', '1 and 1000000'), ('RP', 'page_limit', 'whole', '1 and 100000'), ('RP', 'pagination', 'object', ''),
                ('RP', 'pagination.method', 'word', 'CURSOR'), ('RP', 'pagination.param_name', 'text', ''),
                ('RP', 'pagination.additional_params', 'texts', ''),
                ('CRESCEVENDAS', 'send_products_endpoint', 'path', '/admin/integrations/discount_stores/batch_upload'),
                ('CRESCEVENDAS', 'get_products_endpoint', 'path', '/admin/integrations/discount_stores'),
                ('CRESCEVENDAS', 'listing_shape', 'word', 'response.discounts or discount_store_lines'),
                ('CRESCEVENDAS', 'auth_headers', 'headers', ''), ('CRESCEVENDAS', 'fields', 'object', ''),
                ('CRESCEVENDAS', 'fields.code', 'text', ''), ('CRESCEVENDAS', 'fields.price', 'text', ''),
                ('CRESCEVENDAS', 'fields.final_price', 'text', ''), ('CRESCEVENDAS', 'fields.limit', 'text', ''),
                ('CRESCEVENDAS', 'code_as_string', 'flag', ''), ('CRESCEVENDAS', 'campaign_config', 'object', ''),
                ('CRESCEVENDAS', 'campaign_config.override_existing', 'flag', ''),
                ('CRESCEVENDAS', 'campaign_config.name_template', 'text', ''),
                ('CRESCEVENDAS', 'campaign_config.start_time', 'time', ''), ('CRESCEVENDAS', 'campaign_config.end_time', 'time', '')
              ) AS r(partner, path, kind, words) WHERE r.partner IN ('', NEW.type) LOOP
                setting := NEW.config #> string_to_array(rule.path, '.');
                CONTINUE WHEN setting IS NULL OR setting = 'null' OR rule.path IN ('login_endpoint', 'username', 'password') AND way_in <> 'LOGIN'
                  OR rule.path = 'static_token' AND way_in <> 'TOKEN';
                problem := partner_setting_problem(rule.kind, setting, rule.words);
                IF problem IS NOT NULL THEN
                  PERFORM refuse_setting(rule.path, problem);
                ELSIF rule.kind IN ('texts', 'headers') THEN
                  SELECT p.member, p.sentence INTO name, problem FROM partner_member_problem(rule.kind, setting) AS p;
                  IF problem IS NOT NULL THEN
                    PERFORM refuse_setting(rule.path || '.' || left(name, 60), problem);
                  END IF;
                END IF;
              END LOOP;
              IF NEW.type = 'RP' AND endpoint <> '' AND endpoint NOT LIKE 'enc:v1:%' THEN
                IF endpoint NOT LIKE '%{lastId}%' AND coalesce(NEW.config #>> '{pagination,param_name}', '') = '' THEN
                  PERFORM refuse_setting('products_endpoint', 'must contain {lastId}, unless config.pagination.param_name names a parameter');
                ELSIF endpoint NOT LIKE '%{storeReg}%' THEN
                  PERFORM refuse_setting('products_endpoint', 'must contain {storeReg}');
                END IF;
              END IF;
              IF NEW.type = 'CRESCEVENDAS' AND coalesce(NEW.config ->> 'campaign_config', '') NOT LIKE '%enc:v1:%' THEN
                IF coalesce(nullif(NEW.config #>> '{campaign_config,start_time}', ''), '06:00')::time
                    >= coalesce(nullif(NEW.config #>> '{campaign_config,end_time}', ''), '23:59')::time THEN
                  PERFORM refuse_setting('campaign_config.end_time', 'must lie behind start_time, on the same day');
                END IF;
              END IF;
              RETURN NEW;
            END $$;
            CREATE TRIGGER check_partner_settings BEFORE INSERT OR UPDATE ON integrations FOR EACH ROW
              WHEN (NEW.type IN ('RP', 'CRESCEVENDAS')) EXECUTE FUNCTION check_partner_settings();
            """#,
        down: #"""
            DROP TRIGGER check_partner_settings ON integrations;
            DROP FUNCTION check_partner_settings, partner_setting_problem, partner_member_problem;
            """#)
}
