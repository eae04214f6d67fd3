/// Why something failed, as `error_details` says it; secrets are masked.
package struct FailureReason: Sendable, Hashable {
    /// A stable word for machines.
    package let code: String
    /// The sentence that was stored.
    package let message: String

    /// Takes both.
    package init(code: String, message: String) {
        self.code = code
        self.message = message
    }
}

/// A store that succeeded with something to look at.
package struct RemarkedPart: Sendable, Hashable {
    /// What there is to look at.
    package enum Remark: Sendable, Hashable {
        /// So many lines differ between source and target.
        case differences(Int)
        /// There was nothing to publish.
        case skipped
        /// Its campaign was accepted and not seen in the listing, and why.
        case unverified(FailureReason)
        /// A severity, and nothing that says what it is about.
        case other
    }

    /// The store's name; where there is no such store any more, how the target knew it.
    package let name: String
    /// What there is to look at.
    package let remark: Remark

    /// Takes both.
    package init(name: String, remark: Remark) {
        self.name = name
        self.remark = remark
    }
}

/// A store that failed, or another part of an execution.
package struct FailedPart: Sendable, Hashable {
    /// The store's id; nil when the part is none of a store.
    package let storeID: Int?
    /// How the target knows the store.
    package let registration: String?
    /// The store's name; nil when there is no such store any more.
    package let name: String?
    /// Why.
    package let reason: FailureReason
    /// How many parts failed with the reason's code, those that are not listed included; nil: not known.
    package let codeCount: Int?

    /// Takes the facts.
    package init(storeID: Int?, registration: String?, name: String?, reason: FailureReason, codeCount: Int? = nil) {
        self.storeID = storeID
        self.registration = registration
        self.name = name
        self.reason = reason
        self.codeCount = codeCount
    }
}
