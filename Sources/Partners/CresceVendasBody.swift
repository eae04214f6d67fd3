import Retail
import Runtime

extension CresceVendasConfiguration {
    /// The exact bytes of an upload (PARTNERS.md §2): the same draft always gives the same bytes.
    func encode(_ draft: CampaignDraft) -> [UInt8] {
        var text = "{\"override\":\(overridesExisting ? 1 : 0)"
        text += ",\"start_date\":\(quoted(draft.startsAt)),\"end_date\":\(quoted(draft.endsAt))"
        text += ",\"store_registrations\":[\(quoted(draft.registration))],\"name\":\(quoted(draft.name))"
        text += ",\"discount_store_lines\":["
        let code = Array("{\(quoted(fields.code)):".utf8)
        let price = Array(",\(quoted(fields.price)):".utf8)
        let finalPrice = Array(",\(quoted(fields.finalPrice)):".utf8)
        let limit = Array(",\(quoted(fields.limit)):".utf8)
        var body = Array(text.utf8)
        body.reserveCapacity(body.count + draft.lines.count * 64)
        for (index, line) in draft.lines.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            body += code
            if codeIsText { body.append(UInt8(ascii: "\"")) }
            body.append(decimal: line.code)
            if codeIsText { body.append(UInt8(ascii: "\"")) }
            body += price
            body.append(line.price)
            body += finalPrice
            body.append(line.finalPrice)
            body += limit
            body.append(decimal: Int64(line.limit))
            body.append(UInt8(ascii: "}"))
        }
        body += "]}".utf8
        return body
    }

    private func quoted(_ text: String) -> String {
        JSONValue.string(text).text
    }
}
