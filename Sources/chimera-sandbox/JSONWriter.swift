/// Writes JSON text in the order in which it is told, commas included.
struct JSONWriter {
    let buffer: ByteBuffer
    private var needsComma = false

    init(_ buffer: ByteBuffer) {
        self.buffer = buffer
    }

    mutating func object(_ body: (inout JSONWriter) -> Void) {
        nest("{", "}", body)
    }

    mutating func array(_ body: (inout JSONWriter) -> Void) {
        nest("[", "]", body)
    }

    mutating func object(_ key: String, _ body: (inout JSONWriter) -> Void) {
        name(key)
        object(body)
    }

    mutating func array(_ key: String, _ body: (inout JSONWriter) -> Void) {
        name(key)
        array(body)
    }

    mutating func field(_ key: String, _ value: String?) {
        name(key)
        if let value { string(value) } else { raw("null") }
    }

    mutating func field(_ key: String, _ value: Int) {
        name(key)
        number(value)
    }

    mutating func field(_ key: String, _ value: Bool) {
        name(key)
        raw(value ? "true" : "false")
    }

    /// A value that is JSON text already.
    mutating func field(_ key: String, raw text: String) {
        name(key)
        raw(text)
    }

    /// Cents as a number with two decimals, or as a string of it.
    mutating func field(_ key: String, cents: Int, asString: Bool = false) {
        name(key)
        if asString { buffer.append(UInt8(ascii: "\"")) }
        buffer.write(room: 2 * DecimalText.room) { target in
            let length = DecimalText.write(cents / 100, to: target)
            target[length] = UInt8(ascii: ".")
            return length + 1 + DecimalText.write(cents % 100, width: 2, to: target + length + 1)
        }
        if asString { buffer.append(UInt8(ascii: "\"")) }
        needsComma = true
    }

    mutating func number(_ value: Int) {
        comma()
        buffer.write(room: DecimalText.room) { DecimalText.write(value, to: $0) }
        needsComma = true
    }

    mutating func string(_ value: String) {
        comma()
        buffer.append(UInt8(ascii: "\""))
        var value = value
        value.withUTF8 { bytes in
            if bytes.contains(where: Self.needsEscape) { escape(bytes) } else { buffer.append(bytes: bytes) }
        }
        buffer.append(UInt8(ascii: "\""))
        needsComma = true
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private func escape(_ bytes: UnsafeBufferPointer<UInt8>) {
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                buffer.append(UInt8(ascii: "\\"))
                buffer.append(byte)
            case 0x0A: buffer.append("\\n")
            case 0..<0x20:
                buffer.append("\\u00")
                buffer.append(Self.hexadecimal[Int(byte >> 4)])
                buffer.append(Self.hexadecimal[Int(byte & 15)])
            default: buffer.append(byte)
            }
        }
    }

    mutating func raw(_ text: String) {
        comma()
        buffer.append(text)
        needsComma = true
    }

    private mutating func name(_ key: String) {
        string(key)
        buffer.append(UInt8(ascii: ":"))
        needsComma = false
    }

    private mutating func nest(_ opening: String, _ closing: String, _ body: (inout JSONWriter) -> Void) {
        comma()
        buffer.append(opening)
        needsComma = false
        body(&self)
        buffer.append(closing)
        needsComma = true
    }

    private mutating func comma() {
        if needsComma { buffer.append(UInt8(ascii: ",")) }
    }

    private static let hexadecimal = Array("0123456789abcdef".utf8)
}

extension JSONWriter {
    /// A document of its own, in memory from the pool.
    static func document(_ body: (inout JSONWriter) -> Void) -> ByteBuffer {
        let buffer = BufferPool.shared.borrow()
        var writer = JSONWriter(buffer)
        writer.object(body)
        return buffer
    }
}
