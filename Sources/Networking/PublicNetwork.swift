/// Tells addresses that anybody on the internet can have from those that only this machine or its neighbours can.
enum PublicNetwork {
    private struct Block {
        let bytes: [UInt8]
        let bits: Int

        init(_ bytes: [UInt8], _ bits: Int) {
            self.bytes = bytes
            self.bits = bits
        }

        func contains(_ address: [UInt8]) -> Bool {
            var left = bits
            for (wanted, found) in zip(bytes, address) where left > 0 {
                let mask = UInt8(truncatingIfNeeded: 0xFF00 >> min(left, 8))
                if wanted & mask != found & mask { return false }
                left -= 8
            }
            return true
        }
    }

    /// Everything in the registry of special addresses that is not globally reachable (RFC 6890 and its successors), and multicast.
    private static let private4 = [
        Block([0], 8), Block([10], 8), Block([100, 64], 10), Block([127], 8), Block([169, 254], 16), Block([172, 16], 12),
        Block([192, 0, 0], 24), Block([192, 0, 2], 24), Block([192, 88, 99], 24), Block([192, 168], 16), Block([198, 18], 15),
        Block([198, 51, 100], 24), Block([203, 0, 113], 24), Block([224], 4), Block([240], 4),
    ]

    /// Of version 6 only 2000::/3 is given out; within it these are not: protocol assignments with Teredo, examples, 6to4.
    private static let public6 = Block([0x20], 3)
    private static let private6 = [
        Block([0x20, 0x01, 0, 0], 23), Block([0x20, 0x01, 0x0D, 0xB8], 32), Block([0x20, 0x02], 16), Block([0x3F, 0xFF, 0], 20),
    ]
    /// 64:ff9b::/96 (RFC 6052): the way to version 4 for hosts that have only version 6; the last four bytes are the address meant.
    private static let translated = Block([0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0], 96)

    /// Takes 4 or 16 bytes; any other number is no public address. Version 4 addresses in the clothes of version 6 (::ffff:0:0/96) are none.
    static func contains(_ address: [UInt8]) -> Bool {
        switch address.count {
        case 4: !private4.contains { $0.contains(address) }
        case 16 where translated.contains(address): contains(Array(address.suffix(4)))
        case 16: public6.contains(address) && !private6.contains { $0.contains(address) }
        default: false
        }
    }
}
