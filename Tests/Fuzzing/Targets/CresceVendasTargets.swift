import Networking
import Retail
import Runtime
import Secrets

@testable import Partners

extension FuzzTarget {
    private static let row =
        #"{"code":7,"price":10.50,"final_price":"8,90","limit":10,"start_at":"2026-11-21T06:00:00","expire_at":null}"#
    private static let rows = [
        "", row, row + "," + row, row + ",{}", "[]", "null", #"{"code":"7","price":1,"final_price":0.5,"limit":"3"}"#,
        #"{"code":7,"price":1,"final_price":0.5}"#, #"{"code":7,"code":8,"price":1,"final_price":0.5,"limit":1}"#,
        #"{"code":7,"price":1e400,"final_price":0.5,"limit":1}"#, #"{"code":7.5,"price":1,"final_price":0.5,"limit":1}"#,
    ]

    /// A listing in the shape `response.discounts`.
    static let listing = FuzzTarget(
        "listing", words: PartnerRules.words,
        texts: rows.map { #"{"response":{"discounts":[\#($0)]}}"# } + [
            #"{"response":{"code":200,"discounts":[]}}"#, #"{"response":{"code":500,"discounts":[]}}"#,
            #"{"response":{"discounts":[]},"error":"x"}"#,
            #"{"response":{"discounts":[],"errors":["x"]}}"#, #"{"response":{"discounts":[],"errors":[],"error":null}}"#,
            #"{"response":{}}"#,
            #"{"response":{"discounts":[]},"error":"\ud800"}"#, #"{"response":{"code":true,"discounts":[]}}"#, #"{"response":[]}"#, "[]",
            "{}", "",
            #"{"response":{"discounts":[],"error":{}}}"#, #"{"response":{"discounts":[]},"errors":{"a":["\ud800"]}}"#,
            #"{"response":{"code":500,"discounts":[]},"x":"\ud800"}"#,
            #"{"response":{"code":500,"discounts":[]},"x":"# + String(repeating: "[", count: 70)
                + String(repeating: "]", count: 70) + "}",
        ]
    ) { try checkListing(Array($0.utf8), shape: .discounts) }

    /// A listing in the shape `discount_store_lines`.
    static let listingLines = FuzzTarget(
        "listing-lines", words: PartnerRules.words,
        texts: rows.map { #"{"discount_store_lines":[\#($0)]}"# } + [
            #"{"discount_store_lines":[],"error":"x"}"#, #"{"discount_store_lines":{}}"#, #"{"discount_store_lines":[],"errors":[1]}"#,
            #"{"response":{"discounts":[]}}"#, #"{"discount_store_lines":[],"error":"\ud800"}"#, #"{"discount_store_lines":[],"code":500}"#,
        ]
    ) { try checkListing(Array($0.utf8), shape: .lines) }

    private static func checkListing(_ bytes: [UInt8], shape: CresceVendasConfiguration.ListingShape) throws {
        let names = CresceVendasConfiguration.FieldNames(code: "code", price: "price", finalPrice: "final_price", limit: "limit")
        let reader = CresceVendasListing(shape: shape, fields: names)
        let listing = try PartnerRules.outcome { () throws(PartnerFailure) in
            try reader.lines(in: PartnerRules.response(bytes), connection: PartnerRules.connection, purpose: "listing")
        }
        let found = listing.map { listing in listing.lines.map { Line(line: $0.line, window: listing.windows[$0.window]) } }
        guard let reference = ReferenceJSON(PartnerRules.unmarked(bytes)) else { return }
        guard let objects = objections(reference, asWritten: true) else { return }
        if objects || (shape == .lines && !reference.values("response").isEmpty) {
            try require(found == nil, "a list beside an error is no listing")
            return
        }
        var level = reference
        if shape == .discounts {
            let responses = reference.values("response").filter(\.isObject)
            guard responses.count == 1 else {
                try require(found == nil, "without one response there is no listing")
                return
            }
            level = responses[0]
        }
        let lists = level.values(shape == .discounts ? "discounts" : "discount_store_lines").compactMap(\.elements)
        let expected = lists.count == 1 ? lines(lists[0]) : nil
        try require(found, equals: expected, "the lines of the listing")
    }

    private struct Line: Equatable {
        let line: CampaignLine
        let window: ListedWindow
    }

    private static func lines(_ rows: [ReferenceJSON]) -> [Line]? {
        var lines: [Line] = []
        for row in rows {
            let cell = { (key: String) in ReferenceCell(row, key) }
            guard row.isObject, let code = cell("code").whole, case .amount(let price) = cell("price").price,
                case .amount(let finalPrice) = cell("final_price").price, let limit = cell("limit").whole
            else { return nil }
            lines.append(
                Line(
                    line: CampaignLine(code: code, price: price, finalPrice: finalPrice, limit: Int(limit)),
                    window: ListedWindow(startsAt: cell("start_at").text, expiresAt: cell("expire_at").text)))
        }
        return lines
    }

    /// Whether `response.code`, `error` or `errors` speak against an answer; nil where a key occurs twice, which is anybody's guess.
    private static func objections(_ document: ReferenceJSON, asWritten: Bool) -> Bool? {
        let values = { (document: ReferenceJSON, key: String) in document.values(key, asWritten: asWritten) }
        let responses = values(document, "response")
        guard responses.count < 2 else { return nil }
        let code = responses.flatMap { values($0, "code") }
        let marks = ([document] + responses).flatMap { [values($0, "error"), values($0, "errors")] }
        guard code.count < 2, marks.allSatisfy({ $0.count < 2 }) else { return nil }
        let speaks = marks.flatMap { $0 }.contains { mark in
            switch mark {
            case .null, .bool(false): false
            case .string(_, let text, _): !text.isEmpty
            case .array(let elements): !elements.isEmpty
            case .object(let members): !members.isEmpty
            default: true
            }
        }
        return speaks || code.contains { !isSuccess($0, asWritten: asWritten) }
    }

    /// `asWritten`: a number is what its digits say; else it is the nearest that a Double holds.
    private static func isSuccess(_ code: ReferenceJSON, asWritten: Bool) -> Bool {
        switch code {
        case .null: return true
        case .number(let literal):
            let whole =
                asWritten
                ? ReferenceDecimal.whole(literal) : Double(String(decoding: literal, as: UTF8.self)).flatMap { Int64(exactly: $0) }
            return whole.map { (200..<300).contains($0) } ?? false
        case .string(_, let text, _):
            let digits = String(decoding: text, as: UTF8.self)
            return Int(digits).map { (200..<300).contains($0) } ?? false
        default: return false
        }
    }

    /// `STATUS`, then the answer to an upload.
    static let uploadAnswer = FuzzTarget(
        "upload-answer", words: PartnerRules.words + ["200\n", "422\n", "429\n"],
        texts: [
            "200\n", "201\n{}", "200\n" + #"{"response":{"code":200}}"#, "200\n" + #"{"response":{"code":"422","errors":["x"]}}"#,
            "200\n" + #"{"response":{"code":2e2}}"#, "200\n" + #"{"response":{"code":1e400}}"#,
            "200\n" + #"{"error":"token wrong-horse-battery"}"#,
            "422\n" + #"{"errors":[{"message":"a\nb"},{"message":["c"]}]}"#, "429\n{}", "500\n<html>\u{0}", "302\n", "200\n\u{FEFF}{}",
            "200\n" + String(repeating: "é", count: 2000), "200\n" + #"{"response":{"code":-9223372036854775808}}"#,
            "200\n" + #"{"response":{"code":200.5}}"#, "200\n" + #"{"response":{"code":200.99999999999999999999999}}"#,
        ]
    ) { text in
        let parts = text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let body = Array((parts.count > 1 ? parts[1] : "").utf8)
        let response = PartnerRules.response(body, status: Int(parts[0]) ?? 200)
        let document = PartnerMessages.document(response.body)
        let accepted: Void? = try PartnerRules.outcome { () throws(PartnerFailure) in
            try PartnerRules.connection.accept(response, document: document, purpose: "upload")
        }
        if !response.isSuccess { try require(accepted == nil, "what is no 2xx is not accepted") }
        if response.isSuccess, document != nil, let reference = ReferenceJSON(PartnerRules.unmarked(body)),
            let objects = objections(reference, asWritten: false)
        {
            try require(accepted == nil, equals: objects, "an answer is accepted when nothing in it objects")
        }
        let excerpt = PartnerRules.connection.redactor.excerpt(response.body)
        try require(excerpt.utf8.count <= Redactor.excerptBytes, "an excerpt is short")
        try require(excerpt.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }, "an excerpt is one line")
        try require(!excerpt.contains(PartnerRules.password), "an excerpt holds no credentials")
        let messages = PartnerMessages.joined(PartnerMessages.all(in: document), redactor: PartnerRules.connection.redactor)
        try require(messages.count <= PartnerMessages.maximumCharacters, "messages are short")
    }
}
