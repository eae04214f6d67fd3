import Foundation

/// What the sandbox is to be, as the command line says.
struct SandboxSettings: Sendable {
    var port: UInt16 = 0
    var stores = 3
    var products = 500
    var seed: UInt64 = 1
    var latencyMilliseconds = 0
    var utcOffsetMinutes = -180
    var faults: [String] = []
}

/// All stand-ins and what they share.
final class Sandbox: Sendable {
    let settings: SandboxSettings
    let catalogue: Catalogue
    let clock: StoreClock
    let log = StateLog()
    let faults: FaultRules
    let startedAt: Double
    private let standIns: [String: any StandIn]

    var latencyMilliseconds: Int { settings.latencyMilliseconds }

    /// Throws a sentence about the first fault that is wrong.
    init(_ settings: SandboxSettings) throws(UsageProblem) {
        self.settings = settings
        clock = StoreClock(offsetMinutes: settings.utcOffsetMinutes)
        startedAt = clock.now
        catalogue = Catalogue(seed: settings.seed, stores: settings.stores, products: settings.products)
        faults = FaultRules(catalogue)
        try faults.replace(settings.faults)
        let campaigns = CampaignShelf()
        let partners: [any StandIn] = [
            RPStandIn(catalogue: catalogue, clock: clock, log: log, faults: faults),
            CresceVendasStandIn(catalogue: catalogue, clock: clock, log: log, faults: faults, campaigns: campaigns),
            ControlPages(catalogue: catalogue, clock: clock, log: log, faults: faults, campaigns: campaigns, startedAt: startedAt),
        ]
        standIns = Dictionary(uniqueKeysWithValues: partners.map { ($0.partner.rawValue, $0) })
    }

    func receive(_ request: Request) -> Visit {
        let first = request.path.split(separator: "/").first.map(String.init) ?? ""
        if let standIn = standIns[first] { return standIn.receive(request) }
        log.addUnknown("\(request.method) \(request.path)")
        return Visit(partner: .control, endpoint: "unknown") {
            .answer(.text(404, "Nothing is here. Partners: /rp, /crescevendas; control: /_sandbox/state.\n"))
        }
    }

    /// The line that tells a caller where everything is.
    func announcement(port: UInt16, deafPorts: DeafPorts?) -> String {
        let base = "http://127.0.0.1:\(port)"
        let buffer = JSONWriter.document { line in
            line.field("rp", "\(base)/rp")
            line.field("crescevendas", "\(base)/crescevendas")
            line.field("state", "\(base)/_sandbox/state")
            line.field("control", "\(base)/_sandbox")
            if let deafPorts {
                line.field("refusing", "http://127.0.0.1:\(deafPorts.refusingPort)")
                line.field("silent", "http://127.0.0.1:\(deafPorts.silentPort)")
                line.field("silent_tls", "https://127.0.0.1:\(deafPorts.silentPort)")
            }
            line.object("credentials") { credentials in
                credentials.object("rp") { rp in
                    rp.field("username", RPStandIn.username)
                    rp.field("password", RPStandIn.password)
                }
                credentials.object("crescevendas") { club in
                    club.field("email", CresceVendasStandIn.email)
                    club.field("token", CresceVendasStandIn.token)
                }
            }
            line.field("products_per_store", catalogue.products)
            line.field("seed", raw: String(catalogue.seed))
            line.array("stores") { stores in
                for store in catalogue.stores {
                    stores.object { entry in
                        entry.field("registration", store.registration)
                        entry.field("name", store.name)
                        entry.field("document", store.document)
                    }
                }
            }
        }
        return String(decoding: buffer.bytes, as: UTF8.self)
    }
}
