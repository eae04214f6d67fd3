import Foundation

/// The proxy's thread: one `poll` over everything.
struct ProxyLoop {
    private struct Link {
        var toServer: ProxyFlow
        var toClient: ProxyFlow
        /// The client's last bytes were passed on; the connection ends when the server answers.
        var isDoomed = false
        var isMarked = false
        /// Nothing passes any more.
        var isSwallowed = false

        var client: Int32 { toServer.source }
        var server: Int32 { toClient.source }
        var isFinished: Bool { toServer.isFinished && toClient.isFinished }
    }

    /// What `poll` said about a link's two sockets.
    private struct Readiness {
        var client: Int32 = 0
        var server: Int32 = 0
    }

    private let listener: Int32
    private let target: Int
    private let orders: ProxyOrders
    private var links: [Link] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)
    private var generator: SeededGenerator
    private var nextCut: ContinuousClock.Instant?

    init(listener: Int32, target: Int, orders: ProxyOrders, seed: UInt64) {
        self.listener = listener
        self.target = target
        self.orders = orders
        generator = SeededGenerator(seed: seed)
    }

    func run() {
        var loop = self
        while loop.turn() {}
        for link in loop.links { loop.reset(link) }
        close(listener)
    }

    private mutating func turn() -> Bool {
        let state = orders.current
        if state.isOver { return false }
        var isSilent = false
        if case .blackHole = state.mode { isSilent = true }
        planCut(state.network)
        var descriptors = [
            pollfd(fd: orders.wakeDescriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
        ]
        var isDeaf = false
        if case .deaf = state.mode { isDeaf = true }
        if state.swallowsMarked {
            orders.note { $0.swallowsMarked = false }
            for index in links.indices where links[index].isMarked { links[index].isSwallowed = true }
        }
        if !isSilent { descriptors += links.flatMap { Self.interests($0, isDeaf: isDeaf) } }
        guard poll(&descriptors, nfds_t(descriptors.count), timeout(isSilent: isSilent)) >= 0 else { return true }
        if descriptors[0].revents != 0 { orders.takeWake() }
        if orders.note({ state in
            defer { state.cutsAll = false }
            return state.cutsAll
        }) {
            for link in links { reset(link) }
            links = []
            return true
        }
        if !isSilent {
            cutByChance(state.network)
            let ready = stride(from: 2, to: descriptors.count, by: 2).map {
                Readiness(client: Int32(descriptors[$0].revents), server: Int32(descriptors[$0 + 1].revents))
            }
            forward(ready)
        }
        if descriptors[1].revents != 0 { welcome(state.mode) }
        return true
    }

    private static func interests(_ link: Link, isDeaf: Bool) -> [pollfd] {
        func interest(_ descriptor: Int32, reads: Bool, isBlocked: Bool) -> pollfd {
            let events = (reads ? Int16(POLLIN) : 0) | (isBlocked ? Int16(POLLOUT) : 0)
            // A negative descriptor is passed over: a socket that has ended would wake poll for ever.
            return pollfd(fd: events == 0 ? -1 : descriptor, events: events, revents: 0)
        }
        if link.isSwallowed { return Array(repeating: pollfd(fd: -1, events: 0, revents: 0), count: 2) }
        return [
            interest(link.client, reads: link.toServer.wantsToRead, isBlocked: link.toClient.isBlocked),
            interest(link.server, reads: link.toClient.wantsToRead && !isDeaf, isBlocked: link.toServer.isBlocked),
        ]
    }

    private func timeout(isSilent: Bool) -> Int32 {
        guard !isSilent,
            let next =
                (links.filter { !$0.isSwallowed }.flatMap { [$0.toServer.nextDue, $0.toClient.nextDue] } + [links.isEmpty ? nil : nextCut])
                .compactMap({ $0 })
                .min()
        else { return -1 }
        let left = ContinuousClock.now.duration(to: next)
        return left <= .zero ? 0 : Int32(min(left / .milliseconds(1), 60_000).rounded(.up))
    }

    private mutating func planCut(_ network: TCPProxy.Network) {
        guard network.cutsPerSecond > 0 else { return nextCut = nil }
        guard nextCut == nil else { return }
        nextCut = .now + .seconds(-log(Double.random(in: 0.0001...1, using: &generator)) / network.cutsPerSecond)
    }

    private mutating func cutByChance(_ network: TCPProxy.Network) {
        guard let due = nextCut, due <= .now else { return }
        // Without a connection it falls on the next one.
        guard let index = links.indices.randomElement(using: &generator) else { return }
        nextCut = nil
        orders.note { $0.cutsMade += 1 }
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: links[index].toServer.isToBreak = true
        case 1: links[index].toClient.isToBreak = true
        default: reset(links.remove(at: index))
        }
    }

    private mutating func welcome(_ mode: TCPProxy.Mode) {
        let client = acceptWaiting(listener)
        guard client >= 0 else { return }
        orders.note { $0.connectionTimes.append(.now) }
        if case .refuse = mode { return reset(client) }
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = loopback(port: target)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard connected == 0 else {
            close(server)
            return reset(client)
        }
        var yes: Int32 = 1
        for descriptor in [client, server] { setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4) }
        links.append(Link(toServer: ProxyFlow(from: client, to: server), toClient: ProxyFlow(from: server, to: client)))
    }

    private mutating func forward(_ ready: [Readiness]) {
        let network = orders.current.network
        // A cut by chance may have taken a link away since `poll`: then all wait for the next turn.
        let isFresh = ready.count == links.count
        var kept: [Link] = []
        for (index, var link) in links.enumerated() {
            let readiness = isFresh ? ready[index] : Readiness()
            if link.isSwallowed {
                kept.append(link)
                continue
            }
            let now = ContinuousClock.now
            if readiness.client & POLLOUT != 0 { link.toClient.unblock() }
            if readiness.server & POLLOUT != 0 { link.toServer.unblock() }
            if (readiness.client & ~POLLOUT == 0 || readFromClient(&link, network))
                && (readiness.server & ~POLLOUT == 0 || readFromServer(&link, network)),
                let up = link.toServer.send(now: max(now, .now)), let down = link.toClient.send(now: max(now, .now))
            {
                orders.note { $0.bytesPassed += up + down }
                if !link.isFinished {
                    kept.append(link)
                    continue
                }
                close(link.client)
                close(link.server)
            } else {
                reset(link)
            }
        }
        links = kept
    }

    private mutating func readFromClient(_ link: inout Link, _ network: TCPProxy.Network) -> Bool {
        let count = read(link.client, &buffer, buffer.count)
        guard count > 0 else {
            link.toServer.end()
            return count == 0
        }
        let bytes = buffer[..<count]
        var generator = generator
        let cut = orders.note { state -> TCPProxy.Cut? in
            if state.records { state.sent += bytes }
            let found: TCPProxy.Cut?
            if let cut = state.cut, bytes.contains(cut.bytes) {
                state.cut = nil
                found = cut
            } else {
                found = network.cuts.filter { bytes.contains($0.bytes) && Double.random(in: 0..<1, using: &generator) < network.cutChance }
                    .randomElement(using: &generator)
            }
            state.cutsMade += found == nil ? 0 : 1
            return found
        }
        self.generator = generator
        if let cut, !cut.isForwarded { return false }
        if cut != nil { link.isDoomed = true }
        if let mark = orders.current.mark, bytes.contains(mark) { link.isMarked = true }
        link.toServer.append(Array(bytes)[...], network, &self.generator)
        return true
    }

    private mutating func readFromServer(_ link: inout Link, _ network: TCPProxy.Network) -> Bool {
        let count = read(link.server, &buffer, buffer.count)
        guard count > 0 else {
            link.toClient.end()
            return count == 0 && !link.isDoomed
        }
        if link.isDoomed { return false }
        link.toClient.append(Array(buffer[..<count])[...], network, &generator)
        return true
    }

    private func reset(_ link: Link) {
        reset(link.client)
        reset(link.server)
    }

    /// Closes with RST, so that the other side knows at once.
    private func reset(_ descriptor: Int32) {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }
}
