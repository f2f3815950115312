/* SPDX-License-Identifier: MIT */
/*
** predicate_value.c - values in predicates: names, attributes, operators, calls. What
** `and` and `or` give is in predicate_choice.c.
**
** Plain values are what Lua makes of them; with an expression on either side an operator
** builds SQL. Functions in Lua are never called: what they would do cannot be SQL, and a
** value they give can be put into a local before.
*/
#include "userdata/clause.h"
#include "userdata/expression.h"
#include "userdata/model.h"
#include "userdata/predicate_eval.h"
#include "userdata/relattr.h"

#include "core/base/utf8.h"

#include <string.h>

/* ---- names and fields ---- */

static __attribute__((noreturn)) void no_attribute(plua_peval *e, const plua_ptree *t,
                                                   const pl_mapper *m) {
    const char *names[512];
    int n = 0;
    for (int i = 0; i < m->nslots && n < 500; i++)
        names[n++] = m->attrs[i].name;
    for (size_t i = 0; i < m->nrelations && n < 510; i++)
        names[n++] = m->relations[i]->name;
    names[n] = NULL;
    const char *near = pl_nearest(t->name, names);
    const char *hint = near ? lua_pushfstring(e->L, "did you mean '%s'?", near) : NULL;
    plua_predicate_fail(e, t, hint, "%s has no attribute '%s'", m->name, t->name);
}

static void push_column(plua_peval *e, const plua_pentity *entity, const pl_attr *a) {
    lua_State *L = e->L;
    bool json = pl_type_storage(a->type)->kind == PL_K_JSON;
    pl_node *n = plua_node_block(L, json ? PLUA_JSON : PLUA_EXPRESSION, PL_N_COLUMN,
                                 entity->source ? 1 : 0, 0, 1);
    n->ref = a->column;
    n->type = a->type;
    n->ext = (uint32_t)entity->mapper->position + 1;
    if (entity->source)
        n->kids[0] = entity->source;
    plua_push_model(L, entity->mapper);
    lua_setiuservalue(L, -2, 1);
}

/* An attribute of an entity: column, relationship, or what the class makes of the name.
 */
static void attribute(plua_peval *e, const plua_ptree *t, const plua_pentity *entity) {
    lua_State *L = e->L;
    const pl_mapper *m = entity->mapper;
    uint16_t slot = pl_mapper_slot(m, t->name);
    if (slot != PL_NO_SLOT && m->attrs[slot].column) {
        push_column(e, entity, &m->attrs[slot]);
        return;
    }
    pl_relation *r = pl_mapper_relation(m, t->name);
    if (r) {
        plua_predicate_relation(e, entity, r);
        return;
    }
    int top = lua_gettop(L);
    plua_push_model(L, m);
    lua_getiuservalue(L, -1, PLUA_MODEL_MEMBERS);
    bool known = lua_istable(L, -1) && lua_getfield(L, -1, t->name) != LUA_TNIL;
    lua_settop(L, top + 1);
    if (!known)
        no_attribute(e, t, m);
    if (entity->source)
        plua_predicate_fail(e, t, "compare the columns it is made of",
                            "%s.%s is computed and cannot be read behind a relationship",
                            m->name, t->name);
    lua_pushstring(L, t->name);
    plua_class_attr(L, top + 1, top + 2);
    if (!plua_pnode(L, -1))
        plua_predicate_fail(e, t, NULL, "%s.%s is no column or relationship", m->name,
                            t->name);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

/* The value on top, indexed by the key pushed over it; both are replaced. */
static void index_value(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    const pl_node *n = plua_pnode(L, -2);
    if (n && pl_type_storage(pl_node_type(n))->kind != PL_K_JSON)
        plua_predicate_fail(e, t, NULL, "%s has no fields", plua_node_name(L, n));
    if (plua_test_relattr(L, -2))
        plua_predicate_fail(e, t, "ask list:any(function(item) return ... end)",
                            "a list has no attributes of its own");
    if (n || lua_istable(L, -2) || lua_isuserdata(L, -2)) {
        lua_gettable(L, -2);
        lua_remove(L, -2);
        return;
    }
    plua_predicate_fail(e, t, NULL, "attempt to index a %s value", luaL_typename(L, -2));
}

static void field(plua_peval *e, const plua_ptree *t) {
    const plua_pentity *entity = plua_predicate_entity(e, t->a);
    if (entity) {
        attribute(e, t, entity);
        return;
    }
    plua_predicate_value(e, t->a);
    lua_pushstring(e->L, t->name);
    index_value(e, t);
}

static void item(plua_peval *e, const plua_ptree *t) {
    if (plua_predicate_entity(e, t->a))
        plua_predicate_fail(e, t, "write row.name", "attributes are named, not indexed");
    plua_predicate_value(e, t->a);
    plua_predicate_value(e, t->b);
    if (plua_pnode(e->L, -1))
        plua_predicate_fail(e, t, NULL, "an expression is no key");
    index_value(e, t);
}

static void upvalue(plua_peval *e, const plua_ptree *t) {
    if (!lua_getupvalue(e->L, e->function, t->number))
        lua_pushnil(e->L);
}

static void global(plua_peval *e, const plua_ptree *t) {
    upvalue(e, t);
    lua_getfield(e->L, -1, t->name);
    lua_remove(e->L, -2);
}

/* ---- operators ---- */

static const struct {
    int kind;
    pl_op op, flipped; /* with the sides exchanged */
    int lua;           /* of lua_compare; the sides are exchanged for > and >= */
    const char *method;
} comparisons[] = {{PLUA_W_EQ, PL_OP_EQ, PL_OP_EQ, LUA_OPEQ, "eq"},
                   {PLUA_W_NE, PL_OP_NE, PL_OP_NE, LUA_OPEQ, "ne"},
                   {'<', PL_OP_LT, PL_OP_GT, LUA_OPLT, "lt"},
                   {PLUA_W_LE, PL_OP_LE, PL_OP_GE, LUA_OPLE, "le"},
                   {'>', PL_OP_GT, PL_OP_LT, LUA_OPLT, "gt"},
                   {PLUA_W_GE, PL_OP_GE, PL_OP_LE, LUA_OPLE, "ge"}};

static int comparison_of(int kind) {
    for (int i = 0; i < (int)(sizeof comparisons / sizeof comparisons[0]); i++) {
        if (comparisons[i].kind == kind)
            return i;
    }
    return -1;
}

/* Calls what is below its n arguments; an error becomes one at the place of the call. */
static void call_at(plua_peval *e, const plua_ptree *t, int n) {
    lua_State *L = e->L;
    int status = lua_pcall(L, n, 1, 0);
    if (status == LUA_OK)
        return;
    if (status == LUA_ERRMEM)
        lua_error(L);
    if (lua_istable(L, -1))
        lua_getfield(L, -1, "message");
    const char *message = lua_tostring(L, -1);
    plua_predicate_fail(e, t, NULL, "%s", message ? message : "the call failed");
}

void plua_predicate_call(plua_peval *e, const plua_ptree *t, int n) {
    lua_State *L = e->L;
    int status = lua_pcall(L, n, 1, 0);
    if (status == LUA_OK)
        return;
    if (status == LUA_ERRMEM || !lua_istable(L, -1))
        lua_error(L);
    lua_pushfstring(L, "%s:%d:%d: ", e->chunk, t->line, t->column);
    lua_getfield(L, -2, "message");
    if (lua_isstring(L, -1)) {
        lua_concat(L, 2);
        lua_setfield(L, -2, "message");
    } else {
        lua_pop(L, 2);
    }
    lua_error(L);
}

enum { PLAIN_CONCAT = 100, PLAIN_LENGTH, PLAIN_COMPARE };

/* An operator of Lua on plain values: its number, then the operands. */
static int plain_operator(lua_State *L) {
    int op = (int)lua_tointeger(L, 1);
    if (op == PLAIN_CONCAT)
        lua_concat(L, 2);
    else if (op == PLAIN_LENGTH)
        lua_len(L, 2);
    else if (op >= PLAIN_COMPARE)
        lua_pushboolean(L, lua_compare(L, 2, 3, op - PLAIN_COMPARE));
    else
        lua_arith(L, op);
    return 1;
}

/* Pushes what the operator gives for the values at a and b (0: it has one operand). */
static void push_plain(plua_peval *e, const plua_ptree *t, int op, int a, int b) {
    lua_State *L = e->L;
    lua_pushcfunction(L, plain_operator);
    lua_pushinteger(L, op);
    lua_pushvalue(L, a);
    if (b)
        lua_pushvalue(L, b);
    call_at(e, t, b ? 3 : 2);
}

static void compare_plain(plua_peval *e, const plua_ptree *t, int k, int a, int b) {
    lua_State *L = e->L;
    bool result;
    if (comparisons[k].lua == LUA_OPEQ) {
        result = lua_compare(L, a, b, LUA_OPEQ) == (t->op == PLUA_W_EQ);
    } else {
        int ta = lua_type(L, a), tb = lua_type(L, b);
        bool fits = ta == tb && (ta == LUA_TNUMBER || ta == LUA_TSTRING ||
                                 ta == LUA_TUSERDATA || ta == LUA_TTABLE);
        if (!fits)
            plua_predicate_fail(e, t, NULL, "attempt to compare %s with %s",
                                plua_typename(L, a), plua_typename(L, b));
        bool swap = t->op == '>' || t->op == PLUA_W_GE;
        push_plain(e, t, PLAIN_COMPARE + comparisons[k].lua, swap ? b : a, swap ? a : b);
        return;
    }
    lua_pushboolean(L, result);
}

/* A relationship compared with an object or nil. */
static void compare_relation(plua_peval *e, const plua_ptree *t, int k, int rel,
                             int other) {
    lua_State *L = e->L;
    if (comparisons[k].lua != LUA_OPEQ)
        plua_predicate_fail(e, t, NULL, "related objects have no order");
    lua_getfield(L, rel, comparisons[k].method);
    lua_pushvalue(L, rel);
    lua_pushvalue(L, other);
    plua_predicate_call(e, t, 2);
}

/* Arguments: the operator, both operands, and the method's name for messages. */
static int sql_compare(lua_State *L) {
    plua_compare(L, (pl_op)lua_tointeger(L, 1), 2, 3, lua_tostring(L, 4));
    return 1;
}

static int sql_arithmetic(lua_State *L) {
    plua_arithmetic(L, (pl_op)lua_tointeger(L, 1), 2, 3);
    return 1;
}

/* Pushes the expression of an operator on the values at a and b; method NULL: none. */
static void push_sql(plua_peval *e, const plua_ptree *t, pl_op op, int a, int b,
                     const char *method) {
    lua_State *L = e->L;
    lua_pushcfunction(L, method ? sql_compare : sql_arithmetic);
    lua_pushinteger(L, op);
    lua_pushvalue(L, a);
    lua_pushvalue(L, b);
    lua_pushstring(L, method);
    plua_predicate_call(e, t, 4);
}

static void compare(plua_peval *e, const plua_ptree *t, int k) {
    lua_State *L = e->L;
    plua_predicate_value(e, t->a);
    plua_predicate_value(e, t->b);
    int b = lua_gettop(L), a = b - 1;
    if (plua_test_relattr(L, a)) {
        compare_relation(e, t, k, a, b);
    } else if (plua_test_relattr(L, b)) {
        compare_relation(e, t, k, b, a);
    } else if (!plua_pnode(L, a) && !plua_pnode(L, b)) {
        compare_plain(e, t, k, a, b);
    } else {
        bool flip = !plua_pnode(L, a);
        int value = flip ? a : b;
        if (lua_isnil(L, value) && comparisons[k].lua != LUA_OPEQ)
            plua_predicate_fail(e, t, "test for nil before: limit == nil or ...",
                                "attempt to compare with nil");
        push_sql(e, t, flip ? comparisons[k].flipped : comparisons[k].op, flip ? b : a,
                 value, comparisons[k].method);
    }
    lua_replace(L, a);
    lua_settop(L, a);
}

static const struct {
    int kind;
    pl_op op; /* PL_OP_CUSTOM: not with columns */
    int lua;
} arithmetics[] = {{'+', PL_OP_ADD, LUA_OPADD},
                   {'-', PL_OP_SUB, LUA_OPSUB},
                   {'*', PL_OP_MUL, LUA_OPMUL},
                   {'/', PL_OP_DIV, LUA_OPDIV},
                   {PLUA_W_IDIV, PL_OP_FLOORDIV, LUA_OPIDIV},
                   {'%', PL_OP_MOD, LUA_OPMOD},
                   {'^', PL_OP_CUSTOM, LUA_OPPOW},
                   {'&', PL_OP_CUSTOM, LUA_OPBAND},
                   {'|', PL_OP_CUSTOM, LUA_OPBOR},
                   {'~', PL_OP_CUSTOM, LUA_OPBXOR},
                   {PLUA_W_SHL, PL_OP_CUSTOM, LUA_OPSHL},
                   {PLUA_W_SHR, PL_OP_CUSTOM, LUA_OPSHR}};

static const char *what_is(lua_State *L, int idx) {
    return plua_test_relattr(L, idx) ? "a relationship" : plua_typename(L, idx);
}

/* Operands of arithmetic: numbers, strings, values with operators, columns. */
static void check_operand(plua_peval *e, const plua_ptree *t, int idx) {
    lua_State *L = e->L;
    int type = lua_type(L, idx);
    if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TTABLE ||
        type == LUA_TFUNCTION || plua_test_relattr(L, idx))
        plua_predicate_fail(e, t, NULL, "attempt to calculate with %s", what_is(L, idx));
}

static void arithmetic(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    size_t k = 0;
    while (arithmetics[k].kind != t->op)
        k++;
    plua_predicate_value(e, t->a);
    plua_predicate_value(e, t->b);
    int b = lua_gettop(L), a = b - 1;
    check_operand(e, t, a);
    check_operand(e, t, b);
    if (!plua_pnode(L, a) && !plua_pnode(L, b)) {
        push_plain(e, t, arithmetics[k].lua, a, b);
        lua_replace(L, a);
        lua_settop(L, a);
        return;
    }
    if (arithmetics[k].op == PL_OP_CUSTOM)
        plua_predicate_fail(e, t, "conditions are joined by and, or, not",
                            "this operator cannot be turned into SQL");
    push_sql(e, t, arithmetics[k].op, a, b, NULL);
    lua_replace(L, a);
    lua_settop(L, a);
}

static void concatenation(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    plua_predicate_value(e, t->a);
    plua_predicate_value(e, t->b);
    int b = lua_gettop(L), a = b - 1;
    check_operand(e, t, a);
    check_operand(e, t, b);
    if (!plua_pnode(L, a) && !plua_pnode(L, b)) {
        push_plain(e, t, PLAIN_CONCAT, a, b);
        lua_replace(L, a);
        lua_settop(L, a);
        return;
    }
    push_sql(e, t, PL_OP_CONCAT, a, b, NULL);
    lua_replace(L, a);
    lua_settop(L, a);
}

/* Replaces the expression on top by a function of it and of n values above it. */
static void call_sql(lua_State *L, const char *name, int n, pl_kind kind) {
    int first = lua_gettop(L) - n;
    size_t extra = (size_t)n * pl_node_size(0);
    pl_node *f =
        plua_node_block(L, PLUA_EXPRESSION, PL_N_FUNC, (uint32_t)n + 1, extra, n + 1);
    void *space = plua_node_extra(f);
    pl_node_set_text(f, name);
    f->type = pl_type_plain(kind);
    for (int i = 0; i <= n; i++)
        plua_set_operand(L, f, (uint32_t)i, first + i, plua_operand(L, first + i), NULL,
                         NULL, &space);
    lua_replace(L, first);
    lua_settop(L, first);
}

static void unary(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    plua_predicate_value(e, t->a);
    int a = lua_gettop(L);
    const pl_node *n = plua_pnode(L, a);
    if (t->op == '#') {
        if (n) {
            call_sql(L, "length", 0, PL_K_INTEGER);
        } else if (plua_test_relattr(L, a)) {
            plua_predicate_count(e);
        } else {
            if (!lua_isstring(L, a) && !lua_istable(L, a) && !lua_isuserdata(L, a))
                plua_predicate_fail(e, t, NULL, "attempt to get the length of %s",
                                    what_is(L, a));
            push_plain(e, t, PLAIN_LENGTH, a, 0);
            lua_remove(L, a);
        }
        return;
    }
    check_operand(e, t, a);
    if (!n) {
        push_plain(e, t, t->op == '-' ? LUA_OPUNM : LUA_OPBNOT, a, 0);
        lua_remove(L, a);
        return;
    }
    if (t->op == '~')
        plua_predicate_fail(e, t, "write not ...", "'~' cannot be turned into SQL");
    plua_unary(L, PL_N_UNARY, a, NULL, 0)->op = PL_OP_NEG;
    lua_remove(L, a);
}

/* ---- calls ---- */

/* Pushes the arguments of a call; a function among them is refused. */
static int push_arguments(plua_peval *e, const plua_ptree *t) {
    luaL_checkstack(e->L, (int)t->nlist + 20, "predicate");
    for (size_t i = 0; i < t->nlist; i++)
        plua_predicate_value(e, t->list[i]);
    return (int)t->nlist;
}

static int get_field(lua_State *L) {
    lua_gettable(L, 1);
    return 1;
}

static bool has_node(lua_State *L, int first, int last) {
    for (int i = first; i <= last; i++)
        if (plua_pnode(L, i) || plua_test_relattr(L, i))
            return true;
    return false;
}

/* Whether a tree speaks of a row, so that its value is in the database. */
static bool mentions_row(const plua_ptree *t) {
    if (!t)
        return false;
    for (size_t i = 0; i < t->nlist; i++) {
        if (mentions_row(t->list[i]))
            return true;
    }
    return t->kind == PLUA_P_ROW || mentions_row(t->a) || mentions_row(t->b);
}

/* Whether one of the n arguments on top is, or is a table with, what is in the database.
 */
static bool takes_sql(plua_peval *e, const plua_ptree *t, int n) {
    int top = lua_gettop(e->L);
    for (size_t i = 0; i < t->nlist; i++) {
        if (t->list[i]->kind == PLUA_P_TABLE && mentions_row(t->list[i]))
            return true;
    }
    return has_node(e->L, top - n + 1, top);
}

/* Whether the userdata at idx is of a class of the library. */
static bool is_object(lua_State *L, int idx) {
    if (!lua_isuserdata(L, idx) || luaL_getmetafield(L, idx, "__name") == LUA_TNIL)
        return false;
    const char *name = lua_tostring(L, -1);
    bool ours = name && strncmp(name, "perilune.", 9) == 0;
    lua_pop(L, 1);
    return ours;
}

/* Whether the value at idx is one of the library's: db.func.name, db.and_, ... */
static bool is_ours(lua_State *L, int idx) {
    int top = lua_gettop(L);
    bool found = is_object(L, idx) && !plua_test(L, idx, PLUA_MODEL);
    idx = lua_absindex(L, idx);
    plua_shared(L);
    lua_getfield(L, -1, "namespace");
    lua_pushnil(L);
    while (!found && lua_next(L, top + 2)) {
        found = lua_rawequal(L, -1, idx);
        lua_pop(L, 1);
    }
    lua_settop(L, top);
    return found;
}

static __attribute__((noreturn)) void takes_values(plua_peval *e, const plua_ptree *t) {
    plua_predicate_fail(e, t, "SQL functions are db.func.name(...)",
                        "this function takes values, not what is in the database");
}

static void call_function(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    plua_predicate_value(e, t->a);
    int called = lua_gettop(L);
    bool function = lua_iscfunction(L, -1);
    if (luaL_getmetafield(L, -1, "__call") != LUA_TNIL) {
        function = lua_iscfunction(L, -1);
        lua_pop(L, 1);
    }
    if (!function)
        plua_predicate_fail(e, t,
                            "compute the value before, local x = f(...), and compare "
                            "with x; SQL functions are db.func.name(...)",
                            "a Lua function cannot be called in SQL");
    int n = push_arguments(e, t);
    bool sql = takes_sql(e, t, n);
    if (sql && !is_ours(L, called))
        takes_values(e, t);
    call_at(e, t, n);
    if (sql && !plua_pnode(L, -1))
        takes_values(e, t);
}

/* Lua's string methods that SQL has, on a column; n arguments above it. */
static bool string_method(plua_peval *e, const plua_ptree *t, int n) {
    lua_State *L = e->L;
    if (n == 0 && strcmp(t->name, "upper") == 0) {
        call_sql(L, "upper", 0, PL_K_TEXT);
    } else if (n == 0 && strcmp(t->name, "lower") == 0) {
        call_sql(L, "lower", 0, PL_K_TEXT);
    } else if (n == 0 && strcmp(t->name, "len") == 0) {
        call_sql(L, "length", 0, PL_K_INTEGER);
    } else if (strcmp(t->name, "sub") == 0) {
        lua_Integer i = lua_isinteger(L, -n) && n > 0 ? lua_tointeger(L, -n) : 0;
        bool to = n == 2 && lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 0;
        if (i < 1 || (n == 2 && !to) || n > 2)
            plua_predicate_fail(e, t, NULL, "sub on a column takes positions from 1 on");
        if (to) { /* SQL wants the length */
            lua_Integer len = lua_tointeger(L, -1) - i + 1;
            lua_pop(L, 1);
            lua_pushinteger(L, len < 0 ? 0 : len);
        }
        call_sql(L, "substr", n, PL_K_TEXT);
    } else {
        return false;
    }
    return true;
}

static bool is_relation_question(const char *name) {
    return strcmp(name, "any") == 0 || strcmp(name, "has") == 0;
}

static void method(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    const plua_pentity *entity = plua_predicate_entity(e, t->a);
    if (t->a->kind == PLUA_P_ROW || (entity && !is_relation_question(t->name)))
        plua_predicate_fail(e, t, "write what the method compares, or use a db.hybrid",
                            "methods of a model cannot be turned into SQL");
    plua_predicate_value(e, t->a);
    int object = lua_gettop(L);
    const pl_node *n = plua_pnode(L, object);
    bool relation = plua_test_relattr(L, object) != NULL;
    if (relation && is_relation_question(t->name) && t->nlist == 1 &&
        t->list[0]->kind == PLUA_P_FUNCTION) {
        plua_predicate_exists(e, t->list[0]);
        return;
    }
    if (!n && !relation && !lua_isstring(L, object) && !lua_isuserdata(L, object))
        plua_predicate_fail(e, t, "compute the value before and compare with it",
                            "a method of a %s cannot be called in SQL",
                            luaL_typename(L, object));
    if (n && strcmp(t->name, "match") == 0)
        plua_predicate_fail(e, t, "use regexp, like, startswith, endswith or contains",
                            "SQL does not have Lua's patterns");
    if (n && string_method(e, t, push_arguments(e, t)))
        return;
    lua_settop(L, object);
    lua_pushcfunction(L, get_field);
    lua_pushvalue(L, object);
    lua_pushstring(L, t->name);
    call_at(e, t, 2);
    if (!lua_iscfunction(L, -1))
        plua_predicate_fail(e, t, NULL, "there is no method '%s' that SQL has", t->name);
    lua_pushvalue(L, object);
    int count = push_arguments(e, t);
    if (!n && !relation && !is_object(L, object) && takes_sql(e, t, count))
        takes_values(e, t);
    call_at(e, t, count + 1);
    lua_remove(L, object);
}

static void table(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    lua_Integer n = 0;
    lua_createtable(L, (int)t->nlist, 0);
    for (size_t i = 0; i < t->nlist; i++) {
        const plua_ptree *entry = t->list[i];
        if (entry->a) {
            plua_predicate_value(e, entry->a);
            plua_predicate_value(e, entry->b);
            lua_rawset(L, -3);
        } else {
            plua_predicate_value(e, entry->b);
            lua_rawseti(L, -2, ++n);
        }
    }
}

/* ---- all of it ---- */

void plua_predicate_value(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    luaL_checkstack(L, 30, "predicate");
    int k;
    switch (t->kind) {
    case PLUA_P_NIL: lua_pushnil(L); break;
    case PLUA_P_TRUE: lua_pushboolean(L, 1); break;
    case PLUA_P_FALSE: lua_pushboolean(L, 0); break;
    case PLUA_P_CONSTANT: lua_rawgeti(L, e->constants, t->number); break;
    case PLUA_P_UPVALUE: upvalue(e, t); break;
    case PLUA_P_GLOBAL: global(e, t); break;
    case PLUA_P_FIELD: field(e, t); break;
    case PLUA_P_INDEX: item(e, t); break;
    case PLUA_P_CALL: call_function(e, t); break;
    case PLUA_P_METHOD: method(e, t); break;
    case PLUA_P_UNARY: unary(e, t); break;
    case PLUA_P_TABLE: table(e, t); break;
    case PLUA_P_AND:
    case PLUA_P_OR: plua_predicate_choice(e, t); break;
    case PLUA_P_NOT: plua_predicate_condition(e, t); break;
    case PLUA_P_BINARY:
        k = comparison_of(t->op);
        if (k >= 0)
            compare(e, t, k);
        else if (t->op == PLUA_W_CONCAT)
            concatenation(e, t);
        else
            arithmetic(e, t);
        break;
    case PLUA_P_ROW:
        plua_predicate_fail(e, t, "compare its key: u.id == user.id",
                            "the row itself is no value");
    default: plua_predicate_fail(e, t, NULL, "this cannot be turned into SQL");
    }
}
