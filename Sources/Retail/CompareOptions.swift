import JobQueue
import Runtime

/// What a COMPARE_DATA job's config says, with the params of the execution laid over it (SPEC §5, PARTNERS §5).
package struct CompareOptions: Sendable, Equatable {
    /// The partners and the stores.
    package var stores: StoreChoice
    /// The kinds of differences that are looked for.
    package var kinds = Set(DifferenceKind.allCases)
    /// The expected limit of stores that have none of their own; nil: that of the sync that published.
    package var quantityLimit: Int?
    /// When differences are grave.
    package var thresholds = DifferenceThresholds()

    /// Throws a permanent `RunError` that names the field.
    package init(_ options: JSONValue) throws(RunError) {
        let fields = OptionFields(options: options)
        stores = try StoreChoice(fields)
        quantityLimit = try fields.number("quantity_limit", in: 1...Int(Int32.max))
        if try fields.flag("check_extra") == false { kinds.remove(.extraInTarget) }
        if try fields.flag("check_missing_products") == false { kinds.remove(.missingInTarget) }
        if try fields.flag("check_price_differences") == false { kinds.subtract([.price, .finalPrice]) }
        let counts = 1...1_000_000_000
        thresholds.warning = try fields.number("notification_threshold.min_differences", in: counts) ?? thresholds.warning
        thresholds.critical = try fields.number("notification_threshold.critical_differences", in: counts) ?? thresholds.critical
    }
}

/// From how many differences on an execution's severity is `warning`, and `critical`. `weigh_differences` applies them to all stores together.
package struct DifferenceThresholds: Sendable, Equatable {
    /// `notification_threshold.min_differences`.
    package var warning = 5
    /// `notification_threshold.critical_differences`.
    package var critical = 50

    func severity(of count: Int) -> String {
        count >= critical ? "critical" : count >= warning ? "warning" : "ok"
    }
}
