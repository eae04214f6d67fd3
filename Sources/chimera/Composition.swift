import JobQueue
import Notifications
import Postgres
import Retail
import Runtime
import Secrets

/// The one place where the parts meet.
enum Composition {
    /// The program's version, shown by `--version` and written to `workers`.
    static let version = "0.1.0"

    /// All migrations, each owned by the target of its tables; the migrator sorts them by number.
    static let migrations: [Migration] = Migration.ofQueue + [.m10Stores, .m11Notifications, .m13PartnerSettings]

    /// Tables that a clean-up walks through, each declared by its owner.
    static let retentionRules: [RetentionRule] = [.scheduleTicks, .notificationDeliveries, .comparisonDifferences, .campaigns]

    /// The code that runs each `job_type`.
    static func jobs(partners: PartnerClients, settings: ProgramSettings) -> [String: any Job] {
        let work = StoreWork(partners: partners)
        return [
            "NOOP": NoopJob(), "SYNC_PRODUCTS": SyncProductsJob(work), "COMPARE_DATA": ComparisonJob(work),
            "CLEANUP_LOGS": CleanupJob(rules: retentionRules),
            "CUSTOM": CustomJob(folder: settings.customFolder, openSecrets: { try partners.opened($0).value }, mask: Masking.mask(text:)),
        ]
    }

    /// The outbox as workers and schedulers run it, on connections of its own; `isTold`: `wakeup` is signalled when something is raised.
    static func deliveryLoop(
        pool: PostgresPool, keyring: CurrentKeyring, language: MessageLanguage, wakeup: Wakeup = Wakeup(), isTold: Bool = false
    ) -> DeliveryLoop {
        DeliveryLoop(
            pool: pool, transports: Channels.transports(), directory: ChannelDirectory(pool: pool) { keyring.keyring }, language: language,
            wakeup: wakeup, pollInterval: isTold ? DeliveryLoop.toldPollInterval : DeliveryLoop.pollInterval)
    }
}
