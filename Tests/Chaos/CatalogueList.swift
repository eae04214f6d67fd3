import Foundation

extension Catalogue {
    /// One line a failure and place: number, what happens, where it is shown.
    static func printList() {
        let width = all.map(\.name.count).max() ?? 0
        for failure in all {
            let name = failure.name.padding(toLength: width, withPad: " ", startingAt: 0)
            for evidence in failure.evidence {
                switch evidence {
                case .scenario(let scenario): print("\(failure.number)  \(name)  scenario: \(scenario.injected)")
                case .tests(let tests): for test in tests { print("\(failure.number)  \(name)  test: \(test)") }
                case .notYet(let what): print("\(failure.number)  \(name)  NOT SHOWN YET: \(what)")
                case .notHere(let reason): print("\(failure.number)  \(name)  not here: \(reason)")
                }
            }
        }
    }
}
