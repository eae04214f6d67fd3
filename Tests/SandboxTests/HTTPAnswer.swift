import Foundation

/// What `curl` got: its exit code tells broken answers apart.
struct HTTPAnswer {
    /// curl(1): 0 fine, 18 partial file, 28 timed out, 52 nothing at all, 56 receiving failed.
    let exitCode: Int32
    /// 0 when there was none.
    let status: Int
    let headers: [String: String]
    let body: Data

    init(to url: String, seconds: Double = 10, _ arguments: String...) throws {
        try self.init(to: url, seconds: seconds, arguments: arguments)
    }

    init(to url: String, seconds: Double = 10, arguments: [String]) throws {
        let output = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["curl", "--silent", "--include", "--noproxy", "*", "--max-time", String(seconds)] + arguments + [url]
        process.standardOutput = output
        try process.run()
        let everything = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        exitCode = process.terminationStatus
        var rest = everything
        var head = Data()
        // "100 Continue" has a head of its own.
        repeat {
            let end = rest.range(of: Data("\r\n\r\n".utf8))
            head = rest[..<(end?.lowerBound ?? rest.endIndex)]
            rest = rest[(end?.upperBound ?? rest.endIndex)...]
        } while head.starts(with: Data("HTTP/1.1 100".utf8))
        body = Data(rest)
        let lines = String(decoding: head, as: UTF8.self).components(separatedBy: "\r\n")
        status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        headers = Dictionary(
            lines.dropFirst().compactMap { line in
                let parts = line.components(separatedBy: ": ")
                return parts.count < 2 ? nil : (parts[0].lowercased(), parts.dropFirst().joined(separator: ": "))
            }, uniquingKeysWith: { first, _ in first })
    }

    var text: String { String(decoding: body, as: UTF8.self) }
    var json: JSON { get throws { try JSON(body) } }
    var products: [JSON] { get throws { try json["response"]["produtos"].array } }
    var lines: [JSON] { get throws { try json["response"]["discounts"].array } }
}

/// A document as Foundation reads it, with the questions that tests ask. What is not there reads as empty.
struct JSON {
    let value: Any?

    init(_ bytes: Data) throws {
        value = try JSONSerialization.jsonObject(with: bytes, options: .fragmentsAllowed)
    }

    private init(value: Any?) {
        self.value = value
    }

    subscript(key: String) -> JSON { JSON(value: (value as? [String: Any])?[key]) }
    var array: [JSON] { (value as? [Any] ?? []).map { JSON(value: $0) } }
    var keys: [String] { ((value as? [String: Any]) ?? [:]).keys.sorted() }
    var string: String { value as? String ?? "" }
    var integer: Int { (value as? NSNumber)?.intValue ?? -1 }
    var number: Double { (value as? NSNumber)?.doubleValue ?? .nan }
    var bool: Bool? { value as? Bool }
    var exists: Bool { value != nil }
    var isString: Bool { value is String }
}
