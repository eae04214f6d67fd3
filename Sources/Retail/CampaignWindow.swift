import Cron

/// When a campaign holds: a part of one local day of the store.
package struct CampaignWindow: Sendable, Equatable {
    /// `2026-11-21`, the store's day.
    package let day: String
    /// Local wall time to the minute, as the target takes it: `2026-11-21T06:00`.
    package let startsAt: String
    /// Likewise.
    package let endsAt: String
    /// The same moments as Unix seconds.
    package let startInstant: Int64
    /// Likewise.
    package let endInstant: Int64

    /// The window of a campaign whose body is built at `now` (Unix seconds): from the rules' start when that lies ahead, else from the
    /// whole minute at least 5 minutes from now, until the rules' end. Nil when start would not lie before end.
    package init?(now: Int64, zone: TimeZoneRules, rules: CampaignRules) {
        let date = zone.local(at: now).date
        guard let end = Self.local(date, minute: rules.endMinute), var start = Self.local(date, minute: rules.startMinute) else {
            return nil
        }
        var instant = zone.instant(of: start)
        if instant <= now {
            let soon = now + 5 * 60
            // Kept beside the wall time: in the hour that occurs twice it may be the second one.
            instant = soon + (60 - soon % 60) % 60
            start = zone.local(at: instant)
        }
        let endInstant = zone.lastInstant(of: end)
        guard instant < endInstant else { return nil }
        day = date.description
        startsAt = start.minuteText
        endsAt = end.minuteText
        startInstant = instant
        self.endInstant = endInstant
    }

    /// The whole local day of `now`: for a campaign that is recorded and not sent.
    package init(dayOf now: Int64, zone: TimeZoneRules) {
        let midnight = LocalDateTime(date: zone.local(at: now).date, hour: 0) ?? zone.local(at: now)
        let lastMinute = LocalDateTime(date: midnight.date, hour: 23, minute: 59) ?? midnight
        day = midnight.date.description
        startsAt = midnight.minuteText
        endsAt = lastMinute.minuteText
        startInstant = zone.instant(of: midnight)
        endInstant = zone.lastInstant(of: lastMinute)
    }

    private static func local(_ date: CivilDate, minute: Int) -> LocalDateTime? {
        LocalDateTime(date: date, hour: minute / 60, minute: minute % 60)
    }
}

extension CampaignRules {
    /// The campaign's name: the template with the CNPJ's digits 10 to 12, which are the branch's, the day and the start filled in. Where neither
    /// the document nor the registration is a CNPJ, the registration's last three.
    package func name(window: CampaignWindow, document: String, registration: String, storeName: String) -> String {
        let digits = { (text: String) in text.filter(\.isASCII).filter(\.isNumber) }
        let cnpj = [document, registration].map(digits).first { $0.count >= 12 }
        let shortNumber = String(digits(registration).suffix(3))
        let branch = cnpj.map { String($0.dropFirst(9).prefix(3)) } ?? (shortNumber.isEmpty ? registration : shortNumber)
        return
            nameTemplate
            .replacing("{branch}", with: branch)
            .replacing("{date}", with: window.day)
            .replacing("{time}", with: String(window.startsAt.suffix(5)))
            .replacing("{store}", with: storeName)
            .replacing("{registration}", with: registration)
    }
}
