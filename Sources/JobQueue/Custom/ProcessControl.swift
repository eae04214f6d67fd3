import Glibc

/// What a process tells the kernel about itself (prctl), which Swift does not import: it is variadic.
package enum ProcessControl {
    /// Nobody but root may read its environment, memory or descriptors, or trace it, though they be its own user's: the programs of CUSTOM jobs
    /// are. What it starts is not hidden.
    package static func hide() {
        call(4, 0)  // PR_SET_DUMPABLE
    }

    /// Orphans below this process become its children.
    static func takeInOrphans() {
        call(36, 1)  // PR_SET_CHILD_SUBREAPER
    }

    private static func call(_ option: Int32, _ value: UInt) {
        // All five arguments are given, so the call is the one that a C compiler makes.
        typealias Function = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
        guard let symbol = dlsym(nil, "prctl") else { return }
        _ = unsafeBitCast(symbol, to: Function.self)(option, value, 0, 0, 0)
    }
}
