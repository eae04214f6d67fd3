/// Which rows a page with quirks shows.
struct PagePlan {
    struct Row {
        var position: Int
        var patch: RowPatch?
    }

    let store: Store
    let cursor: Int
    let limit: Int
    let filter: PageFilter
    let quirks: Set<PageQuirk>

    func rows(_ catalogue: Catalogue, offers: (Int) -> Offer) -> [Row] {
        guard !quirks.contains(.empty) else { return [] }
        var rows = ordinary(catalogue, offers: offers)
        if rows.isEmpty, quirks.contains(.neverEnds) { return [invented(catalogue)] }
        if quirks.contains(.unsorted), rows.count > 1 { rows.swapAt(0, 1) }
        let atCursor = catalogue.position(of: cursor).map { Row(position: $0) }
        if quirks.contains(.itemOnTwoPages), let atCursor, !rows.isEmpty { rows.insert(atCursor, at: 0) }
        if quirks.contains(.cursorStuck), let atCursor {
            if rows.count > 1 { rows.removeLast() }
            rows.append(atCursor)
        }
        patchOne(&rows, offers: offers)
        return rows
    }

    private func ordinary(_ catalogue: Catalogue, offers: (Int) -> Offer) -> [Row] {
        let limit = quirks.contains(.shortPage) ? 1 + Int(SeededNumbers.mixed(UInt64(cursor)) % UInt64(limit)) : limit
        var rows: [Row] = []
        var position = quirks.contains(.samePage) ? 0 : catalogue.position(after: cursor)
        while rows.count < limit, position < catalogue.positions {
            let isKept = !quirks.contains(.halfCatalogue) || position % 2 == 0
            if isKept, filter.lets(offers(position)) { rows.append(Row(position: position)) }
            position += 1
        }
        return rows
    }

    /// A product that the catalogue does not have: the last one under the next code.
    private func invented(_ catalogue: Catalogue) -> Row {
        Row(position: max(catalogue.positions - 1, 0), patch: RowPatch(code: String(cursor + 1)))
    }

    /// Applies what concerns one good product of the page: one that any client would have accepted.
    private func patchOne(_ rows: inout [Row], offers: (Int) -> Offer) {
        guard let index = rows.dropLast().firstIndex(where: { offers($0.position).isPlain }) else { return }
        let patches: [PageQuirk: RowPatch] = [
            .unreadablePrice: RowPatch(clubPrice: "\"abc\""), .nullPrice: RowPatch(clubPrice: "null"),
            .negativePrice: RowPatch(clubPrice: "-1.5"), .hugeNumber: RowPatch(clubPrice: "1e400"),
            .codeTooLarge: RowPatch(code: "9223372036854775809"), .codeZero: RowPatch(code: "0"),
            .loneSurrogate: RowPatch(name: #"MEIO \ud83c PAR"#), .nulInText: RowPatch(name: #"ANTES\u0000DEPOIS"#),
            .duplicateKeys: RowPatch(prefix: #""Codigo":7,"PrecoVenda2":0.01,"#),
        ]
        for (quirk, patch) in patches where quirks.contains(quirk) { rows[index].patch = patch }
        if quirks.contains(.duplicateSame) { rows.insert(rows[index], at: index) }
        if quirks.contains(.duplicateDifferent) {
            rows.insert(Row(position: rows[index].position, patch: RowPatch(clubPrice: "0.57")), at: index + 1)
        }
    }
}
