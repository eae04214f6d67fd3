import JobQueue
import Notifications
import Postgres
import Retail
import Runtime

/// The one place where the parts meet.
enum Composition {
    /// The program's version, shown by `--version` and written to `workers`.
    static let version = "0.1.0"

    /// All migrations in order, each owned by the target of its tables.
    static let migrations: [Migration] = [
        .m01Foundations, .m02Integrations, .m03Jobs, .m04Executions, .m05ExecutionGuards, .m06Ends, .m07Claims, .m08Operations,
        .m09Schedules,
        .m10Stores, .m11Notifications,
    ]

    /// The code that runs each `job_type`.
    static func jobs(partners: PartnerClients) -> [String: any Job] {
        ["NOOP": NoopJob(), "SYNC_PRODUCTS": SyncProductsJob(partners: partners)]
    }

    /// What carries messages to each type of channel; deliveries of other types wait.
    static func transports() -> [ChannelType: any ChannelTransport] {
        [:]
    }

    /// The outbox as workers and schedulers run it, on connections of its own.
    static func deliveryLoop(pool: PostgresPool, keyring: CurrentKeyring, language: MessageLanguage) -> DeliveryLoop {
        DeliveryLoop(
            pool: pool, transports: transports(), directory: ChannelDirectory(pool: pool) { keyring.keyring }, language: language)
    }
}
