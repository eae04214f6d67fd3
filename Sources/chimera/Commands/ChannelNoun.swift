extension Noun {
    /// Rows of `notification_channels`.
    static let channel = Noun(
        word: "channel", table: "notification_channels",
        key: ColumnOption(name: "--name", column: "name", kind: .text, value: "NAME", help: "its name, unique among channels"),
        columns: [
            ColumnOption(
                name: "--type", column: "type", kind: .text, value: "TYPE", help: "TELEGRAM, EMAIL or WEBHOOK", isRequired: true),
            ColumnOption(
                name: "--config", column: "config", kind: .json, value: "JSON", help: "its settings: JSON, @FILE, or - for standard input"),
            ColumnOption(
                name: "--active", column: "active", kind: .boolean, value: "YES|NO",
                help: "no: nothing is sent, what waits ends FAILED; yes also clears its problem (yes)"),
        ],
        listing: ChannelStatements.listing,
        listingColumns: [
            Table.Column("ID", "id", isNumber: true), Table.Column("NAME", "name"), Table.Column("TYPE", "type"),
            Table.Column("ACTIVE", "active"), Table.Column("WAITING", "waiting", isNumber: true), Table.Column("PROBLEM", "problem"),
        ],
        fields: ["id", "name", "type", "active", "problem", "waiting", "config", "created_at", "updated_at"],
        notes: """
            Secrets in --config may not stand among the arguments: use @FILE or -.

            What --config holds, beside ca_file and proxy; any text may be made with `chimera secret encrypt`:
              TELEGRAM  bot_token, chat_id (a text), parse_mode (HTML), api_base_url
              EMAIL     smtp_url (smtp://, smtps://), from, to [..], username, password, starttls (required, none)
              WEBHOOK   url, secret (whsec_…; a list while one replaces another), headers, allow_private_network
            With "integration": NAME an integration of the same type, and its keys, give what is not here.
            """)
}
