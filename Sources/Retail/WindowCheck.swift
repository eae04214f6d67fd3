import Cron
import JobQueue

/// When the day's campaign holds, as it was sent: Unix seconds.
struct PublishedWindow: Sendable, Equatable {
    let startsAt: Int64
    let endsAt: Int64
}

/// Whether listed lines hold when the day's campaign does, to the minute, by the store's own clock.
struct WindowCheck: Sendable {
    /// `2026-11-21T06:00/2026-11-21T23:59`, wall times of the store; nil: windows are not compared.
    let expected: String?
    /// For every window of the listing what it is instead; nil: as expected.
    private let deviations: [String?]

    /// Compares nothing.
    static let none = WindowCheck(expected: nil, deviations: [])

    private init(expected: String?, deviations: [String?]) {
        self.expected = expected
        self.deviations = deviations
    }

    /// Throws a permanent `RunError` when a time is listed that cannot be read: it would be no answer to say that it differs.
    init(_ listing: Listing, expected window: PublishedWindow, zone: TimeZoneRules) throws(RunError) {
        var deviations: [String?] = []
        for listed in listing.windows {
            let start = try Side(listed.startsAt, "start_at", zone), end = try Side(listed.expiresAt, "expire_at", zone)
            let isAsExpected = start.is(window.startsAt, zone) && end.is(window.endsAt, zone)
            deviations.append(isAsExpected ? nil : "\(start.text)/\(end.text)")
        }
        let (start, end) = (zone.local(at: window.startsAt), zone.local(at: window.endsAt))
        self.init(expected: "\(start.minuteText)/\(end.minuteText)", deviations: deviations)
    }

    /// What the listing's window of that place is instead of the expected one; nil when it is that, or nothing is expected.
    func deviation(at place: Int) -> String? {
        deviations.isEmpty ? nil : deviations[place]
    }

    /// One end of a listed window.
    private struct Side {
        private let time: WrittenTime?
        /// As the store's clock shows it.
        let text: String

        init(_ listed: String?, _ field: String, _ zone: TimeZoneRules) throws(RunError) {
            guard let listed, !listed.isEmpty else {
                (time, text) = (nil, "none")
                return
            }
            do {
                let time = try WrittenTime(Self.joined(listed))
                self.time = time
                text =
                    switch time {
                    case .wall(let local): local.minuteText
                    case .instant(let instant): zone.local(at: instant).minuteText
                    }
            } catch {
                throw RunError(
                    code: "WINDOW_UNREADABLE", message: "the listing has the \(field) \"\(error.text)\", which is no time that can be read",
                    isRetryable: false)
            }
        }

        /// `2026-11-21 06:00:00 -0300` and `… UTC` as they stand in ISO 8601.
        private static func joined(_ text: String) -> String {
            if text.hasSuffix(" UTC") { return text.dropLast(4) + "Z" }
            return text.replacing(" -", with: "-").replacing(" +", with: "+")
        }

        /// Seconds are not compared: a campaign is sent to the minute.
        func `is`(_ expected: Int64, _ zone: TimeZoneRules) -> Bool {
            switch time {
            case nil: false
            case .wall(let local): local.minuteText == zone.local(at: expected).minuteText
            case .instant(let instant): instant / 60 == expected / 60
            }
        }
    }
}

extension LocalDateTime {
    /// `2026-11-21T06:00`, as campaigns are sent.
    var minuteText: String { String(description.prefix(16)) }
}
