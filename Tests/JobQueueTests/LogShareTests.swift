import Runtime
import Testing

@testable import JobQueue

/// A run that writes faster than lines can be stored costs no other run a line.
@Suite struct LogShareTests {
    private func append(_ count: Int, of run: ClaimedRun, to logs: ExecutionLogWriter) {
        for number in 1...count { logs.append(run: run, level: .info, message: "\(number)", fields: [:]) }
    }

    @Test("beside a flood the lines of another run are kept, and of the flood a line says how many are missing")
    func share() {
        let logs = ExecutionLogWriter(wakeup: Wakeup())
        let (flood, quiet) = (ClaimedRun.sample(1), ClaimedRun.sample(2))
        append(ExecutionLogWriter.mostWaiting + 300, of: flood, to: logs)
        append(100, of: quiet, to: logs)
        append(7, of: flood, to: logs)
        let (lines, dropped) = logs.take()
        #expect(dropped == 307)
        #expect(lines.filter { $0.run.id == quiet.id }.map(\.message) == (1...100).map(String.init))
        let last = lines.last { $0.run.id == flood.id }
        #expect(last?.level == .warning && last?.message.hasPrefix("307 lines are missing here") == true, "\(last?.message ?? "")")
    }

    @Test("what cannot be stored is put back whole, and what comes meanwhile finds no more room than there was")
    func putBack() {
        let logs = ExecutionLogWriter(wakeup: Wakeup())
        append(ExecutionLogWriter.mostWaiting, of: .sample(1), to: logs)
        let taken = logs.take().lines
        append(10, of: .sample(1), to: logs)
        append(10, of: .sample(2), to: logs)
        #expect(!logs.isEmpty)
        logs.putBack(taken)
        let (lines, dropped) = logs.take()
        #expect(dropped == 10 && lines.count == ExecutionLogWriter.mostWaiting + 11)
        #expect(lines.first?.message == "1" && lines.filter { $0.run.id == ClaimedRun.sample(2).id }.count == 10)
    }
}
