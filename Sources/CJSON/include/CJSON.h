// Reads one list of like objects out of a large JSON answer in a single pass over simdjson's On-Demand API.
//
// The caller names the list, the columns it wants of every row and a few marks beside the list; all it gets are cells that
// point into its own buffer (or, for strings with escapes, into the reader), so nothing is copied and one call crosses the
// language border for a whole page. Cells are valid until the next call with the same reader, or until either is freed.
//
// Checked: the whole buffer is UTF-8, strings are terminated and hold no raw control characters, brackets balance, nothing but
// white space follows. Not checked: the insides of values that nobody asked for (On-Demand skips them).
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CJSON_MAXIMUM_NAMES 8

typedef struct cjson_reader cjson_reader;

typedef enum {
    CJSON_OK = 0,
    CJSON_EMPTY,         // no bytes, or white space only
    CJSON_NOT_JSON,
    CJSON_NOT_UTF8,
    CJSON_WRONG_SHAPE,   // JSON, but no object, a row that is no object, or a list that occurs twice
    CJSON_TOO_MANY_ROWS,
    CJSON_OUT_OF_MEMORY
} cjson_status;

typedef enum {
    CJSON_ABSENT = 0,
    CJSON_NULL,
    CJSON_TRUE,
    CJSON_FALSE,
    CJSON_NUMBER,        // bytes are the literal as it stood in the document
    CJSON_STRING,        // bytes are the unescaped text; \u0000 and lone surrogates are replaced by U+FFFD
    CJSON_LIST,          // in marks, length is the number of elements; in columns it is 0
    CJSON_OBJECT,        // likewise, of members
    CJSON_GARBAGE,       // no JSON value
    CJSON_REPEATED       // the key occurs twice with different values
} cjson_kind;

typedef struct {
    const char *bytes;
    uint32_t length;
    uint32_t kind;
} cjson_cell;

typedef struct {
    const char *parent;                        // "response", or NULL when the list is a key of the document itself
    const char *list;                          // "produtos"
    const char *columns[CJSON_MAXIMUM_NAMES];  // NULL where unused
    const char *marks[CJSON_MAXIMUM_NAMES];    // keys looked up in the document and in `parent`
    size_t maximum_rows;
} cjson_layout;

typedef struct {
    cjson_cell outer[CJSON_MAXIMUM_NAMES];     // the marks, as keys of the document
    cjson_cell inner[CJSON_MAXIMUM_NAMES];     // the marks, as keys of `parent`
    int has_parent;                            // `parent` is there and is an object (always 0 when the layout names none)
    int has_list;
    const cjson_cell *cells;                   // row after row
    size_t row_count;
    size_t column_count;
} cjson_table;

/// A reader keeps its buffers between calls; it serves one call at a time. NULL when memory is short.
cjson_reader *cjson_reader_create(void);
void cjson_reader_free(cjson_reader *reader);

/// Reads the table out of `length` bytes; the buffer must have at least 64 readable bytes after them (`capacity` says how many).
cjson_status cjson_read(
    cjson_reader *reader, const char *bytes, size_t length, size_t capacity, const cjson_layout *layout, cjson_table *table);

#ifdef __cplusplus
}
#endif
