import Testing

@testable import Runtime

@Suite struct PollTimesTests {
    /// How many of these moments lie within the fullest tenth of a second.
    private func fullest(_ moments: [Duration]) -> Int {
        let tenths = moments.map { Int($0 / .milliseconds(100)) }
        return Dictionary(grouping: tenths) { $0 }.values.map(\.count).max() ?? 0
    }

    @Test("those that begin at one moment ask at any time of the interval, from the first time on")
    func spread() {
        for round in 0..<5 {
            var now = Array(repeating: Duration.seconds(10), count: 2_000)
            var loops = now.map { PollTimes(every: .seconds(1), from: $0) }
            for _ in 0...round {
                for place in loops.indices { now[place] += loops[place].wait(at: now[place]) }
            }
            // A tenth of a second holds 200 of 2,000, or a few more where intervals of 0.9 and of 1 s meet.
            #expect(fullest(now) < 300, "the fullest tenth of a second at time \(round + 1) has \(fullest(now)) of 2,000")
        }
    }

    @Test("a wake-up in between moves nothing; none waits longer than the interval")
    func wakeups() {
        for _ in 0..<200 {
            var loop = PollTimes(every: .seconds(1), from: .zero)
            let first = loop.wait(at: .zero)
            #expect(first >= .zero && first <= .seconds(1))
            #expect(loop.wait(at: first / 2) == first - first / 2)
            let second = loop.wait(at: first)
            #expect(second >= .milliseconds(850) && second <= .seconds(1))
            #expect(loop.wait(at: first + .milliseconds(100)) == second - .milliseconds(100))
            // A little late: the time after it stays where it was.
            let late = loop.wait(at: first + second + .milliseconds(200))
            #expect(late >= .milliseconds(650) && late <= .milliseconds(800))
        }
    }

    @Test("those that were stopped and go on at one moment spread again")
    func stopped() {
        let loops = (0..<2_000).map { _ in
            var loop = PollTimes(every: .seconds(1), from: .zero)
            return loop.wait(at: .seconds(60))
        }
        #expect(fullest(loops) < 300 && loops.allSatisfy { $0 <= .seconds(1) })
    }
}
