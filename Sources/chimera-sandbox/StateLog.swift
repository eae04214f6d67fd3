import Foundation
import Synchronization

/// Everything that the stand-ins received, for tests to read: counts for ever, single entries up to a limit.
final class StateLog: Sendable {
    struct Traffic {
        /// `GET list` → count
        var requests: [String: Int] = [:]
        /// HTTP status → count; 0: the connection ended without an answer.
        var statuses: [Int: Int] = [:]
        var concurrent = 0
        var mostConcurrent = 0

        fileprivate mutating func arrive(_ name: String) {
            requests[name, default: 0] += 1
            concurrent += 1
            mostConcurrent = max(mostConcurrent, concurrent)
        }

        fileprivate mutating func leave(status: Int) {
            concurrent -= 1
            statuses[status, default: 0] += 1
        }
    }

    struct Login {
        let at: Double
        let endpoint: String
        let username: String
        let isAccepted: Bool
    }

    struct Pages {
        var pages = 0
        var emptyPages = 0
        var products = 0
        var lastCursor = 0
    }

    struct Upload {
        let at: Double
        let registrations: [String]
        let name: String
        let start: String
        let end: String
        let lineCount: Int
        let digest: String
        let bodyDigest: String
        var isApplied: Bool
        var status: Int
        var body: [UInt8]?
    }

    struct Listing {
        let at: Double
        let registration: String
        let start: String
        let end: String
        let lineCount: Int
        let status: Int
    }

    struct Entries {
        var traffic: [Partner: Traffic] = [:]
        var stores: [Partner: [Int: Traffic]] = [:]
        var pages: [Int: Pages] = [:]
        var logins: [Login] = []
        var uploads: [Upload] = []
        var listings: [Listing] = []
        var unknown: [String] = []
        var bodyBytes = 0
    }

    /// Single entries of a kind beyond this number push out the oldest.
    static let mostEntries = 20_000
    /// Bodies of uploads are kept up to this size in all.
    private static let mostBodyBytes = 128 << 20

    private let entries = Mutex(Entries())

    func snapshot() -> Entries { entries.withLock { $0 } }

    /// Forgets what was received; requests under way stay counted as such.
    func reset() {
        entries.withLock { entries in
            var fresh = Entries()
            fresh.traffic = entries.traffic.mapValues { Self.underWay($0) }
            fresh.stores = entries.stores.mapValues { $0.mapValues { Self.underWay($0) } }
            entries = fresh
        }
    }

    private static func underWay(_ traffic: Traffic) -> Traffic {
        Traffic(concurrent: traffic.concurrent, mostConcurrent: traffic.concurrent)
    }

    // MARK: arrivals

    /// A request that is being answered. Ends once, however often it is told.
    final class Presence: Sendable {
        private let log: StateLog
        private let visit: Visit
        private let hasLeft = Atomic(false)

        fileprivate init(_ log: StateLog, _ visit: Visit) {
            self.log = log
            self.visit = visit
        }

        func leave(status: Int) {
            guard !hasLeft.exchange(true, ordering: .relaxed) else { return }
            log.entries.withLock { entries in
                entries.traffic[visit.partner, default: Traffic()].leave(status: status)
                for store in visit.stores {
                    entries.stores[visit.partner, default: [:]][store, default: Traffic()].leave(status: status)
                }
            }
        }
    }

    func arrive(_ visit: Visit) -> Presence {
        entries.withLock { entries in
            entries.traffic[visit.partner, default: Traffic()].arrive(visit.endpoint)
            for store in visit.stores {
                entries.stores[visit.partner, default: [:]][store, default: Traffic()].arrive(visit.endpoint)
            }
        }
        return Presence(self, visit)
    }

    // MARK: entries

    func add(_ login: Login) {
        entries.withLock { Self.append(login, to: &$0.logins) }
    }

    func add(_ listing: Listing) {
        entries.withLock { Self.append(listing, to: &$0.listings) }
    }

    func addUnknown(_ request: String) {
        entries.withLock { Self.append(request, to: &$0.unknown) }
    }

    func addPage(store: Int, products: Int, cursor: Int) {
        entries.withLock { entries in
            entries.pages[store, default: Pages()].pages += 1
            entries.pages[store, default: Pages()].emptyPages += products == 0 ? 1 : 0
            entries.pages[store, default: Pages()].products += products
            entries.pages[store, default: Pages()].lastCursor = cursor
        }
    }

    func add(_ upload: Upload) {
        entries.withLock { entries in
            entries.bodyBytes += upload.body?.count ?? 0
            Self.append(upload, to: &entries.uploads)
            var oldest = 0
            while entries.bodyBytes > Self.mostBodyBytes, oldest < entries.uploads.count {
                entries.bodyBytes -= entries.uploads[oldest].body?.count ?? 0
                entries.uploads[oldest].body = nil
                oldest += 1
            }
        }
    }

    private static func append<Entry>(_ entry: Entry, to list: inout [Entry]) {
        list.append(entry)
        if list.count > mostEntries + mostEntries / 4 { list.removeFirst(list.count - mostEntries) }
    }
}
