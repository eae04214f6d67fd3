import Foundation
import Synchronization

/// Stands between a client and a server on 127.0.0.1 and spoils their connections on demand.
package final class TCPProxy: Sendable {
    /// What happens to bytes and to new connections.
    package enum Mode: Sendable {
        /// Everything is passed on.
        case forward
        /// Nothing is passed on any more and nothing is closed: the other side seems to be silent.
        case blackHole
        /// New connections are reset at once; those that stand go on.
        case refuse
    }

    /// When a connection is cut by what the client sends.
    package struct Cut: Sendable {
        let bytes: [UInt8]
        let isForwarded: Bool

        /// Cuts before the server sees these bytes.
        package static func before(_ text: String) -> Cut { Cut(bytes: Array(text.utf8), isForwarded: false) }
        /// Passes the bytes on and cuts before the client sees the answer to them.
        package static func after(_ text: String) -> Cut { Cut(bytes: Array(text.utf8), isForwarded: true) }
    }

    /// Where the client connects to.
    package let port: Int
    private let orders: ProxyOrders

    /// Starts to listen and forwards to `target`, a port of 127.0.0.1.
    package init(to target: Int) throws {
        let listener = try listenOnLoopback(port: 0)
        port = try boundPort(of: listener)
        let orders = ProxyOrders()
        self.orders = orders
        Thread.detachNewThread { ProxyLoop(listener: listener, target: target, orders: orders).run() }
    }

    deinit { orders.change { $0.isOver = true } }

    /// Changes what happens from now on.
    package func set(_ mode: Mode) { orders.change { $0.mode = mode } }

    /// Resets every connection that stands.
    package func cutAll() { orders.change { $0.cutsAll = true } }

    /// Resets the next connection on which the client sends these bytes in one piece, once.
    package func cutOnce(_ cut: Cut) { orders.change { $0.cut = cut } }

    /// How many connections `cutOnce` has ended.
    package var cutsMade: Int { orders.current.cutsMade }

    /// How many connections were asked for since the start.
    package var connectionsSeen: Int { orders.current.connectionsSeen }
}

/// What the proxy's thread is told, with a pipe that wakes it.
final class ProxyOrders: Sendable {
    struct State {
        var mode = TCPProxy.Mode.forward
        var cut: TCPProxy.Cut?
        var cutsAll = false
        var isOver = false
        var cutsMade = 0
        var connectionsSeen = 0
    }

    private let state = Mutex(State())
    private let pipe = makePipe()

    var wakeDescriptor: Int32 { pipe.readEnd }

    deinit {
        close(pipe.readEnd)
        close(pipe.writeEnd)
    }

    var current: State { state.withLock { $0 } }

    func change(_ body: (inout State) -> Void) {
        state.withLock { body(&$0) }
        var byte: UInt8 = 1
        _ = write(pipe.writeEnd, &byte, 1)
    }

    /// For the loop itself, which needs no waking.
    func note<T>(_ body: (inout State) -> T) -> T { state.withLock { body(&$0) } }

    func takeWake() {
        var buffer = [UInt8](repeating: 0, count: 64)
        _ = read(pipe.readEnd, &buffer, 64)
    }
}

/// The proxy's thread: one `poll` over everything.
private struct ProxyLoop {
    private struct Link {
        let client: Int32
        let server: Int32
        /// The client's last bytes were passed on; the connection ends when the server answers.
        var isDoomed = false
    }

    let listener: Int32
    let target: Int
    let orders: ProxyOrders
    private var links: [Link] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    init(listener: Int32, target: Int, orders: ProxyOrders) {
        self.listener = listener
        self.target = target
        self.orders = orders
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
        var descriptors = [
            pollfd(fd: orders.wakeDescriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
        ]
        if !isSilent {
            for link in links {
                descriptors.append(pollfd(fd: link.client, events: Int16(POLLIN), revents: 0))
                descriptors.append(pollfd(fd: link.server, events: Int16(POLLIN), revents: 0))
            }
        }
        guard poll(&descriptors, nfds_t(descriptors.count), -1) > 0 else { return true }
        if descriptors[0].revents != 0 { orders.takeWake() }
        if orders.note({ state in
            defer { state.cutsAll = false }
            return state.cutsAll
        }) {
            for link in links { reset(link) }
            links = []
            return true
        }
        if !isSilent { forward(descriptors.dropFirst(2).map { $0.revents != 0 }) }
        if descriptors[1].revents != 0 { welcome(state.mode) }
        return true
    }

    private mutating func welcome(_ mode: TCPProxy.Mode) {
        let client = acceptWaiting(listener)
        guard client >= 0 else { return }
        orders.note { $0.connectionsSeen += 1 }
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
        links.append(Link(client: client, server: server))
    }

    private mutating func forward(_ isReady: [Bool]) {
        var kept: [Link] = []
        for (index, var link) in links.enumerated() {
            let stands =
                (!isReady[2 * index] || forwardToServer(&link)) && (!isReady[2 * index + 1] || forwardToClient(link))
            if stands { kept.append(link) } else { reset(link) }
        }
        links = kept
    }

    private mutating func forwardToServer(_ link: inout Link) -> Bool {
        let count = read(link.client, &buffer, buffer.count)
        guard count > 0 else { return false }
        let cut = orders.note { state -> TCPProxy.Cut? in
            guard let cut = state.cut, buffer[..<count].contains(cut.bytes) else { return nil }
            state.cut = nil
            state.cutsMade += 1
            return cut
        }
        if let cut, !cut.isForwarded { return false }
        link.isDoomed = cut != nil
        return writeAll(link.server, count)
    }

    private mutating func forwardToClient(_ link: Link) -> Bool {
        let count = read(link.server, &buffer, buffer.count)
        return count > 0 && !link.isDoomed && writeAll(link.client, count)
    }

    private func writeAll(_ descriptor: Int32, _ count: Int) -> Bool {
        var done = 0
        while done < count {
            let written = buffer.withUnsafeBytes { bytes in
                bytes.baseAddress.map { send(descriptor, $0 + done, count - done, Int32(MSG_NOSIGNAL)) } ?? -1
            }
            guard written > 0 else { return false }
            done += written
        }
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
