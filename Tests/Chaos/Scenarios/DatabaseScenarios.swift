import TestRig
import TestSupport

/// R20 to R32: what happens to PostgreSQL.
extension Catalogue {
    static let database: [Failure] = []
}
