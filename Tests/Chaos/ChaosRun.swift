import Foundation
import Runtime
import TestSupport

/// Runs what was asked for, one after another, so that every scenario has the machine to itself.
struct ChaosRun {
    private let arguments: ChaosArguments

    init(_ arguments: ChaosArguments) { self.arguments = arguments }

    func run() async -> Report {
        var report = Report(seed: arguments.seed)
        print("seed \(arguments.seed)")
        if arguments.task == .soak {
            let minutes = arguments.minutes ?? 5
            await run(soakScenario(minutes: minutes), seed: arguments.seed, into: &report)
            return report
        }
        let began = ContinuousClock.now
        var seed = arguments.seed
        var isFirst = true
        while isFirst || ContinuousClock.now - began < .seconds((arguments.minutes ?? 0) * 60) {
            for failure in chosen {
                for scenario in failure.scenarios where scenario.isQuick || !arguments.isQuick {
                    await run(scenario, seed: seed, into: &report)
                }
                // Tests bring their own chance along; the quick pass follows a run of them all.
                if isFirst, !arguments.isQuick, !arguments.isScenariosOnly, !failure.tests.isEmpty {
                    report.add(await TestEvidence(failure).run())
                }
            }
            isFirst = false
            seed &+= 1
        }
        return report
    }

    private var chosen: [Catalogue.Failure] {
        Catalogue.all.filter { arguments.numbers.isEmpty || arguments.numbers.contains($0.number) }
    }

    private func run(_ scenario: Scenario, seed: UInt64, into report: inout Report) async {
        let isTerminal = isatty(STDOUT_FILENO) == 1
        if isTerminal { print("… \(scenario.number)  \(scenario.injected)", terminator: "\r") }
        let trial = Trial(seed: seed)
        let began = ContinuousClock.now
        var failure: String?
        do {
            try await withDeadline(scenario.limit) { try await scenario.run(trial) }
        } catch {
            failure = "\(error) (seed \(seed))"
        }
        if isTerminal { print("\u{1B}[2K", terminator: "") }
        let seconds = Double((ContinuousClock.now - began) / .milliseconds(1)) / 1000
        report.add(
            Finding(
                number: scenario.number, injected: scenario.injected, figures: trial.figures.joined(separator: ", "), seconds: seconds,
                failure: failure))
    }
}
