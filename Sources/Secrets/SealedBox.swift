import CCrypto

/// AES-256-GCM: the only type that touches libcrypto's cipher contexts.
struct SealedBox: ~Copyable {
    static let nonceByteCount = 12
    static let tagByteCount = 16

    private let context: OpaquePointer

    init() {
        guard let context = EVP_CIPHER_CTX_new() else { fatalError("libcrypto has no memory for a cipher.") }
        self.context = context
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    /// Returns ciphertext and tag.
    func seal(_ plaintext: [UInt8], key: [UInt8], nonce: [UInt8], associated: [UInt8]) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: plaintext.count)
        var tag = [UInt8](repeating: 0, count: Self.tagByteCount)
        var length: Int32 = 0
        var end: Int32 = 0
        let isSealed =
            EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce) == 1
            && EVP_EncryptUpdate(context, nil, &length, associated, Int32(associated.count)) == 1
            && EVP_EncryptUpdate(context, &output, &length, plaintext, Int32(plaintext.count)) == 1
            && EVP_EncryptFinal_ex(context, &tag, &end) == 1
            && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, Int32(tag.count), &tag) == 1
        precondition(isSealed && Int(length) == plaintext.count && end == 0, "libcrypto has no AES-256-GCM.")
        return output + tag
    }

    /// Returns the plaintext; nil when a single bit of anything differs.
    func open(_ sealed: [UInt8], key: [UInt8], nonce: [UInt8], associated: [UInt8]) -> [UInt8]? {
        guard sealed.count >= Self.tagByteCount else { return nil }
        let ciphertext = Array(sealed.dropLast(Self.tagByteCount))
        var tag = Array(sealed.suffix(Self.tagByteCount))
        var output = [UInt8](repeating: 0, count: ciphertext.count)
        var end = [UInt8](repeating: 0, count: Self.tagByteCount)
        var length: Int32 = 0
        var endLength: Int32 = 0
        let isGenuine =
            EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce) == 1
            && EVP_DecryptUpdate(context, nil, &length, associated, Int32(associated.count)) == 1
            && EVP_DecryptUpdate(context, &output, &length, ciphertext, Int32(ciphertext.count)) == 1
            && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, Int32(tag.count), &tag) == 1
            && EVP_DecryptFinal_ex(context, &end, &endLength) == 1
        return isGenuine ? output : nil
    }
}
