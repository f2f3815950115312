/* SPDX-License-Identifier: MIT */
/*
** type.h - column types: what they are called in DDL and which stored values they take.
**
** A pl_type is immutable once made and lives in the arena of its metadata (or is one of
** the constant plain types). To add a column type: a line in PL_KIND_MAP, its DDL in
** type.c, its check in pl_type_check, its Lua form in userdata/value.c.
*/
#ifndef PL_TYPE_H
#define PL_TYPE_H

#include "core/base/error.h"
#include "core/base/slot.h"

/*   kind            name in Lua      */
#define PL_KIND_MAP(X)                                                                   \
    X(PL_K_ANY, "Any") /* of an expression whose type is not known */                    \
    X(PL_K_INTEGER, "Integer")                                                           \
    X(PL_K_SMALLINT, "SmallInteger")                                                     \
    X(PL_K_BIGINT, "BigInteger")                                                         \
    X(PL_K_STRING, "String")                                                             \
    X(PL_K_TEXT, "Text")                                                                 \
    X(PL_K_UNICODE, "Unicode")                                                           \
    X(PL_K_UNICODETEXT, "UnicodeText")                                                   \
    X(PL_K_BOOLEAN, "Boolean")                                                           \
    X(PL_K_FLOAT, "Float")                                                               \
    X(PL_K_DOUBLE, "Double")                                                             \
    X(PL_K_NUMERIC, "Numeric")                                                           \
    X(PL_K_DATE, "Date")                                                                 \
    X(PL_K_TIME, "Time")                                                                 \
    X(PL_K_DATETIME, "DateTime")                                                         \
    X(PL_K_INTERVAL, "Interval")                                                         \
    X(PL_K_BINARY, "LargeBinary")                                                        \
    X(PL_K_JSON, "JSON")                                                                 \
    X(PL_K_ENUM, "Enum")                                                                 \
    X(PL_K_UUID, "UUID")                                                                 \
    X(PL_K_CUSTOM, "type")

typedef enum pl_kind {
#define X(kind, name) kind,
    PL_KIND_MAP(X)
#undef X
        PL_KIND_COUNT
} pl_kind;

enum {
    PL_TYPE_CONSTRAINT = 1,   /* Boolean, Enum: also a CHECK constraint */
    PL_TYPE_NONE_AS_NULL = 2, /* JSON: nil is SQL NULL, not JSON null */
    PL_TYPE_ASDECIMAL = 4,    /* Numeric: exact (the default); Float: as Numeric */
    PL_TYPE_INTERNAL = 8      /* not written by a user: a computed label's type */
};

typedef struct pl_type {
    pl_kind kind;
    int length;               /* String(n), LargeBinary(n): 0 is unlimited */
    int precision;            /* Numeric(p, s): 0 when not given */
    int scale;                /* Numeric: -1 when not given */
    const char *const *words; /* Enum: nwords strings */
    size_t nwords;
    const char *name;           /* Enum's constraint name; a reflected type's own text */
    const struct pl_type *base; /* CUSTOM: stored as this */
    unsigned flags;
    int ext; /* CUSTOM: the glue's number of the functions, else 0 */
} pl_type;

/* The plain type of a kind (no length, no words). Static and constant. */
const pl_type *pl_type_plain(pl_kind kind);

/* The name a kind has in Lua ("String"). */
const char *pl_kind_name(pl_kind kind);

/* The kind of a name, or PL_KIND_COUNT. */
pl_kind pl_kind_named(const char *name);

/* The type whose storage rules hold: base of a custom type, else itself. */
const pl_type *pl_type_storage(const pl_type *t);

/* The type of what is calculated from values of t (NULL: not known): the range of a
** SmallInteger does not hold there. */
const pl_type *pl_type_computed(const pl_type *t);

/* Whether a single primary key column of this type is SQLite's rowid. */
bool pl_type_is_integer(const pl_type *t);

/* Whether values are text (for the meaning of `+` and contains). */
bool pl_type_is_text(const pl_type *t);

/*
** Whether a value may be stored in a column of this type: tag, range, length in
** characters, UTF-8, enum word. An integral float is turned into an integer where the
** type wants one. NULL always passes. `where` ("User.name") begins the message of the
** PL_EVALUE or PL_ETYPE error; with err NULL only the code is wanted.
*/
pl_code pl_type_check(const pl_type *t, pl_slot *value, const char *where, pl_error *err);

#endif
