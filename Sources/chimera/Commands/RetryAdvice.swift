import Postgres
import Runtime

/// How executions that failed or were cancelled are tried again.
struct RetryAdvice {
    /// By execution, what is to be done before it or its children can succeed.
    private var remedies: [String: Set<String>] = [:]
    private var parents: [String: String] = [:]

    /// Takes what `ExecutionStatements.failures` gave.
    init(_ failures: [JSONValue]) {
        for row in failures {
            let id = Cell.text(row["id"])
            let parent = row["parent_id"]?.stringValue
            parents[id] = parent
            guard let name = row["integration"]?.stringValue else { continue }
            let remedy = Self.remedy(name, isActive: row["is_active"]?.boolValue == true)
            for execution in [id, parent].compactMap(\.self) { remedies[execution, default: []].insert(remedy) }
        }
    }

    /// The commands, each of which goes before the next. While a partner's settings are at fault, its test fails and says why: nothing is
    /// tried in vain, and nobody is told once more.
    func steps(after id: String) -> [String] { (remedies[id] ?? []).sorted() + ["chimera execution retry \(id)"] }

    /// The execution whose retry takes this one along with its siblings; nil when it has none that ended.
    func parent(of id: String) -> String? { parents[id] }

    private static func remedy(_ integration: String, isActive: Bool) -> String {
        isActive
            ? "chimera integration test \(shellWord(integration))" : "chimera integration edit \(shellWord(integration)) --active yes"
    }
}

extension PostgresTransaction {
    /// What `RetryAdvice` takes; asked for only where something failed.
    func failures(of ids: [String]) async throws -> [JSONValue] {
        ids.isEmpty ? [] : try await rows(ExecutionStatements.failures(of: ids))
    }
}

/// Commands that mend something, one after the other, each only when the one before has succeeded.
struct Mend {
    let steps: [String]
    /// The same for everything of its kind at once; the last of them tells the kind.
    let forAll: [String]

    init(_ steps: [String], forAll: [String]? = nil) {
        self.steps = steps
        self.forAll = forAll ?? steps
    }

    /// As a shell takes it.
    static func command(_ steps: [String]) -> String { steps.joined(separator: " && ") }

    /// A run by hand; `params` has no apostrophe.
    static func run(of job: String, params: String? = nil) -> String {
        "chimera job run \(shellWord(job))" + (params.map { " --params '\($0)'" } ?? "")
    }
}
