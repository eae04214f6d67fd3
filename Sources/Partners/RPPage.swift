import Networking
import Retail

/// RP's envelope: success is 2xx, `response.status` "ok" and the list (PARTNERS.md §1).
enum RPEnvelope {
    /// A 2xx whose envelope says that something went wrong on RP's side; it may pass.
    static func failure(
        _ messages: [String], _ response: HTTPResponse, connection: PartnerConnection, purpose: String
    ) -> PartnerFailure {
        let detail = PartnerMessages.joined(messages, redactor: connection.redactor)
        return PartnerFailure(
            code: "RP_ERROR", message: connection.sentence(purpose, "the partner reports an error\(detail.isEmpty ? "." : ": \(detail)")"),
            isRetryable: true, httpStatus: response.status)
    }
}

/// Reads one page of the product list.
struct RPPageReader: Sendable {
    private enum Column: Int, CaseIterable {
        case code, name, barcode, isActive, status, price, clubPrice

        var key: String {
            switch self {
            case .code: "Codigo"
            case .name: "Descricao"
            case .barcode: "CodigoBarras"
            case .isActive: "Ativo"
            case .status: "Status"
            case .price: "Preco"
            case .clubPrice: "PrecoVenda2"
            }
        }
    }

    static let layout = JSONTableLayout(
        parent: "response", list: "produtos", columns: Column.allCases.map(\.key), marks: ["status"], maximumRows: 100_000)

    private let reader = JSONTableReader(layout)

    /// The products of a 2xx answer, in its order; an empty list is the end.
    func products(
        in response: HTTPResponse, connection: PartnerConnection, purpose: String
    ) throws(PartnerFailure) -> [OfferedProduct] {
        let outcome = try reader.read(response.body) { table throws(PartnerFailure) in
            let status = table.innerMark(0).text
            if table.hasParent, let status, status != "ok" {
                let messages = PartnerMessages.all(in: PartnerMessages.document(response.body))
                throw RPEnvelope.failure(messages, response, connection: connection, purpose: purpose)
            }
            guard table.hasParent, status == "ok", table.hasList else {
                throw connection.unusable(
                    "WRONG_SHAPE", "the answer has no response.status \"ok\" with a list response.produtos", response, purpose: purpose)
            }
            return (0..<table.rowCount).map { Self.product(table, $0) }
        }
        switch outcome {
        case .success(let products): return products
        case .failure(let error): throw connection.unusable(error, response, purpose: purpose)
        }
    }

    /// The code that stands last in a page's text, found without parsing it: as a rule that of its last product. Nil when none does near the end.
    static func lastCode(in body: ResponseBody) -> Int64? {
        body.withPaddedBytes { bytes, _ in
            let end = bytes.count
            let first = max(0, end - longestProductBytes)
            var place = end - codeKey.count
            while place >= first {
                if bytes[place] == codeKey[0], bytes[place..<place + codeKey.count].elementsEqual(codeKey) {
                    let digits = bytes[(place + codeKey.count)...].prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "}") }
                    return Int64(String(decoding: digits.prefix(32), as: UTF8.self))
                }
                place -= 1
            }
            return nil
        }
    }

    /// A product has 6 KB.
    private static let longestProductBytes = 64 << 10
    private static let codeKey = Array("\"\(Column.code.key)\":".utf8)

    private static func product(_ table: JSONTable, _ row: Int) -> OfferedProduct {
        func cell(_ column: Column) -> JSONCell { table.cell(row: row, column: column.rawValue) }
        let status = cell(.status)
        return OfferedProduct(
            code: cell(.code).wholeNumber, name: cell(.name).text ?? "", barcode: cell(.barcode).text ?? "",
            isActive: isActive(cell(.isActive)), status: status.isAbsent || status.isNull ? nil : status.text ?? "?",
            price: cell(.price).price, clubPrice: cell(.clubPrice).price)
    }

    /// Absent and null count as active; old versions may write `"N"`, and two different answers are not a yes.
    private static func isActive(_ cell: JSONCell) -> Bool {
        if cell.isFalse || cell.isRepeated { return false }
        guard let text = cell.text else { return true }
        return !["n", "não", "nao", "0", "f", "false"].contains(text.lowercased())
    }
}

/// Follows the cursor through the pages of one unit.
struct PageCursor {
    /// The code behind which the current page begins.
    private(set) var position: Int64 = 0
    private(set) var pageCount = 0
    let maximumPages: Int

    init(maximumPages: Int) {
        self.maximumPages = maximumPages
    }

    /// A code as where the next page may begin, seen before this page was read; nil when it cannot.
    func plausible(_ code: Int64?) -> Int64? {
        guard let code, code > position, pageCount < maximumPages else { return nil }
        return code
    }

    /// Why a page cannot be followed by another.
    enum Defect: Error, Equatable {
        /// None of its items has a readable code.
        case noCodes
        /// The page ends where it began, or before.
        case stuck(at: Int64)
        case notAscending(Int64, after: Int64)
        case tooManyPages
    }

    /// Where the next page begins; nil when this one was empty, which is the end. A short page is not.
    ///
    /// Items without a readable code above zero are passed over: `Retail` rejects them by row. A page may begin with items of the page before (the list changes underneath):
    /// whether the two agree is for `Retail` to see.
    mutating func advance(over page: [OfferedProduct]) throws(Defect) -> Int64? {
        guard !page.isEmpty else { return nil }
        pageCount += 1
        guard pageCount <= maximumPages else { throw .tooManyPages }
        let codes = page.compactMap(\.code).filter { $0 > 0 }
        guard page.contains(where: { $0.code != nil }) else { throw .noCodes }
        guard let last = codes.last, last > position else { throw .stuck(at: position) }
        for (before, code) in zip(codes, codes.dropFirst()) where code < before { throw .notAscending(code, after: before) }
        position = last
        return last
    }
}
