extension Noun {
    /// Rows of `stores`.
    static let store = Noun(
        word: "store", table: "stores",
        key: ColumnOption(
            name: "--registration", column: "registration", kind: .text, value: "REGISTRATION",
            help: "what the loyalty club calls it, leading zeros included; unique among stores"),
        columns: [
            ColumnOption(
                name: "--name", column: "name", kind: .text, value: "NAME", help: "its name, unique among stores", isRequired: true),
            ColumnOption(
                name: "--document", column: "document", kind: .text, value: "DOCUMENT", help: "what the ERP calls it (CNPJ, digits only)",
                canBeEmptied: true),
            ColumnOption(name: "--active", column: "active", kind: .boolean, value: "YES|NO", help: "no: jobs leave it out (yes)"),
            ColumnOption(
                name: "--config", column: "config", kind: .json, value: "JSON",
                help: "exceptions for this store (source, time_zone, quantity_limit): JSON, @FILE, or - for standard input"),
        ],
        listing: StoreStatements.listing,
        listingColumns: [
            Table.Column("ID", "id", isNumber: true), Table.Column("REGISTRATION", "registration"), Table.Column("NAME", "name"),
            Table.Column("DOCUMENT", "document"), Table.Column("ACTIVE", "active"),
            Table.Column("CONFIG") { $0["config"]?.objectValue?.isEmpty == true ? "" : Cell.text($0["config"]) },
        ],
        fields: ["id", "registration", "name", "document", "active", "config", "created_at", "updated_at"],
        notes: "")
}
