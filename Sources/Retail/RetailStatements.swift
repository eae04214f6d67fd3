import JobQueue
import Postgres
import Runtime

/// The statements of stores, campaigns and products.
package enum RetailStatements {
    private static let storeColumns: SQL =
        "id, name, registration, coalesce(document, '') AS document, active, deleted_at IS NOT NULL AS deleted, config"

    static func stores(ids: [Int]) -> SQL {
        "SELECT " + storeColumns + " FROM stores WHERE id = ANY (\(ids)::int[])"
    }

    static let activeStores: SQL = "SELECT " + storeColumns + " FROM stores WHERE active AND deleted_at IS NULL ORDER BY id"

    private static let integrationColumns: SQL = """
        id, name, type, coalesce(base_url, config ->> 'base_url', '') AS base_url, config, active, keys.keys,
          updated_at::text || md5(coalesce(keys.keys::text, '')) AS version
        """
    /// Credentials kept apart from `config`; the shared login changes too often to make clients anew.
    private static let integrationKeys: SQL = """
         CROSS JOIN LATERAL (SELECT jsonb_object_agg(k.key, k.value) AS keys FROM integration_keys AS k
          WHERE k.integration_id = integrations.id AND k.key <> 'login_token' AND (k.expires_at IS NULL OR k.expires_at > now())) AS keys
        """

    static func integration(named name: String) -> SQL {
        "SELECT " + integrationColumns + " FROM integrations" + integrationKeys + " WHERE name = \(name) AND deleted_at IS NULL"
    }

    /// The row of an id, as `IntegrationRow` reads it.
    package static func integration(id: Int) -> SQL {
        "SELECT " + integrationColumns + " FROM integrations" + integrationKeys + " WHERE id = \(id) AND deleted_at IS NULL"
    }

    static func activeIntegrations(type: String) -> SQL {
        "SELECT " + integrationColumns + " FROM integrations" + integrationKeys
            + " WHERE type = \(type) AND active AND deleted_at IS NULL ORDER BY id LIMIT 2"
    }

    static let now: SQL = "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint AS now"

    // MARK: Campaigns

    private static let campaignColumns: SQL = """
        id, execution_id::text AS execution_id, name, starts_at <= clock_timestamp() AS has_started, line_count, status, body, staged_products,
        metrics, upload_started_at IS NOT NULL AS was_under_way, extract(epoch FROM starts_at)::bigint AS starts_at,
        extract(epoch FROM ends_at)::bigint AS ends_at
        """

    /// The newest campaign of a store's day that counts for what is to be done next.
    static func latestCampaign(store: Int, target: Int, day: String) -> SQL {
        "SELECT " + campaignColumns + """
             FROM campaigns WHERE store_id = \(store) AND target_id = \(target) AND day = \(day)::date AND NOT dry_run
              AND status IN ('PLANNED', 'SENT', 'VERIFIED') ORDER BY id DESC LIMIT 1
            """
    }

    /// What a store's new campaign is held against: how many lines the newest VERIFIED campaign of any day had, and whether one of the store's
    /// day may be what is to be published.
    static func baseline(store: Int, target: Int, day: String) -> SQL {
        """
        SELECT floor(extract(epoch FROM clock_timestamp()))::bigint AS now,
          (SELECT line_count FROM campaigns WHERE store_id = \(store) AND status = 'VERIFIED' AND line_count > 0
           ORDER BY day DESC, id DESC LIMIT 1) AS last_line_count,
          EXISTS (SELECT FROM campaigns WHERE store_id = \(store) AND target_id = \(target) AND day = \(day)::date AND status = 'VERIFIED') AS is_published
        """
    }

    /// The newest VERIFIED campaign of the store's day, when it has this content, nothing that may have arrived came after it, and no comparison
    /// found since then that the club shows something else.
    static func unchangedCampaign(store: Int, target: Int, day: String, content: String) -> SQL {
        """
        SELECT id, name FROM (
          SELECT c.id, c.name, c.content_digest
          FROM campaigns AS c WHERE c.store_id = \(store) AND c.target_id = \(target) AND c.day = \(day)::date AND c.status = 'VERIFIED'
            AND c.staged_products IS NULL
            -- A comparison may have been made long before it began: it waits for the store's sync.
            AND NOT EXISTS (SELECT FROM (SELECT DISTINCT execution_id FROM comparison_differences
                WHERE store_id = c.store_id AND execution_id > uuid_v7_floor(c.verified_at - interval '1 day')) AS d
              CROSS JOIN LATERAL execution_state(d.execution_id) AS e WHERE e.started_at >= c.verified_at)
            AND NOT EXISTS (SELECT FROM campaigns AS later WHERE later.store_id = c.store_id AND later.target_id = c.target_id
              AND later.day = c.day AND later.id > c.id AND later.status <> 'VERIFIED'
              AND (later.upload_started_at IS NOT NULL OR later.status = 'SENT'))
          ORDER BY c.id DESC LIMIT 1) AS today
        WHERE content_digest = \(digest(of: content))
        """
    }

    static func publishes(_ campaign: Int64, content: String) -> SQL {
        "SELECT content_digest IN ('', " + digest(of: content) + ") AS is_same FROM campaigns WHERE id = \(campaign)"
    }

    private static func digest(of content: String) -> SQL { "encode(sha256(convert_to(\(content), 'UTF8')), 'hex')" }

    static func insertCampaign(_ campaign: NewCampaign) -> SQL {
        """
        INSERT INTO campaigns (execution_id, store_id, target_id, name, day, starts_at, ends_at, line_count, status, content_digest, body,
          staged_products, metrics, reason, dry_run, upload_started_at)
        VALUES (\(campaign.execution)::uuid, \(campaign.store), \(campaign.target), \(campaign.name), \(campaign.window.day)::date,
          to_timestamp(\(campaign.window.startInstant)), to_timestamp(\(campaign.window.endInstant)), \(campaign.lineCount), \(campaign.status),
          \(campaign.content.isEmpty ? "''" : digest(of: campaign.content)), \(orNull: campaign.body), \(orNull: campaign.staged), \(orNull: campaign.metrics)::jsonb, \(orNull: campaign.reason), \(campaign.isDryRun),
          CASE WHEN \(campaign.status) = 'PLANNED' THEN clock_timestamp() END)
        RETURNING id
        """
    }

    /// An upload is about to begin once more: from now on its fate may be unknown.
    static func uploadBegins(_ id: Int64) -> SQL {
        "UPDATE campaigns SET upload_started_at = clock_timestamp() WHERE id = \(id) AND status = 'PLANNED'"
    }

    /// The upload surely did not arrive.
    static func uploadDidNotArrive(_ id: Int64) -> SQL {
        "UPDATE campaigns SET upload_started_at = NULL WHERE id = \(id) AND status = 'PLANNED'"
    }

    static func campaignSent(_ id: Int64, receipt: UploadReceipt?) -> SQL {
        """
        UPDATE campaigns SET status = 'SENT', reason = NULL, http_status = coalesce(\(orNull: receipt?.httpStatus), http_status),
          response_excerpt = coalesce(\(orNull: receipt?.excerpt), response_excerpt) WHERE id = \(id) AND status = 'PLANNED'
        """
    }

    /// `mayHaveArrived` false: the upload was refused and surely changed nothing.
    static func campaignFailed(_ id: Int64, reason: String, answer: PartnerFailure?, mayHaveArrived: Bool) -> SQL {
        """
        UPDATE campaigns SET status = 'FAILED', \(noting(reason, answer)),
          staged_products = NULL, upload_started_at = CASE WHEN \(mayHaveArrived) THEN upload_started_at END WHERE id = \(id)
        RETURNING starts_at <= clock_timestamp() AS has_started
        """
    }

    /// What stands against a campaign that may still succeed.
    static func campaignReason(_ id: Int64, reason: String, answer: PartnerFailure?) -> SQL {
        "UPDATE campaigns SET \(noting(reason, answer)) WHERE id = \(id) AND status <> 'VERIFIED'"
    }

    private static func noting(_ reason: String, _ answer: PartnerFailure?) -> SQL {
        """
        reason = \(reason), http_status = coalesce(\(orNull: answer?.httpStatus), http_status),
          response_excerpt = coalesce(\(orNull: answer?.excerpt), response_excerpt)
        """
    }

    static func campaignVerified(_ id: Int64) -> SQL {
        """
        UPDATE campaigns SET status = 'VERIFIED', verified_at = clock_timestamp(), reason = NULL, staged_products = NULL
        WHERE id = \(id) AND status = 'SENT'
        RETURNING (extract(epoch FROM starts_at) * 1000000)::bigint AS starts_at, (extract(epoch FROM ends_at) * 1000000)::bigint AS ends_at
        """
    }

    // MARK: Products

    static func removeProducts(store: Int) -> SQL {
        "DELETE FROM products WHERE store_id = \(store)"
    }

    /// Takes `ProductRows`. Straight into the table: a staging table and an upsert take twice the server's time, and every row changes each
    /// day anyway.
    static let copyProducts = """
        COPY products (code, name, barcode, price, final_price, quantity_limit, store_id, starts_at, expires_at) FROM STDIN (FORMAT binary)
        """

    // MARK: What workers know together about a partner

    /// At a high rate nobody waits for the disk while he holds the integration's row: what a crash of the server can lose is less than
    /// the time that it takes to start again.
    static func reserveRequest(integration: Int, perMinute: Int, execution: ExecutionID) -> SQL {
        let durability: SQL = perMinute < 600 ? "" : "set_config('synchronous_commit', 'off', true), "
        return "SELECT " + durability
            + "extract(epoch FROM reserve_request(\(integration), \(perMinute), \(execution)::uuid))::float8 AS wait"
    }

    static func recordFailure(integration: Int, store: Int) -> SQL {
        """
        SELECT extract(epoch FROM record_request_failure(\(integration), \(store)) - clock_timestamp())::float8 AS open_for
        """
    }

    static func recordSuccess(integration: Int) -> SQL {
        "SELECT record_request_success(\(integration))"
    }

    // MARK: Shared logins

    static func key(integration: Int, key: String) -> SQL {
        """
        SELECT value FROM integration_keys WHERE integration_id = \(integration) AND key = \(key)
          AND (expires_at IS NULL OR expires_at > clock_timestamp() + interval '30 seconds')
        """
    }

    static func storeKey(integration: Int, key: String, value: String, lifetime: Duration?) -> SQL {
        """
        INSERT INTO integration_keys (integration_id, key, value, expires_at)
        VALUES (\(integration), \(key), \(value), clock_timestamp() + \(orNull: lifetime)::interval)
        ON CONFLICT (integration_id, key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
        """
    }

    /// A row, with what this login is told by, when there may be one now: one at a time for an integration, given up after 30 s.
    static func beginLogin(integration: Int) -> SQL {
        """
        INSERT INTO integration_state AS s (integration_id, login_by, login_until)
        VALUES (\(integration), gen_random_uuid(), clock_timestamp() + interval '30 seconds')
        ON CONFLICT (integration_id) DO UPDATE SET login_by = excluded.login_by, login_until = excluded.login_until
          WHERE s.login_until IS NULL OR s.login_until < clock_timestamp()
        RETURNING login_by::text AS login
        """
    }

    static func endLogin(integration: Int, login: String) -> SQL {
        "UPDATE integration_state SET login_by = NULL, login_until = NULL WHERE integration_id = \(integration) AND login_by = \(login)::uuid"
    }
}

/// A campaign that is to be recorded.
struct NewCampaign: Sendable {
    let execution: ExecutionID
    let store: Int
    let target: Int
    let name: String
    let window: CampaignWindow
    let lineCount: Int
    let status: String
    /// What its digest is made of, `CampaignStore.content`; empty: nothing was decided.
    let content: String
    let body: String?
    let staged: String?
    let metrics: JSONValue?
    let reason: String?
    let isDryRun: Bool
}
