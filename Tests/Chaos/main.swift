import Foundation
import Runtime
import TestSupport

do {
    let arguments = try ChaosArguments(Array(CommandLine.arguments.dropFirst()))
    switch arguments.task {
    case .help: print(ChaosArguments.help)
    case .list: Catalogue.printList()
    case .scenarios, .soak:
        let report = await ChaosRun(arguments).run()
        report.printSummary()
        if let path = arguments.jsonPath { try report.write(to: path) }
        exit(report.passed ? 0 : 1)
    }
} catch {
    FileHandle.standardError.write(Data("chaos: \(error)\n".utf8))
    exit(64)
}
