import Postgres

/// The statements of `chimera channel`.
enum ChannelStatements {
    static let listing: SQL = """
        SELECT c.id, c.name, c.type, c.config, c.active, c.problem,
          (SELECT count(*) FROM notification_deliveries AS d WHERE d.channel_id = c.id AND d.status = 'PENDING') AS waiting, c.created_at, c.updated_at
        FROM notification_channels AS c WHERE c.deleted_at IS NULL ORDER BY c.name
        """
}
