/// The document of a listing, with or without quirks.
struct ClubListing {
    struct Row {
        var line: CampaignLine
        var end: LocalMinute
        let start: LocalMinute
    }

    let clock: StoreClock
    let quirks: Set<ListingQuirk>
    let rows: [Row]

    init(campaigns: [Campaign], clock: StoreClock, quirks: Set<ListingQuirk>) {
        self.clock = clock
        self.quirks = quirks
        var rows = campaigns.flatMap { campaign in
            campaign.lines.map { Row(line: $0, end: campaign.end, start: campaign.start) }
        }
        if !quirks.isEmpty, let first = rows.first { Self.apply(quirks, to: &rows, first: first) }
        self.rows = quirks.contains(.empty) ? [] : rows
    }

    private static func apply(_ quirks: Set<ListingQuirk>, to rows: inout [Row], first: Row) {
        if quirks.contains(.wrongPrice) { rows[0].line.finalPrice += 1 }
        if quirks.contains(.wrongLimit) { rows[0].line.limit += 1 }
        if quirks.contains(.wrongWindow) { for index in rows.indices { rows[index].end.minutes -= 60 } }
        if quirks.contains(.duplicateLine) { rows.insert(rows[0], at: 1) }
        if quirks.contains(.extraLine) {
            var stranger = first
            stranger.line.code = 900_000_001
            rows.append(stranger)
        }
        if quirks.contains(.missingLine) { rows.removeFirst() }
    }

    var answer: Answer {
        .json(200) { document in
            if quirks.contains(.unknownShape) {
                document.object("data") { $0.array("items") { write(to: &$0) } }
            } else if quirks.contains(.altShape) {
                document.array("discount_store_lines") { write(to: &$0) }
            } else {
                document.object("response") { $0.array("discounts") { write(to: &$0) } }
            }
        }
    }

    private func write(to list: inout JSONWriter) {
        var (start, end) = ("", "")
        for (index, row) in rows.enumerated() {
            // Rows of one campaign follow each other: the texts are made once for all of them.
            if index == 0 || row.start != rows[index - 1].start { start = text(row.start) }
            if index == 0 || row.end != rows[index - 1].end { end = text(row.end) }
            list.object { write(row.line, isFirst: index == 0, start: start, end: end, to: &$0) }
        }
    }

    private func write(_ line: CampaignLine, isFirst: Bool, start: String, end: String, to entry: inout JSONWriter) {
        let asString = quirks.contains(.strings)
        if !isFirst || !quirks.contains(.lineWithoutCode) { number("code", line.code, to: &entry) }
        if isFirst, quirks.contains(.hugeNumber) {
            entry.field("price", raw: "1e400")
        } else {
            entry.field("price", cents: line.price, asString: asString)
        }
        entry.field("final_price", cents: line.finalPrice, asString: asString)
        number("limit", line.limit, to: &entry)
        entry.field("start_at", start)
        entry.field("expire_at", end)
    }

    private func number(_ key: String, _ value: Int, to entry: inout JSONWriter) {
        if quirks.contains(.strings) { entry.field(key, String(value)) } else { entry.field(key, value) }
    }

    /// As Rails writes a time with its zone, unless a quirk says otherwise.
    private func text(_ minute: LocalMinute) -> String {
        if quirks.contains(.localTimes) { return minute.text }
        if quirks.contains(.utcTimes) { return LocalMinute(minutes: minute.minutes - clock.offsetMinutes).text + ":00Z" }
        return "\(minute.text):00.000\(clock.offsetText)"
    }
}
