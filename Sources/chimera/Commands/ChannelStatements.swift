import Postgres

/// The statements of `chimera channel`.
enum ChannelStatements {
    /// `problem`: why a channel tells nobody, or not all. It was switched off, or its newest message did not arrive everywhere, unless somebody
    /// changed it since. One that a newer message overtook says nothing of its channel.
    static let listing: SQL = """
        SELECT c.id, c.name, c.type, c.config, c.active, coalesce(c.problem, (
            SELECT d.last_error FROM (SELECT x.status, x.last_error, x.created_at FROM notification_deliveries AS x
              WHERE x.channel_id = c.id AND (x.status <> 'PENDING' OR x.last_error IS NOT NULL)
                AND coalesce(x.last_error, '') NOT LIKE 'overtaken by %' ORDER BY x.id DESC LIMIT 1) AS d
            WHERE c.active AND (d.status = 'PENDING' OR d.created_at >= c.updated_at))) AS problem,
          (SELECT count(*) FROM notification_deliveries AS d WHERE d.channel_id = c.id AND d.status = 'PENDING') AS waiting, c.created_at, c.updated_at
        FROM notification_channels AS c WHERE c.deleted_at IS NULL ORDER BY c.name
        """

    /// The channels that tell nobody, or not all, though they should, with the reason.
    static let troubled: SQL = "SELECT name, active, problem FROM (" + listing + ") AS c WHERE problem IS NOT NULL ORDER BY name"
}
