import Foundation

/// One direction of a connection: bytes that were read on one side and are due, now or later, on the other.
struct ProxyFlow {
    private struct Piece {
        var bytes: ArraySlice<UInt8>
        let dueAt: ContinuousClock.Instant
    }

    /// More than this waits in the sender's socket.
    private static let mostWaiting = 1 << 18

    let source: Int32
    let sink: Int32
    private var pieces: [Piece] = []
    private var waiting = 0
    private var lastDueAt: ContinuousClock.Instant?
    private(set) var isBlocked = false
    /// The source has said that nothing more comes.
    private(set) var hasEnded = false
    private(set) var isFinished = false
    /// Half of the next piece is passed on, then the connection breaks.
    var isToBreak = false

    init(from source: Int32, to sink: Int32) {
        self.source = source
        self.sink = sink
    }

    var wantsToRead: Bool { !hasEnded && waiting < Self.mostWaiting }

    /// When the next piece is due; nil when none waits, or the sink takes nothing at the moment.
    var nextDue: ContinuousClock.Instant? { isBlocked ? nil : pieces.first?.dueAt ?? (hasEnded && !isFinished ? .now : nil) }

    /// Puts bytes in line as the network would bring them.
    mutating func append(_ bytes: ArraySlice<UInt8>, _ network: TCPProxy.Network, _ generator: inout SeededGenerator) {
        let now = ContinuousClock.now
        var dueAt = now
        if network.latency > .zero || network.jitter > .zero {
            dueAt += network.latency + network.jitter * Double.random(in: 0...1, using: &generator)
        }
        if let rate = network.bytesPerSecond {
            dueAt = max(dueAt, lastDueAt ?? now) + .seconds(Double(bytes.count) / Double(rate))
        }
        // In order, whatever the jitter.
        dueAt = max(dueAt, lastDueAt ?? dueAt)
        lastDueAt = dueAt
        waiting += bytes.count
        pieces.append(Piece(bytes: bytes, dueAt: dueAt))
    }

    mutating func end() { hasEnded = true }

    /// The sink takes bytes again.
    mutating func unblock() { isBlocked = false }

    /// Sends what is due; gives how many bytes went, nil when the connection broke.
    mutating func send(now: ContinuousClock.Instant) -> Int? {
        var sent = 0
        while let piece = pieces.first, piece.dueAt <= now, !isBlocked {
            let part = isToBreak ? piece.bytes.prefix(max(1, piece.bytes.count / 2)) : piece.bytes
            let written = part.withUnsafeBytes { Glibc.send(sink, $0.baseAddress, part.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) }
            if written < 0 {
                guard errno == EAGAIN || errno == EINTR else { return nil }
                isBlocked = errno == EAGAIN
                break
            }
            if isToBreak { return nil }
            sent += written
            waiting -= written
            if written == piece.bytes.count { pieces.removeFirst() } else { pieces[0].bytes = piece.bytes.dropFirst(written) }
        }
        if hasEnded, pieces.isEmpty, !isFinished {
            isFinished = true
            shutdown(sink, Int32(SHUT_WR))
        }
        return sent
    }
}
