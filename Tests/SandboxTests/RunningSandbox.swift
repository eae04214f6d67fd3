import Foundation
import Testing

/// A chimera-sandbox of the test's own, ended with the test.
final class RunningSandbox {
    struct Store {
        let registration: String
        let document: String
        let name: String
    }

    let announcement: JSON
    private let process = Process()

    init(_ arguments: String...) throws {
        let output = Pipe()
        process.executableURL = Self.executable
        process.arguments = arguments
        process.standardOutput = output
        try process.run()
        var line: [UInt8] = []
        while let byte = try output.fileHandleForReading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") { line.append(byte) }
        announcement = try JSON(Data(line))
    }

    deinit {
        if process.isRunning { process.terminate() }
    }

    /// Beside the test bundle's own executable.
    static var executable: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent(
            "chimera-sandbox")
    }

    /// Sends a signal and returns the exit code.
    func end(with signal: Int32) -> Int32 {
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }

    var stores: [Store] {
        announcement["stores"].array.map {
            Store(registration: $0["registration"].string, document: $0["document"].string, name: $0["name"].string)
        }
    }

    // MARK: RP

    var rp: String { announcement["rp"].string }

    func login(version: String = "v1.1", password: String? = nil, seconds: Double = 10) throws -> HTTPAnswer {
        let credentials = announcement["credentials"]["rp"]
        let body = #"{"usuario": "\#(credentials["username"].string)", "senha": "\#(password ?? credentials["password"].string)"}"#
        return try HTTPAnswer(to: rp + "/\(version)/auth", seconds: seconds, "--data-binary", body)
    }

    func token() throws -> String { try login().json["response"]["token"].string }

    func listPath(_ store: Store, after cursor: Int = 0, version: String = "v2.8", query: String = "?somentePreco2=true") -> String {
        "\(rp)/\(version)/produtounidade/listaprodutos/\(cursor)/unidade/\(store.document)/detalhado\(query)"
    }

    func page(_ store: Store, after cursor: Int = 0, version: String = "v2.8", query: String = "?somentePreco2=true", token: String) throws
        -> HTTPAnswer
    {
        try HTTPAnswer(to: listPath(store, after: cursor, version: version, query: query), "-H", "token: \(token)")
    }

    /// All pages up to the empty one, at most `limit` of them.
    func walk(_ store: Store, version: String = "v2.8", query: String = "?somentePreco2=true", limit: Int = 50) throws -> [[JSON]] {
        let token = try token()
        var pages: [[JSON]] = []
        var cursor = 0
        while pages.count < limit {
            let page = try page(store, after: cursor, version: version, query: query, token: token).products
            pages.append(page)
            guard let last = page.last else { break }
            cursor = last["Codigo"].integer
        }
        return pages
    }

    // MARK: CresceVendas

    var club: String { announcement["crescevendas"].string }

    var clubHeaders: [String] {
        let credentials = announcement["credentials"]["crescevendas"]
        return ["-H", "X-AdminUser-Email: \(credentials["email"].string)", "-H", "X-AdminUser-Token: \(credentials["token"].string)"]
    }

    /// A day that lies ahead in every zone.
    static let day = "2099-03-10"

    static func body(
        _ registration: String, override: Int = 1, start: String = day + "T06:00", end: String = day + "T23:59",
        lines: String = #"{"code": 1001, "price": 10.50, "final_price": 8.90, "limit": 1000}"#
    ) -> String {
        """
        {"override": \(override), "start_date": "\(start)", "end_date": "\(end)", "store_registrations": ["\(registration)"],
         "name": "001 Descontos", "discount_store_lines": [\(lines)]}
        """
    }

    func upload(_ body: String, seconds: Double = 10) throws -> HTTPAnswer {
        try HTTPAnswer(
            to: club + "/admin/integrations/discount_stores/batch_upload", seconds: seconds,
            arguments: clubHeaders + ["--data-binary", body])
    }

    func listing(_ registration: String, from: String = day + "T00:01:00", to: String = day + "T23:59:00") throws -> HTTPAnswer {
        let query = "?store_registration=\(registration)&start_date=\(from)&end_date=\(to)"
        return try HTTPAnswer(to: club + "/admin/integrations/discount_stores" + query, arguments: clubHeaders)
    }

    // MARK: control

    func control(_ page: String, _ body: String = "{}") throws -> HTTPAnswer {
        try HTTPAnswer(to: announcement["control"].string + page, "--data-binary", body)
    }

    func state(_ query: String = "") throws -> JSON { try HTTPAnswer(to: announcement["state"].string + query).json }

    func setFaults(_ faults: String...) throws {
        let list = faults.map { "\"\($0)\"" }.joined(separator: ",")
        let answer = try control("/faults", #"{"faults": [\#(list)]}"#)
        try #require(answer.status == 200, "\(answer.text)")
    }
}
