#include "CJSON.h"

#include <simdjson.h>

#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "names.h"
#include "unescape.h"

using namespace simdjson;

struct cjson_reader {
    ondemand::parser parser;
    std::vector<cjson_cell> cells;
    std::unique_ptr<char[]> unescaped;  // never grows within a call, so cells may point into it
    size_t room = 0;
    size_t used = 0;
};

namespace {

// The next page is about as large as this one, and often a little larger: memory for it is made once, not for each that is.
size_t ahead(size_t length) { return length + length / 4; }

// A configured name may be longer than what can be read behind the key: strncmp stops at the key's end.
bool key_is(const char *key, const char *wanted) {
    size_t length = std::strlen(wanted);
    return std::strncmp(key, wanted, length) == 0 && key[length] == '"';
}

std::string_view trimmed(std::string_view token) {
    while (!token.empty()) {
        char last = token.back();
        if (last != ' ' && last != '\n' && last != '\r' && last != '\t') { break; }
        token.remove_suffix(1);
    }
    return token;
}

struct reading {
    cjson_reader &reader;
    const cjson_layout &layout;
    cjson_table &table;
    size_t length;
    names columns;
    names marks;

    cjson_cell text(std::string_view token) {
        if (token.size() < 2 || token.back() != '"') { return {nullptr, 0, CJSON_GARBAGE}; }
        std::string_view inside = token.substr(1, token.size() - 2);
        if (std::memchr(inside.data(), '\\', inside.size()) == nullptr) {
            return {inside.data(), uint32_t(inside.size()), CJSON_STRING};
        }
        if (reader.room < length) {
            reader.unescaped.reset(new char[ahead(length)]);
            reader.room = ahead(length);
        }
        char *target = reader.unescaped.get() + reader.used;
        long written = unescape(inside, target);
        if (written < 0) { return {nullptr, 0, CJSON_GARBAGE}; }
        reader.used += size_t(written);
        return {target, uint32_t(written), CJSON_STRING};
    }

    /// Walks an object or a list; adds how many members or elements it has.
    template <typename Container> static error_code count(simdjson_result<Container> found, uint32_t &total) {
        Container container;
        if (auto error = std::move(found).get(container)) { return error; }
        for (auto each : container) {
            if (auto error = each.error()) { return error; }
            total++;
        }
        return SUCCESS;
    }

    error_code cell(ondemand::value &value, bool counting, cjson_cell &out) {
        std::string_view token = value.raw_json_token();
        switch (token.empty() ? '\0' : token[0]) {
        case '"': out = text(trimmed(token)); return SUCCESS;
        case '{':
            out = {nullptr, 0, CJSON_OBJECT};
            return counting ? count(value.get_object(), out.length) : SUCCESS;
        case '[':
            out = {nullptr, 0, CJSON_LIST};
            return counting ? count(value.get_array(), out.length) : SUCCESS;
        default: break;
        }
        token = trimmed(token);
        uint32_t kind = CJSON_GARBAGE;
        if (token == "null") { kind = CJSON_NULL; }
        else if (token == "true") { kind = CJSON_TRUE; }
        else if (token == "false") { kind = CJSON_FALSE; }
        else if (token[0] == '-' || (token[0] >= '0' && token[0] <= '9')) { kind = CJSON_NUMBER; }
        out = {token.data(), uint32_t(token.size()), kind};
        return SUCCESS;
    }

    error_code store(ondemand::value &value, bool counting, cjson_cell &slot) {
        cjson_cell fresh{};
        if (auto error = cell(value, counting, fresh)) { return error; }
        if (slot.kind == CJSON_ABSENT) {
            slot = fresh;
        } else if (slot.kind != fresh.kind || slot.length != fresh.length
                   || (fresh.length > 0 && fresh.bytes != nullptr && std::memcmp(slot.bytes, fresh.bytes, fresh.length) != 0)) {
            slot = {nullptr, 0, CJSON_REPEATED};
        }
        return SUCCESS;
    }

    error_code row(ondemand::object &object) {
        size_t first = reader.cells.size();
        reader.cells.resize(first + columns.size());
        for (auto entry : object) {
            ondemand::field field;
            if (auto error = std::move(entry).get(field)) { return error; }
            int column = columns.find(field.key().raw());
            if (column < 0) { continue; }
            if (auto error = store(field.value(), false, reader.cells[first + size_t(column)])) { return error; }
        }
        table.row_count++;
        return SUCCESS;
    }

    cjson_status rows(ondemand::value &value, error_code &failure) {
        ondemand::array list;
        if (table.has_list) { return CJSON_WRONG_SHAPE; }
        failure = value.get_array().get(list);
        if (failure) { return CJSON_OK; }
        table.has_list = 1;
        for (auto element : list) {
            ondemand::object object;
            failure = element.get_object().get(object);
            if (failure) { return CJSON_OK; }
            if (table.row_count >= layout.maximum_rows) { return CJSON_TOO_MANY_ROWS; }
            failure = row(object);
            if (failure) { return CJSON_OK; }
        }
        return CJSON_OK;
    }

    // `level` is the object that holds the list; with a parent, the document comes first and the parent second.
    cjson_status object(ondemand::object &level, bool holds_list, cjson_cell *found, error_code &failure) {
        for (auto entry : level) {
            ondemand::field field;
            failure = std::move(entry).get(field);
            if (failure) { return CJSON_OK; }
            const char *key = field.key().raw();
            cjson_status status = CJSON_OK;
            int mark = marks.find(key);
            if (holds_list && key_is(key, layout.list)) {
                if (field.value().raw_json_token()[0] != '[') { continue; }
                status = rows(field.value(), failure);
            } else if (!holds_list && key_is(key, layout.parent)) {
                ondemand::object inner;
                if (field.value().raw_json_token()[0] != '{') { continue; }
                if (table.has_parent) { return CJSON_WRONG_SHAPE; }
                failure = field.value().get_object().get(inner);
                if (failure) { return CJSON_OK; }
                table.has_parent = 1;
                status = object(inner, true, table.inner, failure);
            } else if (mark >= 0) {
                failure = store(field.value(), true, found[mark]);
            }
            if (status != CJSON_OK || failure) { return status; }
        }
        return CJSON_OK;
    }
};

cjson_status named(error_code error) {
    switch (error) {
    case SUCCESS: return CJSON_OK;
    case EMPTY: return CJSON_EMPTY;
    case UTF8_ERROR: return CJSON_NOT_UTF8;
    case MEMALLOC: return CJSON_OUT_OF_MEMORY;
    case INCORRECT_TYPE: return CJSON_WRONG_SHAPE;
    default: return CJSON_NOT_JSON;
    }
}

// Tells a document of another type from what is no JSON at all.
bool starts_a_value(const char *bytes, size_t length) {
    size_t i = 0;
    while (i < length && (bytes[i] == ' ' || bytes[i] == '\n' || bytes[i] == '\r' || bytes[i] == '\t')) { i++; }
    std::string_view rest(bytes + i, length - i);
    if (rest.empty()) { return true; }
    if (std::strchr("{[\"-0123456789", rest[0]) != nullptr) { return true; }
    return rest.substr(0, 4) == "true" || rest.substr(0, 5) == "false" || rest.substr(0, 4) == "null";
}

cjson_status read(cjson_reader &reader, padded_string_view json, const cjson_layout &layout, cjson_table &table) {
    ondemand::document document;
    ondemand::object root;
    if (reader.parser.capacity() < json.size()) {
        if (auto error = reader.parser.allocate(ahead(json.size()))) { return named(error); }
    }
    if (auto error = reader.parser.iterate(json).get(document)) { return named(error); }
    if (!starts_a_value(json.data(), json.size())) { return CJSON_NOT_JSON; }
    if (auto error = document.get_object().get(root)) { return named(error); }

    reading pass{reader, layout, table, json.size(), names(layout.columns), names(layout.marks)};
    table.column_count = pass.columns.size();
    error_code failure = SUCCESS;
    cjson_status status = pass.object(root, layout.parent == nullptr, table.outer, failure);
    if (status != CJSON_OK) { return status; }
    if (failure) { return named(failure); }
    const char *rest = nullptr;  // simdjson 3.0.1 has no at_end(): a location beyond the last token means trailing content
    if (!document.current_location().get(rest)) { return CJSON_NOT_JSON; }
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
    if (length > UINT32_MAX || capacity < length + SIMDJSON_PADDING) { return CJSON_OUT_OF_MEMORY; }
    try {
        return read(*reader, padded_string_view(bytes, length, capacity), *layout, *table);
    } catch (const std::bad_alloc &) {
        return CJSON_OUT_OF_MEMORY;
    } catch (...) {
        return CJSON_NOT_JSON;
    }
}
