import JobQueue

/// What SQL can see of a bad channel.
extension Migration {
    static let m11Channels = #"""
        -- A text of a channel's config that matches a pattern; encrypted ones are taken as they are, absent and null ones pass.
        CREATE FUNCTION check_channel_text(config jsonb, field text, pattern text, sentence text) RETURNS void LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        BEGIN
          IF jsonb_typeof(config -> field) = 'null' OR config ->> field LIKE 'enc:v1:%' THEN
            RETURN;
          ELSIF jsonb_typeof(config -> field) <> 'string' OR config ->> field !~ pattern THEN
            PERFORM refuse_setting(field, sentence);
          END IF;
        END $$;

        -- The same of a text or a list of texts.
        CREATE FUNCTION check_channel_texts(config jsonb, field text, pattern text, sentence text) RETURNS void LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        BEGIN
          IF jsonb_typeof(config -> field) <> 'array' THEN
            PERFORM check_channel_text(config, field, pattern, sentence);
          ELSIF EXISTS (SELECT FROM jsonb_array_elements(config -> field) AS e(value)
              WHERE jsonb_typeof(value) <> 'string' OR (value #>> '{}' !~ pattern AND value #>> '{}' NOT LIKE 'enc:v1:%')) THEN
            PERFORM refuse_setting(field, sentence);
          END IF;
        END $$;

        CREATE FUNCTION channel_settings(type text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
          SELECT ARRAY['integration', 'proxy', 'ca_file'] || CASE type
            WHEN 'TELEGRAM' THEN ARRAY['bot_token', 'chat_id', 'parse_mode', 'api_base_url']
            WHEN 'EMAIL' THEN ARRAY['smtp_url', 'username', 'password', 'from', 'to', 'starttls']
            WHEN 'WEBHOOK' THEN ARRAY['url', 'secret', 'headers', 'allow_private_network'] END
        $$;

        -- What is there, be it in a channel or in the integration that it names.
        CREATE FUNCTION check_channel_settings(config jsonb) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        DECLARE
          web_address text := '^https?://(?=[^/?#])[!-~]+$';
          mail_address text := '^(?=[!-~]+$)[^][@<>(),;:\\"]{1,64}@[^][@<>(),;:\\"]{1,189}$';
          field text;
        BEGIN
          FOREACH field IN ARRAY ARRAY['integration', 'proxy', 'ca_file', 'username', 'password'] LOOP
            PERFORM check_channel_text(config, field, '', 'must be a text');
          END LOOP;
          PERFORM check_channel_text(config, 'bot_token', '^[A-Za-z0-9:_-]*$', 'is no bot token');
          IF ((config -> 'chat_id')::text ~ '^-?[0-9]{1,18}$') IS NOT TRUE THEN
            PERFORM check_channel_text(config, 'chat_id', '^(-?[0-9]{1,18}|@[!-~]+|)$', 'must be a number in a text, such as "-1001234567890", or begin with @');
          END IF;
          PERFORM check_channel_text(config, 'parse_mode', '^([Hh][Tt][Mm][Ll]|)$', 'must be HTML');
          PERFORM check_channel_text(config, 'api_base_url', web_address, 'must be an address such as https://api.telegram.org');
          PERFORM check_channel_text(config, 'smtp_url', '^(|[Ss][Mm][Tt][Pp][Ss]?://(?=[^/?#])[!-~]+)$', 'must be an address such as smtp://mail.example.com:587 or smtps://mail.example.com');
          PERFORM check_channel_text(config, 'starttls', '^(required|none)$', 'must be "required" or "none"');
          PERFORM check_channel_text(config, 'from', mail_address, 'must be a bare address of the form name@host, in ASCII');
          PERFORM check_channel_texts(config, 'to', mail_address, 'must be a list of bare addresses of the form name@host, in ASCII');
          PERFORM check_channel_text(config, 'url', web_address, 'must be an address such as https://example.com/path');
          PERFORM check_channel_texts(config, 'secret', '^((whsec_)?(([A-Za-z0-9+/]{4}){8,21}([A-Za-z0-9+/]{2})?|([A-Za-z0-9+/]{4}){8,20}[A-Za-z0-9+/]{3})={0,2}( |$))+$', 'must be whsec_ and 24 to 64 bytes in base64, or a list of such secrets');
          IF jsonb_typeof(config -> 'headers') NOT IN ('object', 'null') OR EXISTS (
              SELECT FROM jsonb_each(CASE jsonb_typeof(config -> 'headers') WHEN 'object' THEN config -> 'headers' ELSE '{}' END) AS h(name, value)
              WHERE jsonb_typeof(value) <> 'string' OR value #>> '{}' ~ '[\u0001-\u0008\u000A-\u001F\u007F]' OR name !~ '^[!#$%&''*+.^_`|~0-9A-Za-z-]+$') THEN
            PERFORM refuse_setting('headers', 'must be an object of texts without line breaks and other control characters, such as {"X-Team": "ops"}');
          ELSIF jsonb_typeof(config -> 'allow_private_network') NOT IN ('boolean', 'null') THEN
            PERFORM refuse_setting('allow_private_network', 'must be true or false');
          END IF;
          SELECT k INTO field FROM jsonb_object_keys(CASE jsonb_typeof(config -> 'headers') WHEN 'object' THEN config -> 'headers' ELSE '{}' END) AS k
          WHERE lower(k) IN ('webhook-id', 'webhook-timestamp', 'webhook-signature', 'content-type', 'content-length', 'content-encoding', 'host', 'expect',
            'connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade')
          ORDER BY k LIMIT 1;
          IF FOUND THEN
            PERFORM refuse_setting('headers.' || field, 'is chimera''s own, or the connection''s; leave it out');
          END IF;
        END $$;

        -- With an integration, which may come later, what is not here stands there.
        CREATE FUNCTION check_channel_config(type text, config jsonb) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        DECLARE
          allowed text[] := channel_settings(type);
          required text[] := CASE type WHEN 'TELEGRAM' THEN ARRAY['bot_token', 'chat_id'] WHEN 'EMAIL' THEN ARRAY['smtp_url', 'from', 'to']
            WHEN 'WEBHOOK' THEN ARRAY['url', 'secret'] END;
          field text;
        BEGIN
          SELECT k INTO field FROM jsonb_object_keys(config) AS k WHERE k <> ALL (allowed) ORDER BY k LIMIT 1;
          IF FOUND THEN
            PERFORM refuse('config', format('"%s" is not known; allowed for %s are %s', left(field, 60), type, array_to_string(allowed, ', ')));
          END IF;
          FOREACH field IN ARRAY required LOOP
            IF coalesce(config -> field, 'null') IN ('null', '""', '[]') AND coalesce(config ->> 'integration', '') = '' THEN
              PERFORM refuse_setting(field, format('is missing; a %s channel needs %s, or the integration that has them', type,
                array_to_string(required, ', ')));
            END IF;
          END LOOP;
          PERFORM check_channel_settings(config);
          IF type = 'WEBHOOK' AND config ->> 'proxy' <> '' AND coalesce(config -> 'allow_private_network',
              to_jsonb(coalesce(config ->> 'integration', '') <> '')) <> 'true' THEN
            PERFORM refuse_setting('proxy', 'hides which address is meant; it needs "allow_private_network": true');
          END IF;
        END $$;

        CREATE FUNCTION check_notification_channel() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
          PERFORM refuse_first(ARRAY[
            ['name', (NEW.name ~ '\S' AND length(NEW.name) <= 200)::text, 'it needs 1 to 200 characters, and not only blanks'],
            ['type', (NEW.type IN ('TELEGRAM', 'EMAIL', 'WEBHOOK'))::text, 'it must be TELEGRAM, EMAIL or WEBHOOK'],
            ['config', (jsonb_typeof(NEW.config) = 'object')::text, 'it must be a JSON object such as {"key": "value"}'],
            ['id', (NEW.id IS NOT NULL)::text, 'it must not be null'],
            ['active', (NEW.active IS NOT NULL)::text, 'it must not be null'],
            ['created_at', (NEW.created_at IS NOT NULL)::text, 'it must not be null']]);
          -- A row that has to be switched off, removed or renamed is not held up by what else is wrong with it.
          IF TG_OP = 'INSERT' OR NEW.type IS DISTINCT FROM OLD.type OR NEW.config IS DISTINCT FROM OLD.config THEN
            PERFORM check_channel_config(NEW.type, NEW.config);
            PERFORM check_document('config', NEW.config);
          END IF;
          IF TG_OP = 'UPDATE' THEN
            IF NEW.active AND NOT OLD.active THEN
              NEW.problem := NULL;
            END IF;
            NEW.updated_at := clock_timestamp();
          END IF;
          RETURN NEW;
        END $$;
        CREATE TRIGGER check_notification_channel BEFORE INSERT OR UPDATE ON notification_channels
          FOR EACH ROW EXECUTE FUNCTION check_notification_channel();

        -- What is empty, the channel has to say.
        CREATE FUNCTION check_channel_integration() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        BEGIN
          IF TG_OP = 'INSERT' OR NEW.type <> OLD.type OR NEW.config <> OLD.config THEN
            PERFORM check_channel_settings(coalesce(jsonb_object_agg(key, value), '{}')) FROM jsonb_each(NEW.config)
            WHERE key = ANY (channel_settings(NEW.type)) AND value NOT IN ('""', '[]', 'null');
          END IF;
          RETURN NEW;
        END $$;
        -- After check_integration, by its name.
        CREATE TRIGGER check_integration_channel BEFORE INSERT OR UPDATE ON integrations FOR EACH ROW
          WHEN (NEW.type IN ('TELEGRAM', 'EMAIL', 'WEBHOOK')) EXECUTE FUNCTION check_channel_integration();
        """#

    static let m11ChannelsDown = #"""
        DROP TRIGGER check_integration_channel ON integrations;
        DROP TRIGGER check_notification_channel ON notification_channels;
        DROP FUNCTION check_channel_integration, check_notification_channel, check_channel_config, check_channel_settings, channel_settings, check_channel_texts,
          check_channel_text;
        """#
}
