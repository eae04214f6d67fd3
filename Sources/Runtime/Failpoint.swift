#if DEBUG
    import Glibc
    import Synchronization

    /// Named places at which a debug build kills or stops itself, so that tests meet moments that no signal from outside can hit.
    /// `CHIMERA_FAILPOINT=NAME[:N]=kill|stop`: at the N-th time (1) that NAME is reached. `NAME=hang`: whoever reaches NAME blocks its thread for
    /// 8 s, every time.
    ///
    /// Places stand in `assert(Failpoint.reach("name"))`: an optimised build leaves out what an assertion asks, the name included.
    package enum Failpoint {
        private struct Armed {
            var name: String
            var passes: Int
            /// Nil: the thread hangs.
            var signal: Int32?
        }

        private static let armed = Mutex<Armed?>(parse(getenv("CHIMERA_FAILPOINT").map { String(cString: $0) } ?? ""))

        /// Marks a place; does nothing unless the environment names it, and always gives true.
        package static func reach(_ name: StaticString) -> Bool {
            let met: Armed? = armed.withLock { armed in
                guard armed?.name == name.description else { return nil }
                guard armed?.signal != nil else { return armed }
                armed?.passes -= 1
                guard armed?.passes == 0 else { return nil }
                defer { armed = nil }
                return armed
            }
            guard let met else { return true }
            if let signal = met.signal { kill(getpid(), signal) } else { sleep(8) }
            return true
        }

        private static func parse(_ text: String) -> Armed? {
            let sides = text.split(separator: "=")
            guard sides.count == 2 else { return nil }
            let place = sides[0].split(separator: ":")
            let signals = ["kill": SIGKILL, "stop": SIGSTOP]
            return Armed(name: String(place[0]), passes: place.count > 1 ? Int(place[1]) ?? 1 : 1, signal: signals[String(sides[1])])
        }
    }
#else
    /// Named places for tests; a release build has none.
    package enum Failpoint {
        /// Never called: it stands in assertions only.
        package static func reach(_ name: StaticString) -> Bool { true }
    }
#endif
