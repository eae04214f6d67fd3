import Foundation
import Glibc
import Postgres
import Runtime
import TestRig
import TestSupport
import Testing

/// SPEC §5: what a program of a CUSTOM job is given, and what becomes of what it says.
@Suite struct CustomJobTests {
    @Test("a program gets its params, its arguments, a clean environment, three descriptors, signals as a fresh program has them")
    func surroundings() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add(
                "look",
                """
                #!/bin/sh
                cat > "$SCRATCH/input"
                env | sort > "$SCRATCH/environment"
                printf '%s\\n' "$0" "$@" > "$SCRATCH/arguments"
                pwd > "$SCRATCH/folder"
                grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f 2 > "$SCRATCH/signals"
                cut -d ' ' -f 1,5,6 /proc/$$/stat > "$SCRATCH/session"
                echo on standard output
                echo on standard error >&2
                echo '{"rows": 5, "passed": 3, "password": "hunter2"}'
                """)
            // A copy, for a link that leads out of the folder is refused.
            try FileManager.default.copyItem(atPath: "/bin/ls", toPath: programs.folder + "/ls")
            try await rig.addCustom(
                "look", programs, arguments: ["two words", "$HOME", "", "*"], environment: ["EXTRA": "a=b\nc", "LANG": "pt_BR.UTF-8"])
            try await rig.addCustom("ls", programs, arguments: ["/proc/self/fd"])
            _ = try rig.worker(programs, environment: ["CHIMERA_SECRET_OF_THE_WORKER": "x", "HOME": "/root"])
            let id: String = try await rig.value(
                """
                INSERT INTO job_executions (job_config_id, params, scheduled_for)
                VALUES (job_id('look'), '{"store": 7, "name": "São João"}', '2026-03-01T08:10:00Z') RETURNING id::text AS value
                """)
            let ended = try await rig.finished(id)
            #expect(ended.status == "SUCCESS", "\(ended.message)")
            #expect(ended.metrics == ["rows": 5, "passed": 3, "password": "••••"])
            #expect(try JSONValue(parsing: programs.left("input")) == ["store": 7, "name": "São João"])
            let token: Int64 = try await rig.value("SELECT token AS value FROM job_executions WHERE id = \(id)::uuid")
            let environment = programs.left("environment").split(separator: "\n").filter { !$0.hasPrefix("PWD=") && !$0.hasPrefix("_=") }
            let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
            #expect(
                environment == [
                    "CHIMERA_ATTEMPT=1", "CHIMERA_EXECUTION_ID=\(id)", "CHIMERA_FENCING_TOKEN=\(token)",
                    "CHIMERA_SCHEDULED_FOR=2026-03-01T05:10:00-03:00", "EXTRA=a=b", "LANG=pt_BR.UTF-8", "PATH=\(path)",
                    "SCRATCH=\(programs.scratch)", "c",
                ])
            #expect(programs.left("arguments") == "\(programs.folder)/look\ntwo words\n$HOME\n\n*\n")
            #expect(URL(filePath: programs.left("folder").trimmingCharacters(in: .newlines)).lastPathComponent == "programs")
            // 32 and 33 are the C library's own: no program can set them, and whoever started this one may have had them ignored.
            let signals = programs.left("signals").split(separator: "\n").map { (UInt64($0, radix: 16) ?? .max) & ~(0b11 << 31) }
            #expect(signals == [0, 0], "none blocked, none ignored")
            let session = programs.left("session").split(whereSeparator: \.isWhitespace)
            #expect(session.count == 3 && Set(session).count == 1, "it leads a session and a group of its own: \(session)")
            let lines = try await rig.lines(of: id)
            #expect(lines.contains("info on standard output") && lines.contains("warning on standard error"))
            let list = try await rig.trigger("ls")
            #expect(try await rig.finished(list).status == "SUCCESS")
            #expect(try await rig.lines(of: list) == ["info 0", "info 1", "info 2", "info 3"], "3 is the folder that it reads")
        }
    }

    @Test("params lie over the config, and stay what the program reads")
    func paramsOverConfig() async throws {
        try await Rig.withPrograms { rig, programs in
            try programs.add("say", "#!/bin/sh\necho \"$1\"; cat\n")
            try await rig.addCustom("say", programs, arguments: ["configured"])
            _ = try rig.worker(programs)
            let id = try await rig.trigger("say", params: ["arguments": ["asked for"]])
            #expect(try await rig.finished(id).status == "SUCCESS")
            #expect(try await rig.lines(of: id) == ["info asked for", #"info {"arguments": ["asked for"]}"#])
        }
    }

    struct Ending: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let script: String
        let code: String
        let attempts: [String]
        let says: String
    }

    static let endings = [
        Ending(testDescription: "0", script: "#!/bin/sh\nexit 0", code: "", attempts: ["SUCCESS"], says: ""),
        Ending(
            testDescription: "1", script: "#!/bin/sh\necho out; echo 'no such table' >&2; exit 1", code: "EXIT_1",
            attempts: ["RETRY", "FAILED"],
            says: "left with exit code 1; it said last: no such table"),
        Ending(testDescription: "65", script: "#!/bin/sh\nexit 65", code: "EXIT_65", attempts: ["FAILED"], says: "exit code 65"),
        Ending(testDescription: "75", script: "#!/bin/sh\nexit 75", code: "EXIT_75", attempts: ["RETRY", "FAILED"], says: "exit code 75"),
        Ending(testDescription: "78", script: "#!/bin/sh\nexit 78", code: "EXIT_78", attempts: ["FAILED"], says: "exit code 78"),
        Ending(
            testDescription: "a segmentation fault", script: "#!/bin/sh\nkill -SEGV $$", code: "SIGSEGV", attempts: ["RETRY", "FAILED"],
            says: "was ended by SIGSEGV"),
        Ending(
            testDescription: "SIGKILL", script: "#!/bin/sh\nkill -KILL $$", code: "SIGKILL", attempts: ["RETRY", "FAILED"], says: "SIGKILL"),
        Ending(
            testDescription: "no format that can be executed", script: "echo no shell reads this", code: "NOT_STARTED",
            attempts: ["FAILED"],
            says: "cannot be started"),
        Ending(
            testDescription: "an interpreter that is not there", script: "#!/nonexistent/interpreter\n", code: "NOT_STARTED",
            attempts: ["FAILED"], says: "cannot be started"),
    ]

    @Test("exit codes and signals are told apart; what may pass is tried again")
    func endings() async throws {
        try await Rig.withPrograms { rig, programs in
            _ = try rig.worker(programs)
            var ids: [String] = []
            for (number, ending) in Self.endings.enumerated() {
                try programs.add("program-\(number)", ending.script)
                try await rig.addCustom("program-\(number)", programs, maxAttempts: 2)
                ids.append(try await rig.trigger("program-\(number)"))
            }
            for (id, ending) in zip(ids, Self.endings) {
                let ended = try await rig.finished(id)
                #expect(
                    ended.code == ending.code && (ending.says.isEmpty || ended.message.contains(ending.says)),
                    "\(ending): \(ended.code) \(ended.message)")
                #expect(try await rig.attempts(of: id) == ending.attempts, "\(ending)")
                let isRetryable = ended.error?["retryable"]?.boolValue
                #expect(isRetryable == (ending.code.isEmpty ? nil : ending.attempts.count == 2), "\(ending)")
            }
        }
    }

    @Test("what cannot be run fails for good and says why: not there, not ours, writable, no program, no folder")
    func refusals() async throws {
        try await Rig.withPrograms { rig, programs in
            _ = try rig.worker(programs)
            try programs.add("open", mode: 0o775, "#!/bin/sh\n")
            try programs.add("plain", mode: 0o644, "#!/bin/sh\n")
            try FileManager.default.createDirectory(atPath: programs.folder + "/inside", withIntermediateDirectories: false)
            symlink("/bin/sh", programs.folder + "/out")
            let wanted: [(program: String, code: String, says: String)] = [
                ("missing", "PROGRAM_NOT_FOUND", "there is no program missing"), ("open", "PROGRAM_REFUSED", "chmod go-w"),
                ("plain", "PROGRAM_REFUSED", "may not be executed"), ("inside", "PROGRAM_REFUSED", "no ordinary file"),
                ("out", "PROGRAM_REFUSED", "leads out of"),
            ]
            for (program, code, says) in wanted {
                try await rig.addCustom(program, programs, maxAttempts: 3)
                let ended = try await rig.finished(try await rig.trigger(program))
                #expect(ended.status == "FAILED" && ended.attempt == 1 && ended.code == code && ended.message.contains(says), "\(ended)")
            }
        }
        try await Rig.withPrograms { rig, programs in
            _ = try rig.worker()
            try await rig.addCustom("any", programs)
            let ended = try await rig.finished(try await rig.trigger("any"))
            #expect(ended.code == "CUSTOM_DIR" && ended.message.contains("CHIMERA_CUSTOM_DIR is not set"), "\(ended)")
        }
    }

    @Test("envelopes of the environment are opened for the program alone; without the key the run fails for good")
    func secrets() async throws {
        try await Rig.withPrograms { rig, programs in
            let key = programs.scratch + "/chimera.key"
            let (line, envelope) = Self.sealed
            try line.write(toFile: key, atomically: true, encoding: .utf8)
            try programs.add(
                "tell",
                "#!/bin/sh\necho \"it is $DB_KEY\"; echo \"{\\\"said\\\": \\\"$DB_KEY\\\"}\"; echo \"$DB_KEY\" > $SCRATCH/seen; exit 1\n")
            try await rig.addCustom("tell", programs, environment: ["DB_KEY": .string(envelope)])
            let blind = try rig.worker(programs)
            let refused = try await rig.finished(try await rig.trigger("tell"))
            #expect(refused.code == "CONFIG" && refused.message.contains("CHIMERA_KEY_FILE"), "\(refused)")
            blind.signal(SIGKILL)
            try await blind.waitForExit()
            let worker = try rig.worker(programs, environment: ["CHIMERA_KEY_FILE": key])
            let id = try await rig.trigger("tell")
            let ended = try await rig.finished(id)
            #expect(programs.left("seen") == "opensesame\n")
            #expect(try await rig.lines(of: id).first == "info it is ••••")
            #expect(ended.metrics == ["said": "••••"])
            let everything: String = try await rig.value(
                "SELECT (to_jsonb(e)::text || (SELECT string_agg(l.message, ' ') FROM execution_logs AS l)) AS value FROM job_executions AS e WHERE id = \(id)::uuid"
            )
            #expect(!everything.contains("opensesame") && !worker.errors.joined().contains("opensesame"), "\(everything)")
        }
    }

    /// A key file's line, and "opensesame" sealed with it by another program (Python's cryptography).
    static let sealed = (
        line: "k1:\(Data((0..<32).map { UInt8($0) }).base64EncodedString())\n",
        envelope: "enc:v1:k1:AAECAwQFBgcICQoLKHKzdbaAsXrgJGBvftgXz8nwIPtGL8JEKgw"
    )
}
