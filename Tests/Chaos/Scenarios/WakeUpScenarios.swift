import TestRig
import TestSupport

/// R40 to R42: being told that there is work.
extension Catalogue {
    static let wakeUps: [Failure] = []
}
