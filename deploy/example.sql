-- First rows for a migrated schema: two partners, three stores, the three jobs of a day.
--
--     psql -v ON_ERROR_STOP=1 -f deploy/example.sql "$DATABASE_URL"
--
-- It may run twice: a row whose name is there already is left as it is. Everything that identifies someone is made up, and nothing
-- reaches a partner before the addresses and credentials below are replaced, here or later with UPDATE.
--
-- Strings that are secret may stand here plainly or as `enc:v1:…` envelopes of the workers' key; either
-- way they show as dots in listings, logs and the audit log.

BEGIN;

-- RP, the ERP: where products and their club prices come from. Its address is http on the shop's own network.
-- Its paths differ by server version (/v2.8, /v3.2); {lastId} is the cursor, {storeReg} the store's document.
INSERT INTO integrations (name, type, base_url, config)
SELECT 'RP', 'RP', 'http://rp.example:9000', '{
    "auth_method": "LOGIN",
    "login_endpoint": "/v1.1/auth",
    "username": "100000",
    "password": "REPLACE_ME",
    "token_response_field": "response.token",
    "token_header": "token",
    "products_endpoint": "/v2.8/produtounidade/listaprodutos/{lastId}/unidade/{storeReg}/detalhado",
    "pagination": {"method": "CURSOR", "additional_params": {"somentePreco2": "true"}},
    "max_concurrency": 4
}'
WHERE NOT EXISTS (SELECT FROM integrations WHERE name = 'RP' AND deleted_at IS NULL);

-- CresceVendas, the loyalty club: where campaigns go. {branch} is digits 10 to 12 of the store's registration.
INSERT INTO integrations (name, type, base_url, config)
SELECT 'CRESCEVENDAS', 'CRESCEVENDAS', 'https://crescevendas.example', '{
    "auth_headers": {"X-AdminUser-Email": "integration@stores.example", "X-AdminUser-Token": "REPLACE_ME"},
    "send_products_endpoint": "/admin/integrations/discount_stores/batch_upload",
    "get_products_endpoint": "/admin/integrations/discount_stores",
    "campaign_config": {
        "name_template": "{branch} Descontos - {date} {time}",
        "start_time": "06:00",
        "end_time": "23:59",
        "override_existing": true
    },
    "max_requests_per_minute": 30
}'
WHERE NOT EXISTS (SELECT FROM integrations WHERE name = 'CRESCEVENDAS' AND deleted_at IS NULL);

-- Stores: `registration` is what CresceVendas knows, `document` (CNPJ, digits only) what RP knows. These are no valid CNPJs.
INSERT INTO stores (name, registration, document)
SELECT 'Loja 001', '99999999000101', '99999999000101'
WHERE NOT EXISTS (SELECT FROM stores WHERE (name = 'Loja 001' OR registration = '99999999000101') AND deleted_at IS NULL);

INSERT INTO stores (name, registration, document)
SELECT 'Loja 002', '99999999000202', '99999999000202'
WHERE NOT EXISTS (SELECT FROM stores WHERE (name = 'Loja 002' OR registration = '99999999000202') AND deleted_at IS NULL);

-- A store in another zone: its day begins and ends by its own clock.
INSERT INTO stores (name, registration, document, config)
SELECT 'Loja 003', '99999999000303', '99999999000303', '{"time_zone": "America/Manaus"}'
WHERE NOT EXISTS (SELECT FROM stores WHERE (name = 'Loja 003' OR registration = '99999999000303') AND deleted_at IS NULL);

-- Every morning: read RP, publish the day's campaigns. Without a success by 06:00 the job is late; a store that failed for good then
-- has no club prices that day.
INSERT INTO job_configurations
    (name, description, job_type, cron_pattern, time_zone, config, max_attempts, retry_delay_seconds, timeout_seconds, expect_success_within)
SELECT 'sync-products', 'Publishes each store''s club prices as the campaign of the day', 'SYNC_PRODUCTS', '10 5 * * *', 'America/Sao_Paulo',
    '{"source": "RP", "target": "CRESCEVENDAS", "store_ids": [], "max_drop_percent": 50, "quantity_limit": 1000, "verify": "required"}',
    3, 30, 900, interval '50 minutes'
WHERE NOT EXISTS (SELECT FROM job_configurations WHERE name = 'sync-products' AND deleted_at IS NULL);

-- Later in the morning: does the club list what RP offers? From 5 differences over all stores on it is a warning, from 50 on critical.
-- The limit that is expected is that of the sync, unless "quantity_limit" is given here.
INSERT INTO job_configurations (name, description, job_type, cron_pattern, time_zone, config)
SELECT 'compare-data', 'Compares what RP offers with what CresceVendas lists', 'COMPARE_DATA', '20 6 * * *', 'America/Sao_Paulo',
    '{"source": "RP", "target": "CRESCEVENDAS", "store_ids": [], "check_extra": true,
      "notification_threshold": {"min_differences": 5, "critical_differences": 50}}'
WHERE NOT EXISTS (SELECT FROM job_configurations WHERE name = 'compare-data' AND deleted_at IS NULL);

-- At noon: what is past its retention goes, by whole days where a table is partitioned. What would go, in the execution's log:
--     SELECT enqueue_job('cleanup-logs', params => '{"dry_run": true}');
INSERT INTO job_configurations (name, description, job_type, cron_pattern, time_zone, config)
SELECT 'cleanup-logs', 'Drops logs and executions that are past their retention', 'CLEANUP_LOGS', '0 12 * * *', 'America/Sao_Paulo',
    '{"retention_days": 7, "execution_retention_days": 90}'
WHERE NOT EXISTS (SELECT FROM job_configurations WHERE name = 'cleanup-logs' AND deleted_at IS NULL);

-- Who is told: with an active channel every job tells failures, warnings, recoveries and what is late. This one is switched off until it
-- has its own token and chat: UPDATE notification_channels SET config = '…', active = true WHERE name = 'group'.
INSERT INTO notification_channels (name, type, active, config)
SELECT 'group', 'TELEGRAM', false, '{"bot_token": "REPLACE_ME", "chat_id": "-100123"}'
WHERE NOT EXISTS (SELECT FROM notification_channels WHERE name = 'group' AND deleted_at IS NULL);

COMMIT;
