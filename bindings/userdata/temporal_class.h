/* SPDX-License-Identifier: MIT */
/*
** temporal_class.h - what the two halves of the date and time classes share: temporal.c
** (values, fields, operators) and temporal_make.c (constructors).
*/
#ifndef PLUA_TEMPORAL_CLASS_H
#define PLUA_TEMPORAL_CLASS_H

#include "core/schema/temporal.h"
#include "userdata/operand.h"
#include "userdata/temporal.h"

typedef enum plua_temporal_kind {
    PLUA_K_DATETIME,
    PLUA_K_DATE,
    PLUA_K_TIME,
    PLUA_K_INTERVAL,
    PLUA_K_OTHER /* no date or time at all */
} plua_temporal_kind;

typedef struct plua_temporal_class {
    const char *name;        /* of the metatable */
    const char *constructor; /* for messages */
    const char *form;        /* of its ISO text, for messages */
    pl_temporal_rc (*parse)(const char *text, size_t len, int64_t *out);
    pl_temporal_rc (*from_fields)(const pl_fields *f,
                                  int64_t *out); /* not an interval's */
    bool (*to_fields)(int64_t value, pl_fields *f);
} plua_temporal_class;

extern const plua_temporal_class plua_temporal_classes[PLUA_K_OTHER];

/* Pushes a value and returns 1, as a C function does. [-0, +1, m] */
int plua_temporal_push(lua_State *L, plua_temporal_kind kind, int64_t value);

/* The kind of any value; *value only when it has one. [-0, +0, -] */
plua_temporal_kind plua_temporal_kind_of(lua_State *L, int idx, int64_t *value);

/* The kind of argument 1 of a method, which has one. [-0, +0, v] */
plua_temporal_kind plua_temporal_self(lua_State *L, int64_t *value);

/* Raises what the core refused; the message begins with what was done. [-0, +0, v] */
void plua_temporal_allow(lua_State *L, pl_temporal_rc rc, const char *what);

/* value:replace{...}: the same value with other fields. */
int plua_temporal_replace(lua_State *L);

/* Pushes the table of constructors. [-0, +1, m] */
void plua_temporal_constructors(lua_State *L);

#endif
