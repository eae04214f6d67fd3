import Postgres
import Runtime

/// A campaign's products as COPY takes them into a store's `products`, in pieces of about 64 KiB.
struct ProductRows: Sequence, Sendable {
    let products: StagedProducts
    let store: Int
    /// The campaign's window, in microseconds since 1970.
    let startsAt: Int64
    let expiresAt: Int64

    func makeIterator() -> Iterator {
        Iterator(rows: self)
    }

    struct Iterator: IteratorProtocol {
        private let rows: ProductRows
        private var place = 0
        private var copy = CopyBinary()
        private var isOver = false

        fileprivate init(rows: ProductRows) {
            self.rows = rows
            copy.bytes.reserveCapacity(66_000)
        }

        mutating func next() -> [UInt8]? {
            guard !isOver else { return nil }
            assert(Failpoint.reach("sync.swapping"))
            let products = rows.products.products
            while place < products.count, copy.bytes.count < 65_536 {
                append(products[place])
                place += 1
            }
            if place == products.count {
                copy.end()
                isOver = true
            }
            defer { copy.bytes.removeAll(keepingCapacity: true) }
            return copy.bytes
        }

        /// The columns in the order of `RetailStatements.copyProducts`.
        private mutating func append(_ product: SelectedProduct) {
            copy.beginRow(fields: 9)
            copy.field(bigint: product.line.code)
            copy.field(text: product.name)
            copy.field(text: product.barcode)
            copy.field(hundredths: product.line.price.rawValue)
            copy.field(hundredths: product.line.finalPrice.rawValue)
            copy.field(integer: Int32(clamping: product.line.limit))
            copy.field(integer: Int32(clamping: rows.store))
            copy.field(timestamp: rows.startsAt)
            copy.field(timestamp: rows.expiresAt)
        }
    }
}
