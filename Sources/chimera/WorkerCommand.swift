import Cron
import Foundation
import JobQueue
import Postgres
import Runtime

/// `chimera worker`: claims and runs executions until it is stopped.
struct WorkerCommand {
    var slots = 16
    var grace: Duration = .seconds(30)
    var lease: Duration = .seconds(30)
    var drains = false

    func run(_ settings: ProgramSettings) async throws {
        let database = try settings.database(applicationName: "chimera worker")
        let program = LongRunning(environment: settings.environment, grace: grace)
        let workerSettings = WorkerSettings(slots: slots, grace: grace, lease: lease, drains: drains, listens: try settings.listens())
        let identity = WorkerIdentity(
            id: UUID().uuidString.lowercased(), host: ProcessInfo.processInfo.hostName, pid: ProcessInfo.processInfo.processIdentifier,
            version: Composition.version, slots: slots)
        let pool = PostgresPool(database, maximumConnections: 4)
        let keyring = try CurrentKeyring(path: settings.keyFile)
        let partners = PartnerClients(pool: pool, keys: keyring)
        let outboxPool = PostgresPool(database, maximumConnections: 3)
        let outboxWakeup = Wakeup()
        let outbox = Composition.deliveryLoop(
            pool: outboxPool, keyring: keyring, language: try settings.language(), wakeup: outboxWakeup, isTold: workerSettings.listens)
        let reload: @Sendable () -> Void = {
            TimeZoneRules.forgetLoadedZones()
            do {
                try keyring.reload()
            } catch {
                Logger(label: "chimera").error("keeps its old keys", ["error": "\(error)"])
            }
        }
        try await program.run(reload: reload) {
            let worker = Worker(
                identity: identity, settings: workerSettings, database: database,
                jobs: Composition.jobs(partners: partners, settings: settings),
                told: ["chimera_outbox": outboxWakeup],
                onReady: { program.isReady() }, onProgress: { program.systemd.watchdog(status: "runs under way: \($0), slots: \(slots)") })
            // Of the sessions that the outbox keeps anyway.
            try await SchemaGate(pool: outboxPool).admit(program) {
                await withDiscardingTaskGroup { services in
                    services.addTask { await outbox.run(until: program.shutdown) }
                    await worker.run(until: program.shutdown)
                    if drains { await outbox.drained(until: program.shutdown) }
                    program.shutdown.request(grace: grace)
                }
            }
            for pool in [pool, outboxPool] { await pool.close() }
        }
    }
}
