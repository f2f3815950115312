/* SPDX-License-Identifier: MIT */
/*
** value_types.h - conversions of the kinds whose Lua values are objects of their own.
** Called by value.c only.
*/
#ifndef PLUA_VALUE_TYPES_H
#define PLUA_VALUE_TYPES_H

#include "userdata/null.h"
#include "userdata/value.h"

/* Raises PL_ETYPE "where: expected WANTED, got ...". */
__attribute__((noreturn)) void plua_value_error(lua_State *L, int idx, const char *where,
                                                const char *wanted);

/* Raises PL_EVALUE for a stored value that is none of the type. */
__attribute__((noreturn)) void plua_bad_stored(lua_State *L, const pl_type *t,
                                               const pl_slot *s, const char *where);

/* Kind of a value object (PL_K_DATETIME ...), PL_K_ANY for other userdata. */
pl_kind plua_special_kind(lua_State *L, int idx);

void plua_store_numeric(lua_State *L, int idx, const pl_type *t, const char *where,
                        pl_slot *out);
void plua_store_temporal(lua_State *L, int idx, const pl_type *t, const char *where,
                         pl_slot *out);
void plua_store_json(lua_State *L, int idx, const pl_type *t, const char *where,
                     pl_slot *out);
void plua_store_uuid(lua_State *L, int idx, const pl_type *t, const char *where,
                     pl_slot *out);
void plua_store_custom(lua_State *L, int idx, const pl_type *t, const char *where,
                       pl_slot *out);
void plua_push_numeric(lua_State *L, const pl_type *t, const pl_slot *s,
                       const char *where);
void plua_push_temporal(lua_State *L, const pl_type *t, const pl_slot *s,
                        const char *where);
void plua_push_json(lua_State *L, const pl_type *t, const pl_slot *s, const char *where);
void plua_push_enum(lua_State *L, const pl_type *t, const pl_slot *s, const char *where);
void plua_push_uuid(lua_State *L, const pl_type *t, const pl_slot *s, const char *where);
void plua_push_custom(lua_State *L, const pl_type *t, const pl_slot *s,
                      const char *where);

#endif
