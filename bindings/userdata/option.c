/* SPDX-License-Identifier: MIT */
/*
** option.c - loader options: db.joinedload(User.posts):selectinload(Post.tags).
**
** An option's userdata is a block of steps; chaining copies the path into a new one with
** a further step. User values: 1 the option it was made from, 2 what the last step was
** given (relationship, columns), 3 a condition.
*/
#include "userdata/option.h"
#include "userdata/alias.h"
#include "userdata/clause.h"
#include "userdata/criteria.h"
#include "userdata/expression.h"
#include "userdata/model.h"
#include "userdata/relattr.h"

#include <string.h>

enum { VALUE_BEFORE = 1, VALUE_GIVEN, VALUE_CONDITION, VALUES = 3, MAX_STEPS = 16 };

const plua_option *plua_test_option(lua_State *L, int idx) {
    return plua_test(L, idx, PLUA_OPTION);
}

/* ---- paths ---- */

static size_t count_steps(const plua_option *path) {
    size_t n = 0;
    for (; path; path = path->next)
        n++;
    return n;
}

/* Copies a path to `to`, linking its steps; returns the place behind. */
static plua_option *copy_path(plua_option *to, const plua_option *path) {
    for (; path; path = path->next, to++) {
        *to = *path;
        to->also = NULL;
        to->next = path->next ? to + 1 : NULL;
    }
    return to;
}

/* Pushes an option: the path of the option at `before` (0: none) with one more step, and
** room for the numbers of n columns. The step is zeroed. */
static plua_option *push_step(lua_State *L, int before, size_t n) {
    const plua_option *path = before ? lua_touserdata(L, before) : NULL;
    size_t steps = count_steps(path) + 1;
    if (steps > MAX_STEPS)
        plua_raise(L, PL_EARGUMENT, "a loader option has more than %d steps", MAX_STEPS);
    size_t size = steps * sizeof(plua_option) + n * sizeof(uint16_t);
    plua_option *block = lua_newuserdatauv(L, size, VALUES);
    memset(block, 0, size);
    luaL_setmetatable(L, PLUA_OPTION);
    plua_option *last = copy_path(block, path);
    if (path)
        last[-1].next = last;
    last->slots = (uint16_t *)(void *)(last + 1);
    last->nslots = (uint16_t)n;
    if (before) {
        lua_pushvalue(L, before);
        lua_setiuservalue(L, -2, VALUE_BEFORE);
    }
    return last;
}

static const plua_option *last_step(const plua_option *path) {
    while (path && path->next)
        path = path->next;
    return path;
}

/* ---- relationships ---- */

/* Whether a step may follow the one before: the entity it starts from was reached. */
static void check_path(lua_State *L, const plua_option *before, const pl_mapper *from) {
    const plua_option *last = last_step(before);
    if (!last || !last->relation || !from)
        return;
    const pl_mapper *reached = last->of_type ? last->of_type : last->relation->target;
    if (reached && !pl_mapper_is(reached, from) && !pl_mapper_is(from, reached))
        plua_raise(L, PL_EARGUMENT, "the path has reached %s, but the next step is of %s",
                   reached->name, from->name);
}

/* The flags from the table at idx. */
static void read_flags(lua_State *L, int idx, plua_option *o) {
    if (lua_type(L, idx) != LUA_TTABLE)
        return;
    o->no_batch = !plua_field_bool(L, idx, "batch", true);
    o->innerjoin = plua_field_bool(L, idx, "innerjoin", false);
    o->sql_only = plua_field_bool(L, idx, "sql_only", false);
    o->raiseload = plua_field_bool(L, idx, "raiseload", false);
    if (lua_getfield(L, idx, "alias") != LUA_TNIL) {
        const plua_alias *alias = plua_test_alias(L, -1);
        if (!alias)
            plua_raise(L, PL_EARGUMENT, "alias expects an alias made by db.aliased");
        o->of_type = alias->mapper;
        o->of_source = alias->source;
    }
    lua_pop(L, 1);
}

static void set_relation(lua_State *L, plua_option *o, int idx) {
    const plua_relattr *a = plua_test_relattr(L, idx);
    if (!a) {
        if (lua_type(L, idx) == LUA_TSTRING && strcmp(lua_tostring(L, idx), "*") == 0)
            return;
        plua_raise_hint(L, PL_EARGUMENT, "db.selectinload(User.posts)",
                        "a relationship was expected, got %s", plua_typename(L, idx));
    }
    if (!a->relation->configured)
        plua_configure(L, plua_db_of(a->relation->mapper->tables[0].table->metadata));
    o->relation = a->relation;
    o->mapper = a->mapper;
    o->source = a->source;
    o->of_type = a->of_type;
    o->of_source = a->of_source;
    o->criteria = a->criteria;
}

/* Brings f{Rel, k = v} to f(Rel, {k = v}); `first` is the relationship's index. */
static void normalize(lua_State *L, int first) {
    if (lua_gettop(L) == first && lua_type(L, first) == LUA_TTABLE) {
        lua_rawgeti(L, first, 1);
        lua_insert(L, first);
    }
}

/* Pushes a step for each relationship from index `first` on; flags hold for the last. */
static int push_relations(lua_State *L, plua_option_op op, int before, int first) {
    normalize(L, first);
    int top = lua_gettop(L);
    int flags = top > first && lua_type(L, top) == LUA_TTABLE ? top-- : 0;
    if (top < first)
        plua_raise(L, PL_EARGUMENT, "a loader option expects a relationship");
    for (int i = first; i <= top; i++) {
        plua_option *o = push_step(L, before, 0);
        o->op = op;
        set_relation(L, o, i);
        check_path(L, before ? lua_touserdata(L, before) : NULL, o->mapper);
        if (i == top && flags)
            read_flags(L, flags, o);
        lua_createtable(L, 2, 0);
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, 1);
        lua_pushvalue(L, flags ? flags : i);
        lua_rawseti(L, -2, 2);
        lua_setiuservalue(L, -2, VALUE_GIVEN);
        before = lua_gettop(L);
    }
    return 1;
}

/* ---- columns ---- */

/* The slot that the attribute at idx has in its mapper. */
static uint16_t column_slot(lua_State *L, int idx, pl_mapper **m, pl_node **source) {
    const pl_node *n = plua_tonode_of(L, idx, PLUA_IS_EXPRESSION);
    while (n && n->kind == PL_N_LABEL)
        n = n->kids[0];
    const pl_column *c = n && n->kind == PL_N_COLUMN ? n->ref : NULL;
    if (!c || !c->table)
        plua_raise_hint(L, PL_EARGUMENT, "db.defer(User.bio)",
                        "attributes of a model were expected, got %s",
                        plua_typename(L, idx));
    *m = plua_noted_mapper(n);
    if (!*m)
        *m = plua_table_mapper(c->table);
    *source = n->nkids > 0 ? n->kids[0] : NULL;
    uint16_t slot = *m ? pl_mapper_column_slot(*m, c) : PL_NO_SLOT;
    if (slot == PL_NO_SLOT)
        plua_raise(L, PL_EARGUMENT, "%s.%s is no attribute of a model", c->table->name,
                   c->name);
    return slot;
}

static int push_columns(lua_State *L, plua_option_op op, int before, int first) {
    normalize(L, first);
    int top = lua_gettop(L);
    int flags = top > first && lua_type(L, top) == LUA_TTABLE ? top-- : 0;
    if (top < first)
        plua_raise(L, PL_EARGUMENT, "a loader option expects attributes");
    bool all = top == first && lua_type(L, first) == LUA_TSTRING &&
               strcmp(lua_tostring(L, first), "*") == 0;
    plua_option *o = push_step(L, before, all ? 0 : (size_t)(top - first + 1));
    o->op = op;
    for (int i = first; !all && i <= top; i++) {
        pl_mapper *m = NULL;
        pl_node *source = NULL;
        o->slots[i - first] = column_slot(L, i, &m, &source);
        if (o->mapper && o->mapper != m)
            plua_raise(L, PL_EARGUMENT, "the attributes are of %s and of %s",
                       o->mapper->name, m->name);
        o->mapper = m;
        o->source = source;
    }
    check_path(L, before ? lua_touserdata(L, before) : NULL, o->mapper);
    if (flags)
        read_flags(L, flags, o);
    return 1;
}

static int push_group(lua_State *L, int before, int first) {
    const char *group = plua_need_string(L, first, NULL);
    plua_option *o = push_step(L, before, 0);
    o->op = PLUA_O_UNDEFER_GROUP;
    o->group = group;
    lua_pushvalue(L, first);
    lua_setiuservalue(L, -2, VALUE_GIVEN);
    return 1;
}

/* ---- constructors and methods: one of each name ---- */

static int push_option(lua_State *L, plua_option_op op, int before, int first) {
    switch (op) {
    case PLUA_O_DEFER:
    case PLUA_O_UNDEFER:
    case PLUA_O_LOAD_ONLY: return push_columns(L, op, before, first);
    case PLUA_O_UNDEFER_GROUP: return push_group(L, before, first);
    default: return push_relations(L, op, before, first);
    }
}

/* Upvalue: the op. */
static int construct_option(lua_State *L) {
    return push_option(L, (plua_option_op)lua_tointeger(L, lua_upvalueindex(1)), 0, 1);
}

/* Upvalues: the op, the name. */
static int chain_option(lua_State *L) {
    plua_checkself(L, PLUA_OPTION, lua_tostring(L, lua_upvalueindex(2)));
    return push_option(L, (plua_option_op)lua_tointeger(L, lua_upvalueindex(1)), 1, 2);
}

typedef struct option_name {
    const char *name;
    plua_option_op op;
} option_name;

static const option_name names[] = {{"lazyload", PLUA_O_SELECT},
                                    {"joinedload", PLUA_O_JOINED},
                                    {"selectinload", PLUA_O_SELECTIN},
                                    {"subqueryload", PLUA_O_SUBQUERY},
                                    {"raiseload", PLUA_O_RAISE},
                                    {"immediateload", PLUA_O_IMMEDIATE},
                                    {"noload", PLUA_O_NOLOAD},
                                    {"contains_eager", PLUA_O_CONTAINS},
                                    {"defaultload", PLUA_O_DEFAULT},
                                    {"defer", PLUA_O_DEFER},
                                    {"undefer", PLUA_O_UNDEFER},
                                    {"load_only", PLUA_O_LOAD_ONLY},
                                    {"undefer_group", PLUA_O_UNDEFER_GROUP}};

/* Puts the functions into the table on top of the stack. */
static void set_functions(lua_State *L, bool chained) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        lua_pushinteger(L, (lua_Integer)names[i].op);
        if (chained)
            lua_pushstring(L, names[i].name);
        lua_pushcclosure(L, chained ? chain_option : construct_option, chained ? 2 : 1);
        lua_setfield(L, -2, names[i].name);
    }
}

/*** Several options below the last step: defaultload(User.posts):options(a, b).
@function Option:options
@tparam Option option ...
@treturn Option */
static int option_options(lua_State *L) {
    const plua_option *path = plua_checkself(L, PLUA_OPTION, "options");
    int top = lua_gettop(L);
    size_t steps = 0, prefix = count_steps(path);
    for (int i = 2; i <= top; i++) {
        const plua_option *o = luaL_checkudata(L, i, PLUA_OPTION);
        for (const plua_option *p = o; p; p = p->also) {
            check_path(L, path, p->mapper);
            steps += prefix + count_steps(p);
        }
    }
    if (steps == 0)
        plua_raise(L, PL_EARGUMENT, "'options' expects loader options");
    plua_option *to = lua_newuserdatauv(L, steps * sizeof *to, VALUES), *before = NULL;
    luaL_setmetatable(L, PLUA_OPTION);
    for (int i = 2; i <= top; i++) {
        for (const plua_option *p = lua_touserdata(L, i); p; p = p->also) {
            plua_option *start = to;
            to = copy_path(to, path);
            to[-1].next = to;
            to = copy_path(to, p);
            if (before)
                before->also = start;
            before = start;
        }
    }
    lua_createtable(L, top, 0);
    for (int i = 1; i <= top; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
    lua_setiuservalue(L, -2, VALUE_GIVEN);
    return 1;
}

/*** A condition for every row of a model that the query, its joins and its loaders read.
@function db.with_loader_criteria
@param model
@param condition an expression, or a function that gets the model and returns one
@treturn Option */
static int db_with_loader_criteria(lua_State *L) {
    const plua_model *model = plua_test_model(L, 1);
    if (!model)
        plua_raise(L, PL_EARGUMENT, "with_loader_criteria expects a model, got %s",
                   plua_typename(L, 1));
    lua_settop(L, 2);
    if (lua_isfunction(L, 2)) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 1);
    }
    pl_node *condition = plua_tocondition(L, 2);
    plua_option *o = push_step(L, 0, 0);
    o->op = PLUA_O_CRITERIA;
    o->mapper = model->mapper;
    o->criteria = condition;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, VALUE_GIVEN);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, VALUE_CONDITION);
    return 1;
}

/* ---- on a query ---- */

/*** How related objects and columns are loaded: options(db.joinedload(User.posts)).
@function Query:options
@tparam Option option ...
@treturn Query */
static int query_options(lua_State *L) {
    plua_self_query(L, "options");
    int top = lua_gettop(L), prev = 1;
    if (top < 2)
        plua_raise(L, PL_EARGUMENT, "'options' expects loader options");
    for (int i = 2; i <= top; i++) {
        const plua_option *o = plua_test_option(L, i);
        if (!o)
            plua_raise_hint(L, PL_EARGUMENT, "options(db.joinedload(User.posts))",
                            "'options' expects loader options, got %s",
                            plua_typename(L, i));
        pl_node *n = plua_clause(L, PL_N_OPTION, prev, 0);
        n->op = PLUA_OPTION_LOADER;
        n->value.v.p = o;
        lua_newtable(L);
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, 1);
        lua_pushvalue(L, prev);
        lua_rawseti(L, -2, 2);
        lua_setiuservalue(L, -2, 1);
        plua_apply_criteria(L, o);
        prev = lua_gettop(L);
    }
    return 1;
}

/*** Options of running the statement, such as populate_existing, stream_results.
@function Query:execution_options
@tab options
@treturn Query */
static int query_execution_options(lua_State *L) {
    plua_self_query(L, "execution_options");
    plua_need_table(L, 2);
    bool change = plua_tonode_of(L, 1, PLUA_IS_STATEMENT) != NULL;
    pl_node *n =
        plua_node_block(L, change ? PLUA_STATEMENT : PLUA_QUERY, PL_N_OPTION, 1, 0, 2);
    n->op = PLUA_OPTION_EXECUTION;
    plua_kid(L, -1, 0, 1);
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_setiuservalue(L, -2, 2);
    return 1;
}

/*** Instances that are known already are read anew, what was changed in them is dropped.
@function Query:populate_existing
@treturn Query */
static int query_populate_existing(lua_State *L) {
    plua_self_query(L, "populate_existing");
    lua_settop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushboolean(L, 1);
    lua_setfield(L, 2, "populate_existing");
    return query_execution_options(L);
}

/* Replaces the statement at cur by the one its clause was put over. */
static void go_back(lua_State *L, int cur) {
    lua_getiuservalue(L, cur, 1);
    if (lua_istable(L, -1)) /* a loader option's clause keeps the option beside it */
        lua_rawgeti(L, -1, 2);
    lua_replace(L, cur);
    lua_settop(L, cur);
}

void plua_execution_option(lua_State *L, int stmt, const char *name) {
    lua_pushvalue(L, stmt);
    int cur = lua_gettop(L);
    for (const pl_node *n; (n = lua_touserdata(L, cur)) && plua_previous(n);
         go_back(L, cur)) {
        if (n->kind != PL_N_OPTION || n->op != PLUA_OPTION_EXECUTION)
            continue;
        lua_getiuservalue(L, cur, 2);
        if (lua_getfield(L, -1, name) != LUA_TNIL) {
            lua_replace(L, cur);
            lua_settop(L, cur);
            return;
        }
    }
    lua_pushnil(L);
    lua_replace(L, cur);
    lua_settop(L, cur);
}

const luaL_Reg plua_option_methods[] = {{"options", query_options},
                                        {"execution_options", query_execution_options},
                                        {"populate_existing", query_populate_existing},
                                        {NULL, NULL}};

int plua_open_option(lua_State *L) {
    plua_class(L, PLUA_OPTION, NULL, NULL);
    lua_newtable(L);
    set_functions(L, true);
    lua_pushcfunction(L, option_options);
    lua_setfield(L, -2, "options");
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_newtable(L);
    set_functions(L, false);
    lua_pushcfunction(L, db_with_loader_criteria);
    lua_setfield(L, -2, "with_loader_criteria");
    return 1;
}
