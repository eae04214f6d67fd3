import Cron
import Runtime

/// A time on the command line: ISO 8601, or a time from now such as `+10m` or `+1h30m`.
enum TimeArgument: Sendable {
    /// Unix seconds.
    case instant(Int64)
    case fromNow(Duration)

    /// Throws `.badData`. A time without an offset is one of `zone`'s clock.
    init(_ text: String, zone: () throws -> TimeZoneRules) throws {
        guard text.hasPrefix("+") else {
            do {
                self = .instant(try parseInstant(text, defaultZone: try zone()))
            } catch {
                throw OperatorError(exitCode: .badData, message: "\(error) A time from now is written +10m")
            }
            return
        }
        guard let seconds = Self.seconds(text.dropFirst()) else {
            throw OperatorError(
                exitCode: .badData, message: "the time \(shown(text)) cannot be read; from now is written +90s, +10m, +2h, +1d or +1h30m")
        }
        self = .fromNow(.seconds(seconds))
    }

    /// `1h30m` in seconds; nil when it is something else, or more than ten years.
    private static func seconds(_ text: Substring) -> Int? {
        let parts = text.matches(of: #/([0-9]{1,9})([smhd])/#)
        guard !parts.isEmpty, parts.map(\.output.0).joined() == text else { return nil }
        let units: [Substring: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        let total = parts.reduce(0) { $0 + (Int($1.output.1) ?? 0) * (units[$1.output.2] ?? 0) }
        return total <= 3_650 * 86_400 ? total : nil
    }
}
