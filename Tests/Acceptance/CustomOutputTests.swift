import Foundation
import Glibc
import Postgres
import Runtime
import TestRig
import TestSupport
import Testing

/// What a program does with its pipes changes nothing of its end.
@Suite struct CustomOutputTests {
    @Test("lines are there while the program runs")
    func streaming() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add("wait", "#!/bin/sh\necho begun; until [ -e \"$SCRATCH/go\" ]; do sleep 0.05; done; echo over\n")
            try await rig.addCustom("wait", programs)
            _ = try rig.worker(programs)
            let id = try await rig.trigger("wait")
            try await eventually("its first line") { try await rig.lines(of: id) == ["info begun"] }
            #expect(try await rig.execution(id).status == "RUNNING")
            try "".write(toFile: programs.scratch + "/go", atomically: true, encoding: .utf8)
            #expect(try await rig.finished(id).status == "SUCCESS")
            #expect(try await rig.lines(of: id) == ["info begun", "info over"])
        }
    }

    @Test("a flood of output is cut with a line that says so; its last lines are kept, and another job's lines are not lost in it")
    func flood() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add(
                "flood", "#!/bin/sh\nseq 1 300000; echo '{\"lines\": 300000}'\n")
            try programs.add("quiet", "#!/bin/sh\nuntil [ -e \"$SCRATCH/go\" ]; do echo tick; sleep 0.1; done; echo heard\n")
            try await rig.addCustom("flood", programs)
            try await rig.addCustom("quiet", programs)
            _ = try rig.worker(programs)
            let quiet = try await rig.trigger("quiet")
            let id = try await rig.trigger("flood")
            let ended = try await rig.finished(id)
            #expect(ended.status == "SUCCESS" && ended.metrics == ["lines": 300_000], "\(ended)")
            let lines = try await rig.lines(of: id)
            #expect(lines.count == 5_000 + 22 && lines.prefix(5_000) == (1...5_000).map { "info \($0)" }[...])
            #expect(lines[5_000].hasPrefix("warning it writes more than is kept of one attempt"))
            #expect(lines[5_001] == "warning 294981 lines were left out here; the last 20 follow", "\(lines[5_001])")
            #expect(lines.contains("info 300000") && lines.contains(#"info {"lines": 300000}"#), "\(lines.suffix(22))")
            try "".write(toFile: programs.scratch + "/go", atomically: true, encoding: .utf8)
            #expect(try await rig.finished(quiet).status == "SUCCESS")
            #expect(try await rig.lines(of: quiet).last == "info heard")
        }
    }

    @Test("many programs that write at once wait until their lines are stored: none is lost, theirs or another's")
    func floods() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add("flood", "#!/bin/sh\nuntil [ -e \"$SCRATCH/go\" ]; do sleep 0.05; done; seq 1 5000\n")
            try programs.add("quiet", "#!/bin/sh\nuntil [ -e \"$SCRATCH/stop\" ]; do echo tick; sleep 0.05; done; echo heard\n")
            try await rig.addCustom("flood", programs)
            try await rig.addCustom("quiet", programs)
            let worker = try rig.worker(programs, ["--slots", "16"])
            let quiet = try await rig.trigger("quiet")
            var floods: [String] = []
            for _ in 1...14 { floods.append(try await rig.trigger("flood")) }
            for id in floods { try await rig.waitFor("RUNNING", id) }
            try "".write(toFile: programs.scratch + "/go", atomically: true, encoding: .utf8)
            for id in floods { #expect(try await rig.finished(id).status == "SUCCESS") }
            try "".write(toFile: programs.scratch + "/stop", atomically: true, encoding: .utf8)
            #expect(try await rig.finished(quiet).status == "SUCCESS")
            for id in floods {
                let lines = try await rig.lines(of: id)
                #expect(lines == (1...5_000).map { "info \($0)" }, "\(lines.count) lines, \(lines.last ?? "")")
            }
            #expect(try await rig.lines(of: quiet).last == "info heard" && !worker.errors.contains { $0.contains("dropped") })
        }
    }

    @Test("what a filter of a program's output has still to say is heard, though the program itself is over")
    func outputFilter() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add(
                "filtered",
                """
                #!/bin/bash
                exec > >(while read -r line; do sleep 0.2; echo "filtered $line"; done)
                echo one; echo two
                """)
            try await rig.addCustom("filtered", programs)
            _ = try rig.worker(programs)
            let id = try await rig.trigger("filtered")
            #expect(try await rig.finished(id).status == "SUCCESS")
            #expect(try await rig.lines(of: id) == ["info filtered one", "info filtered two"])
        }
    }

    @Test("no UTF-8, NUL, lines without end and without a newline: all of it is kept as far as it goes")
    func oddBytes() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add(
                "odd",
                """
                #!/bin/sh
                printf 'caf\\351 \\0 ok\\r\\n'
                head -c 3000000 /dev/zero | tr '\\0' x
                printf '\\n{"nul": "\\\\u0000", "deep": 1}'
                """)
            try await rig.addCustom("odd", programs)
            _ = try rig.worker(programs)
            let id = try await rig.trigger("odd")
            let ended = try await rig.finished(id)
            #expect(ended.status == "SUCCESS" && ended.metrics == ["nul": "\u{FFFD}", "deep": 1], "\(ended)")
            let lines = try await rig.lines(of: id)
            #expect(lines.count == 3 && lines[0] == "info caf\u{FFFD} \u{FFFD} ok")
            #expect(lines[1].hasPrefix("info xxxx") && lines[1].hasSuffix("x …") && lines[1].utf8.count < 8_300)
        }
    }

    @Test("a last line of any JSON becomes metrics; one that is too long to be held is told in the log")
    func metrics() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add("list", "#!/bin/sh\necho '[1, \"two\"]'")
            try programs.add("long", "#!/bin/sh\nprintf '{\"a\": \"'; head -c 70000 /dev/zero | tr '\\0' x; echo '\"}'")
            for name in ["list", "long"] { try await rig.addCustom(name, programs) }
            _ = try rig.worker(programs)
            #expect(try await rig.finished(try await rig.trigger("list")).metrics == [1, "two"])
            let id = try await rig.trigger("long")
            let ended = try await rig.finished(id)
            #expect(ended.status == "SUCCESS" && ended.metrics?.isNull != false, "\(ended)")
            let told = "warning the last line of standard output begins like JSON, but is longer than 65536 bytes: it is no metrics"
            #expect(try await rig.lines(of: id).filter { $0 == told }.count == 1)
        }
    }

    @Test("a program that closes its output, or never reads a long input, ends as its exit code says")
    func closedPipes() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add("mute", "#!/bin/sh\nexec >&- 2>&- <&-\nsleep 0.5\nexit 3\n")
            try programs.add("deaf", "#!/bin/sh\necho done\n")
            try programs.add("half", "#!/bin/sh\nhead -c 10 >/dev/null; exec <&-; sleep 0.3; echo done\n")
            for program in ["mute", "deaf", "half"] { try await rig.addCustom(program, programs) }
            let worker = try rig.worker(programs)
            let long: JSONValue = ["text": .string(String(repeating: "x", count: 500_000))]
            var ended: [Execution] = []
            for program in ["mute", "deaf", "half"] { ended.append(try await rig.finished(try await rig.trigger(program, params: long))) }
            #expect(ended.map(\.code) == ["EXIT_3", "", ""] && ended.map(\.status) == ["FAILED", "SUCCESS", "SUCCESS"], "\(ended)")
            #expect(worker.end == nil)
        }
    }

    @Test("what a program leaves running, holding its pipes or as a daemon, is ended and told; the run ends as the program did")
    func leftBehind() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add(
                "leave",
                """
                #!/bin/sh
                sleep 1000 &
                echo $! >> "$SCRATCH/left"
                setsid sh -c 'echo $$ >> "$SCRATCH/left"; exec sleep 1000' </dev/null >/dev/null 2>&1 &
                (setsid sh -c 'trap "" TERM HUP; echo $$ >> "$SCRATCH/left"; while :; do sleep 1; done' </dev/null >/dev/null 2>&1 &) &
                until [ "$(wc -l < "$SCRATCH/left")" -eq 3 ]; do sleep 0.05; done
                echo '{"done": true}'
                """)
            try await rig.addCustom("leave", programs)
            let worker = try rig.worker(programs)
            let id = try await rig.trigger("leave")
            let ended = try await rig.finished(id)
            #expect(ended.status == "SUCCESS" && ended.metrics == ["done": true], "\(ended)")
            #expect(programs.left("left").split(separator: "\n").count == 3 && programs.running("left") == [])
            #expect(try await rig.lines(of: id).contains { $0.hasPrefix("warning leave left ") && $0.hasSuffix("they were ended") })
            worker.signal(SIGTERM)
            #expect(try await worker.waitForExit(within: .seconds(30)) == .exited(0))
        }
    }
}
