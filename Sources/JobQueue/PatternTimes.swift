import Cron

/// The due times of a cron pattern in a zone, in Unix seconds, for those who may not know how they are computed.
package struct PatternTimes: Sendable {
    private let schedule: CronSchedule

    /// Throws when the pattern or the zone cannot be used on this host.
    package init(pattern: String, zone: String) throws {
        schedule = CronSchedule(pattern: try CronPattern(pattern), zone: try TimeZoneRules(named: zone))
    }

    /// The first one strictly after an instant; nil: never again.
    package func next(after instant: Int64) -> Int64? {
        schedule.next(after: instant)
    }

    /// The newest ones after `start` and not after `end`, at most `limit`, ascending.
    package func latest(after start: Int64, through end: Int64, limit: Int) -> [Int64] {
        schedule.latest(after: start, through: end, limit: limit).times
    }
}
