#include "CJSON.h"

#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include "names.h"
#include "tokens.h"
#include "unescape.h"

struct cjson_reader {
    scanner scanned;
    std::vector<cjson_cell> cells;
    std::unique_ptr<char[]> unescaped;  // never grows within a call, so cells may point into it
    size_t room = 0;
    size_t used = 0;
};

namespace {

bool key_is(const char *key, const char *wanted) {
    size_t length = std::strlen(wanted);
    return std::memcmp(key, wanted, length) == 0 && key[length] == '"';
}

struct reading {
    cjson_reader &reader;
    const cjson_layout &layout;
    cjson_table &table;
    size_t length;
    tokens rest;
    names columns;
    names marks;

    cjson_cell string(std::string_view token) {
        if (token.size() < 2 || token.back() != '"') { return {nullptr, 0, CJSON_GARBAGE}; }
        std::string_view inside = token.substr(1, token.size() - 2);
        if (std::memchr(inside.data(), '\\', inside.size()) == nullptr) {
            return {inside.data(), uint32_t(inside.size()), CJSON_STRING};
        }
        if (reader.room < length) {
            reader.unescaped.reset(new char[length]);
            reader.room = length;
        }
        char *target = reader.unescaped.get() + reader.used;
        long written = unescape(inside, target);
        if (written < 0) { return {nullptr, 0, CJSON_GARBAGE}; }
        reader.used += size_t(written);
        return {target, uint32_t(written), CJSON_STRING};
    }

    static cjson_cell literal(std::string_view token) {
        uint32_t kind = CJSON_GARBAGE;
        if (token == "null") { kind = CJSON_NULL; }
        else if (token == "true") { kind = CJSON_TRUE; }
        else if (token == "false") { kind = CJSON_FALSE; }
        else if (token[0] == '-' || (token[0] >= '0' && token[0] <= '9')) { kind = CJSON_NUMBER; }
        return {token.data(), uint32_t(token.size()), kind};
    }

    /// Takes a value.
    cjson_status cell(bool counting, cjson_cell &out) {
        char first = rest.first();
        if (first == '{' || first == '[') {
            out = {nullptr, 0, uint32_t(first == '{' ? CJSON_OBJECT : CJSON_LIST)};
            return (counting ? rest.skip_counting(out.length) : rest.skip()) ? CJSON_OK : CJSON_NOT_JSON;
        }
        std::string_view token = rest.text();
        out = first == '"' ? string(token) : literal(token);
        return rest.skip() ? CJSON_OK : CJSON_NOT_JSON;
    }

    cjson_status store(bool counting, cjson_cell &slot) {
        cjson_cell fresh{};
        if (auto status = cell(counting, fresh)) { return status; }
        if (slot.kind == CJSON_ABSENT) {
            slot = fresh;
        } else if (slot.kind != fresh.kind || slot.length != fresh.length
                   || (fresh.length > 0 && fresh.bytes != nullptr && std::memcmp(slot.bytes, fresh.bytes, fresh.length) != 0)) {
            slot = {nullptr, 0, CJSON_REPEATED};
        }
        return CJSON_OK;
    }

    cjson_status row() {
        if (rest.first() != '{') { return CJSON_WRONG_SHAPE; }
        if (table.row_count >= layout.maximum_rows) { return CJSON_TOO_MANY_ROWS; }
        size_t first = reader.cells.size();
        reader.cells.resize(first + columns.size());
        table.row_count++;
        return rest.each_field(
            [&](const char *key) { return columns.find(key); },
            [&](int column) { return store(false, reader.cells[first + size_t(column)]); });
    }

    cjson_status rows() {
        if (table.has_list) { return CJSON_WRONG_SHAPE; }
        table.has_list = 1;
        return rest.each_element([&] { return row(); });
    }

    /// `holds_list`: this object holds the list; with a parent, the document comes first and the parent second.
    cjson_status object(bool holds_list, cjson_cell *found) {
        constexpr int inner = CJSON_MAXIMUM_NAMES;  // the list or the parent; a smaller number is a mark's
        return rest.each_field(
            [&](const char *key) { return key_is(key, holds_list ? layout.list : layout.parent) ? inner : marks.find(key); },
            [&](int what) {
                if (what != inner) { return store(true, found[what]); }
                if (rest.first() != (holds_list ? '[' : '{')) { return rest.skip() ? CJSON_OK : CJSON_NOT_JSON; }
                return holds_list ? rows() : parent();
            });
    }

    cjson_status parent() {
        if (table.has_parent) { return CJSON_WRONG_SHAPE; }
        table.has_parent = 1;
        return object(true, table.inner);
    }

    cjson_status document() {
        if (rest.first() != '{') {
            // Tells a document of another type from what is no JSON at all.
            std::string_view token = rest.text();
            bool is_value = std::strchr("[\"", token[0]) != nullptr || literal(token).kind != CJSON_GARBAGE;
            return is_value ? CJSON_WRONG_SHAPE : CJSON_NOT_JSON;
        }
        if (auto status = object(layout.parent == nullptr, table.outer)) { return status; }
        return rest.is_over() ? CJSON_OK : CJSON_NOT_JSON;
    }
};

cjson_status read(cjson_reader &reader, const char *bytes, size_t length, const cjson_layout &layout, cjson_table &table) {
    if (auto status = reader.scanned.scan(bytes, length)) { return status; }
    reading pass{
        reader, layout, table, length, tokens(bytes, length, reader.scanned), names(layout.columns), names(layout.marks)};
    table.column_count = pass.columns.size();
    if (auto status = pass.document()) { return status; }
    table.cells = reader.cells.data();
    return CJSON_OK;
}

}  // namespace

extern "C" cjson_reader *cjson_reader_create(void) { return new (std::nothrow) cjson_reader; }

extern "C" void cjson_reader_free(cjson_reader *reader) { delete reader; }

extern "C" cjson_status cjson_read(
    cjson_reader *reader, const char *bytes, size_t length, size_t capacity, const cjson_layout *layout, cjson_table *table) {
    *table = {};
    reader->cells.clear();
    reader->used = 0;
    if (length >= 3 && std::memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        bytes += 3;
        length -= 3;
        capacity -= 3;
    }
    if (length == 0) { return CJSON_EMPTY; }
    if (length > UINT32_MAX || capacity < length + simdjson::SIMDJSON_PADDING) { return CJSON_OUT_OF_MEMORY; }
    try {
        return read(*reader, bytes, length, *layout, *table);
    } catch (const std::bad_alloc &) {
        return CJSON_OUT_OF_MEMORY;
    } catch (...) {
        return CJSON_NOT_JSON;
    }
}
