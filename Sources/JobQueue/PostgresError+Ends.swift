import Postgres

extension PostgresError {
    /// The day's table is not there, and could not be made.
    /// Told by its code and by what it lacks, for servers speak many languages: a CHECK that refuses a row has a name.
    var isMissingPartition: Bool { sqlState == "23514" && kind == .constraint(name: "") }

    var isLockTimeout: Bool { sqlState == "55P03" }

    /// The rows themselves are at fault, and would be again; anything else (a full disk, a timeout, a lost connection) passes.
    var refusesRows: Bool {
        switch kind {
        case .constraint where isMissingPartition: false
        case .constraint, .invalidInput, .raised, .undefined: true
        default: false
        }
    }
}
