/* SPDX-License-Identifier: MIT */
/*
** relattr.c - relationships at class level: User.posts:any(...), Post.user:eq(alice).
**
** any and has become EXISTS over the target (exists.c). Comparisons with an object take
** the object's key values as they are now. All nodes of such a condition live in one
** arena that its EXISTS (or AND) keeps.
*/
#include "userdata/relattr.h"
#include "userdata/alias.h"
#include "userdata/clause.h"
#include "userdata/exists.h"
#include "userdata/expression.h"
#include "userdata/filter.h"
#include "userdata/instance.h"
#include "userdata/null.h"
#include "userdata/predicate.h"

#include <string.h>

enum { VALUE_OWNER = 1, VALUE_TYPE, VALUE_CRITERIA };

/* ---- the class ---- */

void plua_push_relattr(lua_State *L, pl_relation *r, pl_mapper *m, pl_node *source,
                       int owner) {
    owner = lua_absindex(L, owner);
    plua_relattr *a = lua_newuserdatauv(L, sizeof *a, VALUE_CRITERIA);
    *a = (plua_relattr){.relation = r, .mapper = m, .source = source};
    luaL_setmetatable(L, PLUA_RELATION);
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, VALUE_OWNER);
}

void plua_push_relation_attr(lua_State *L, pl_relation *r, int source, int owner) {
    const plua_model *model = plua_test_model(L, owner);
    const plua_alias *alias = model ? NULL : plua_test_alias(L, owner);
    pl_mapper *m = model ? model->mapper : alias ? alias->mapper : r->mapper;
    plua_push_relattr(L, r, m, source ? lua_touserdata(L, source) : NULL, owner);
}

plua_relattr *plua_test_relattr(lua_State *L, int idx) {
    return lua_type(L, idx) == LUA_TUSERDATA ? plua_test(L, idx, PLUA_RELATION) : NULL;
}

static plua_relattr *self_relation(lua_State *L, const char *method) {
    plua_relattr *a = plua_checkself(L, PLUA_RELATION, method);
    if (!a->relation->configured)
        plua_configure(L, plua_db_of(a->relation->mapper->tables[0].table->metadata));
    return a;
}

static const char *relation_name(lua_State *L, const plua_relattr *a) {
    return lua_pushfstring(L, "%s.%s", a->mapper->name, a->relation->name);
}

static void check_memory(lua_State *L, const void *p) {
    if (!p)
        plua_nomem(L);
}

/* ---- EXISTS ---- */

/* The argument at idx as a condition over the target: an expression, a table of names and
** values, a function. It is replaced by the node. */
static pl_node *target_condition(plua_exists *w, int idx) {
    lua_State *L = w->L;
    if (lua_type(L, idx) == LUA_TTABLE) {
        plua_names names = {.mapper = w->target, .source = w->source};
        plua_push_equalities(L, PL_N_AND, 0, idx, &names, w->r->uselist ? "any" : "has");
        lua_replace(L, idx);
        return lua_touserdata(L, idx);
    }
    if (lua_type(L, idx) == LUA_TFUNCTION) {
        plua_predicate(L, idx, w->target, w->source);
        lua_replace(L, idx);
        return lua_touserdata(L, idx);
    }
    pl_node *n = plua_tocondition(L, idx);
    return w->attr->of_source ? n : plua_exists_turned(w, n);
}

static int exists(lua_State *L, const plua_relattr *attr) {
    plua_exists w;
    int top = lua_gettop(L);
    plua_exists_init(&w, L, attr);
    plua_exists_target(&w);
    plua_exists_select(&w);
    for (int i = 2; i <= top; i++)
        plua_exists_clause(&w, PL_N_WHERE, target_condition(&w, i));
    plua_exists_finish(&w);
    plua_exists_push(&w, top + 1, 1, top, false);
    return 1;
}

/*** Whether a list has an object that meets the conditions.
@function Relationship:any
@param[opt] condition ... expressions, or a table of names and values
@treturn Expression */
static int relation_any(lua_State *L) {
    const plua_relattr *a = self_relation(L, "any");
    if (!a->relation->uselist)
        plua_raise(L, PL_EINVALID, "%s leads to one object: use has(...)",
                   relation_name(L, a));
    return exists(L, a);
}

/*** Whether the related object is there and meets the conditions.
@function Relationship:has
@param[opt] condition ...
@treturn Expression */
static int relation_has(lua_State *L) {
    const plua_relattr *a = self_relation(L, "has");
    if (a->relation->uselist)
        plua_raise(L, PL_EINVALID, "%s leads to a list: use any(...)",
                   relation_name(L, a));
    return exists(L, a);
}

/* ---- comparisons with objects ---- */

/* A literal of the value that an object has in a slot, in the arena. */
static pl_node *object_value(plua_exists *w, int idx, uint16_t slot) {
    lua_State *L = w->L;
    pl_object *o = lua_touserdata(L, idx);
    if (slot == PL_NO_SLOT)
        plua_raise(L, PL_EINVALID, "%s cannot be compared with an object",
                   relation_name(L, w->attr));
    if (o->slots[slot].tag == PL_UNSET && pl_object_attached(o))
        plua_instance_load(L, idx, o, slot);
    pl_slot v = o->slots[slot];
    if (v.tag == PL_UNSET || v.tag == PL_NULL || v.tag == PL_EXPR)
        plua_raise_hint(L, PL_EINVALID, "flush the session first",
                        "%s: the object has no value for %s yet",
                        relation_name(L, w->attr), o->mapper->attrs[slot].name);
    if (v.tag == PL_TEXT || v.tag == PL_BLOB)
        v.v.s = pl_arena_copy(w->a, v.v.s, v.len);
    pl_node *n = pl_node_literal(w->a, o->mapper->attrs[slot].type, v);
    check_memory(L, n);
    return n;
}

static void check_object(plua_exists *w, int idx) {
    const pl_object *o = plua_check_instance(w->L, idx);
    if (!pl_mapper_is(o->mapper, w->r->target))
        plua_raise(w->L, PL_EARGUMENT, "%s leads to %s, got a %s",
                   relation_name(w->L, w->attr), w->r->target->name, o->mapper->name);
}

static pl_node *compared(plua_exists *w, pl_op op, const pl_column *c, pl_node *value) {
    pl_node *column = pl_node_column(w->a, c, w->attr->source);
    pl_node *n = pl_node_binary(w->a, op, column, value);
    check_memory(w->L, n);
    return n;
}

static pl_node *null_node(plua_exists *w) {
    pl_node *n = pl_node_new(w->a, PL_N_NULL, 0);
    check_memory(w->L, n);
    return n;
}

/* Every pair's own column equals the other side's value in the object at idx. */
static pl_node *pairs_equal(plua_exists *w, int idx) {
    pl_node *all = NULL;
    for (size_t i = 0; i < w->r->npairs; i++) {
        const pl_pair *p = &w->r->pairs[i];
        pl_node *value = object_value(w, idx, p->remote_slot);
        all = pl_node_and(w->a, all, compared(w, PL_OP_EQ, p->local, value));
        check_memory(w->L, all);
    }
    return all;
}

/* Some pair's own column is not (the object's value, or, without one, NULL). */
static pl_node *pairs_differ(plua_exists *w, int idx) {
    pl_node *any = pl_node_new(w->a, PL_N_OR, (uint32_t)w->r->npairs * 2);
    check_memory(w->L, any);
    for (size_t i = 0; i < w->r->npairs; i++) {
        const pl_pair *p = &w->r->pairs[i];
        pl_node *value = object_value(w, idx, p->remote_slot);
        any->kids[2 * i] = compared(w, PL_OP_NE, p->local, value);
        any->kids[2 * i + 1] = compared(w, PL_OP_IS, p->local, null_node(w));
    }
    return any;
}

static pl_node *pairs_null(plua_exists *w, pl_op op) {
    pl_node *all = NULL;
    for (size_t i = 0; i < w->r->npairs; i++) {
        pl_node *one = compared(w, op, w->r->pairs[i].local, null_node(w));
        all = pl_node_and(w->a, all, one);
        check_memory(w->L, all);
    }
    return all;
}

/* EXISTS of the link's row to the object, or of the object itself as target. */
static void exists_object(plua_exists *w, int idx) {
    plua_exists_target(w);
    plua_exists_select(w);
    const pl_mapper *m = w->r->target;
    for (uint16_t i = 0; i < m->npk; i++) {
        pl_node *key = pl_node_column(w->a, m->attrs[m->pk[i]].column, w->source);
        pl_node *n = pl_node_binary(w->a, PL_OP_EQ, key, object_value(w, idx, m->pk[i]));
        plua_exists_clause(w, PL_N_WHERE, n);
    }
    plua_exists_finish(w);
}

/* EXISTS (SELECT 1 FROM link WHERE join AND link's far columns = the object's key). */
static void exists_link(plua_exists *w, int idx) {
    w->link = NULL;
    w->from = pl_node_table(w->a, w->r->secondary);
    pl_node *one = pl_node_new(w->a, PL_N_TEXT, 0), *far = NULL;
    w->stmt = pl_node_new(w->a, PL_N_SELECT, 1);
    check_memory(w->L, one && w->from && w->stmt ? one : NULL);
    pl_node_set_text(one, "1");
    w->stmt->kids[0] = one;
    plua_exists_clause(w, PL_N_FROM, w->from);
    pl_node *on = pl_relation_on(w->a, w->r, w->attr->source, NULL, NULL, &far);
    check_memory(w->L, on);
    plua_exists_clause(w, PL_N_WHERE, on);
    for (size_t i = 0; i < w->r->nfar_pairs; i++) {
        const pl_pair *p = &w->r->far_pairs[i];
        pl_node *column = pl_node_column(w->a, p->remote, NULL);
        uint16_t slot = pl_mapper_column_slot(w->r->target, p->local);
        pl_node *n = pl_node_binary(w->a, PL_OP_EQ, column, object_value(w, idx, slot));
        plua_exists_clause(w, PL_N_WHERE, n);
    }
    plua_exists_finish(w);
}

/* Pushes the node as an expression that keeps the arena at `arena` alive: a wrapper
** around one that cannot be userdata itself. */
static int push_condition(lua_State *L, pl_node *n, int arena) {
    pl_node *wrapper = plua_node_block(L, PLUA_EXPRESSION, PL_N_AND, 1, 0, 2);
    wrapper->kids[0] = n;
    lua_pushvalue(L, arena);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 2);
    return 1;
}

/* Whether own columns alone tell: a plain many-to-one, or one-to-many by simple keys. */
static bool is_by_columns(const pl_relation *r) {
    return !r->secondary && r->simple && r->npairs > 0;
}

static int equal_object(lua_State *L, const plua_relattr *attr) {
    plua_exists w;
    lua_settop(L, 2);
    plua_exists_init(&w, L, attr);
    check_object(&w, 2);
    if (is_by_columns(w.r) && !attr->criteria)
        return push_condition(L, pairs_equal(&w, 2), 3);
    if (w.r->secondary && w.r->simple && !attr->criteria && !attr->of_type)
        exists_link(&w, 2);
    else
        exists_object(&w, 2);
    plua_exists_push(&w, 3, 1, 2, false);
    return 1;
}

/* IS NULL and its contrary: by own columns for many-to-one, else by EXISTS. */
static int compare_nil(lua_State *L, const plua_relattr *attr, bool is_nil) {
    plua_exists w;
    lua_settop(L, 1);
    plua_exists_init(&w, L, attr);
    if (w.r->direction == PL_MANY_TO_ONE && is_by_columns(w.r))
        return push_condition(L, pairs_null(&w, is_nil ? PL_OP_IS : PL_OP_IS_NOT), 2);
    plua_exists_target(&w);
    plua_exists_select(&w);
    plua_exists_finish(&w);
    plua_exists_push(&w, 2, 1, 1, is_nil);
    return 1;
}

static void need_object(lua_State *L, const char *method) {
    if (lua_gettop(L) < 2)
        plua_raise(L, PL_EARGUMENT, "'%s' expects an object or nil, got no argument",
                   method);
}

/*** Whether a list has the object.
@function Relationship:contains
@param object
@treturn Expression */
static int relation_contains(lua_State *L) {
    const plua_relattr *a = self_relation(L, "contains");
    need_object(L, "contains");
    if (!a->relation->uselist)
        plua_raise(L, PL_EINVALID, "%s leads to one object: use eq(object)",
                   relation_name(L, a));
    return equal_object(L, a);
}

/*** Whether the related object is this one; with nil, whether there is none.
@function Relationship:eq
@param object an object or nil
@treturn Expression */
static int relation_eq(lua_State *L) {
    const plua_relattr *a = self_relation(L, "eq");
    need_object(L, "eq");
    if (lua_isnil(L, 2) || plua_is_null(L, 2))
        return compare_nil(L, a, true);
    if (a->relation->uselist)
        plua_raise(L, PL_EINVALID, "%s leads to a list: use contains(object)",
                   relation_name(L, a));
    return equal_object(L, a);
}

/*** The contrary of eq.
@function Relationship:ne
@param object an object or nil
@treturn Expression */
static int relation_ne(lua_State *L) {
    const plua_relattr *a = self_relation(L, "ne");
    need_object(L, "ne");
    if (lua_isnil(L, 2) || plua_is_null(L, 2))
        return compare_nil(L, a, false);
    if (a->relation->direction == PL_MANY_TO_ONE && is_by_columns(a->relation)) {
        plua_exists w;
        lua_settop(L, 2);
        plua_exists_init(&w, L, a);
        check_object(&w, 2);
        return push_condition(L, pairs_differ(&w, 2), 3);
    }
    equal_object(L, a);
    plua_negate(L, -1);
    return 1;
}

/*** is(nil): there is no related object.
@function Relationship:is
@param value nil
@treturn Expression */
static int relation_is(lua_State *L) {
    return relation_eq(L);
}

/*** is_not(nil): there is a related object.
@function Relationship:is_not
@param value nil
@treturn Expression */
static int relation_is_not(lua_State *L) {
    return relation_ne(L);
}

/* ---- variants ---- */

static plua_relattr *push_copy(lua_State *L, const plua_relattr *a) {
    plua_relattr *copy = lua_newuserdatauv(L, sizeof *copy, VALUE_CRITERIA);
    *copy = *a;
    luaL_setmetatable(L, PLUA_RELATION);
    for (int i = VALUE_OWNER; i <= VALUE_CRITERIA; i++) {
        lua_getiuservalue(L, 1, i);
        lua_setiuservalue(L, -2, i);
    }
    return copy;
}

/*** The relationship to a subclass or an alias of its target.
@function Relationship:of_type
@param target a model or alias
@treturn Relationship */
static int relation_of_type(lua_State *L) {
    const plua_relattr *a = self_relation(L, "of_type");
    const plua_model *model = plua_test_model(L, 2);
    const plua_alias *alias = model ? NULL : plua_test_alias(L, 2);
    pl_mapper *m = model ? model->mapper : alias ? alias->mapper : NULL;
    if (!m ||
        !(pl_mapper_is(m, a->relation->target) || pl_mapper_is(a->relation->target, m)))
        plua_raise(L, PL_EARGUMENT, "of_type expects %s, a subclass or an alias of it",
                   a->relation->target->name);
    plua_relattr *copy = push_copy(L, a);
    copy->of_type = m;
    copy->of_source = alias ? alias->source : NULL;
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, VALUE_TYPE);
    return 1;
}

/*** The relationship with a further condition, for joins and loader options.
@function Relationship:and_
@tparam Expression condition ...
@treturn Relationship */
static int relation_and(lua_State *L) {
    const plua_relattr *a = self_relation(L, "and_");
    if (lua_gettop(L) < 2)
        plua_raise(L, PL_EARGUMENT, "and_ expects a condition");
    plua_tocondition(L, 2);
    while (lua_gettop(L) > 2) {
        plua_junction(L, PL_N_AND, 2, 3);
        lua_replace(L, 2);
        lua_remove(L, 3);
    }
    if (a->criteria) {
        lua_getiuservalue(L, 1, VALUE_CRITERIA);
        plua_junction(L, PL_N_AND, 3, 2);
        lua_replace(L, 2);
        lua_settop(L, 2);
    }
    push_copy(L, a)->criteria = lua_touserdata(L, 2);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, VALUE_CRITERIA);
    return 1;
}

/* Upvalue: the methods. */
static int relation_index(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    const plua_relattr *a = luaL_checkudata(L, 1, PLUA_RELATION);
    const char *name = luaL_tolstring(L, 2, NULL);
    const char *target = a->relation->target ? a->relation->target->name : "the target";
    const char *hint =
        lua_pushfstring(L,
                        "join it and name the attribute by its model: "
                        "query:join(%s.%s):where(%s.%s ...), or %s.%s:any{%s = ...}",
                        a->mapper->name, a->relation->name, target, name, a->mapper->name,
                        a->relation->name, name);
    plua_raise_hint(L, PL_EATTRIBUTE, hint,
                    "%s is a relationship, which has no attribute or method '%s'",
                    relation_name(L, a), name);
}

static int relation_tostring(lua_State *L) {
    relation_name(L, luaL_checkudata(L, 1, PLUA_RELATION));
    return 1;
}

int plua_open_relattr(lua_State *L) {
    static const luaL_Reg methods[] = {{"any", relation_any},
                                       {"has", relation_has},
                                       {"contains", relation_contains},
                                       {"eq", relation_eq},
                                       {"ne", relation_ne},
                                       {"is", relation_is},
                                       {"is_", relation_is},
                                       {"is_not", relation_is_not},
                                       {"of_type", relation_of_type},
                                       {"and_", relation_and},
                                       {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__tostring", relation_tostring}, {NULL, NULL}};
    plua_class(L, PLUA_RELATION, meta, NULL);
    luaL_newlib(L, methods);
    lua_pushcclosure(L, relation_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_newtable(L);
    return 1;
}
