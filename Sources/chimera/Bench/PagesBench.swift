import Networking
import Partners
import Retail
import Runtime

/// How fast a page of RP's list becomes typed products on one core, the network left out.
struct PagesBench {
    private static let rounds = 5
    private static let length: Duration = .milliseconds(400)
    /// Together they are larger than a core's caches, as pages are that come from the network in turn.
    private static let copies = 16

    let file: String

    func run() throws -> BenchReport {
        let page = Array(try InputFile(file, limit: 64 << 20).text.utf8)
        let config: JSONValue = ["auth_method": "TOKEN", "static_token": "none"]
        let integration = Integration(id: 0, name: "RP", type: "RP", baseURL: "http://localhost", config: config)
        let source = try RPSource(integration: integration, client: HTTPClient(), tokens: SoloTokenVault())
        let answers = (0..<Self.copies).map { _ in HTTPResponse(status: 200, headers: [:], body: ResponseBody(page)) }
        let products: Int
        do throws(PartnerFailure) {
            products = try source.products(in: answers[0]).count
        } catch {
            throw OperatorError(exitCode: .badData, message: "\(shown(file)) is no page of products: \(error.message)")
        }
        guard products > 0 else { throw OperatorError(exitCode: .badData, message: "\(shown(file)) is a page without products") }
        var rates = Samples()
        for round in 1...Self.rounds {
            StandardOutput.progress("pages, round \(round) of \(Self.rounds)")
            rates.add(try pagesPerSecond(source, answers))
        }
        StandardOutput.progress("")
        var report = BenchReport("pages")
        report.add("megabytes_per_second", "a page into typed products, one core", rates.median * Double(page.count) / 1e6, "MB/s")
        report.add("products_per_second", "the same", rates.median * Double(products), "/s")
        report.add("page_bytes", .integer(Int64(page.count)))
        report.add("page_products", .integer(Int64(products)))
        return report
    }

    private func pagesPerSecond(_ source: RPSource, _ answers: [HTTPResponse]) throws -> Double {
        let start = MonotonicClock.now()
        var pages = 0
        repeat {
            for answer in answers { _ = try source.products(in: answer) }
            pages += answers.count
        } while MonotonicClock.now() - start < Self.length
        return Double(pages) / (MonotonicClock.now() - start).inSeconds
    }
}
