/* SPDX-License-Identifier: MIT */
/*
** predicate_source.c - from a function to its source text, and the cache of trees.
**
** Debug information says in which chunk and on which lines a function stands. Every
** function found there is compiled again under the same names and compared with the one
** at hand, instruction by instruction: so two functions on a line are told apart, and a
** file that was edited since it was loaded is noticed instead of giving wrong SQL.
**
** Trees are kept by function (weak) and by code, because a function in a loop or a
** request handler is a new closure each time, but the same code.
*/
#include "userdata/predicate_tree.h"

#include <stdio.h>
#include <string.h>

enum { MAX_TREES = 256, MAX_UPVALUES = 255 };

static const char rewrite[] =
    "write the condition as an expression: where(User.age:gt(18))";

/* ---- code ---- */

typedef struct code_writer {
    bool started;
    luaL_Buffer b;
} code_writer;

static int write_code(lua_State *L, const void *p, size_t size, void *ud) {
    code_writer *w = ud;
    if (!w->started) {
        w->started = true;
        luaL_buffinit(L, &w->b);
    }
    luaL_addlstring(&w->b, p, size);
    return 0;
}

/* Pushes the code of the function at idx, without debug information. */
static void push_code(lua_State *L, int idx) {
    code_writer w = {.started = false};
    lua_pushvalue(L, idx);
    if (lua_dump(L, write_code, &w, 1) != 0 || !w.started)
        plua_raise_hint(L, PL_ECOMPILE, rewrite, "the function cannot be read");
    luaL_pushresult(&w.b);
    lua_remove(L, -2);
}

/* A place in the bytes of a dumped function. */
typedef struct code_reader {
    const unsigned char *p, *end;
} code_reader;

static size_t read_size(code_reader *r) {
    size_t n = 0;
    while (r->p < r->end) {
        unsigned char c = *r->p++;
        n = n << 7 | (c & 0x7f);
        if (c & 0x80)
            break;
    }
    return n;
}

static void skip(code_reader *r, size_t n) {
    r->p = (size_t)(r->end - r->p) < n ? r->end : r->p + n;
}

static void skip_constant(code_reader *r) {
    enum { FLOAT = 0x13, INTEGER = 0x03, SHORT_STRING = 0x04, LONG_STRING = 0x14 };
    if (r->p >= r->end)
        return;
    switch (*r->p++) {
    case FLOAT: skip(r, sizeof(lua_Number)); break;
    case INTEGER: skip(r, sizeof(lua_Integer)); break;
    case SHORT_STRING:
    case LONG_STRING: {
        size_t n = read_size(r);
        skip(r, n > 0 ? n - 1 : 0);
        break;
    }
    default: break; /* nil, false, true */
    }
}

/* Where the records of a function's upvalues begin, and how many there are: they say from
** which registers of the surrounding function they come, which is no part of the text. */
static size_t upvalue_records(const char *code, size_t len, size_t *n) {
    enum { HEADER = 4 + 1 + 1 + 6 + 3, INSTRUCTION = 4 };
    const unsigned char *start = (const unsigned char *)code;
    code_reader r = {start, start + len};
    skip(&r, HEADER + sizeof(lua_Integer) + sizeof(lua_Number) + 1);
    size_t source = read_size(&r);
    skip(&r, source > 0 ? source - 1 : 0);
    read_size(&r); /* first line */
    read_size(&r); /* last line */
    skip(&r, 3);
    skip(&r, read_size(&r) * INSTRUCTION);
    for (size_t constants = read_size(&r); constants > 0 && r.p < r.end; constants--)
        skip_constant(&r);
    *n = read_size(&r);
    return (size_t)(r.p - start);
}

/* Whether two dumped functions are the same but for where their upvalues come from. */
static bool is_same_code(const char *a, size_t alen, const char *b, size_t blen) {
    size_t na, nb;
    if (alen != blen)
        return false;
    size_t at = upvalue_records(a, alen, &na), other = upvalue_records(b, blen, &nb);
    size_t behind = at + 3 * na;
    return at == other && na == nb && behind <= alen && memcmp(a, b, at) == 0 &&
           memcmp(a + behind, b + behind, alen - behind) == 0;
}

/* ---- text ---- */

static __attribute__((noreturn)) void no_source(lua_State *L, const lua_Debug *ar,
                                                const char *why) {
    plua_raise_hint(L, PL_ECOMPILE, rewrite, "%s:%d: the source of the function %s",
                    ar->short_src, ar->linedefined, why);
}

/* Pushes the contents of a file as userdata. */
static const char *push_file(lua_State *L, const lua_Debug *ar, size_t *len) {
    const char *path = ar->source + 1;
    FILE *f = fopen(path, "rb");
    long size = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    if (f)
        fclose(f);
    if (size < 0)
        no_source(L, ar, "cannot be opened");
    char *text = lua_newuserdatauv(L, (size_t)size + 1, 0);
    f = fopen(path, "rb");
    *len = f ? fread(text, 1, (size_t)size, f) : 0;
    if (f)
        fclose(f);
    text[*len] = '\0';
    return text;
}

/* Pushes the text of the chunk. */
static const char *push_chunk(lua_State *L, const lua_Debug *ar, size_t *len) {
    if (ar->source[0] == '@')
        return push_file(L, ar, len);
    if (ar->source[0] == '=')
        no_source(L, ar, "is not known");
    lua_pushlstring(L, ar->source, ar->srclen);
    return lua_tolstring(L, -1, len);
}

/* ---- finding the function ---- */

typedef struct search {
    lua_State *L;
    const lua_Debug *ar;
    const char *text;
    size_t len;
    plua_psource *source;
    int code;   /* stack index of the function's code */
    size_t end; /* behind the `end` of the candidate */
} search;

/* Moves behind the `end` of the function whose parameter list is at hand; its line. */
static int skip_body(plua_lexer *x, size_t *end, const char *text) {
    int depth = 1;
    for (;;) {
        plua_token t = plua_lex(x);
        switch (t.kind) {
        case PLUA_W_FUNCTION:
        case PLUA_W_DO:
        case PLUA_W_IF:
        case PLUA_W_REPEAT: depth++; break;
        case PLUA_W_ENDWORD:
        case PLUA_W_UNTIL: depth--; break;
        case PLUA_W_END:
        case PLUA_W_BAD: return -1;
        default: break;
        }
        if (depth == 0) {
            *end = (size_t)(t.s - text) + t.len;
            return t.line;
        }
    }
}

/* Pushes the candidate's text as a chunk that returns it, on the same line. */
static void push_candidate(search *s) {
    lua_State *L = s->L;
    const plua_psource *c = s->source;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i < s->ar->linedefined; i++)
        luaL_addchar(&b, '\n');
    bool first = true;
    for (int i = 0; i < c->nupvalues; i++) {
        if (i + 1 == c->env)
            continue;
        luaL_addstring(&b, first ? "local " : ",");
        luaL_addstring(&b, c->upvalues[i]);
        first = false;
    }
    luaL_addstring(&b, " return function");
    const char *start = s->text + c->start;
    if (c->is_method) {
        const char *p = start + 1;
        while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
            p++;
        luaL_addstring(&b, *p == ')' ? "(self" : "(self,");
        start++;
    }
    luaL_addlstring(&b, start, (size_t)(s->text + s->end - start));
    luaL_pushresult(&b);
}

static bool is_candidate(search *s) {
    lua_State *L = s->L;
    int top = lua_gettop(L);
    size_t len, code_len;
    push_candidate(s);
    const char *text = lua_tolstring(L, -1, &len);
    bool same = false;
    if (luaL_loadbufferx(L, text, len, "=predicate", "t") == LUA_OK) {
        lua_call(L, 0, 1);
        push_code(L, lua_gettop(L));
        const char *code = lua_tolstring(L, -1, &code_len);
        const char *own = lua_tolstring(L, s->code, &len);
        same = is_same_code(own, len, code, code_len);
    }
    lua_settop(L, top);
    return same;
}

/* The name between `function` and the parameters; leaves '(' in *t. */
static bool skip_name(plua_lexer *x, plua_token *t, bool *is_method) {
    *is_method = false;
    *t = plua_lex(x);
    while (t->kind == PLUA_W_NAME || t->kind == '.' || t->kind == ':') {
        *is_method = *is_method || t->kind == ':';
        *t = plua_lex(x);
    }
    return t->kind == '(';
}

/* Finds the function in the text; false when none there is it. */
static bool find_function(search *s, bool *seen) {
    plua_lexer x;
    plua_lex_init(&x, s->text, s->len);
    *seen = false;
    for (;;) {
        plua_token word = plua_lex(&x), t;
        if (word.kind == PLUA_W_END || word.line > s->ar->linedefined)
            return false;
        if (word.kind != PLUA_W_FUNCTION)
            continue;
        plua_lexer inner = x;
        bool is_method;
        if (!skip_name(&inner, &t, &is_method))
            continue;
        if (t.line != s->ar->linedefined && word.line != s->ar->linedefined)
            continue;
        s->source->start = (size_t)(t.s - s->text);
        s->source->line = t.line;
        s->source->column = t.column;
        s->source->is_method = is_method;
        if (skip_body(&inner, &s->end, s->text) != s->ar->lastlinedefined)
            continue;
        *seen = true;
        if (is_candidate(s))
            return true;
    }
}

/* Names of the function's upvalues; their strings belong to the function. */
static void read_upvalues(lua_State *L, int idx, const lua_Debug *ar, const char **names,
                          plua_psource *source) {
    const char *name;
    int n = 0;
    while (n < MAX_UPVALUES && (name = lua_getupvalue(L, idx, n + 1))) {
        lua_pop(L, 1);
        if (*name == '(' || *name == '\0')
            no_source(L, ar, "was stripped of its names");
        names[n++] = name;
        if (strcmp(name, "_ENV") == 0)
            source->env = n;
    }
    source->upvalues = names;
    source->nupvalues = n;
}

/* Pushes the tree of the function at idx, whose code is at `code`. */
static void push_parsed(lua_State *L, int idx, int code) {
    lua_Debug ar;
    const char *names[MAX_UPVALUES];
    plua_psource source = {0};
    lua_pushvalue(L, idx);
    lua_getinfo(L, ">S", &ar);
    if (ar.linedefined < 0)
        no_source(L, &ar, "is in C");
    read_upvalues(L, idx, &ar, names, &source);
    search s = {.L = L, .ar = &ar, .source = &source, .code = code};
    s.text = push_chunk(L, &ar, &s.len);
    source.text = s.text;
    source.len = s.len;
    source.chunk = ar.short_src;
    bool seen;
    if (!find_function(&s, &seen))
        no_source(L, &ar,
                  seen ? "is not what was loaded: the file was changed, or a constant of "
                         "the surrounding function (<const>) is used, which must be an "
                         "ordinary local"
                       : "is not where it was loaded from");
    plua_predicate_parse(L, &source);
    lua_remove(L, -2);
}

/* ---- the cache ---- */

/* Pushes a table of the shared one; a new one gets weak keys. */
static void push_cache(lua_State *L, const char *name, bool weak) {
    plua_shared(L);
    if (lua_getfield(L, -1, name) == LUA_TTABLE) {
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    if (weak)
        plua_push_weak_table(L, "k");
    else
        lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, name);
    lua_remove(L, -2);
}

/* Pushes the tree for the code at `code`, parsed when it is new. */
static void push_by_code(lua_State *L, int idx, int code) {
    push_cache(L, "predicate_code", false);
    int cache = lua_gettop(L);
    lua_pushvalue(L, code);
    if (lua_rawget(L, cache) == LUA_TTABLE) {
        lua_remove(L, cache);
        return;
    }
    lua_pop(L, 1);
    push_parsed(L, idx, code);
    lua_getfield(L, cache, "n");
    lua_Integer n = lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (n < MAX_TREES) {
        lua_pushvalue(L, code);
        lua_pushvalue(L, -2);
        lua_rawset(L, cache);
        lua_pushinteger(L, n + 1);
        lua_setfield(L, cache, "n");
    }
    lua_remove(L, cache);
}

plua_ptree *plua_predicate_tree(lua_State *L, int idx) {
    luaL_checkstack(L, 40, "predicate");
    idx = lua_absindex(L, idx);
    if (lua_iscfunction(L, idx))
        plua_raise_hint(L, PL_ECOMPILE, rewrite, "a C function is no condition");
    push_cache(L, "predicates", true);
    int cache = lua_gettop(L);
    lua_pushvalue(L, idx);
    if (lua_rawget(L, cache) != LUA_TTABLE) {
        lua_pop(L, 1);
        push_code(L, idx);
        push_by_code(L, idx, lua_gettop(L));
        lua_remove(L, -2);
        lua_pushvalue(L, idx);
        lua_pushvalue(L, -2);
        lua_rawset(L, cache);
    }
    lua_remove(L, cache);
    lua_rawgeti(L, -1, PLUA_PT_ROOT);
    plua_ptree *tree = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return tree;
}
