import Foundation
import Postgres
import TestSupport
import Testing

@testable import JobQueue

/// What a worker remembers of job configurations is never older than the last change that it heard of.
@Suite struct ConfigurationCacheTests {
    @Test("what was being read while a change was heard is read again: it may be from before")
    func changeWhileReading() async throws {
        try await Queue.withDatabase { queue in
            let job = try await queue.addJob("j", type: "NOOP", "config = '{\"sleep_ms\": 1}'")
            let server = try #require(URLComponents(string: queue.database.url)?.port)
            let proxy = try TCPProxy(to: server)
            let url = queue.database.url.replacing(":\(server)", with: ":\(proxy.port)")
            let pool = PostgresPool(try PostgresConfiguration(url: url, applicationName: "distant"), maximumConnections: 1)
            let cache = ConfigurationCache(pool: pool)
            _ = try await pool.query("SELECT 1")
            proxy.set(TCPProxy.Network(latency: .milliseconds(700)))
            async let reading = cache.configurations(of: [job])
            try await eventually("a look at the configurations") {
                try await queue.number(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'distant' AND state = 'idle' AND query LIKE '%job_configurations%'"
                ) == 1
            }
            try await queue.run("UPDATE job_configurations SET config = '{\"sleep_ms\": 2}'")
            cache.forget()
            #expect(try await reading[job]?.config["sleep_ms"]?.intValue == 1)
            proxy.set(TCPProxy.Network())
            #expect(try await cache.configurations(of: [job])[job]?.config["sleep_ms"]?.intValue == 2)
            await pool.close()
        }
    }
}
