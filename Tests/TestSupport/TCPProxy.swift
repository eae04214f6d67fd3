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
        /// What the client sends arrives and is done; nothing comes back.
        case deaf
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

    /// How bad the network is on which bytes are passed on; the default is none at all.
    package struct Network: Sendable {
        var latency: Duration
        var jitter: Duration
        var bytesPerSecond: Int?
        var cutsPerSecond: Double
        var cuts: [Cut]
        var cutChance: Double

        /// `latency` each way and up to `jitter` more; `bytesPerSecond` of one connection each way; `cutsPerSecond` connections chosen by chance are
        /// reset, every other one in the middle of what it passes on next; `cuts` happen with `cutChance` each time.
        package init(
            latency: Duration = .zero, jitter: Duration = .zero, bytesPerSecond: Int? = nil, cutsPerSecond: Double = 0, cuts: [Cut] = [],
            cutChance: Double = 1
        ) {
            (self.latency, self.jitter, self.bytesPerSecond) = (latency, jitter, bytesPerSecond)
            (self.cutsPerSecond, self.cuts, self.cutChance) = (cutsPerSecond, cuts, cutChance)
        }
    }

    /// Where the client connects to.
    package let port: Int
    private let orders: ProxyOrders

    /// Starts to listen and forwards to `target`, a port of 127.0.0.1; `seed` decides what chance does.
    package init(to target: Int, seed: UInt64 = 0) throws {
        let listener = try listenOnLoopback(port: 0)
        port = try boundPort(of: listener)
        let orders = ProxyOrders()
        self.orders = orders
        Thread.detachNewThread { ProxyLoop(listener: listener, target: target, orders: orders, seed: seed).run() }
    }

    deinit { orders.change { $0.isOver = true } }

    /// Changes what happens from now on.
    package func set(_ mode: Mode) { orders.change { $0.mode = mode } }

    /// Changes the network for what is read from now on.
    package func set(_ network: Network) { orders.change { $0.network = network } }

    /// Resets every connection that stands.
    package func cutAll() { orders.change { $0.cutsAll = true } }

    /// Marks every connection whose client sends these bytes from now on, for `swallowMarked`.
    package func mark(connectionsThatSend text: String) { orders.change { $0.mark = Array(text.utf8) } }

    /// Nothing passes any more on the connections that are marked now, and none of them is closed; others go on.
    package func swallowMarked() { orders.change { $0.swallowsMarked = true } }

    /// Resets the next connection on which the client sends these bytes in one piece, once.
    package func cutOnce(_ cut: Cut) { orders.change { $0.cut = cut } }

    /// How many connections `cutOnce` and a bad network have ended.
    package var cutsMade: Int { orders.current.cutsMade }

    /// How many connections were asked for since the start.
    package var connectionsSeen: Int { orders.current.connectionTimes.count }

    /// When each of them was asked for.
    package var connectionTimes: [ContinuousClock.Instant] { orders.current.connectionTimes }

    /// Keeps what clients send from now on, for `sent`.
    package func record() { orders.change { $0.records = true } }

    /// What clients have sent since `record`, of all connections together.
    package var sent: [UInt8] { orders.current.sent }

    /// How many bytes were passed on, both ways together.
    package var bytesPassed: Int { orders.current.bytesPassed }
}

/// What the proxy's thread is told, with a pipe that wakes it.
final class ProxyOrders: Sendable {
    struct State {
        var mode = TCPProxy.Mode.forward
        var network = TCPProxy.Network()
        var cut: TCPProxy.Cut?
        var cutsAll = false
        var mark: [UInt8]?
        var swallowsMarked = false
        var isOver = false
        var cutsMade = 0
        var connectionTimes: [ContinuousClock.Instant] = []
        var bytesPassed = 0
        var records = false
        var sent: [UInt8] = []
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
