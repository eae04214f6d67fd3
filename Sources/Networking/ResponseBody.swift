import Synchronization

/// The bytes of an answer in one piece, with room behind them that a vectorised parser may read.
///
/// Returns its memory to the pool it came from when it is released.
// @unchecked: the loop's thread alone writes it, before the response is handed out; from then on it is only read, and discarded by its one
// reader.
package final class ResponseBody: @unchecked Sendable {
    /// Readable bytes behind the last one (simdjson reads up to 64).
    package static let paddingBytes = 64

    /// Bytes of the answer.
    package private(set) var count = 0

    private let pool: BodyPool
    private var chunk: BodyPool.Chunk?

    init(pool: BodyPool) {
        self.pool = pool
    }

    /// A body with these bytes, for what reads bodies that did not come from the network.
    package convenience init(_ bytes: [UInt8]) {
        self.init(pool: BodyPool())
        bytes.withUnsafeBytes { append($0) }
    }

    deinit {
        discard()
    }

    /// Lends the bytes and the capacity of the memory they lie in, which is at least `paddingBytes` more.
    package func withPaddedBytes<T>(_ body: (_ bytes: UnsafeRawBufferPointer, _ capacity: Int) throws -> T) rethrows -> T {
        guard let chunk else { return try body(UnsafeRawBufferPointer(start: nil, count: 0), 0) }
        return try body(UnsafeRawBufferPointer(start: chunk.start, count: count), chunk.capacity)
    }

    /// The first bytes, at most `limit`, as a copy.
    package func prefix(_ limit: Int) -> [UInt8] {
        withPaddedBytes { bytes, _ in Array(bytes.prefix(limit)) }
    }

    /// Gives its memory back before the last reference is gone, and is empty then; for who alone reads it and is done.
    package func discard() {
        if let chunk { pool.put(chunk) }
        chunk = nil
        count = 0
    }

    /// Makes room for `expected` bytes in all.
    func reserve(_ expected: Int) {
        let needed = expected + Self.paddingBytes
        guard needed > chunk?.capacity ?? 0 else { return }
        if let held = chunk {
            chunk = pool.grow(held, to: max(needed, held.capacity * 2))
        } else {
            chunk = pool.take(needed)
        }
    }

    func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        reserve(count + bytes.count)
        chunk?.start.advanced(by: count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }
}

/// Buffers to use again, so that reading page after page neither grows memory nor returns it each time.
///
/// A buffer that is made anew costs a page fault for every 4 KiB of an answer, which is more than copying the answer into it.
final class BodyPool: Sendable {
    // @unchecked: a chunk has one owner at a time, either a body or the pool's list.
    struct Chunk: @unchecked Sendable {
        let start: UnsafeMutableRawPointer
        let capacity: Int
    }

    private static let smallestBytes = 16 << 10
    private static let largestKeptBytes = 2 << 20
    /// As many pages as a worker's stores have under way at once; what a page does not fill is never touched.
    private static let keptBytes = 8 << 20

    private struct Kept {
        /// The smallest first.
        var chunks: [Chunk] = []
        var bytes = 0
    }

    private let kept = Mutex(Kept())

    deinit {
        for chunk in kept.withLock({ $0.chunks }) { chunk.start.deallocate() }
    }

    /// The smallest that is large enough.
    func take(_ bytes: Int) -> Chunk {
        let chunk: Chunk? = kept.withLock { kept in
            guard let place = kept.chunks.firstIndex(where: { $0.capacity >= bytes }) else { return nil }
            kept.bytes -= kept.chunks[place].capacity
            return kept.chunks.remove(at: place)
        }
        return chunk ?? Self.allocate(bytes)
    }

    func grow(_ chunk: Chunk, to bytes: Int) -> Chunk {
        let larger = Self.allocate(bytes)
        larger.start.copyMemory(from: chunk.start, byteCount: chunk.capacity)
        chunk.start.deallocate()
        return larger
    }

    func put(_ chunk: Chunk) {
        let isKept = kept.withLock { kept in
            guard chunk.capacity <= Self.largestKeptBytes, kept.bytes + chunk.capacity <= Self.keptBytes else { return false }
            kept.chunks.insert(chunk, at: kept.chunks.firstIndex { $0.capacity >= chunk.capacity } ?? kept.chunks.count)
            kept.bytes += chunk.capacity
            return true
        }
        if !isKept { chunk.start.deallocate() }
    }

    /// In powers of two, so that the next page fits as a rule, being about as large as the last one.
    private static func allocate(_ bytes: Int) -> Chunk {
        var capacity = smallestBytes
        while capacity < bytes { capacity *= 2 }
        let start = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
        return Chunk(start: start, capacity: capacity)
    }
}
