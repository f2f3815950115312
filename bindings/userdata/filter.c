/* SPDX-License-Identifier: MIT */
/*
** filter.c - filter_by{name = "x"}: equalities by name.
**
** All comparisons with plain columns stand in the clause's own block, in the order of the
** columns (Lua's order of a table is not the same twice, and equal queries must have
** equal keys). Relationships and computed attributes come as conditions of their own.
*/
#include "userdata/filter.h"
#include "userdata/clause.h"
#include "userdata/enclosed.h"
#include "userdata/expression.h"
#include "userdata/model.h"
#include "userdata/null.h"
#include "userdata/relattr.h"

#include "core/base/utf8.h"

enum { MAX_NAMES = 64 };

/* One entry: a column, or a condition already made. */
typedef struct entry {
    const pl_column *column;
    const pl_type *type;
    int order;
    int value; /* stack index of the value, or of the condition when column is NULL */
} entry;

static __attribute__((noreturn)) void no_such_name(lua_State *L, const plua_names *names,
                                                   const char *name) {
    const char *list[512];
    int n = 0;
    const pl_mapper *m = names->mapper;
    for (int i = 0; m && i < m->nslots && n < 500; i++)
        list[n++] = m->attrs[i].name;
    for (size_t i = 0; m && i < m->nrelations && n < 510; i++)
        list[n++] = m->relations[i]->name;
    for (size_t i = 0; !m && i < names->table->ncolumns && n < 510; i++)
        list[n++] = names->table->columns[i]->key;
    list[n] = NULL;
    const char *near = pl_nearest(name, list);
    const char *hint = near ? lua_pushfstring(L, "did you mean '%s'?", near) : NULL;
    plua_raise_hint(L, PL_EINVALID, hint,
                    "Entity namespace for \"%s\" has no property \"%s\"",
                    m ? m->name : names->table->name, name);
}

/* Whether the model on top has a member of the name. */
static bool has_member(lua_State *L, const char *name) {
    lua_getiuservalue(L, -1, PLUA_MODEL_MEMBERS);
    bool has = lua_istable(L, -1) && lua_getfield(L, -1, name) != LUA_TNIL;
    lua_pop(L, lua_istable(L, -1) && !has ? 1 : 2);
    return has;
}

/* Turns the value at `value` into attribute == value, for what is no plain column. */
static void make_condition(lua_State *L, const plua_names *names, const char *name,
                           int value) {
    int top = lua_gettop(L);
    pl_mapper *m = names->mapper;
    if (!m)
        no_such_name(L, names, name);
    plua_push_model(L, m);
    pl_relation *r = pl_mapper_relation(m, name);
    if (r) {
        plua_push_relattr(L, r, m, names->source, -1);
    } else {
        if (names->source || !has_member(L, name))
            no_such_name(L, names, name);
        lua_pushstring(L, name);
        plua_class_attr(L, -2, lua_gettop(L));
        if (!plua_tonode(L, -1))
            no_such_name(L, names, name);
    }
    lua_getfield(L, -1, "eq");
    lua_insert(L, -2);
    lua_pushvalue(L, value);
    lua_call(L, 2, 1);
    plua_tocondition(L, -1);
    lua_replace(L, value);
    lua_settop(L, top);
}

/* The entry for a name; its value is at `value` and may be replaced by a condition. */
static entry make_entry(lua_State *L, const plua_names *names, const char *name,
                        int value) {
    const pl_mapper *m = names->mapper;
    uint16_t slot = m ? pl_mapper_slot(m, name) : PL_NO_SLOT;
    if (slot != PL_NO_SLOT && m->attrs[slot].column)
        return (entry){m->attrs[slot].column, m->attrs[slot].type, slot, value};
    const pl_column *c = m ? NULL : pl_table_column_by_key(names->table, name);
    if (c)
        return (entry){c, c->type, c->position, value};
    make_condition(L, names, name, value);
    const pl_relation *r = pl_mapper_relation(m, name);
    return (entry){NULL, NULL, 0x10000 + (r ? r->position : 0x10000), value};
}

static void insert_entry(entry *list, int n, entry e) {
    int i = n;
    for (; i > 0 && list[i - 1].order > e.order; i--)
        list[i] = list[i - 1];
    list[i] = e;
}

static int collect(lua_State *L, int idx, const plua_names *names, entry *list,
                   const char *method) {
    int n = 0;
    luaL_checkstack(L, MAX_NAMES + 16, "too many names");
    lua_pushnil(L);
    while (lua_next(L, idx)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            plua_raise_hint(L, PL_ETYPE, "conditions go to where(...)",
                            "'%s' expects names and values", method);
        if (n == MAX_NAMES)
            plua_raise(L, PL_EARGUMENT, "too many names in '%s'", method);
        lua_insert(L, -2); /* the value stays, the key goes back to lua_next */
        insert_entry(list, n,
                     make_entry(L, names, lua_tostring(L, -1), lua_gettop(L) - 1));
        n++;
    }
    return n;
}

/* Carves column == literal from the clause's space; the clause is on top. */
static pl_node *carve_equality(lua_State *L, const plua_names *names, const entry *e,
                               pl_node *operand, void **space) {
    pl_node *both = plua_carve(space, PL_N_BINARY, 2);
    pl_node *column = plua_carve(space, PL_N_COLUMN, names->source ? 1 : 0);
    both->op = PL_OP_EQ;
    column->ref = e->column;
    column->type = e->type;
    if (names->source)
        column->kids[0] = names->source;
    both->kids[0] = column;
    both->kids[1] = operand;
    if (operand)
        return both;
    pl_node *literal = plua_carve(space, PL_N_LITERAL, 0);
    plua_fill_literal(L, e->value, e->type, column, literal);
    both->kids[1] = literal;
    if (literal->value.tag == PL_NULL) {
        both->op = PL_OP_IS;
        literal->kind = PL_N_NULL;
        literal->type = NULL;
    }
    return both;
}

pl_node *plua_push_equalities(lua_State *L, pl_node_kind kind, int prev, int idx,
                              const plua_names *names, const char *method) {
    int top = lua_gettop(L);
    idx = lua_absindex(L, idx);
    entry list[MAX_NAMES];
    int n = collect(L, idx, names, list, method);
    if (n == 0)
        plua_raise_hint(L, PL_EARGUMENT,
                        "{name = nil} is an empty table in Lua: use "
                        "Model.name:eq(nil) or name = db.null",
                        "'%s' got an empty table", method);
    uint32_t first = prev ? 1 : 0;
    size_t each = pl_node_size(2) + pl_node_size(1) + pl_node_size(0);
    pl_node *c =
        plua_node_block(L,
                        !prev                                        ? PLUA_EXPRESSION
                        : plua_tonode_of(L, prev, PLUA_IS_STATEMENT) ? PLUA_STATEMENT
                                                                     : PLUA_QUERY,
                        kind, first + (uint32_t)n, (size_t)n * each, (int)first + n);
    void *space = plua_node_extra(c);
    if (prev)
        plua_kid(L, -1, 0, prev);
    for (int i = 0; i < n; i++) {
        uint32_t kid = first + (uint32_t)i;
        pl_node *operand = plua_operand(L, list[i].value);
        c->kids[kid] = list[i].column
                           ? carve_equality(L, names, &list[i], operand, &space)
                           : operand;
        lua_pushvalue(L, list[i].value);
        lua_setiuservalue(L, -2, (int)kid + 1);
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return c;
}

/*** Rows of which the named attributes equal the values, of the model joined last.
@function Query:filter_by
@tab values
@treturn Query */
static int query_filter_by(lua_State *L) {
    plua_self_query(L, "filter_by");
    plua_enclose(L);
    const pl_node *stmt = lua_touserdata(L, 1);
    if (lua_type(L, 2) != LUA_TTABLE || lua_gettop(L) > 2)
        plua_raise_hint(L, PL_ETYPE, "filter_by{name = \"x\"}",
                        "'filter_by' expects a table of names and values, got %s",
                        plua_typename(L, 2));
    plua_names names = {0};
    names.mapper = plua_statement_target(stmt, &names.source);
    if (!names.mapper && !(names.table = plua_statement_table(stmt, &names.source)))
        plua_raise_hint(L, PL_EINVALID, "use where(...)",
                        "the query reads from no model whose attributes could be named");
    plua_push_equalities(L, PL_N_WHERE, 1, 2, &names, "filter_by");
    return 1;
}

const luaL_Reg plua_filter_methods[] = {{"filter_by", query_filter_by}, {NULL, NULL}};
