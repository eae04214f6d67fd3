import Foundation
import Synchronization
import TestRig
import TestSupport

/// Workers that a scenario stops, wakes, kills and replaces.
final class Fleet: Sendable {
    private let rig: Rig
    private let arguments: [String]
    private let url: String?
    private let environment: [String: String]
    private let state = Mutex<[RunningProgram]>([])

    /// Starts `count` workers with these arguments; `url` in the place of the rig's own goes through a proxy.
    init(_ rig: Rig, count: Int, _ arguments: [String], url: String? = nil, environment: [String: String] = [:]) async throws {
        self.rig = rig
        self.arguments = arguments
        self.url = url
        self.environment = environment
        for _ in 0..<count { try add() }
        for worker in all { _ = try await worker.line(containing: "works", within: .seconds(60)) }
    }

    var all: [RunningProgram] { state.withLock { $0 } }

    /// Starts one more.
    @discardableResult
    func add() throws -> RunningProgram {
        let worker = try rig.worker(arguments, url: url, environment: environment)
        state.withLock { $0.append(worker) }
        return worker
    }

    /// Kills one with SIGKILL and starts another in its place.
    func killAndReplace(_ worker: RunningProgram) throws {
        worker.signal(SIGKILL)
        state.withLock { $0.removeAll { $0 === worker } }
        try add()
    }

    /// Wakes all, asks all to leave and waits until they did, with exit code 0.
    func leave(within limit: Duration = .seconds(60)) async throws {
        for worker in all {
            worker.signal(SIGTERM)
            worker.signal(SIGCONT)
        }
        for worker in all {
            let end = try await worker.waitForExit(within: limit)
            try require(end == .exited(0), "a worker left with \(end): \(worker.errors.suffix(5).joined(separator: " | "))")
        }
    }
}
