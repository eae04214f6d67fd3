#pragma once
#include <cstdint>
#include <string_view>

namespace cjson_text {

inline int hex_digit(char c) {
    if (c >= '0' && c <= '9') { return c - '0'; }
    if (c >= 'a' && c <= 'f') { return c - 'a' + 10; }
    if (c >= 'A' && c <= 'F') { return c - 'A' + 10; }
    return -1;
}

/// The four hex digits at `at`, or -1.
inline long unit(std::string_view text, size_t at) {
    if (at + 4 > text.size()) { return -1; }
    long value = 0;
    for (size_t i = at; i < at + 4; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0) { return -1; }
        value = value * 16 + digit;
    }
    return value;
}

inline char *put(char *out, uint32_t scalar) {
    if (scalar < 0x80) {
        *out++ = char(scalar);
    } else if (scalar < 0x800) {
        *out++ = char(0xC0 | (scalar >> 6));
        *out++ = char(0x80 | (scalar & 0x3F));
    } else if (scalar < 0x10000) {
        *out++ = char(0xE0 | (scalar >> 12));
        *out++ = char(0x80 | ((scalar >> 6) & 0x3F));
        *out++ = char(0x80 | (scalar & 0x3F));
    } else {
        *out++ = char(0xF0 | (scalar >> 18));
        *out++ = char(0x80 | ((scalar >> 12) & 0x3F));
        *out++ = char(0x80 | ((scalar >> 6) & 0x3F));
        *out++ = char(0x80 | (scalar & 0x3F));
    }
    return out;
}

inline int simple_escape(char c) {
    switch (c) {
    case '"': case '\\': case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return -1;
    }
}

}  // namespace cjson_text

/// Writes the text that a JSON string's inside stands for to `out`, which needs no more room than `text` has, and returns its
/// length; -1 when an escape is malformed. What PostgreSQL cannot hold (U+0000, half a surrogate pair) becomes U+FFFD.
inline long unescape(std::string_view text, char *out) {
    using namespace cjson_text;
    char *start = out;
    size_t i = 0;
    while (i < text.size()) {
        if (text[i] != '\\') {
            *out++ = text[i++];
            continue;
        }
        if (i + 1 >= text.size()) { return -1; }
        if (text[i + 1] != 'u') {
            int plain = simple_escape(text[i + 1]);
            if (plain < 0) { return -1; }
            *out++ = char(plain);
            i += 2;
            continue;
        }
        long first = unit(text, i + 2);
        if (first < 0) { return -1; }
        i += 6;
        uint32_t scalar = uint32_t(first);
        if (first >= 0xD800 && first <= 0xDBFF && i + 1 < text.size() && text[i] == '\\' && text[i + 1] == 'u') {
            long second = unit(text, i + 2);
            if (second >= 0xDC00 && second <= 0xDFFF) {
                scalar = 0x10000 + ((uint32_t(first) - 0xD800) << 10) + (uint32_t(second) - 0xDC00);
                i += 6;
            }
        }
        if (scalar == 0 || (scalar >= 0xD800 && scalar <= 0xDFFF)) { scalar = 0xFFFD; }
        out = put(out, scalar);
    }
    return out - start;
}
