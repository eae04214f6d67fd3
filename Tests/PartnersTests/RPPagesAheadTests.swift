import Dispatch
import Networking
import Retail
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import Partners

/// The next page is asked for before this one is read.
@Suite(.timeLimit(.minutes(1)))
struct RPPagesAheadTests {
    private let reading = RPReading()
    private var gate: OpenGate { reading.gate }

    /// Reads pages of one product each, up to a code, and lets each be received only when the next one was asked for. Gives the codes behind
    /// which pages were asked for, in order.
    private func readAhead(upTo last: Int, gate: OpenGate) async throws -> [Int] {
        let asked = Mutex<[Int]>([])
        let server = rpServer { request, _ in
            let after = cursor(of: request)
            asked.withLock { $0.append(after) }
            return RawServer.answer(Fixture.page(after >= last ? [] : [Fixture.product(after + 1)]))
        }
        try await reading.source(server).readProducts(unit: "001", gate: gate) { page in
            let code = Int(page[0].code ?? 0)
            try await eventually { asked.withLock { $0.contains(code) } }
        }
        return asked.withLock { $0 }
    }

    @Test("The next page is asked for while the current one is being received")
    func pipelining() async throws {
        #expect(try await readAhead(upTo: 2, gate: gate) == [0, 1, 2])
    }

    @Test("Where a request has to wait for its turn, every page is asked for through the gate, and still while the one before is received")
    func takingTurns() async throws {
        let gate = OpenGate(opensAtOnce: false)
        #expect(try await readAhead(upTo: 3, gate: gate) == [0, 1, 2, 3])
        #expect(gate.admitted == 5 && gate.records.count == 5, "a login and four pages")
    }

    @Test("A page that cannot be received ends the next one's call, which went out before")
    func refusedPage() async throws {
        struct Refusal: Error {}
        let isLeft = Mutex(false)
        let server = RawServer { connection in
            var isWaitedFor = false
            while let request = connection.readRequest() {
                if request.line.hasPrefix("POST") {
                    connection.send(RawServer.answer(#"{"response":{"status":"ok","token":"tok"}}"#))
                } else if cursor(of: request) == 0 {
                    connection.send(RawServer.answer(Fixture.page([Fixture.product(5)])))
                } else {
                    isWaitedFor = true  // and gets no answer: the client's farewell ends the reading
                }
            }
            if isWaitedFor { isLeft.withLock { $0 = true } }
        }
        let patient = try reading.source(server, ["request_timeout_seconds": 300, "low_speed_seconds": 300])
        await #expect(throws: Refusal.self) {
            try await patient.readProducts(unit: "001", gate: gate) { _ in
                try await eventually { server.requests.contains { cursor(of: $0) == 5 } }
                throw Refusal()
            }
        }
        try await eventually { isLeft.withLock { $0 } }
    }

    @Test("A page whose text ends in another product's code is followed by the right one, and the wrong one is asked for once at most")
    func wrongGuess() async throws {
        let server = rpServer { request, _ in
            let after = cursor(of: request)
            return RawServer.answer(Fixture.page(after >= 8 ? [] : [Fixture.product(after + 1, #","Similares":[{"Codigo":999}]"#)]))
        }
        #expect(try await reading.read(reading.source(server)) == Array(1...8))
        let asked = server.requests.dropFirst().map(cursor)
        #expect(asked.filter { $0 != 999 } == Array(0...8))
        #expect(asked.count { $0 == 999 } <= 1)
    }

    @Test("A page that is none fails at once, though the answer to the next one's call, which went out before, does not come")
    func brokenPage() async throws {
        let silence = Wakeup()
        defer { silence.signal() }
        let server = rpServer { request, _ in
            guard cursor(of: request) == 0 else {
                let isOver = DispatchSemaphore(value: 0)
                Task {
                    _ = await silence.wait(upTo: .seconds(50))
                    isOver.signal()
                }
                isOver.wait()
                return ""
            }
            return RawServer.answer(Fixture.page([Fixture.product(5)]) + "]")
        }
        let failure = await partnerFailure { _ = try await reading.read(reading.source(server, ["request_timeout_seconds": 300])) }
        #expect(failure?.code == "NOT_JSON")
        #expect(gate.records.count == 2, "\(gate.records)")
    }
}
