#pragma once
#include <cstdint>
#include <cstring>

#include "CJSON.h"

/// The names that somebody asks for, to be told apart from keys in a document by a key's first eight bytes: of the 200 keys of a row
/// nearly all are nobody's, and one look into a table says so.
class names {
public:
    explicit names(const char *const *given) {
        std::memset(first, none, sizeof first);
        while (count < CJSON_MAXIMUM_NAMES && given[count] != nullptr) {
            name &added = list[count];
            added.bytes = given[count];
            added.length = std::strlen(given[count]);
            char start[8] = {};
            std::memcpy(start, added.bytes, added.length < 8 ? added.length : 8);
            if (added.length < 8) { start[added.length] = '"'; }
            added.head = head(start);
            uint8_t &slot = first[slot_of(added.head)];
            added.next = slot;
            slot = uint8_t(count++);
        }
    }

    /// The place of the name that a key is, -1 when it is none. `key` begins behind the opening quote, and eight bytes can be read there.
    int find(const char *key) const {
        uint64_t wanted = head(key);
        for (uint8_t i = first[slot_of(wanted)]; i != none; i = list[i].next) {
            if (list[i].head == wanted && ends(key, list[i])) { return i; }
        }
        return -1;
    }

    size_t size() const { return count; }

private:
    static constexpr uint8_t none = 0xFF;

    struct name {
        const char *bytes;
        size_t length;
        uint64_t head;
        uint8_t next;  // another name in the same slot
    };

    name list[CJSON_MAXIMUM_NAMES] = {};
    uint8_t first[256];
    size_t count = 0;

    /// The first eight bytes; of a shorter key those up to its closing quote, and zeros.
    static uint64_t head(const char *key) {
        uint64_t bytes;
        std::memcpy(&bytes, key, 8);
        uint64_t zero_at_quotes = bytes ^ 0x2222222222222222;
        uint64_t quotes = (zero_at_quotes - 0x0101010101010101) & ~zero_at_quotes & 0x8080808080808080;
        return bytes & (quotes ^ (quotes - 1));
    }

    static size_t slot_of(uint64_t head) { return size_t((head * 0x9E3779B97F4A7C15) >> 56); }

    /// Whether a key with the name's head is the name; a short one is, for its head holds all of it and the quote behind. A name may be
    /// longer than what can be read behind the key: strncmp stops at the key's end.
    static bool ends(const char *key, const name &wanted) {
        return wanted.length < 8 || (std::strncmp(key, wanted.bytes, wanted.length) == 0 && key[wanted.length] == '"');
    }
};
