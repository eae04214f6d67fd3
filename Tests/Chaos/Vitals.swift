import Foundation
import TestSupport

/// What a process holds of the machine.
struct Vitals: Sendable, CustomStringConvertible {
    /// Resident memory, in MiB.
    let memory: Double
    /// None where only root may look at them.
    let descriptors: Int

    init(memory: Double, descriptors: Int) {
        self.memory = memory
        self.descriptors = descriptors
    }

    /// Reads what the kernel says of a process; throws when it is gone.
    init(_ program: RunningProgram) throws {
        let status = try String(contentsOfFile: "/proc/\(program.pid)/status", encoding: .utf8)
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
            let kibibytes = Double(line.split(whereSeparator: \.isWhitespace)[1])
        else { throw Failed("process \(program.pid) has no memory") }
        memory = kibibytes / 1024
        descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(program.pid)/fd").count) ?? 0
    }

    var description: String { String(format: "%.0f MiB, %ld descriptors", memory, descriptors) }

    /// Throws when this is clearly more than there was at the baseline. Memory may grow by half and 16 MiB: the allocator keeps what a peak
    /// has taken. Descriptors by 12: each of a worker's pools opens connections when it needs them and keeps them for a minute.
    func requireBack(at baseline: Vitals, _ name: String) throws {
        try require(
            memory <= baseline.memory * 1.5 + 16 && descriptors <= baseline.descriptors + 12,
            "\(name) has \(self), it began with \(baseline)")
    }
}
