/// Where a claim begins to look: rows before it in the queue's order are passed over.
struct Watermark: Sendable {
    let priority: Int
    let runAt: String
    let id: ExecutionID
    /// In the place of `runAt`: what became due in this time, by the database's clock.
    let dueWithin: Duration?

    /// Behind this key.
    init(priority: Int, runAt: String, id: ExecutionID) {
        (self.priority, self.runAt, self.id, dueWithin) = (priority, runAt, id, nil)
    }

    /// What became due lately, of this priority; of those after it everything.
    init(priority: Int, dueWithin: Duration) {
        self.priority = priority
        (runAt, id) = ("-infinity", Self.start.id)
        self.dueWithin = dueWithin
    }

    /// Before every row.
    static let start = Watermark(priority: -32768, runAt: "-infinity", id: "00000000-0000-0000-0000-000000000000")
}
