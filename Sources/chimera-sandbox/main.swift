import Foundation

/// Ends the program with a sentence on standard error.
func fail(_ sentence: String, exitCode: Int32) -> Never {
    FileHandle.standardError.write(Data("chimera-sandbox: \(sentence)\n".utf8))
    exit(exitCode)
}

/// What `body` makes, or the end of the program for bad usage.
func orUsageProblem<Value>(_ body: () throws(UsageProblem) -> Value) -> Value {
    do throws(UsageProblem) {
        return try body()
    } catch {
        fail(error.sentence, exitCode: 64)
    }
}

let command = orUsageProblem { () throws(UsageProblem) in try Command(Array(CommandLine.arguments.dropFirst())) }

switch command {
case .showHelp: print(Command.help, terminator: "")
case .showFaults: print(FaultTable.text, terminator: "")
case .serve(let settings):
    signal(SIGPIPE, SIG_IGN)
    // Blocked before the first thread starts, so that every thread leaves them to sigwait below.
    var endings = sigset_t()
    sigemptyset(&endings)
    sigaddset(&endings, SIGTERM)
    sigaddset(&endings, SIGINT)
    pthread_sigmask(SIG_BLOCK, &endings, nil)
    let sandbox = orUsageProblem { () throws(UsageProblem) in try Sandbox(settings) }
    guard let server = HTTPServer(sandbox: sandbox, port: settings.port) else {
        fail("port \(settings.port) is taken on 127.0.0.1; choose another one, or 0 for any that is free.", exitCode: 69)
    }
    FileHandle.standardOutput.write(Data((sandbox.announcement(port: server.port, deafPorts: DeafPorts()) + "\n").utf8))
    var received: Int32 = 0
    sigwait(&endings, &received)
    // Not exit(): nothing needs flushing, and the server's threads go on until the last moment.
    _exit(0)
}
