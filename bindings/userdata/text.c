/* SPDX-License-Identifier: MIT */
/*
** text.c - db.text("... :name ..."): SQL as it is, with named parameters.
**
** The parameters become literal nodes behind the text node, without a value until
** bindparams or execute(statement, {name = value}) gives one. The text is what the script
** wrote: values never become part of it.
*/
#include "userdata/clause.h"
#include "userdata/expression.h"
#include "userdata/from.h"
#include "userdata/schema.h"
#include "userdata/statement.h"

#include <string.h>

/* ---- finding :name ---- */

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

/* Behind the quoted string, name or comment that begins at s, or s. */
static const char *skip_quoted(const char *s) {
    const char *end;
    if (*s == '\'' || *s == '"' || *s == '`') {
        for (end = s + 1; *end && (*end != *s || end[1] == *s);)
            end += *end == *s ? 2 : 1;
        return *end ? end + 1 : end;
    }
    if (s[0] == '-' && s[1] == '-')
        return s + strcspn(s, "\n");
    if (s[0] == '/' && s[1] == '*')
        return (end = strstr(s + 2, "*/")) ? end + 2 : s + strlen(s);
    if (*s == '[')
        return (end = strchr(s, ']')) ? end + 1 : s + 1;
    return s;
}

/* The next :name at or behind s: its first letter, its length in *len. NULL: no more. */
static const char *next_parameter(const char *start, const char *s, size_t *len) {
    while (*s) {
        const char *behind = skip_quoted(s);
        if (behind > s) {
            s = behind;
        } else if ((s[0] == '\\' || s[0] == ':') && s[1] == ':') {
            s += 2;
        } else if (s[0] == ':' && is_word(s[1]) && (s == start || !is_word(s[-1]))) {
            for (*len = 0; is_word(s[1 + *len]);)
                ++*len;
            return s + 1;
        } else {
            s++;
        }
    }
    return NULL;
}

static bool is_repeated(const pl_node *n, uint32_t count, const char *name, size_t len) {
    for (uint32_t i = 0; i < count; i++) {
        const pl_node *kid = n->kids[i];
        if (kid->len == len && memcmp(kid->text, name, len) == 0)
            return true;
    }
    return false;
}

/* Pushes a TEXT node; its parameters, each once, are literals without a value. */
static pl_node *push_text(lua_State *L, const char *s, size_t len) {
    uint32_t places = 0;
    size_t n;
    if (memchr(s, '\0', len))
        plua_raise(L, PL_EARGUMENT, "SQL text has a zero byte in it");
    for (const char *p = s; (p = next_parameter(s, p, &n)); p += n)
        places++;
    size_t extra = places * pl_node_size(0) + len + 1;
    pl_node *t = plua_node_block(L, PLUA_STATEMENT, PL_N_TEXT, places, extra, 2);
    void *space = plua_node_extra(t);
    char *copy = (char *)space + places * pl_node_size(0);
    memcpy(copy, s, len);
    t->text = copy;
    t->len = (uint32_t)len;
    uint32_t count = 0;
    for (const char *p = copy; (p = next_parameter(copy, p, &n)); p += n) {
        if (is_repeated(t, count, p, n))
            continue;
        pl_node *literal = plua_carve(&space, PL_N_LITERAL, 0);
        literal->text = p;
        literal->len = (uint32_t)n;
        t->kids[count++] = literal;
    }
    t->nkids = count;
    return t;
}

/*** SQL text, as a statement or as part of one; :name is a parameter.
@function db.text
@string sql
@treturn Statement */
static int db_text(lua_State *L) {
    size_t len;
    if (lua_type(L, 1) != LUA_TSTRING)
        plua_raise(L, PL_ETYPE, "db.text expects a string, got %s", plua_typename(L, 1));
    const char *s = lua_tolstring(L, 1, &len);
    push_text(L, s, len);
    return 1;
}

/* ---- values ---- */

/* Makes parameter i of the text on top a list of the values in the table at `list`, kept
** alive by the table at `kept`. */
static void set_list(lua_State *L, pl_node *t, uint32_t i, int list, int kept) {
    uint32_t n = (uint32_t)lua_rawlen(L, list);
    pl_node *tuple =
        plua_node_block(L, PLUA_EXPRESSION, PL_N_TUPLE, n, n * pl_node_size(0), 1);
    void *space = plua_node_extra(tuple);
    lua_newtable(L);
    for (uint32_t k = 0; k < n; k++) {
        tuple->kids[k] = plua_carve(&space, PL_N_LITERAL, 0);
        lua_rawgeti(L, list, (lua_Integer)k + 1);
        plua_fill_literal(L, lua_gettop(L), NULL, NULL, tuple->kids[k]);
        lua_rawseti(L, -2, (lua_Integer)k + 1);
    }
    lua_setiuservalue(L, -2, 1);
    tuple->text = t->kids[i]->text;
    tuple->len = t->kids[i]->len;
    t->kids[i] = tuple;
    lua_rawseti(L, kept, (lua_Integer)lua_rawlen(L, kept) + 1);
}

/* Gives parameter i of the text at `text` the value on top; pops it. */
static void set_parameter(lua_State *L, int text, uint32_t i, int kept) {
    pl_node *t = lua_touserdata(L, text);
    int value = lua_gettop(L);
    pl_node *operand = plua_operand(L, value);
    if (lua_type(L, value) == LUA_TTABLE) {
        set_list(L, t, i, value, kept);
    } else if (operand) {
        if (operand->kind != PL_N_LITERAL)
            plua_raise(L, PL_EARGUMENT, "a parameter of text must be a value");
        t->kids[i]->type = operand->type;
        t->kids[i]->value = operand->value;
    } else {
        plua_fill_literal(L, value, NULL, NULL, t->kids[i]);
    }
    lua_rawseti(L, kept, (lua_Integer)lua_rawlen(L, kept) + 1);
    lua_settop(L, kept);
}

/*** Values of parameters: db.text("id = :id"):bindparams{id = 5}. A table is a list.
@function Text:bindparams
@tab values
@treturn Statement */
static int text_bindparams(lua_State *L) {
    const pl_node *old = plua_self(L, PLUA_IS_STATEMENT, PLUA_STATEMENT, "bindparams");
    if (old->kind != PL_N_TEXT)
        plua_raise(L, PL_EARGUMENT, "bindparams is a method of db.text(...)");
    plua_need_table(L, 2);
    lua_settop(L, 2);
    pl_node *t = push_text(L, old->text, old->len);
    lua_createtable(L, (int)t->nkids, 1);
    lua_pushvalue(L, 1); /* values given before */
    lua_rawseti(L, 4, 1);
    lua_pushnil(L);
    while (lua_next(L, 2)) { /* no name that is not there */
        lua_pop(L, 1);
        size_t len;
        const char *name = plua_check_name(L, -1, false, "name of a parameter", &len);
        if (!is_repeated(t, t->nkids, name, len))
            plua_raise(L, PL_EARGUMENT, "the text has no parameter ':%s'", name);
    }
    for (uint32_t i = 0; i < t->nkids; i++) {
        const pl_node *kid = t->kids[i];
        lua_pushlstring(L, kid->text, kid->len);
        if (lua_rawget(L, 2) != LUA_TNIL) {
            set_parameter(L, 3, i, 4);
            continue;
        }
        lua_pop(L, 1);
        if (old->kids[i]->kind == PL_N_LITERAL) {
            t->kids[i]->type = old->kids[i]->type;
            t->kids[i]->value = old->kids[i]->value;
        } else {
            t->kids[i] = old->kids[i];
        }
    }
    lua_setiuservalue(L, 3, 1);
    return 1;
}

/* Pushes a RETURNING without items over the text at 1; the types by name in the table at
 *2
 ** are its user value (see plua_text_type). */
static int push_named_types(lua_State *L) {
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            plua_raise(L, PL_EARGUMENT, "the name of a column must be a string, got %s",
                       plua_typename(L, -2));
        plua_check_type(L, -1);
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, 3);
    }
    plua_clause(L, PL_N_RETURNING, 1, 0)->ext = PLUA_NAMED_TYPES;
    lua_pushvalue(L, 1);
    lua_rawseti(L, 3, 1);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, 4, 1);
    return 1;
}

const pl_type *plua_text_type(lua_State *L, int idx, const char *name) {
    const pl_node *n = lua_touserdata(L, idx);
    if (!name || n->kind != PL_N_RETURNING || n->ext != PLUA_NAMED_TYPES)
        return NULL;
    lua_getiuservalue(L, idx, 1);
    lua_getfield(L, -1, name);
    const pl_type *type = plua_test_type(L, -1);
    lua_pop(L, 2);
    return type;
}

/*** What the text returns, so that values get their types and rows their names.
@function Text:columns
@param column ... columns, models or labels, in order (also as a list); or types by name:
columns{id = db.Integer}
@treturn Statement */
static int text_columns(lua_State *L) {
    const pl_node *t = plua_self(L, PLUA_IS_STATEMENT, PLUA_STATEMENT, "columns");
    if (t->kind != PL_N_TEXT)
        plua_raise(L, PL_EARGUMENT, "columns is a method of db.text(...)");
    if (lua_gettop(L) == 2 && lua_istable(L, 2)) {
        int n = (int)lua_rawlen(L, 2);
        if (n == 0)
            return push_named_types(L);
        luaL_checkstack(L, n + 8, "too many columns");
        for (int i = 1; i <= n; i++)
            lua_rawgeti(L, 2, i);
        lua_remove(L, 2);
    }
    return plua_push_items(L, PL_N_RETURNING, 1, 2);
}

/*** The text as something to read from, once its columns are said.
@function Text:subquery
@string[opt] name
@treturn From */
static int text_subquery(lua_State *L) {
    const pl_node *t = plua_self(L, PLUA_IS_STATEMENT, PLUA_STATEMENT, "subquery");
    if (t->kind != PL_N_RETURNING || t->kids[0]->kind != PL_N_TEXT || t->nkids < 2)
        plua_raise_hint(L, PL_EARGUMENT, "db.text(\"...\"):columns(User.id):subquery()",
                        "subquery is a method of db.text(...) with columns");
    size_t len = 0;
    const char *name = lua_isnoneornil(L, 2) ? NULL : plua_need_string(L, 2, &len);
    plua_push_derived(L, 1, name, len);
    return 1;
}

const luaL_Reg plua_text_methods[] = {{"bindparams", text_bindparams},
                                      {"columns", text_columns},
                                      {"subquery", text_subquery},
                                      {NULL, NULL}};

int plua_open_text(lua_State *L) {
    static const luaL_Reg constructors[] = {{"text", db_text}, {NULL, NULL}};
    luaL_newlib(L, constructors);
    return 1;
}
