import Foundation
import Glibc
import TestRig
import TestSupport
import Testing

/// What a program can find out about the process that runs it.
@Suite struct CustomSecrecyTests {
    @Test("a program cannot read the environment of its worker and of its guard, though they are its own user's")
    func environment() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add(
                "peek",
                """
                #!/bin/sh
                for process in $PPID $(cut -d ' ' -f 4 /proc/$PPID/stat) $$; do
                  if cat /proc/$process/environ >/dev/null 2>&1; then echo open; else echo closed; fi
                done
                """)
            try await rig.addCustom("peek", programs)
            let environment = [
                "DATABASE_URL": rig.url, "CHIMERA_KEY_FILE": "", "NOTIFY_SOCKET": "", "CHIMERA_CUSTOM_DIR": programs.folder,
            ]
            // Root may read everything: its worker is run as somebody else.
            let somebody = geteuid() == 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"] : []
            let worker = try RunningProgram("/usr/bin/env", somebody + [builtProgram("chimera"), "worker"], environment: environment)
            let id = try await rig.trigger("peek")
            #expect(try await rig.finished(id).status == "SUCCESS", "\(worker.errors)")
            #expect(try await rig.lines(of: id) == ["info closed", "info closed", "info open"])
        }
    }
}
