import JobQueue
import Runtime

/// What a SYNC_PRODUCTS job's config says, with the params of the execution laid over it (SPEC §5).
package struct SyncOptions: Sendable, Equatable {
    /// The partners and the stores.
    package var stores: StoreChoice
    /// How much smaller than the last verified campaign a catalogue may be.
    package var maxDropPercent = 50
    /// How many units a customer may buy at the club price unless a configuration says otherwise.
    package static let standardQuantityLimit = 1000
    /// How many units a customer may buy at the club price.
    package var quantityLimit = Self.standardQuantityLimit
    /// `required`: a campaign that the listing does not show fails; else it succeeds with a warning.
    package var requiresVerification = true
    /// Everything but the upload.
    package var isDryRun = false
    /// An operator has seen that the catalogue shrank.
    package var confirmsDrop = false

    /// Throws a permanent `RunError` that names the field.
    package init(_ options: JSONValue) throws(RunError) {
        let fields = OptionFields(options: options)
        stores = try StoreChoice(fields)
        maxDropPercent = try fields.number("max_drop_percent", in: 0...100) ?? maxDropPercent
        quantityLimit = try fields.number("quantity_limit", in: 1...Int(Int32.max)) ?? quantityLimit
        switch try fields.text("verify") {
        case nil, "required": requiresVerification = true
        case "when_readable": requiresVerification = false
        default: throw OptionFields.refused("verify", "must be \"required\" or \"when_readable\"")
        }
        isDryRun = try fields.flag("dry_run") ?? false
        confirmsDrop = try fields.flag("confirm_drop") ?? false
    }
}
