import Foundation
import Postgres
import Synchronization

/// The server on which tests make their databases: the one of `CHIMERA_TEST_DATABASE_URL`, else a private one, started when first asked for.
package final class TestCluster: Sendable {
    private static let started = Result { try TestCluster() }

    /// The cluster of this process; the first call starts it and blocks for a second or two.
    package static var shared: TestCluster {
        get throws { try started.get() }
    }

    /// Connects as an administrator.
    package let pool: PostgresPool
    private let server: ServerFolder?
    private let administratorURL: String
    private let templates = Templates()

    private init() throws {
        if let url = ProcessInfo.processInfo.environment["CHIMERA_TEST_DATABASE_URL"], !url.isEmpty {
            server = nil
            administratorURL = url
        } else {
            let server = try ServerFolder(settings: [:])
            try server.start()
            self.server = server
            administratorURL = server.administratorURL("postgres")
        }
        let configuration = try PostgresConfiguration(
            url: administratorURL, applicationName: "chimera-tests", statementDeadline: .seconds(120))
        pool = PostgresPool(configuration, maximumConnections: 4)
    }

    /// A connection string of another database on this server: as the ordinary role that owns it, on a server of ours.
    package func url(database: String) -> String { server?.url(database) ?? administratorURL(database: database) }

    /// The same as an administrator.
    package func administratorURL(database: String) -> String {
        if let server { return server.administratorURL(database) }
        let url = administratorURL
        if url.hasPrefix("postgres://") || url.hasPrefix("postgresql://"), var parts = URLComponents(string: url) {
            parts.path = "/" + database
            return parts.string ?? url
        }
        return url + " dbname=" + database
    }

    /// The database a template stands for, made when it is first asked for.
    func databaseName(of template: DatabaseTemplate) async throws -> String {
        try await templates.name(of: template, on: self)
    }

    /// Makes an empty database, or a copy of another one.
    func createDatabase(_ name: String, copyOf template: String = "template0") async throws {
        let owner: SQL = server == nil ? "" : " OWNER \(unsafe: ServerFolder.owner)"
        _ = try await pool.query("CREATE DATABASE \(unsafe: name)" + owner + " TEMPLATE \(unsafe: template)", deadline: .seconds(120))
    }

    /// Drops a database and whoever is connected to it.
    func dropDatabase(_ name: String) async throws {
        _ = try await pool.query("DROP DATABASE IF EXISTS \(unsafe: name) WITH (FORCE)", deadline: .seconds(120))
    }
}

/// Makes every template once; who asks meanwhile waits for it.
private actor Templates {
    private var made: [String: Task<String, any Error>] = [:]

    func name(of template: DatabaseTemplate, on cluster: TestCluster) async throws -> String {
        if let task = made[template.name] { return try await task.value }
        let task = Task {
            guard let migrate = template.migrate else { return "template0" }
            let name = "chimera_template_\(getpid())_\(template.name.filter { $0.isLetter || $0.isNumber }.lowercased())"
            try await cluster.dropDatabase(name)
            try await cluster.createDatabase(name)
            let pool = PostgresPool(try PostgresConfiguration(url: cluster.url(database: name)), maximumConnections: 2)
            do {
                try await migrate(pool)
                await pool.close()
            } catch {
                await pool.close()
                throw error
            }
            return name
        }
        made[template.name] = task
        return try await task.value
    }
}
