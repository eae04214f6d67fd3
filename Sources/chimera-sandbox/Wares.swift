/// Names, brands and barcodes of products, whatever store sells them.
final class Wares: Sendable {
    struct Ware: Sendable {
        /// Ready to stand between the quotes of a JSON string.
        let name: String
        let shortName: String
        let brand: String
        let department: String
        let barcode: Int
    }

    private let wares: [Ware]
    private let seed: UInt64

    init(seed: UInt64) {
        self.seed = seed
        var wares = CatalogueNames.text.split(separator: "\n").map { line in
            let fields = line.split(separator: ";")
            return Self.ware(name: String(fields[0]), barcode: Int(fields[1]) ?? 0)
        }
        for (index, name) in Self.awkwardNames.enumerated() {
            wares.insert(Self.ware(name: name, barcode: Self.barcode(number: 789_700_000_000 + index)), at: index * 30 + 11)
        }
        self.wares = wares
    }

    func ware(at position: Int) -> Ware { wares[position % wares.count] }

    func barcode(at position: Int) -> Int {
        guard position >= wares.count else { return wares[position].barcode }
        return Self.barcode(number: 789_800_000_000 + position)
    }

    /// Beyond the first round through the names, a variant of one.
    @inline(__always)
    func writeName(_ ware: Ware, of position: Int, to target: UnsafeMutablePointer<UInt8>) -> Int {
        var name = ware.name
        let length = name.withUTF8 { bytes in
            if let base = bytes.baseAddress { target.update(from: base, count: bytes.count) }
            return bytes.count
        }
        guard position >= wares.count else { return length }
        target[length] = UInt8(ascii: " ")
        target[length + 1] = UInt8(ascii: "V")
        return length + 2 + DecimalText.write(position / wares.count, to: target + length + 2)
    }

    /// Names that are hard on whoever writes them into JSON, HTML, CSV or Markdown.
    private static let awkwardNames = [
        #"REFRIG \"ESPECIAL\" D'ÁGUA 2L"#, #"A\u00c7\u00daCAR CRISTAL 1KG"#, "CAFÉ <TORRADO> & MOÍDO 500G", "PAO_DE_QUEIJO *CONGELADO*",
        #"LEITE UHT C\/TAMPA 1L"#, "BISCOITO [SORTIDO](400G); 3,5%", #"VINHO \ud83c\udf77 TINTO SUAVE 750ML"#, "ÁGUA DE CÔCO 🥥 1L",
    ]

    private static func ware(name: String, barcode: Int) -> Ware {
        let words = name.split(separator: " ")
        let first = words.first.map(String.init) ?? "DIVERSOS"
        let departments = [
            "AGUA": "AGUAS", "CERVEJA": "CERVEJAS", "REFRIG": "REFRIGERANTES", "ENERG": "ENERGETICOS", "CHOPP": "CERVEJAS",
            "BEB": "BEBIDAS",
        ]
        let brand = name.contains("\\") ? "MARCA PROPRIA" : words.dropFirst().first.map(String.init) ?? "MARCA PROPRIA"
        let short = name.contains("\\") ? first.filter { $0.isLetter && $0.isASCII } : String(name.prefix(24))
        return Ware(name: name, shortName: short, brand: brand, department: departments[first] ?? "MERCEARIA", barcode: barcode)
    }

    /// Twelve digits and the check digit of an EAN-13.
    static func barcode(number: Int) -> Int {
        var sum = 0
        var rest = number
        var weight = 3
        while rest > 0 {
            sum += rest % 10 * weight
            rest /= 10
            weight = 4 - weight
        }
        return number * 10 + (10 - sum % 10) % 10
    }
}
