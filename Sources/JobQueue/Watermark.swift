/// The key of the last row that a full claim took; the next one begins behind it.
struct Watermark: Sendable {
    var priority: Int
    var runAt: String
    var id: ExecutionID

    /// Before every row.
    static let start = Watermark(priority: -32768, runAt: "-infinity", id: "00000000-0000-0000-0000-000000000000")
}
