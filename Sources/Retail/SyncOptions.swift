import JobQueue
import Runtime

/// What a SYNC_PRODUCTS job's config says, with the params of the execution laid over it (SPEC §5).
package struct SyncOptions: Sendable, Equatable {
    /// Name of the source integration; nil: the only active one of its type.
    package var source: String?
    /// Name of the target integration; nil likewise.
    package var target: String?
    /// Empty: all active stores.
    package var storeIDs: [Int] = []
    /// How much smaller than the last verified campaign a catalogue may be.
    package var maxDropPercent = 50
    /// How many units a customer may buy at the club price.
    package var quantityLimit = 1000
    /// `required`: a campaign that the listing does not show fails; else it succeeds with a warning.
    package var requiresVerification = true
    /// Everything but the upload.
    package var isDryRun = false
    /// An operator has seen that the catalogue shrank.
    package var confirmsDrop = false

    /// Throws a permanent `RunError` that names the field.
    package init(_ options: JSONValue) throws(RunError) {
        source = try Self.text(options, "source")
        target = try Self.text(options, "target")
        if let ids = options["store_ids"], !ids.isNull {
            guard let values = ids.arrayValue, case let numbers = values.compactMap(\.intValue), numbers.count == values.count else {
                throw Self.refused("store_ids", "must be an array of store ids")
            }
            var seen = Set<Int>()
            storeIDs = numbers.filter { seen.insert($0).inserted }
        }
        maxDropPercent = try Self.number(options, "max_drop_percent", in: 0...100) ?? maxDropPercent
        quantityLimit = try Self.number(options, "quantity_limit", in: 1...Int(Int32.max)) ?? quantityLimit
        switch try Self.text(options, "verify") {
        case nil, "required": requiresVerification = true
        case "when_readable": requiresVerification = false
        default: throw Self.refused("verify", "must be \"required\" or \"when_readable\"")
        }
        isDryRun = try Self.flag(options, "dry_run")
        confirmsDrop = try Self.flag(options, "confirm_drop")
    }

    private static func refused(_ field: String, _ sentence: String) -> RunError {
        RunError(code: "CONFIG", message: "config.\(field) \(sentence); mend the job's configuration", isRetryable: false)
    }

    private static func text(_ options: JSONValue, _ field: String) throws(RunError) -> String? {
        guard let value = options[field], !value.isNull else { return nil }
        guard let text = value.stringValue else { throw refused(field, "must be a text") }
        return text.isEmpty ? nil : text
    }

    private static func number(_ options: JSONValue, _ field: String, in range: ClosedRange<Int>) throws(RunError) -> Int? {
        guard let value = options[field], !value.isNull else { return nil }
        guard let number = value.intValue, range.contains(number) else {
            throw refused(field, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func flag(_ options: JSONValue, _ field: String) throws(RunError) -> Bool {
        guard let value = options[field], !value.isNull else { return false }
        guard let flag = value.boolValue else { throw refused(field, "must be true or false") }
        return flag
    }
}
