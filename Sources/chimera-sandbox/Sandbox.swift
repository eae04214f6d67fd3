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
    let channels = ChannelLog()
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
            TelegramStandIn(clock: clock, log: log, channels: channels, faults: faults),
            WebhookStandIn(clock: clock, channels: channels, faults: faults),
            ControlPages(
                catalogue: catalogue, clock: clock, log: log, channels: channels, faults: faults, campaigns: campaigns, startedAt: startedAt
            ),
        ]
        standIns = Dictionary(uniqueKeysWithValues: partners.map { ($0.partner.rawValue, $0) })
    }

    func receive(_ request: Request) -> Visit {
        let first = request.path.split(separator: "/").first.map(String.init) ?? ""
        if let standIn = standIns[first] { return standIn.receive(request) }
        log.addUnknown("\(request.method) \(request.path)")
        return Visit(partner: .control, endpoint: "unknown") {
            .answer(.text(404, "Nothing is here. Partners: /rp, /crescevendas, /telegram, /webhook; control: /_sandbox/state.\n"))
        }
    }
}
