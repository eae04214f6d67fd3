#pragma once
#include <simdjson.h>

#include <memory>
#include <string_view>

#include "CJSON.h"

/// simdjson's first pass over a document: it checks that all of it is UTF-8 and that strings end, and finds where each token begins.
/// Its later passes would make something of every value; here nearly all are passed over, which is twice as quick token by token.
class scanner {
public:
    cjson_status scan(const char *bytes, size_t length) {
        if (!implementation || implementation->capacity() < length) {
            if (auto error = grow(length)) { return named(error); }
        }
        return named(implementation->stage1(reinterpret_cast<const uint8_t *>(bytes), length, simdjson::stage1_mode::regular));
    }

    const uint32_t *begin() const { return implementation->structural_indexes.get(); }
    const uint32_t *end() const { return begin() + implementation->n_structural_indexes; }

private:
    std::unique_ptr<simdjson::internal::dom_parser_implementation> implementation;

    /// The next page is about as large as this one, and often a little larger: memory for it is made once, not for each that is.
    simdjson::error_code grow(size_t length) {
        size_t capacity = length + length / 4;
        if (implementation) { return implementation->set_capacity(capacity); }
        return simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, 1, implementation);
    }

    static cjson_status named(simdjson::error_code error) {
        switch (error) {
        case simdjson::SUCCESS: return CJSON_OK;
        case simdjson::EMPTY: return CJSON_EMPTY;
        case simdjson::UTF8_ERROR: return CJSON_NOT_UTF8;
        case simdjson::MEMALLOC: case simdjson::CAPACITY: return CJSON_OUT_OF_MEMORY;
        default: return CJSON_NOT_JSON;
        }
    }
};

/// A walk along the tokens of a document.
class tokens {
public:
    tokens(const char *bytes, size_t length, const scanner &scanned)
        : bytes(bytes), length(length), next(scanned.begin()), end(scanned.end()) {}

    bool is_over() const { return next == end; }

    /// The first byte of the token that comes next, which there must be.
    char first() const { return bytes[*next]; }

    void take() { next++; }

    /// The value's bytes, without white space: a string with its quotes, another scalar as it stands; of an object or a list its bracket.
    std::string_view text() const {
        size_t stop = next + 1 < end ? next[1] : length;
        while (stop > *next && is_space(bytes[stop - 1])) { stop--; }
        return {bytes + *next, stop - *next};
    }

    /// Passes over a value, however deep; false when what comes next is none, or has no end.
    bool skip() {
        kind begun = kind_of(first());
        if (begun != kind::scalar) { return begun == kind::opening && skip_nested(nullptr); }
        take();
        return true;
    }

    /// Passes over an object or a list; gives how many commas stand in it, not deeper, and whether there is anything at all.
    bool skip_counting(uint32_t &count) {
        take();
        if (is_over()) { return false; }
        if (kind_of(first()) == kind::closing) { take(); return true; }
        count = 1;
        next--;
        return skip_nested(&count);
    }

    /// Walks along an object whose bracket comes next. `wanted` is given each key, which begins behind its quote, and says what the value
    /// is to somebody, or -1; `visit` takes the values that are something.
    template <typename Wanted, typename Visit> cjson_status each_field(Wanted wanted, Visit visit) {
        take();
        if (is_over()) { return CJSON_NOT_JSON; }
        if (first() == '}') { take(); return CJSON_OK; }
        // Most of a document's tokens pass here, so that the place is kept at hand.
        const uint32_t *at = next;
        while (true) {
            // A key, a colon, a value and what stands behind it.
            if (end - at < 4 || bytes[at[0]] != '"' || bytes[at[1]] != ':') { return CJSON_NOT_JSON; }
            int what = wanted(bytes + at[0] + 1);
            at += 2;
            if (what < 0 && kind_of(bytes[*at]) == kind::scalar) {
                at++;
            } else {
                next = at;
                cjson_status status = what >= 0 ? visit(what) : skip() ? CJSON_OK : CJSON_NOT_JSON;
                if (status != CJSON_OK) { return status; }
                at = next;
                if (is_over()) { return CJSON_NOT_JSON; }
            }
            char behind = bytes[*at++];
            if (behind == ',') { continue; }
            next = at;
            return behind == '}' ? CJSON_OK : CJSON_NOT_JSON;
        }
    }

    /// Likewise along a list: `visit` takes each element, which there is.
    template <typename Visit> cjson_status each_element(Visit visit) {
        take();
        if (is_over()) { return CJSON_NOT_JSON; }
        if (first() == ']') { take(); return CJSON_OK; }
        while (true) {
            if (is_over()) { return CJSON_NOT_JSON; }
            if (auto status = visit()) { return status; }
            if (is_over()) { return CJSON_NOT_JSON; }
            char behind = first();
            take();
            if (behind == ']') { return CJSON_OK; }
            if (behind != ',') { return CJSON_NOT_JSON; }
        }
    }

private:
    enum class kind : uint8_t { scalar, opening, closing, separator };

    const char *bytes;
    size_t length;
    const uint32_t *next;
    const uint32_t *end;

    static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

    struct kinds {
        kind of[256] = {};

        constexpr kinds() {
            of[int('{')] = of[int('[')] = kind::opening;
            of[int('}')] = of[int(']')] = kind::closing;
            of[int(',')] = of[int(':')] = kind::separator;
        }
    };

    static kind kind_of(char c) {
        static constexpr kinds all;
        return all.of[uint8_t(c)];
    }

    /// Passes over what its opening bracket begins; counts its own commas.
    [[gnu::noinline]] bool skip_nested(uint32_t *commas) {
        size_t depth = 0;
        while (!is_over()) {
            char c = first();
            take();
            switch (kind_of(c)) {
            case kind::opening: depth++; break;
            case kind::closing:
                if (--depth == 0) { return true; }
                break;
            default:
                if (commas != nullptr && depth == 1 && c == ',') { ++*commas; }
            }
        }
        return false;
    }
};
