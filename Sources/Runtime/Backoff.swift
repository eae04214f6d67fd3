/// How somebody who tries again and again waits between tries, and which failures are worth a line.
package struct Backoff: Sendable {
    /// The failures in a row.
    package private(set) var failures = 0
    private let first: Duration
    private let longest: Duration

    /// Waits double from `first` to `longest`.
    package init(from first: Duration = .milliseconds(100), to longest: Duration = .seconds(2)) {
        (self.first, self.longest) = (first, longest)
    }

    /// Counts a failure; gives how long to wait, by chance between half of it and all, so that many do not come back at once.
    package mutating func failed() -> Duration {
        let wait = min(first * Double(1 << min(failures, 20)), longest)
        failures += 1
        return wait * Double.random(in: 0.5...1)
    }

    /// Begins anew.
    package mutating func succeeded() { failures = 0 }

    /// Whether the last failure is to be told: the first three in a row, then each thirtieth.
    package var isNews: Bool { failures <= 3 || failures % 30 == 0 }
}
