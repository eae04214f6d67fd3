extension Noun {
    /// Rows of `integrations`.
    static let integration = Noun(
        word: "integration", table: "integrations",
        key: ColumnOption(name: "--name", column: "name", kind: .text, value: "NAME", help: "its name, unique among integrations"),
        columns: [
            ColumnOption(
                name: "--type", column: "type", kind: .text, value: "TYPE", help: "RP, CRESCEVENDAS, TELEGRAM, EMAIL or WEBHOOK",
                isRequired: true),
            ColumnOption(
                name: "--base-url", column: "base_url", kind: .url, value: "URL", help: "where it answers; wins over config.base_url",
                canBeEmptied: true),
            ColumnOption(
                name: "--config", column: "config", kind: .json, value: "JSON", help: "its settings: JSON, @FILE, or - for standard input"),
            ColumnOption(
                name: "--active", column: "active", kind: .boolean, value: "YES|NO", help: "no: runs that need it fail and say so (yes)"),
        ],
        listing: IntegrationStatements.listing,
        listingColumns: [
            Table.Column("ID", "id", isNumber: true), Table.Column("NAME", "name"), Table.Column("TYPE", "type"),
            Table.Column("ACTIVE", "active"), Table.Column("BASE URL", "base_url"),
        ],
        fields: ["id", "name", "type", "base_url", "active", "config", "keys", "created_at", "updated_at"],
        notes: "Secrets in --config may not stand among the arguments: use @FILE or -.",
        users: IntegrationStatements.users)
}
