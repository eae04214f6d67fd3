import Glibc
import TestSupport
import Testing

@testable import JobQueue

@Suite struct GuardSocketTests {
    @Test("who speaks to somebody that never reads does not wait for him", .timeLimit(.minutes(1)))
    func neverWaits() async throws {
        let ends = try GuardSocket.pair()
        defer { for end in [ends.worker, ends.guardian] { close(end.descriptor) } }
        var said = 0
        while ends.worker.send(GuardMessage.hold(milliseconds: 30_000).text), said < 1_000_000 { said += 1 }
        #expect(said > 0 && said < 1_000_000)
        #expect(ends.guardian.receive() == "hold 30000", "and what was said before is there")
        #expect(ends.worker.send(GuardMessage.stop.text))
    }
}
