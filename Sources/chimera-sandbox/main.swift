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
    guard let mail = MailSink(log: sandbox.channels, faults: sandbox.faults), AuthorityFile.write(mail.certificates.authority) else {
        fail("the mail server cannot start: there is no port on 127.0.0.1, or TMPDIR cannot be written to.", exitCode: 69)
    }
    let announcement = Announcement(catalogue: sandbox.catalogue, port: server.port, deafPorts: DeafPorts(), mail: mail)
    FileHandle.standardOutput.write(Data((announcement.text + "\n").utf8))
    var received: Int32 = 0
    sigwait(&endings, &received)
    AuthorityFile.remove()
    // Not exit(): nothing needs flushing, and the server's threads go on until the last moment.
    _exit(0)
}
