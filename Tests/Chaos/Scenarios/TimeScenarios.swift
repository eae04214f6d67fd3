import TestRig
import TestSupport

/// R50 to R54: schedules.
extension Catalogue {
    static let time: [Failure] = []
}
