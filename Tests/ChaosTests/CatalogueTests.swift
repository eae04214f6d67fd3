import Foundation
import Testing

@testable import chaos

/// Every failure has its place, and every test that is named exists.
@Suite struct CatalogueTests {
    @Test("every failure from R01 to R74 stands in the catalogue, and says where it is shown or that it is not")
    func complete() {
        let numbers = [1...14, 20...32, 40...42, 50...54, 60...65, 70...74].flatMap { $0 }.map { String(format: "R%02d", $0) }
        #expect(Set(Catalogue.all.map(\.number)) == Set(numbers))
        #expect(Catalogue.all.allSatisfy { !$0.evidence.isEmpty })
    }

    @Test("every test that the catalogue names is there")
    func testsExist() throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        for identifier in Set(Catalogue.all.flatMap(\.tests)) {
            let parts = identifier.split(whereSeparator: { $0 == "." || $0 == "/" }).map(String.init)
            try #require(parts.count == 3, "\(identifier)")
            let folder = tests.appending(path: parts[0])
            let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
            let texts = files.filter { $0.pathExtension == "swift" }.compactMap { try? String(contentsOf: $0, encoding: .utf8) }
            let holds = texts.contains { text in
                (text.contains("struct \(parts[1])") || text.contains("extension \(parts[1])")) && text.contains("func \(parts[2])(")
            }
            #expect(holds, "\(identifier)")
        }
    }
}
