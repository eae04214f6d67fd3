import Glibc
import JobQueue
import Runtime

// The guard of a CUSTOM job's program is this executable too; it needs nothing of what follows.
if CommandLine.arguments.dropFirst().first == ProgramGuard.argument { ProgramGuard.run() }
// A reader that leaves is noticed where it matters, by EPIPE; nobody is to die of it, least of all a worker whose log went away.
signal(SIGPIPE, SIG_IGN)
exit(await Program(settings: ProgramSettings()).run(Array(CommandLine.arguments.dropFirst())).rawValue)
