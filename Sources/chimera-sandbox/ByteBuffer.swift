import Foundation
import Synchronization

/// Growing memory for one answer's body, written front to back.
///
/// The pointer is made in `init`, moved only in `reserve` and freed in `deinit`; it never leaves this type but for the length of a closure
/// or, through `start`, while libmicrohttpd holds a reference to the buffer.
// Sendable because a buffer has one owner at a time: the handler that fills it, then libmicrohttpd, then the pool.
final class ByteBuffer: @unchecked Sendable {
    private var pointer: UnsafeMutablePointer<UInt8>
    private(set) var capacity: Int
    private(set) var count = 0

    init(capacity: Int = 64 << 10) {
        self.capacity = capacity
        pointer = .allocate(capacity: capacity)
    }

    deinit {
        pointer.deallocate()
    }

    var start: UnsafeMutableRawPointer { UnsafeMutableRawPointer(pointer) }

    var bytes: [UInt8] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

    func removeAll() {
        count = 0
    }

    /// Makes room for `more` further bytes.
    func reserve(_ more: Int) {
        guard count + more > capacity else { return }
        let larger = max(capacity * 2, count + more)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        moved.update(from: pointer, count: count)
        pointer.deallocate()
        pointer = moved
        capacity = larger
    }

    /// Lets `body` write at the end; it returns the number of bytes that it wrote, at most `room`.
    @inline(__always)
    func write(room: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Int) {
        reserve(room)
        count += body(pointer + count)
    }

    func append(_ byte: UInt8) {
        reserve(1)
        pointer[count] = byte
        count += 1
    }

    func append(_ text: String) {
        var text = text
        text.withUTF8 { append(bytes: $0) }
    }

    func append(bytes: UnsafeBufferPointer<UInt8>) {
        guard let base = bytes.baseAddress else { return }
        reserve(bytes.count)
        (pointer + count).update(from: base, count: bytes.count)
        count += bytes.count
    }

    func append(contentsOf bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { append(bytes: $0) }
    }
}

/// Buffers that were used and will be used again, so that a page costs no allocation.
final class BufferPool: Sendable {
    static let shared = BufferPool()

    /// At most this many are kept, none larger than `largestKept`: 64 MB at most.
    private static let mostKept = 32
    private static let largestKept = 2 << 20

    private let idle = Mutex<[ByteBuffer]>([])

    func borrow() -> ByteBuffer {
        idle.withLock { $0.popLast() } ?? ByteBuffer()
    }

    func giveBack(_ buffer: ByteBuffer) {
        guard buffer.capacity <= Self.largestKept else { return }
        buffer.removeAll()
        idle.withLock { idle in
            if idle.count < Self.mostKept { idle.append(buffer) }
        }
    }
}
