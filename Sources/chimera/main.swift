import Glibc
import JobQueue
import Runtime

StandardOutput.fillClosedDescriptors()
// The guard of a CUSTOM job's program is this executable too; it needs nothing of what follows.
if CommandLine.arguments.dropFirst().first == ProgramGuard.argument { ProgramGuard.run() }
// A reader that leaves is noticed where it matters, by EPIPE; nobody is to die of it, least of all a worker whose log went away.
signal(SIGPIPE, SIG_IGN)
// libdispatch asks for priorities that only root may have, and tells syslog of each of its threads that it got none.
setenv("LIBDISPATCH_LOG", "NO", 0)
exit(await Program(settings: ProgramSettings()).run(Array(CommandLine.arguments.dropFirst())).rawValue)
