import Runtime

extension Rig {
    /// Makes three channels of the sandbox: `group` (Telegram), `mail` (SMTP) and `hook` (webhook).
    package func addChannels() async throws {
        let announced = sandbox.announced
        let channels: [(name: String, type: String, config: [String: JSONValue])] = [
            (
                "group", "TELEGRAM",
                [
                    "bot_token": .string(announced.credentials.telegram.botToken), "chat_id": "-4001",
                    "api_base_url": .string(announced.telegram),
                ]
            ),
            (
                "mail", "EMAIL",
                [
                    "smtp_url": .string(announced.smtp), "username": .string(announced.credentials.smtp.username),
                    "password": .string(announced.credentials.smtp.password), "from": "chimera@example.com", "to": ["a@example.com"],
                    "ca_file": .string(announced.caFile),
                ]
            ),
            (
                "hook", "WEBHOOK",
                [
                    "url": .string(announced.webhook + "/a"), "secret": .string(announced.credentials.webhook.secret),
                    "allow_private_network": true,
                ]
            ),
        ]
        for channel in channels {
            _ = try await pool.query(
                "INSERT INTO notification_channels (name, type, config) VALUES (\(channel.name), \(channel.type), \(JSONValue.object(channel.config)))"
            )
        }
    }
}
