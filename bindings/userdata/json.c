/* SPDX-License-Identifier: MIT */
/*
** json.c - JSON text to Lua values and back. See json.h.
**
** jansson parses; its tree hangs in a box with a finalizer while it is turned into Lua
** values, which may raise. Writing is done here, into a userdata that grows on the stack,
** so that nothing is lost when an error is raised half way. No metamethod is called on
** the values.
*/
#include "userdata/json.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/double.h"
#include "core/base/utf8.h"
#include "userdata/glue.h"
#include "userdata/null.h"

#define ARRAY_CLASS "perilune.json_array"
#define TREE_CLASS  "perilune.json_tree"

/* ---- lists ------------------------------------------------------------------ */

static void push_array_class(lua_State *L) {
    if (luaL_newmetatable(L, ARRAY_CLASS)) {
        lua_pushliteral(L, ARRAY_CLASS);
        lua_setfield(L, -2, "__metatable");
    }
}

void plua_json_mark_array(lua_State *L, int idx) {
    idx = lua_absindex(L, idx);
    push_array_class(L);
    lua_setmetatable(L, idx);
}

static bool is_marked(lua_State *L, int idx) {
    if (!lua_getmetatable(L, idx))
        return false;
    luaL_getmetatable(L, ARRAY_CLASS);
    bool marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return marked;
}

/* ---- places, for messages --------------------------------------------------- */

/* One step from the root to the value at hand. */
typedef struct place {
    const struct place *up; /* NULL at the root */
    const char *key;        /* of an object, or NULL */
    lua_Integer index;      /* of a list */
    const void *table;      /* the table this step is taken in */
} place;

static bool is_name(const char *s) {
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return *s == '\0';
}

static void push_place(lua_State *L, const char *name, const place *at) {
    luaL_checkstack(L, 4, "JSON is nested too deeply");
    if (!at) {
        lua_pushstring(L, name ? name : "value");
        return;
    }
    push_place(L, name, at->up);
    if (!at->key)
        lua_pushfstring(L, "[%I]", at->index);
    else if (is_name(at->key))
        lua_pushfstring(L, ".%s", at->key);
    else
        lua_pushfstring(L, "[\"%s\"]", at->key);
    lua_concat(L, 2);
}

/* Raises "PLACE MESSAGE"; the message is on top of the stack. */
__attribute__((noreturn)) static void fail_at(lua_State *L, const char *name,
                                              const place *at) {
    push_place(L, name, at);
    plua_raise(L, PL_EVALUE, "%s %s", lua_tostring(L, -1), lua_tostring(L, -2));
}

enum {
    LARGE = 64 * 1024, /* bytes of a text */
    VALUE_SIZE = 64    /* of a value in jansson's tree, its place in a list included */
};

/* ---- decoding --------------------------------------------------------------- */

/* What jansson makes of a text, in memory that is not the state's. A large one takes as
 * much of the state's memory meanwhile, so that limits of it hold. */
typedef struct tree {
    json_t *top;
    void *room;
    size_t size;
} tree;

static void free_tree(lua_State *L, tree *t) {
    void *ud;
    lua_Alloc f = lua_getallocf(L, &ud);
    json_decref(t->top);
    if (t->room)
        (void)f(ud, t->room, t->size, 0);
    *t = (tree){NULL, NULL, 0};
}

static int tree_gc(lua_State *L) {
    free_tree(L, lua_touserdata(L, 1));
    return 0;
}

/* About what the values of a text take. */
static size_t weight_of(const char *text, size_t len) {
    size_t values = 0;
    for (size_t i = 0; i < len; i++)
        values += text[i] == ',' || text[i] == '[' || text[i] == '{';
    return len + values * VALUE_SIZE;
}

static void take_room(lua_State *L, tree *t, const char *text, size_t len) {
    void *ud;
    lua_Alloc f = lua_getallocf(L, &ud);
    if (len < LARGE)
        return;
    t->size = weight_of(text, len);
    t->room = f(ud, NULL, 0, t->size);
    if (!t->room)
        plua_nomem(L);
}

static tree *new_tree(lua_State *L) {
    tree *t = lua_newuserdatauv(L, sizeof *t, 0);
    *t = (tree){NULL, NULL, 0};
    if (luaL_newmetatable(L, TREE_CLASS)) {
        lua_pushcfunction(L, tree_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return t;
}

static void push_value(lua_State *L, json_t *v, const char *name, int depth);

static int as_size(size_t n) {
    return n > 1000000 ? 1000000 : (int)n; /* a hint only */
}

static void push_object(lua_State *L, json_t *v, const char *name, int depth) {
    lua_createtable(L, 0, as_size(json_object_size(v)));
    for (void *it = json_object_iter(v); it; it = json_object_iter_next(v, it)) {
        lua_pushstring(L, json_object_iter_key(it));
        push_value(L, json_object_iter_value(it), name, depth + 1);
        lua_rawset(L, -3);
    }
}

static void push_list(lua_State *L, json_t *v, const char *name, int depth) {
    size_t n = json_array_size(v);
    lua_createtable(L, as_size(n), 0);
    plua_json_mark_array(L, -1);
    for (size_t i = 0; i < n; i++) {
        push_value(L, json_array_get(v, i), name, depth + 1);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_value(lua_State *L, json_t *v, const char *name, int depth) {
    if (depth > PLUA_JSON_DEPTH)
        plua_raise(L, PL_EVALUE, "%s: JSON is nested deeper than %d",
                   name ? name : "value", PLUA_JSON_DEPTH);
    luaL_checkstack(L, 6, "JSON is nested too deeply");
    switch (json_typeof(v)) {
    case JSON_OBJECT: push_object(L, v, name, depth); break;
    case JSON_ARRAY: push_list(L, v, name, depth); break;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER: lua_pushinteger(L, json_integer_value(v)); break;
    case JSON_REAL: lua_pushnumber(L, json_real_value(v)); break;
    case JSON_TRUE: lua_pushboolean(L, 1); break;
    case JSON_FALSE: lua_pushboolean(L, 0); break;
    case JSON_NULL: plua_push_null(L); break;
    }
}

void plua_json_decode(lua_State *L, const char *text, size_t len, const char *name) {
    json_error_t error;
    tree *t = new_tree(L);
    take_room(L, t, text, len);
    t->top = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!t->top && json_error_code(&error) == json_error_out_of_memory)
        plua_nomem(L);
    if (!t->top)
        plua_raise(L, PL_EVALUE, "%s: the text is not JSON: %s (byte %d)",
                   name ? name : "value", error.text, error.position);
    push_value(L, t->top, name, 1);
    free_tree(L, t);
    lua_remove(L, -2);
}

/* ---- encoding: output ------------------------------------------------------- */

/* The text grows in a userdata that stands at `slot`. */
typedef struct writer {
    lua_State *L;
    int slot;
    char *bytes;
    size_t len, capacity;
    const char *name;
} writer;

static char *room(writer *w, size_t n) {
    if (n > w->capacity - w->len) {
        size_t capacity = w->capacity * 2;
        if (capacity < w->len + n)
            capacity = w->len + n;
        char *bytes = lua_newuserdatauv(w->L, capacity, 0);
        memcpy(bytes, w->bytes, w->len);
        lua_replace(w->L, w->slot);
        w->bytes = bytes;
        w->capacity = capacity;
    }
    return w->bytes + w->len;
}

static void put(writer *w, const char *bytes, size_t n) {
    memcpy(room(w, n), bytes, n);
    w->len += n;
}

/* \uXXXX, twice for what lies beyond 16 bits. */
static size_t put_escape(char *p, unsigned code) {
    if (code < 0x10000)
        return (size_t)snprintf(p, 13, "\\u%04x", code);
    code -= 0x10000;
    return (size_t)snprintf(p, 13, "\\u%04x\\u%04x", 0xd800 + (code >> 10),
                            0xdc00 + (code & 0x3ff));
}

/* The character at *s, which is valid UTF-8; moves behind it. */
static unsigned next_code(const unsigned char **s) {
    unsigned c = *(*s)++;
    int more = c < 0xc0 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (more > 0)
        c &= 0x3fu >> more;
    while (more-- > 0)
        c = c << 6 | (*(*s)++ & 0x3f);
    return c;
}

static const char *short_escape(unsigned code) {
    switch (code) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\b': return "\\b";
    case '\f': return "\\f";
    default: return NULL;
    }
}

static void put_string(writer *w, const char *text, size_t len, const place *at) {
    const unsigned char *s = (const unsigned char *)text, *end = s + len;
    if (pl_utf8_len(text, len) < 0) {
        lua_pushliteral(w->L, "is not valid UTF-8");
        fail_at(w->L, w->name, at);
    }
    put(w, "\"", 1);
    while (s < end) {
        const unsigned char *plain = s;
        while (s < end && *s >= ' ' && *s < 0x7f && *s != '"' && *s != '\\')
            s++;
        put(w, (const char *)plain, (size_t)(s - plain));
        if (s == end)
            break;
        unsigned code = next_code(&s);
        const char *escape = short_escape(code);
        if (escape)
            put(w, escape, 2);
        else
            w->len += put_escape(room(w, 13), code);
    }
    put(w, "\"", 1);
}

/* ---- encoding: values ------------------------------------------------------- */

static void put_value(writer *w, const place *at, int depth);

static void put_number(writer *w, const place *at) {
    char text[PL_DOUBLE_TEXT];
    if (lua_isinteger(w->L, -1)) {
        int n = snprintf(text, sizeof text, LUA_INTEGER_FMT, lua_tointeger(w->L, -1));
        put(w, text, (size_t)n);
        return;
    }
    size_t n = pl_double_repr(lua_tonumber(w->L, -1), text);
    if (n == 0) {
        lua_pushfstring(w->L, "is %s, which JSON cannot say",
                        isnan(lua_tonumber(w->L, -1)) ? "NaN" : "infinite");
        fail_at(w->L, w->name, at);
    }
    put(w, text, n);
}

/* What kind of table it is, from its keys. */
typedef struct shape {
    lua_Integer integers, largest; /* integer keys from 1 on */
    lua_Integer strings;
} shape;

static shape shape_of(writer *w, const place *at) {
    shape s = {0, 0, 0};
    lua_State *L = w->L;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING) {
            s.strings++;
        } else if (lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 1) {
            s.integers++;
            if (lua_tointeger(L, -1) > s.largest)
                s.largest = lua_tointeger(L, -1);
        } else {
            const char *key = luaL_tolstring(L, -1, NULL);
            lua_pushfstring(L, "has the key %s (%s); a key is a string or 1..n", key,
                            luaL_typename(L, -2));
            fail_at(L, w->name, at);
        }
    }
    return s;
}

static void put_list(writer *w, const place *at, const shape *s, int depth) {
    place step = {.up = at, .table = lua_topointer(w->L, -1)};
    put(w, "[", 1);
    for (step.index = 1; step.index <= s->largest; step.index++) {
        if (step.index > 1)
            put(w, ", ", 2);
        if (lua_rawgeti(w->L, -1, step.index) == LUA_TNIL) {
            lua_pushliteral(w->L, "is missing; a list has no holes (use db.null)");
            fail_at(w->L, w->name, &step);
        }
        put_value(w, &step, depth + 1);
        lua_pop(w->L, 1);
    }
    put(w, "]", 1);
}

typedef struct key {
    const char *text;
    size_t len;
} key;

static int compare_keys(const void *a, const void *b) {
    const key *x = a, *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int r = memcmp(x->text, y->text, n);
    return r != 0 ? r : (x->len > y->len) - (x->len < y->len);
}

/* Pushes an array of the keys of the table below, and a table that keeps them alive:
** a finalizer may run at any allocation and change the table. */
static size_t push_keys(lua_State *L, lua_Integer n, key **keys) {
    size_t count = 0;
    *keys = lua_newuserdatauv(L, (size_t)n * sizeof(key), 0);
    lua_createtable(L, as_size((size_t)n), 0);
    lua_pushnil(L);
    while (count < (size_t)n && lua_next(L, -4)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            continue;
        (*keys)[count].text = lua_tolstring(L, -1, &(*keys)[count].len);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer)++count);
    }
    if (count == (size_t)n)
        lua_pop(L, 1); /* the key at which the traversal stopped */
    return count;
}

static void put_object(writer *w, const place *at, const shape *s, int depth) {
    lua_State *L = w->L;
    key *keys;
    place step = {.up = at, .table = lua_topointer(L, -1)};
    int table = lua_gettop(L);
    size_t n = push_keys(L, s->strings, &keys);
    qsort(keys, n, sizeof *keys, compare_keys);
    put(w, "{", 1);
    for (size_t i = 0; i < n; i++) {
        step.key = keys[i].text;
        if (i > 0)
            put(w, ", ", 2);
        put_string(w, keys[i].text, keys[i].len, &step);
        put(w, ": ", 2);
        lua_pushlstring(L, keys[i].text, keys[i].len);
        lua_rawget(L, table);
        put_value(w, &step, depth + 1);
        lua_pop(L, 1);
    }
    put(w, "}", 1);
    lua_settop(L, table);
}

static void check_nesting(writer *w, const place *at, int depth) {
    const void *table = lua_topointer(w->L, -1);
    for (const place *p = at; p; p = p->up) {
        if (p->table == table) {
            lua_pushliteral(w->L, "is a table that contains itself");
            fail_at(w->L, w->name, at);
        }
    }
    if (depth > PLUA_JSON_DEPTH)
        plua_raise(w->L, PL_EVALUE, "%s: JSON is nested deeper than %d",
                   w->name ? w->name : "value", PLUA_JSON_DEPTH);
}

static void put_table(writer *w, const place *at, int depth) {
    check_nesting(w, at, depth);
    shape s = shape_of(w, at);
    bool marked = is_marked(w->L, -1);
    if (s.strings > 0 && (s.integers > 0 || marked)) {
        lua_pushstring(w->L, marked ? "is a list and has string keys"
                                    : "has both list items and string keys");
        fail_at(w->L, w->name, at);
    }
    if (s.integers > 0 || marked)
        put_list(w, at, &s, depth);
    else
        put_object(w, at, &s, depth);
}

/* The value on top of the stack, which stays. */
static void put_value(writer *w, const place *at, int depth) {
    lua_State *L = w->L;
    luaL_checkstack(L, 8, "JSON is nested too deeply");
    size_t len;
    const char *text;
    switch (lua_type(L, -1)) {
    case LUA_TNIL: put(w, "null", 4); return;
    case LUA_TBOOLEAN:
        if (lua_toboolean(L, -1))
            put(w, "true", 4);
        else
            put(w, "false", 5);
        return;
    case LUA_TNUMBER: put_number(w, at); return;
    case LUA_TSTRING:
        text = lua_tolstring(L, -1, &len);
        put_string(w, text, len, at);
        return;
    case LUA_TTABLE: put_table(w, at, depth); return;
    default: break;
    }
    if (plua_is_null(L, -1)) {
        put(w, "null", 4);
        return;
    }
    lua_pushfstring(L, "is a %s, which JSON cannot say", plua_typename(L, -1));
    fail_at(L, w->name, at);
}

void plua_json_encode(lua_State *L, int idx, const char *name) {
    enum { FIRST = 256 };
    lua_pushvalue(L, idx);
    char *bytes = lua_newuserdatauv(L, FIRST, 0);
    writer w = {L, lua_gettop(L), bytes, 0, FIRST, name};
    lua_pushvalue(L, -2);
    put_value(&w, NULL, 1);
    lua_pushlstring(L, w.bytes, w.len);
    lua_replace(L, w.slot - 1);
    lua_settop(L, w.slot - 1);
}

bool plua_json_changed(lua_State *L, int idx, const char *text, size_t len,
                       const char *name) {
    size_t n;
    int top = lua_gettop(L);
    plua_json_encode(L, idx, name);
    const char *now = lua_tolstring(L, -1, &n);
    bool same = n == len && memcmp(now, text, n) == 0;
    if (!same) {
        plua_json_decode(L, text, len, name);
        plua_json_encode(L, -1, name);
        same = lua_rawequal(L, -1, top + 1);
    }
    lua_settop(L, top);
    return !same;
}

/* ---- for scripts ------------------------------------------------------------ */

static int json_encode(lua_State *L) {
    plua_need_any(L, 1);
    plua_json_encode(L, 1, NULL);
    return 1;
}

static int json_decode(lua_State *L) {
    size_t len;
    const char *text = plua_need_string(L, 1, &len);
    plua_json_decode(L, text, len, NULL);
    return 1;
}

static int mark_array(lua_State *L) {
    plua_need_table(L, 1);
    lua_settop(L, 1);
    if (lua_getmetatable(L, 1) && !is_marked(L, 1))
        plua_raise(L, PL_EARGUMENT, "json_array: the table has a metatable already");
    plua_json_mark_array(L, 1);
    lua_settop(L, 1);
    return 1;
}

int plua_open_json(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"encode", json_encode}, {"decode", json_decode}, {NULL, NULL}};
    lua_createtable(L, 0, 3);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "json");
    lua_pushcfunction(L, mark_array);
    lua_setfield(L, -2, "json_array");
    plua_push_null(L);
    lua_setfield(L, -2, "null");
    return 1;
}
