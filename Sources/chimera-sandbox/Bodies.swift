import Foundation

/// Bodies that no careful service sends.
enum Bodies {
    static let portal = """
        <!DOCTYPE html><html><head><title>Acesso à rede</title></head><body><form action="/entrar"><input name="senha"></form></body></html>

        """

    static func half(_ answer: Answer) -> Answer {
        var spoilt = answer
        spoilt.body = borrowed(answer.body.bytes.prefix(answer.body.count / 2))
        BufferPool.shared.giveBack(answer.body)
        return spoilt
    }

    static func prefixed(_ answer: Answer, _ bytes: [UInt8]) -> Answer {
        var spoilt = answer
        spoilt.body = borrowed(bytes[...], answer.body.bytes[...])
        BufferPool.shared.giveBack(answer.body)
        return spoilt
    }

    /// Puts the bytes into the first product's description, or else into the first string that the document has as a value.
    static func insertingText(_ answer: Answer, _ bytes: [UInt8]) -> Answer {
        let body = answer.body.bytes
        let place = [#""Descricao":""#, #":""#].lazy.compactMap { body.firstRange(of: Array($0.utf8))?.upperBound }.first ?? body.count
        var spoilt = answer
        spoilt.body = borrowed(body[..<place], bytes[...], body[place...])
        BufferPool.shared.giveBack(answer.body)
        return spoilt
    }

    static var deep: Answer {
        Answer(200, body: borrowed(Array(repeating: UInt8(ascii: "["), count: 1_000_000)[...]))
    }

    // MARK: talks

    static var huge: BareTalk {
        let opening = Array(#"{"response":{"status":"ok","produtos":["#.utf8)
        let closing = Array(#"],"discounts":[]}}"#.utf8)
        let blank = Array(repeating: UInt8(ascii: " "), count: 1 << 20)
        let times = 300
        let length = opening.count + closing.count + times * blank.count
        return BareTalk(steps: [.write(head(200, length: length) + opening), .flood(blank, times: times), .write(closing)])
    }

    static var endless: BareTalk {
        let head = Array("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"response\":".utf8)
        return BareTalk(steps: [.write(head), .flood(Array(repeating: UInt8(ascii: " "), count: 1 << 16), times: .max)])
    }

    static var hugeHeaders: BareTalk {
        let line = Array("X-Padding: \(String(repeating: "a", count: 8_000))\r\n".utf8)
        let tail = Array("Content-Length: 2\r\n\r\n{}".utf8)
        return BareTalk(steps: [.write(Array("HTTP/1.1 200 OK\r\n".utf8)), .flood(line, times: 1_000), .write(tail)])
    }

    static func slow(_ answer: Answer) -> BareTalk {
        let (head, body) = spelled(answer)
        return BareTalk(steps: [.trickle(head + body, pauseMilliseconds: 1_000)])
    }

    static func halfThen(_ answer: Answer, _ step: BareTalk.Step?) -> BareTalk {
        let (head, body) = spelled(answer)
        return BareTalk(steps: [.write(head + body.prefix(body.count / 2))] + (step.map { [$0] } ?? []))
    }

    static func lengthTooShort(_ answer: Answer) -> BareTalk {
        let body = answer.body.bytes
        BufferPool.shared.giveBack(answer.body)
        return BareTalk(steps: [.write(head(answer.status, length: body.count / 2) + body)])
    }

    private static func spelled(_ answer: Answer) -> (head: [UInt8], body: [UInt8]) {
        let body = answer.body.bytes
        BufferPool.shared.giveBack(answer.body)
        return (head(answer.status, length: body.count), body)
    }

    private static func head(_ status: Int, length: Int) -> [UInt8] {
        let title = status < 300 ? "OK" : "Error"
        return Array(
            "HTTP/1.1 \(status) \(title)\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: \(length)\r\n\r\n".utf8)
    }

    private static func borrowed(_ parts: ArraySlice<UInt8>...) -> ByteBuffer {
        let buffer = BufferPool.shared.borrow()
        for part in parts { part.withUnsafeBufferPointer { buffer.append(bytes: $0) } }
        return buffer
    }
}

/// A few megabytes of gzip that decode to hundreds (RFC 1951: one blank, then "the last 258 bytes again" over and over).
enum GzipBomb {
    static var answer: Answer {
        let buffer = BufferPool.shared.borrow()
        buffer.append(contentsOf: bytes)
        return Answer(200, headers: [("Content-Type", "application/json"), ("Content-Encoding", "gzip")], body: buffer)
    }

    private static let bytes: [UInt8] = {
        var stream: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]
        var pending: UInt32 = 0
        var pendingBits = 0
        func put(_ bits: [UInt32]) {
            for bit in bits {
                pending |= bit << UInt32(pendingBits)
                pendingBits += 1
                if pendingBits == 8 {
                    stream.append(UInt8(pending))
                    (pending, pendingBits) = (0, 0)
                }
            }
        }
        // The last block, fixed Huffman codes, then a blank.
        put([1, 1, 0] + [0, 1, 0, 1, 0, 0, 0, 0])
        // Length 258 (code 285 = 11000101), distance 1 (code 0): 13 bits, so 8 of them are 13 whole bytes.
        let again: [UInt32] = [1, 1, 0, 0, 0, 1, 0, 1] + [0, 0, 0, 0, 0]
        let start = stream.count
        for _ in 0..<8 { put(again) }
        let period = Array(stream[start...])
        while stream.count < 4_000_000 { stream.append(contentsOf: period) }
        return stream
    }()
}

/// `Sat, 21 Nov 2026 06:00:00 GMT`
enum HTTPDate {
    static func text(secondsFromNow: Int) -> String {
        let seconds = Int(Date().timeIntervalSince1970) + secondsFromNow
        let civil = CivilDay(seconds / 86_400)
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let rest = seconds % 86_400
        let time = [rest / 3_600, rest / 60 % 60, rest % 60].map { padded($0) }.joined(separator: ":")
        return "\(weekdays[seconds / 86_400 % 7]), \(padded(civil.day)) \(months[civil.month - 1]) \(civil.year) \(time) GMT"
    }
}
