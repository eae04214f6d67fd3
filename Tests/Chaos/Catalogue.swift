/// Every failure that the product must survive, and where it is shown.
enum Catalogue {
    /// Where a failure is shown.
    enum Evidence: Sendable {
        /// Here, against real programs.
        case scenario(Scenario)
        /// In tests of that number; identifiers as `swift test --filter` knows them.
        case tests([String])
        /// Not on this kind of machine, for this reason.
        case notHere(String)
        /// Nothing shows this yet.
        case notYet(String)
    }

    struct Failure: Sendable {
        let number: String
        /// What happens, in a few words.
        let name: String
        let evidence: [Evidence]

        var scenarios: [Scenario] {
            evidence.compactMap { place in
                if case .scenario(let scenario) = place { return scenario }
                return nil
            }
        }

        var tests: [String] {
            evidence.flatMap { place -> [String] in
                if case .tests(let tests) = place { return tests }
                return []
            }
        }
    }

    static let all: [Failure] = (ownership + database + time + tested + partners + messages).sorted { $0.number < $1.number }
}
