/* SPDX-License-Identifier: MIT */
/*
** json.h - JSON text to Lua values and back.
**
** Decoding gives plain tables. A list is marked (by a metatable that does nothing else),
** so that it stays a list when it is emptied; null inside is db.null; integers are exact
** or refused. Encoding writes what Python's json.dumps writes by default, with the keys
** of an object sorted. A table 1..n is a list, one with string keys an object, and an
** empty one an object unless it is marked.
**
** Tables are not watched: who keeps a decoded value keeps its text too and asks at flush
** whether the two still agree. `name` (NULL: "value") begins error messages, which name
** the place: "profile.tags[3]".
*/
#ifndef PLUA_JSON_H
#define PLUA_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

/* Nesting beyond this is refused in both directions. */
#define PLUA_JSON_DEPTH 512

/* Pushes the value; text that is no JSON raises PL_EVALUE. A lone null is db.null.
** [-0, +1, v] */
void plua_json_decode(lua_State *L, const char *text, size_t len, const char *name);

/* Pushes the text of the value at idx; what JSON cannot say raises PL_EVALUE.
** [-0, +1, v] */
void plua_json_encode(lua_State *L, int idx, const char *name);

/* Whether the value at idx says something else than the text. Order of keys and white
** space do not count. Raises as the two above. [-0, +0, v] */
bool plua_json_changed(lua_State *L, int idx, const char *text, size_t len,
                       const char *name);

/* Marks the table at idx as a list. [-0, +0, m] */
void plua_json_mark_array(lua_State *L, int idx);

/* Pushes a table with json (.encode, .decode), json_array and null. Repeatable.
** [-0, +1, m] */
int plua_open_json(lua_State *L);

#endif
