/* SPDX-License-Identifier: MIT */
/*
 * Values between C and Lua; see value.h. Tables cross by value and without metamethods,
 * but for lists of the mapper, which are read as the sequences that they are. A result is
 * not in Lua's memory, but it may not be larger than the limit of that: a table that
 * holds another many times is copied as often.
 */
#include "value.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "host.h"

typedef struct block {
    struct block *next;
    size_t used, size;
    max_align_t bytes[];
} block;

struct perilune_result {
    block *blocks;
    perilune_value *values;
    size_t count, room;
    size_t total, most; /* bytes of blocks; most 0 is no limit */
};

enum { BLOCK = 1000 };

static const perilune_value nothing = {PERILUNE_NIL, 0, {0}};

/* ---- memory ---------------------------------------------------------------------- */

perilune_result *result_new(void) {
    return calloc(1, sizeof(perilune_result));
}

void perilune_result_free(perilune_result *r) {
    if (!r)
        return;
    for (block *b = r->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(r->values);
    free(r);
}

static void *get(perilune_result *r, size_t n) {
    size_t unit = sizeof(max_align_t);
    n = (n + unit - 1) / unit * unit;
    block *b = r->blocks;
    if (!b || b->size - b->used < n) {
        size_t size = n > BLOCK ? n : BLOCK;
        if (r->most > 0 && (r->total += size) > r->most)
            return NULL;
        b = malloc(sizeof *b + size);
        if (!b)
            return NULL;
        *b = (block){.next = r->blocks, .size = size};
        r->blocks = b;
    }
    void *p = (char *)b->bytes + b->used;
    b->used += n;
    return p;
}

static void *get_array(perilune_result *r, size_t n, size_t size) {
    return n > SIZE_MAX / 4 / size ? NULL : get(r, n ? n * size : 1);
}

static perilune_value *append(perilune_result *r) {
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 4;
        perilune_value *values = realloc(r->values, room * sizeof *values);
        if (!values)
            return NULL;
        r->values = values;
        r->room = room;
    }
    r->values[r->count] = nothing;
    return &r->values[r->count++];
}

size_t perilune_result_count(const perilune_result *r) {
    return r ? r->count : 0;
}

const perilune_value *perilune_result_at(const perilune_result *r, size_t index) {
    return r && index < r->count ? &r->values[index] : &nothing;
}

const perilune_value *perilune_field(const perilune_value *map, const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; map && map->type == PERILUNE_MAP && i < map->size; i++) {
        const perilune_value *key = &map->as.pairs[i].key;
        if (key->type == PERILUNE_TEXT && key->size == len &&
            memcmp(key->as.text, name, len) == 0)
            return &map->as.pairs[i].value;
    }
    return NULL;
}

/* ---- into Lua -------------------------------------------------------------------- */

static void push(lua_State *L, const perilune_value *v, int depth);

static void check_size(lua_State *L, const perilune_value *v, const void *data) {
    if (v->size > INT32_MAX)
        host_raise(L, PERILUNE_EVALUE, "a table of this size cannot be made");
    if (v->size > 0 && !data)
        host_raise(L, PERILUNE_EVALUE, "a value has a size but no data");
}

static void push_list(lua_State *L, const perilune_value *v, int depth) {
    check_size(L, v, v->as.items);
    lua_createtable(L, (int)v->size, 0);
    for (size_t i = 0; i < v->size; i++) {
        push(L, &v->as.items[i], depth);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static bool is_key(const perilune_value *v) {
    return v->type != PERILUNE_NIL &&
           !(v->type == PERILUNE_NUMBER && v->as.number != v->as.number);
}

static void push_map(lua_State *L, const perilune_value *v, int depth) {
    check_size(L, v, v->as.pairs);
    lua_createtable(L, 0, (int)v->size);
    for (size_t i = 0; i < v->size; i++) {
        if (!is_key(&v->as.pairs[i].key))
            host_raise(L, PERILUNE_EVALUE, "nil and NaN cannot be keys of a table");
        push(L, &v->as.pairs[i].key, depth);
        push(L, &v->as.pairs[i].value, depth);
        lua_rawset(L, -3);
    }
}

static void push(lua_State *L, const perilune_value *v, int depth) {
    if (depth > PERILUNE_DEPTH)
        host_raise(L, PERILUNE_EVALUE, "a value is nested deeper than %d tables",
                   PERILUNE_DEPTH);
    luaL_checkstack(L, 4, "value");
    switch (v->type) {
    case PERILUNE_NIL: lua_pushnil(L); break;
    case PERILUNE_BOOLEAN: lua_pushboolean(L, v->as.boolean); break;
    case PERILUNE_INTEGER: lua_pushinteger(L, v->as.integer); break;
    case PERILUNE_NUMBER: lua_pushnumber(L, v->as.number); break;
    case PERILUNE_TEXT:
        if (!v->as.text && v->size > 0)
            host_raise(L, PERILUNE_EVALUE, "a text has a size but no bytes");
        lua_pushlstring(L, v->as.text ? v->as.text : "", v->size);
        break;
    case PERILUNE_LIST: push_list(L, v, depth + 1); break;
    case PERILUNE_MAP: push_map(L, v, depth + 1); break;
    default: host_raise(L, PERILUNE_EVALUE, "no value of type %d can be made", v->type);
    }
}

void value_push(lua_State *L, const perilune_value *value) {
    push(L, value, 0);
}

/* ---- out of Lua ------------------------------------------------------------------ */

static void take(lua_State *L, perilune_result *r, int idx, perilune_value *out,
                 int depth);

static void *need(lua_State *L, void *p) {
    if (!p)
        host_raise(L, PERILUNE_EMEMORY, "not enough memory for a result");
    return p;
}

static void take_text(lua_State *L, perilune_result *r, const char *s, size_t n,
                      perilune_value *out) {
    char *copy = need(L, get(r, n + 1));
    memcpy(copy, s, n);
    copy[n] = '\0';
    out->as.text = copy;
    out->size = n;
}

/* Entries of the table on top, and whether they are the keys 1 .. n. */
static size_t count_entries(lua_State *L, bool *sequence) {
    size_t n = 0, length = (size_t)lua_rawlen(L, -1);
    *sequence = true;
    lua_pushnil(L);
    for (; lua_next(L, -2); lua_pop(L, 1)) {
        lua_Integer key = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (key < 1 || (lua_Unsigned)key > length)
            *sequence = false;
        n++;
    }
    *sequence = *sequence && n == length;
    return n;
}

static void take_list(lua_State *L, perilune_result *r, size_t n, perilune_value *out,
                      int depth) {
    perilune_value *items = need(L, get_array(r, n, sizeof *items));
    for (size_t i = 0; i < n; i++) {
        lua_geti(L, -1, (lua_Integer)i + 1);
        take(L, r, lua_gettop(L), &items[i], depth);
        lua_pop(L, 1);
    }
    *out = (perilune_value){PERILUNE_LIST, n, {.items = items}};
}

static void take_map(lua_State *L, perilune_result *r, size_t n, perilune_value *out,
                     int depth) {
    perilune_pair *pairs = need(L, get_array(r, n, sizeof *pairs));
    size_t i = 0;
    lua_pushnil(L);
    for (; lua_next(L, -2) && i < n; lua_pop(L, 1), i++) {
        int top = lua_gettop(L);
        take(L, r, top - 1, &pairs[i].key, depth);
        take(L, r, top, &pairs[i].value, depth);
    }
    *out = (perilune_value){PERILUNE_MAP, i, {.pairs = pairs}};
}

static bool is_class(lua_State *L, int idx, const char *name) {
    bool is = luaL_getmetafield(L, idx, "__name") == LUA_TSTRING &&
              strcmp(lua_tostring(L, -1), name) == 0;
    lua_settop(L, idx);
    return is;
}

static void take_other(lua_State *L, perilune_result *r, int idx, perilune_value *out,
                       int depth) {
    size_t n;
    lua_settop(L, idx);
    if (is_class(L, idx, "perilune.null"))
        return;
    if (is_class(L, idx, "perilune.List") || is_class(L, idx, "perilune.Collection")) {
        take_list(L, r, (size_t)luaL_len(L, idx), out, depth);
        return;
    }
    const char *text = luaL_tolstring(L, idx, &n);
    out->type = PERILUNE_OTHER;
    take_text(L, r, text, n, out);
    lua_settop(L, idx);
}

static void take_table(lua_State *L, perilune_result *r, int idx, perilune_value *out,
                       int depth) {
    bool sequence;
    lua_settop(L, idx);
    if (is_class(L, idx, "perilune.List")) {
        take_list(L, r, (size_t)luaL_len(L, idx), out, depth);
        return;
    }
    size_t n = count_entries(L, &sequence);
    if (sequence)
        take_list(L, r, n, out, depth);
    else
        take_map(L, r, n, out, depth);
}

/* The value at idx, which is the top or, for keys, just below: a copy goes on top. */
static void take(lua_State *L, perilune_result *r, int idx, perilune_value *out,
                 int depth) {
    size_t n;
    if (depth > PERILUNE_DEPTH)
        host_raise(L, PERILUNE_EVALUE, "a value is nested deeper than %d tables",
                   PERILUNE_DEPTH);
    luaL_checkstack(L, 8, "value");
    guard_tick(L, 1);
    *out = nothing;
    lua_pushvalue(L, idx);
    int top = lua_gettop(L);
    switch (lua_type(L, top)) {
    case LUA_TNIL: break;
    case LUA_TBOOLEAN:
        *out = (perilune_value){PERILUNE_BOOLEAN, 0, {.boolean = lua_toboolean(L, top)}};
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, top))
            *out =
                (perilune_value){PERILUNE_INTEGER, 0, {.integer = lua_tointeger(L, top)}};
        else
            *out = (perilune_value){PERILUNE_NUMBER, 0, {.number = lua_tonumber(L, top)}};
        break;
    case LUA_TSTRING: {
        const char *s = lua_tolstring(L, top, &n);
        out->type = PERILUNE_TEXT;
        take_text(L, r, s, n, out);
        break;
    }
    case LUA_TTABLE: take_table(L, r, top, out, depth + 1); break;
    default: take_other(L, r, top, out, depth + 1); break;
    }
    lua_settop(L, top - 1);
}

void result_add(lua_State *L, perilune_result *r, int idx) {
    perilune_value v;
    const guard *g = guard_of(L);
    r->most = g ? (size_t)g->limits[PERILUNE_LIMIT_MEMORY] : 0;
    take(L, r, lua_absindex(L, idx), &v, 0);
    *(perilune_value *)need(L, append(r)) = v;
}

/* ---- copies ---------------------------------------------------------------------- */

static int copy(perilune_result *r, const perilune_value *v, perilune_value *out,
                int depth);

static int copy_list(perilune_result *r, const perilune_value *v, perilune_value *out,
                     int depth) {
    perilune_value *items = get_array(r, v->size, sizeof *items);
    int code = items ? 0 : PERILUNE_EMEMORY;
    for (size_t i = 0; i < v->size && code == 0; i++)
        code = copy(r, &v->as.items[i], &items[i], depth);
    out->as.items = items;
    return code;
}

static int copy_map(perilune_result *r, const perilune_value *v, perilune_value *out,
                    int depth) {
    perilune_pair *pairs = get_array(r, v->size, sizeof *pairs);
    int code = pairs ? 0 : PERILUNE_EMEMORY;
    for (size_t i = 0; i < v->size && code == 0; i++) {
        code = copy(r, &v->as.pairs[i].key, &pairs[i].key, depth);
        if (code == 0)
            code = copy(r, &v->as.pairs[i].value, &pairs[i].value, depth);
    }
    out->as.pairs = pairs;
    return code;
}

static int copy(perilune_result *r, const perilune_value *v, perilune_value *out,
                int depth) {
    *out = *v;
    if (depth > PERILUNE_DEPTH)
        return PERILUNE_EVALUE;
    switch (v->type) {
    case PERILUNE_NIL:
    case PERILUNE_BOOLEAN:
    case PERILUNE_INTEGER:
    case PERILUNE_NUMBER: return 0;
    case PERILUNE_TEXT: {
        if (v->size > SIZE_MAX / 4 || (!v->as.text && v->size > 0))
            return PERILUNE_EVALUE;
        char *text = get(r, v->size + 1);
        if (!text)
            return PERILUNE_EMEMORY;
        if (v->size > 0)
            memcpy(text, v->as.text, v->size);
        text[v->size] = '\0';
        out->as.text = text;
        return 0;
    }
    case PERILUNE_LIST:
        return v->as.items || v->size == 0 ? copy_list(r, v, out, depth + 1)
                                           : PERILUNE_EVALUE;
    case PERILUNE_MAP:
        return v->as.pairs || v->size == 0 ? copy_map(r, v, out, depth + 1)
                                           : PERILUNE_EVALUE;
    default: return PERILUNE_EVALUE;
    }
}

int result_copy(perilune_result *r, const perilune_value *value) {
    perilune_value v;
    int code = copy(r, value, &v, 0);
    perilune_value *slot = code == 0 ? append(r) : NULL;
    if (slot)
        *slot = v;
    return code == 0 && !slot ? PERILUNE_EMEMORY : code;
}
