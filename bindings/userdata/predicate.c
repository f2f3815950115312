/* SPDX-License-Identifier: MIT */
/*
** predicate.c - a predicate's tree evaluated to a condition. See predicate.h.
**
** Evaluation pushes one Lua value for each tree: a plain value (constants, upvalues and
** what Lua makes of them) or an expression. Plain values fold as in Lua, so that
** `not limit or u.age < limit` leaves the condition out when there is no limit. A path
** through relationships (u.user.company.name) opens an EXISTS for each step around the
** comparison it stands in.
*/
#include "userdata/predicate.h"
#include "userdata/exists.h"
#include "userdata/expression.h"
#include "userdata/model.h"
#include "userdata/predicate_eval.h"

#include <stdarg.h>
#include <string.h>

/* ---- errors ---- */

__attribute__((noreturn)) void plua_predicate_fail(plua_peval *e, const plua_ptree *t,
                                                   const char *hint, const char *fmt,
                                                   ...) {
    va_list ap;
    lua_pushfstring(e->L, "%s:%d:%d: ", e->chunk, t->line, t->column);
    va_start(ap, fmt);
    lua_pushvfstring(e->L, fmt, ap);
    va_end(ap);
    lua_concat(e->L, 2);
    const char *message = lua_tostring(e->L, -1);
    if (hint)
        plua_raise_hint(e->L, PL_ECOMPILE, hint, "%s", message);
    plua_raise(e->L, PL_ECOMPILE, "%s", message);
}

/* ---- entities: the row, and what relationships lead to ---- */

static bool is_same_path(const plua_ptree *a, const plua_ptree *b) {
    if (a->kind != b->kind)
        return false;
    if (a->kind == PLUA_P_ROW)
        return a->number == b->number;
    return a->kind == PLUA_P_FIELD && strcmp(a->name, b->name) == 0 &&
           is_same_path(a->a, b->a);
}

/* The mapper that a path leads to, NULL when the tree is none. */
static pl_mapper *path_mapper(const plua_peval *e, const plua_ptree *t) {
    if (t->kind == PLUA_P_ROW)
        return t->number < e->nrows ? e->rows[t->number].mapper : NULL;
    if (t->kind != PLUA_P_FIELD)
        return NULL;
    pl_mapper *m = path_mapper(e, t->a);
    const pl_relation *r = m ? pl_mapper_relation(m, t->name) : NULL;
    if (!r)
        return NULL;
    if (!r->configured)
        plua_configure(e->L, plua_db_of(m->tables[0].table->metadata));
    return r->uselist ? NULL : r->target;
}

static const plua_pentity *find_open(const plua_peval *e, const plua_ptree *path) {
    if (path->kind == PLUA_P_ROW)
        return &e->rows[path->number];
    for (int i = e->nopen - 1; i >= 0; i--) {
        if (is_same_path(e->open[i].path, path))
            return &e->open[i];
    }
    return NULL;
}

/* Pushes the relationship attribute of an entity. */
static plua_relattr *push_relation(plua_peval *e, const plua_pentity *entity,
                                   pl_relation *r) {
    plua_push_model(e->L, entity->mapper);
    plua_push_relattr(e->L, r, entity->mapper, entity->source, -1);
    lua_remove(e->L, -2);
    return lua_touserdata(e->L, -1);
}

/* ---- EXISTS around an atom ---- */

/* Paths of which an attribute is used in a tree and that are not open: each prefix once,
** the shorter first. */
static void collect_paths(plua_peval *e, const plua_ptree *t, const plua_ptree **list,
                          int *n) {
    if (!t || t->kind == PLUA_P_FUNCTION)
        return;
    collect_paths(e, t->a, list, n);
    collect_paths(e, t->b, list, n);
    for (size_t i = 0; i < t->nlist; i++)
        collect_paths(e, t->list[i], list, n);
    if (t->kind != PLUA_P_FIELD || t->a->kind != PLUA_P_FIELD || !path_mapper(e, t->a) ||
        find_open(e, t->a))
        return;
    for (int i = 0; i < *n; i++) {
        if (is_same_path(list[i], t->a))
            return;
    }
    if (*n == PLUA_PE_MAX)
        plua_predicate_fail(e, t, NULL, "too many relationships in one comparison");
    list[(*n)++] = t->a;
}

static bool shares_table(const pl_mapper *a, const pl_mapper *b) {
    for (size_t i = 0; i < a->ntables; i++) {
        for (size_t k = 0; k < b->ntables; k++) {
            if (a->tables[i].table == b->tables[k].table)
                return true;
        }
    }
    return false;
}

/* Begins the subquery; its target must not hide a table that is already spoken of. */
static void begin_exists(plua_peval *e, plua_exists *w, const plua_relattr *attr) {
    plua_exists_init(w, e->L, attr);
    const pl_mapper *target = attr->of_type ? attr->of_type : attr->relation->target;
    for (int i = 0; i < e->nrows; i++) {
        if (!e->rows[i].source && shares_table(e->rows[i].mapper, target))
            w->fresh = true;
    }
    for (int i = 0; i < e->nopen; i++) {
        if (!e->open[i].source && shares_table(e->open[i].mapper, target))
            w->fresh = true;
    }
    plua_exists_target(w);
    plua_exists_select(w);
}

/* The EXISTS opened for a path. */
typedef struct opened {
    plua_exists w;
    plua_relattr attr;
    int arena;
} opened;

static void open_path(plua_peval *e, const plua_ptree *path, opened *o) {
    lua_State *L = e->L;
    const plua_pentity *parent = find_open(e, path->a);
    pl_relation *r = pl_mapper_relation(parent->mapper, path->name);
    o->attr =
        (plua_relattr){.relation = r, .mapper = parent->mapper, .source = parent->source};
    o->arena = lua_gettop(L) + 1;
    begin_exists(e, &o->w, &o->attr);
    e->open[e->nopen++] = (plua_pentity){path, o->w.target, o->w.source};
}

static void close_path(plua_peval *e, opened *o) {
    lua_State *L = e->L;
    int condition = lua_gettop(L);
    plua_exists_clause(&o->w, PL_N_WHERE, lua_touserdata(L, condition));
    plua_exists_finish(&o->w);
    plua_exists_push(&o->w, o->arena, condition, condition, false);
    lua_replace(L, o->arena);
    lua_settop(L, o->arena);
    e->nopen--;
}

/* ---- conditions ---- */

static void eval_condition(plua_peval *e, const plua_ptree *t);

/* Calls a method of the object on top of the stack with nil: is(nil), is_not(nil). */
static void ask_nil(lua_State *L, const char *method) {
    lua_getfield(L, -1, method);
    lua_insert(L, -2);
    lua_pushnil(L);
    lua_call(L, 2, 1);
}

/* The value inside JSON on top is neither false nor null. */
static void ask_json(lua_State *L) {
    lua_getfield(L, -1, "not_in");
    lua_insert(L, -2);
    lua_createtable(L, 2, 0);
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, 1);
    plua_push_null(L);
    lua_rawseti(L, -2, 2);
    lua_call(L, 2, 1);
}

bool plua_predicate_is_condition(const pl_node *n) {
    return pl_type_storage(pl_node_type(n))->kind == PL_K_BOOLEAN ||
           n->kind == PL_N_TEXT || (n->kind == PL_N_BINARY && n->op == PL_OP_CUSTOM);
}

/* What the value on top says as a condition: a plain boolean or an expression. A column
** that is no boolean is true when it is not NULL, as in Lua; inside JSON false is false.
*/
static void to_truth(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    const pl_node *n = plua_pnode(L, -1);
    if (!n && plua_test_relattr(L, -1)) {
        ask_nil(L, "is_not");
    } else if (n) {
        if (n->kind == PL_N_ORDER || n->kind == PL_N_ENTITY)
            plua_predicate_fail(e, t, NULL, "this is no condition");
        if (plua_is_json_value(n))
            ask_json(L);
        else if (!plua_predicate_is_condition(n))
            ask_nil(L, "is_not");
    } else {
        bool truth = lua_toboolean(L, -1);
        lua_pop(L, 1);
        lua_pushboolean(L, truth);
    }
}

static void eval_atom(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    const plua_ptree *paths[PLUA_PE_MAX];
    int n = 0, base = e->nopen;
    collect_paths(e, t, paths, &n);
    if (n == 0) {
        plua_predicate_value(e, t);
        to_truth(e, t);
        return;
    }
    if (base + n > PLUA_PE_MAX)
        plua_predicate_fail(e, t, NULL, "too many relationships in one comparison");
    opened *list = lua_newuserdatauv(L, (size_t)n * sizeof *list, 0);
    int at = lua_gettop(L);
    for (int i = 0; i < n; i++)
        open_path(e, paths[i], &list[i]);
    plua_predicate_value(e, t);
    to_truth(e, t);
    if (!plua_pnode(L, -1)) { /* folded away: the rows need not be looked at */
        e->nopen = base;
    } else {
        for (int i = n; i > 0; i--)
            close_path(e, &list[i - 1]);
    }
    lua_replace(L, at);
    lua_settop(L, at);
}

/* The second condition of `and` / `or` is only needed when the first leaves it open. */
static void eval_junction(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    bool is_and = t->kind == PLUA_P_AND;
    eval_condition(e, t->a);
    if (lua_isboolean(L, -1)) {
        if (lua_toboolean(L, -1) == is_and) {
            lua_pop(L, 1);
            eval_condition(e, t->b);
        }
        return;
    }
    eval_condition(e, t->b);
    if (lua_isboolean(L, -1)) {
        if (lua_toboolean(L, -1) == is_and)
            lua_pop(L, 1);
        else
            lua_remove(L, -2);
        return;
    }
    int top = lua_gettop(L);
    plua_junction(L, is_and ? PL_N_AND : PL_N_OR, top - 1, top);
    lua_replace(L, top - 1);
    lua_settop(L, top - 1);
}

static void eval_condition(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    luaL_checkstack(L, 30, "predicate");
    switch (t->kind) {
    case PLUA_P_AND:
    case PLUA_P_OR: eval_junction(e, t); return;
    case PLUA_P_NOT:
        eval_condition(e, t->a);
        if (lua_isboolean(L, -1)) {
            lua_pushboolean(L, !lua_toboolean(L, -1));
        } else {
            plua_negate(L, -1);
        }
        lua_remove(L, -2);
        return;
    default: eval_atom(e, t);
    }
}

/* Turns a plain boolean on top into SQL's constant. */
static void to_node(plua_peval *e, const plua_ptree *t) {
    lua_State *L = e->L;
    if (plua_pnode(L, -1))
        return;
    if (!lua_isboolean(L, -1))
        plua_predicate_fail(e, t, NULL, "this is no condition");
    bool truth = lua_toboolean(L, -1);
    lua_pop(L, 1);
    plua_node(L, PLUA_EXPRESSION, PL_N_BOOL, 0, NULL, 0)->op = truth;
}

void plua_predicate_condition(plua_peval *e, const plua_ptree *t) {
    eval_condition(e, t);
}

/* ---- relationships with a function ---- */

const plua_pentity *plua_predicate_entity(plua_peval *e, const plua_ptree *t) {
    return path_mapper(e, t) ? find_open(e, t) : NULL;
}

void plua_predicate_relation(plua_peval *e, const plua_pentity *entity, pl_relation *r) {
    push_relation(e, entity, r);
}

/* list:any(function(p) return ... end): the relationship is on top of the stack. */
void plua_predicate_exists(plua_peval *e, const plua_ptree *function) {
    lua_State *L = e->L;
    int attr = lua_gettop(L), depth = function->number;
    plua_exists w;
    if (depth != e->nrows || depth >= PLUA_PE_MAX)
        plua_predicate_fail(e, function, NULL, "functions are nested too deeply");
    int arena = attr + 1;
    begin_exists(e, &w, lua_touserdata(L, attr));
    e->rows[e->nrows++] = (plua_pentity){NULL, w.target, w.source};
    eval_condition(e, function->a);
    e->nrows--;
    to_node(e, function->a);
    plua_exists_clause(&w, PL_N_WHERE, lua_touserdata(L, -1));
    plua_exists_finish(&w);
    plua_exists_push(&w, arena, attr, lua_gettop(L), false);
    lua_replace(L, attr);
    lua_settop(L, attr);
}

/* #list: the number of related rows, as a scalar subquery. */
void plua_predicate_count(plua_peval *e) {
    lua_State *L = e->L;
    int attr = lua_gettop(L);
    plua_exists w;
    int arena = attr + 1;
    begin_exists(e, &w, lua_touserdata(L, attr));
    pl_node *count = pl_node_new(w.a, PL_N_FUNC, 0);
    if (!count)
        plua_nomem(L);
    pl_node_set_text(count, "count");
    w.head->kids[0] = count;
    plua_exists_finish(&w);
    pl_node *n = plua_exists_push(&w, arena, attr, attr, false);
    n->kind = PL_N_SCALAR;
    n->type = pl_type_plain(PL_K_INTEGER);
    lua_replace(L, attr);
    lua_settop(L, attr);
}

/* ---- the entry ---- */

pl_node *plua_predicate(lua_State *L, int idx, pl_mapper *m, pl_node *source) {
    lua_Debug ar;
    int top = lua_gettop(L);
    idx = lua_absindex(L, idx);
    if (!m)
        plua_raise_hint(L, PL_EARGUMENT, "write the condition as an expression",
                        "a function can only be a condition on a model");
    const plua_ptree *tree = plua_predicate_tree(L, idx);
    lua_pushvalue(L, idx);
    lua_getinfo(L, ">S", &ar);
    plua_peval *e = lua_newuserdatauv(L, sizeof *e, 0);
    memset(e, 0, sizeof *e);
    e->L = L;
    e->function = idx;
    e->chunk = ar.short_src;
    lua_rawgeti(L, top + 1, PLUA_PT_CONSTANTS);
    e->constants = lua_gettop(L);
    e->rows[e->nrows++] = (plua_pentity){NULL, m, source};
    eval_condition(e, tree);
    to_node(e, tree);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return lua_touserdata(L, -1);
}
