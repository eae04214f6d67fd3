import Foundation

/// A server of its own for one test, which may stop, kill and restart it; gone when the last reference is.
package final class RestartableServer: Sendable {
    /// How `pg_ctl stop` ends the sessions.
    package enum StopMode: String, Sendable, CaseIterable {
        /// Sessions are told (57P01) and cut.
        case fast
        /// As in a crash, with recovery at the next start.
        case immediate
    }

    private let server: ServerFolder

    private init(_ server: ServerFolder) { self.server = server }

    /// Makes a cluster with these lines in its `postgresql.conf` and starts it; `environment` is laid over the test's own.
    package static func start(settings: [String: String] = [:], environment: [String: String] = [:]) async throws -> RestartableServer {
        try await offTheTaskThreads {
            let server = try ServerFolder(settings: settings, environment: environment)
            try server.start()
            return RestartableServer(server)
        }
    }

    /// Makes a hot standby that follows this server, and starts it.
    package func startStandby() async throws -> RestartableServer {
        try await offTheTaskThreads { [server] in
            let standby = try ServerFolder(standbyOf: server)
            try standby.start()
            return RestartableServer(standby)
        }
    }

    /// Makes a standby the primary; it takes writes when this returns.
    package func promote() async throws {
        try await offTheTaskThreads { [server] in try server.promote() }
    }

    /// The lines of its log.
    package var log: [String] {
        let text = (try? String(contentsOfFile: server.folder + "/log", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    /// The path of a program of its version: `pgbench`.
    package func program(_ name: String) -> String { server.program(name) }

    /// The port on 127.0.0.1, the same after every restart.
    package var port: Int { server.port }

    /// A connection string for one of its databases, as the ordinary role that owns them.
    package func url(database: String = "postgres") -> String { server.url(database) }

    /// The same as a superuser.
    package func administratorURL(database: String = "postgres") -> String { server.administratorURL(database) }

    /// Stops it and waits until it is down.
    package func stop(_ mode: StopMode) async throws {
        try await offTheTaskThreads { [server] in try server.stop(mode == .fast ? .fast : .immediate) }
    }

    /// Sends SIGKILL to the postmaster; its children leave by themselves.
    package func killPostmaster() throws { try server.killPostmaster() }

    /// Starts it again and waits until it takes connections.
    package func start() async throws {
        try await offTheTaskThreads { [server] in
            // After a kill the children of the old postmaster may hold the shared memory for a moment.
            let deadline = ContinuousClock.now + .seconds(30)
            while true {
                do { return try server.start() } catch {
                    guard ContinuousClock.now < deadline else { throw error }
                    usleep(50_000)
                }
            }
        }
    }

    /// Stops and starts it.
    package func restart(_ mode: StopMode) async throws {
        try await stop(mode)
        try await start()
    }
}
