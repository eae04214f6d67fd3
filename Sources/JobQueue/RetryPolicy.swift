import Runtime

/// When a failed attempt is tried again (SPEC §3): `retry_delay_seconds`, doubled each time, ±20 % jitter, at most an hour; a partner's
/// `Retry-After` is honoured when it is longer.
package enum RetryPolicy {
    /// The longest wait between two attempts.
    package static let longestDelay: Duration = .seconds(3600)

    /// The wait after the `failures`-th failure (from 1); `jitter` is between -0.2 and 0.2.
    package static func delay(afterFailures failures: Int, base: Duration, retryAfter: Duration? = nil, jitter: Double) -> Duration {
        let doubled = base * Double(1 << min(max(failures - 1, 0), 20))
        let waited = min(min(doubled, longestDelay) * (1 + min(max(jitter, -0.2), 0.2)), longestDelay)
        return max(waited, min(retryAfter ?? .zero, longestDelay))
    }
}
