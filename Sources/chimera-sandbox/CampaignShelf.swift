import Synchronization

/// A campaign of one store.
struct Campaign: Sendable {
    let id: Int
    let name: String
    let start: LocalMinute
    let end: LocalMinute
    var lines: [CampaignLine]
}

/// The campaigns that CresceVendas has, by store.
final class CampaignShelf: Sendable {
    private struct Content {
        var nextID = 1
        var byStore: [Int: [Campaign]] = [:]
        /// What each store had before its newest upload.
        var before: [Int: [Campaign]] = [:]
    }

    private let content = Mutex(Content())

    /// Puts a campaign up for each store; with `override` it takes the place of all that touch its days. Returns the first one's id.
    func apply(_ upload: Upload, start: LocalMinute, end: LocalMinute, stores: [Int]) -> Int {
        content.withLock { content in
            let first = content.nextID
            for store in stores {
                var campaigns = content.byStore[store] ?? []
                content.before[store] = campaigns
                if upload.override { campaigns.removeAll { $0.start.day <= end.day && $0.end.day >= start.day } }
                campaigns.append(Campaign(id: content.nextID, name: upload.name, start: start, end: end, lines: upload.lines))
                content.nextID += 1
                content.byStore[store] = campaigns
            }
            return first
        }
    }

    /// Campaigns that are up at any time of the window.
    func listed(store: Int, from: LocalMinute, to: LocalMinute, beforeNewestUpload: Bool = false) -> [Campaign] {
        let campaigns = content.withLock { (beforeNewestUpload ? $0.before[store] : $0.byStore[store]) ?? [] }
        return campaigns.filter { $0.start <= to && $0.end >= from }
    }

    func all() -> [Int: [Campaign]] { content.withLock { $0.byStore } }

    func removeAll() {
        content.withLock { $0 = Content() }
    }

    /// Changes lines of the store's newest campaign, which is made when there is none. For planting differences.
    func plant(store: Int, day: Int, set: [CampaignLine], remove: Set<Int>) {
        content.withLock { content in
            var campaigns = content.byStore[store] ?? []
            if campaigns.isEmpty {
                let start = LocalMinute(minutes: day * 1_440 + 360)
                let end = LocalMinute(minutes: day * 1_440 + 1_439)
                campaigns.append(Campaign(id: content.nextID, name: "planted", start: start, end: end, lines: []))
                content.nextID += 1
            }
            let codes = Set(set.map(\.code)).union(remove)
            campaigns[campaigns.count - 1].lines.removeAll { codes.contains($0.code) }
            campaigns[campaigns.count - 1].lines += set
            content.byStore[store] = campaigns
        }
    }
}
