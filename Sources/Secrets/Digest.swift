import CCrypto

/// The HMAC-SHA256 of the message (RFC 2104): 32 bytes; the key may have any length.
package func hmacSHA256(key: [UInt8], message: [UInt8]) -> [UInt8] {
    var code = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    var length = UInt32(code.count)
    // libcrypto reads a null key as "the key before", so an empty one still needs an address.
    let made = HMAC(EVP_sha256(), key.isEmpty ? [0] : key, Int32(key.count), message, message.count, &code, &length)
    precondition(made != nil && length == code.count, "libcrypto has no HMAC-SHA256.")
    return code
}

/// Two lower-case hexadecimal digits a byte.
package func hexText(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

/// Bytes that nobody can guess, from libcrypto's generator.
package func randomBytes(count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    precondition(RAND_bytes(&bytes, Int32(count)) == 1, "libcrypto has no randomness.")
    return bytes
}
