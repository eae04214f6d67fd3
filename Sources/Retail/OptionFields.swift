import JobQueue
import Runtime

/// Reads what a job's config says, with the params of the execution laid over it, and says by name what is wrong with it.
struct OptionFields {
    let options: JSONValue

    /// A permanent failure that names the field.
    static func refused(_ field: String, _ sentence: String) -> RunError {
        RunError(code: "CONFIG", message: "config.\(field) \(sentence); mend the job's configuration", isRetryable: false)
    }

    /// The value at a dotted path; nil when it is absent or null.
    private func value(_ field: String) -> JSONValue? {
        var value: JSONValue? = options
        for key in field.split(separator: ".") { value = value?[String(key)] }
        return value?.isNull == true ? nil : value
    }

    /// A text; an empty one counts as absent.
    func text(_ field: String) throws(RunError) -> String? {
        guard let value = value(field) else { return nil }
        guard let text = value.stringValue else { throw Self.refused(field, "must be a text") }
        return text.isEmpty ? nil : text
    }

    func number(_ field: String, in range: ClosedRange<Int>) throws(RunError) -> Int? {
        guard let value = value(field) else { return nil }
        guard let number = value.intValue, range.contains(number) else {
            throw Self.refused(field, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func flag(_ field: String) throws(RunError) -> Bool? {
        guard let value = value(field) else { return nil }
        guard let flag = value.boolValue else { throw Self.refused(field, "must be true or false") }
        return flag
    }

    /// Ids of stores, each once, in the order in which they stand there.
    func storeIDs(_ field: String) throws(RunError) -> [Int] {
        guard let value = value(field) else { return [] }
        guard let values = value.arrayValue, case let numbers = values.compactMap(\.intValue), numbers.count == values.count else {
            throw Self.refused(field, "must be an array of store ids")
        }
        var seen = Set<Int>()
        return numbers.filter { seen.insert($0).inserted }
    }
}

/// Between which partners and for which stores a job works.
package struct StoreChoice: Sendable, Equatable {
    /// Name of the source integration; nil: the only active one of its type.
    package var source: String?
    /// Name of the target integration; nil likewise.
    package var target: String?
    /// Empty: all active stores.
    package var storeIDs: [Int] = []

    init(_ fields: OptionFields) throws(RunError) {
        source = try fields.text("source")
        target = try fields.text("target")
        storeIDs = try fields.storeIDs("store_ids")
    }
}
