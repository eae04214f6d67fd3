/// When a loop that asks again and again is to ask next. The first time lies anywhere in the interval and wake-ups in between move nothing:
/// programs that began at one moment (a deploy), or heard one notification, do not ask together.
package struct PollTimes: Sendable {
    private let interval: Duration
    private var next: Duration

    /// Asks first within `interval` from `now`, then after 0.9 to 1 of it.
    package init(every interval: Duration, from now: Duration = MonotonicClock.now()) {
        self.interval = interval
        next = now + interval * Double.random(in: 0...1)
    }

    /// How long to wait, for a loop that has just asked: never longer than the interval.
    package mutating func wait(at now: Duration = MonotonicClock.now()) -> Duration {
        guard next <= now else { return next - now }
        // What made it late (a machine that was suspended, a database that was away) made others late too: it begins anew.
        let isLate = now - next > interval / 4
        next = isLate ? now + interval * Double.random(in: 0...1) : max(now, next + interval * Double.random(in: 0.9...1))
        return next - now
    }
}
