import Testing

@testable import Runtime

@Suite struct BackoffTests {
    @Test("waits double up to the longest, less half of it at most; the first three failures in a row are told, then each thirtieth")
    func waits() {
        var backoff = Backoff(from: .milliseconds(100), to: .seconds(2))
        for ceiling in [100, 200, 400, 800, 1600, 2000, 2000] {
            let wait = backoff.failed()
            #expect(wait >= .milliseconds(ceiling / 2) && wait <= .milliseconds(ceiling))
        }
        backoff.succeeded()
        let told = (1...60).filter { _ in
            _ = backoff.failed()
            return backoff.isNews
        }
        #expect(told == [1, 2, 3, 30, 60])
        backoff.succeeded()
        #expect(backoff.failed() <= .milliseconds(100))
    }
}
