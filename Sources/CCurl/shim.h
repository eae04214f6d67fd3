// Typed doors to libcurl's variadic calls, which Swift does not import.
#pragma once
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

typedef size_t (*ccurl_chunk_function)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode ccurl_set_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode ccurl_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode ccurl_set_text(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode ccurl_set_list(CURL *easy, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(easy, option, value);
}
/// Trusts the authorities in `file` and no others: as built by Debian, libcurl would look into a folder of the system's, too. Where it need not,
/// it would keep for a day what it read from the file.
static inline CURLcode ccurl_set_authorities(CURL *easy, const char *file) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_CAINFO, file);
    if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
}
static inline CURLcode ccurl_set_error_buffer(CURL *easy, char *buffer) {
    return curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, buffer);
}
/// libcurl copies the bytes.
static inline CURLcode ccurl_set_copied_body(CURL *easy, const void *bytes, size_t count) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)count);
    return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, (const char *)bytes);
}
static inline CURLcode ccurl_set_body_function(CURL *easy, ccurl_chunk_function function, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, function);
    return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_WRITEDATA, context);
}
static inline CURLcode ccurl_set_header_function(CURL *easy, ccurl_chunk_function function, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, function);
    return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_HEADERDATA, context);
}

/// A socket that programs started by this one do not inherit.
static inline curl_socket_t ccurl_make_socket(const struct curl_sockaddr *address) {
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}
static inline curl_socket_t ccurl_open_private_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)context;
    (void)purpose;
    return ccurl_make_socket(address);
}
/// Sockets that programs started by this one do not inherit.
static inline CURLcode ccurl_set_private_sockets(CURL *easy) {
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, ccurl_open_private_socket);
}
static inline CURLcode ccurl_set_socket_function(CURL *easy, curl_opensocket_callback function, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, function);
    return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, context);
}
/// Writes the address into `bytes` as it goes over the wire; returns how many there are: 4, 16, or 0 for another family.
static inline int ccurl_address_bytes(const struct curl_sockaddr *address, unsigned char bytes[16]) {
    if (address->family == AF_INET) {
        memcpy(bytes, &((const struct sockaddr_in *)&address->addr)->sin_addr, 4);
        return 4;
    }
    if (address->family == AF_INET6) {
        memcpy(bytes, &((const struct sockaddr_in6 *)&address->addr)->sin6_addr, 16);
        return 16;
    }
    return 0;
}

/// Shows every line that goes over the wire; without this, `CURLOPT_VERBOSE` would write to standard error.
static inline CURLcode ccurl_set_debug_function(CURL *easy, curl_debug_callback function, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, function);
    if (code == CURLE_OK) code = curl_easy_setopt(easy, CURLOPT_DEBUGDATA, context);
    return code != CURLE_OK ? code : curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
}
/// The document must live as long as the handle.
static inline CURLcode ccurl_set_mime(CURL *easy, curl_mime *document) {
    return curl_easy_setopt(easy, CURLOPT_MIMEPOST, document);
}

static inline long ccurl_long(CURL *easy, CURLINFO key) {
    long value = 0;
    return curl_easy_getinfo(easy, key, &value) == CURLE_OK ? value : 0;
}
static inline curl_off_t ccurl_offset(CURL *easy, CURLINFO key) {
    curl_off_t value = 0;
    return curl_easy_getinfo(easy, key, &value) == CURLE_OK ? value : 0;
}

static inline CURLMcode ccurl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}
static inline CURLcode ccurl_message_result(const CURLMsg *message) {
    return message->data.result;
}
