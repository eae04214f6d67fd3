import TestRig
import TestSupport

/// R20 to R32: what happens to PostgreSQL.
extension Catalogue {
    static let database: [Failure] = [
        Failure(
            number: "R20", name: "PostgreSQL restarts, its postmaster is killed, every session is terminated",
            evidence: [.scenario(restarts)])
    ]
}
