// What OpenSSL offers as macros and variadic calls, which Swift does not import.
#pragma once
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline int chimera_ssl_extension(X509 *certificate, X509 *issuer, int kind, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    int done = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return done;
}

/// A new key on P-256.
static inline EVP_PKEY *chimera_ssl_key(void) { return EVP_EC_gen("P-256"); }

/// A certificate for `names` (`IP:127.0.0.1,DNS:localhost`), good between the two moments (seconds from now), signed by the issuer; an
/// authority that signs itself when `issuer` is NULL. NULL when OpenSSL fails.
static inline X509 *chimera_ssl_certificate(EVP_PKEY *key, const char *common_name, const char *names, long from, long until, X509 *issuer,
                                            EVP_PKEY *issuer_key) {
    static long serial = 1;
    X509 *certificate = X509_new();
    if (!certificate) return NULL;
    X509_NAME *name = X509_get_subject_name(certificate);
    int done = X509_set_version(certificate, 2) && ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial) &&
               X509_gmtime_adj(X509_getm_notBefore(certificate), from) && X509_gmtime_adj(X509_getm_notAfter(certificate), until) &&
               X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) &&
               X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : name) && X509_set_pubkey(certificate, key) &&
               chimera_ssl_extension(certificate, issuer ? issuer : certificate, NID_subject_alt_name, names) &&
               chimera_ssl_extension(certificate, issuer ? issuer : certificate, NID_basic_constraints,
                                     issuer ? "critical,CA:FALSE" : "critical,CA:TRUE") &&
               X509_sign(certificate, issuer_key ? issuer_key : key, EVP_sha256()) > 0;
    if (!done) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

/// Writes the certificate as PEM into `text` and returns its length, 0 when it does not fit.
static inline int chimera_ssl_pem(X509 *certificate, char *text, int capacity) {
    BIO *memory = BIO_new(BIO_s_mem());
    int count = memory && PEM_write_bio_X509(memory, certificate) ? BIO_read(memory, text, capacity) : 0;
    BIO_free(memory);
    return count > 0 && count < capacity ? count : 0;
}

/// What a TLS server needs to show this certificate. NULL when OpenSSL fails.
static inline SSL_CTX *chimera_ssl_server(X509 *certificate, EVP_PKEY *key) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context) return NULL;
    SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);
    if (SSL_CTX_use_certificate(context, certificate) != 1 || SSL_CTX_use_PrivateKey(context, key) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}
