import Runtime

/// The commands that do what an execution did not.
enum RetryAdvice {
    /// After an execution that failed or was cancelled. A retry has the same params: it would meet the same drop, which somebody has to confirm.
    static func command(after id: JSONValue?, code: JSONValue?, job: JSONValue?, store: JSONValue?) -> String {
        guard code == "CATALOGUE_DROPPED", let job = job?.stringValue, let store = store?.intValue else {
            return "chimera execution retry \(Cell.text(id))"
        }
        return run(of: job, params: #"{"store_ids":[\#(store)],"confirm_drop":true}"#)
    }

    /// A run by hand; `params` has no apostrophe.
    static func run(of job: String, params: String) -> String { "chimera job run \(shellWord(job)) --params '\(params)'" }
}
