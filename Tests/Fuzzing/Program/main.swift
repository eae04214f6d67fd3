import Foundation

// The program behind `scripts/fuzz`: lists the targets, writes the seeds of one, or runs libFuzzer.

let arguments = CommandLine.arguments
if arguments.count < 2 {
    for target in FuzzTarget.all { print(target.name) }
    exit(0)
}
guard let target = LibFuzzer.target else {
    FileHandle.standardError.write(Foundation.Data("fuzz: there is no target \(arguments[1]); see scripts/fuzz --list.\n".utf8))
    exit(64)
}
if arguments.count == 4, arguments[2] == "--seeds" {
    try LibFuzzer.write(target, to: URL(filePath: arguments[3]))
    print(target.longest)
    exit(0)
}
exit(LibFuzzer.run(Array(arguments.dropFirst(2))))
