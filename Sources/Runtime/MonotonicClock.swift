import Glibc

/// The time since the machine started, time in suspension included (CLOCK_BOOTTIME); it never jumps back.
package struct MonotonicClock {
    /// The present moment; only differences and comparisons on the same machine mean something.
    package static func now() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }
}
