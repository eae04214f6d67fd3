import Glibc

/// Keeps a long-running program small.
enum Footprint {
    /// `M_MMAP_THRESHOLD` and `M_ARENA_MAX` of <malloc.h>, which Swift's Glibc module leaves out.
    private static let mmapThreshold: Int32 = -3
    private static let mostArenas: Int32 = -8

    /// glibc's defaults keep what large answers and parallel stores needed once. Measured with one store of 20,897 products: peak 59.6 MB with
    /// the defaults, 52.7 MB so, at the same speed.
    static func limitAllocator() {
        _ = mallopt(mostArenas, 2)
        _ = mallopt(mmapThreshold, 128 * 1024)
    }

    /// Lets go of the machine code that was mapped so far, most of which only the start needed (an idle worker: 27 MB before, 16 after): what is still needed
    /// comes back from the page cache, a page at a time. Code is never written to, so nothing is lost.
    static func releaseCode() {
        guard let maps = fopen("/proc/self/maps", "r") else { return }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer {
            fclose(maps)
            free(line)
        }
        while getline(&line, &capacity, maps) > 0, let line {
            let fields = String(cString: line).split(whereSeparator: \.isWhitespace)
            // `55d0c0a00000-55d0c2100000 r-xp 00000000 fe:00 1622 /usr/local/bin/chimera`; not the kernel's own, such as [vdso].
            guard fields.count >= 6, fields[1] == "r-xp", fields[5].hasPrefix("/") else { continue }
            let bounds = fields[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) }
            guard bounds.count == 2, bounds[0] < bounds[1] else { continue }
            madvise(UnsafeMutableRawPointer(bitPattern: bounds[0]), Int(bounds[1] - bounds[0]), MADV_DONTNEED)
        }
    }
}

@_silgen_name("mallopt")
private func mallopt(_ parameter: Int32, _ value: Int32) -> Int32
