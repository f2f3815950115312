/* SPDX-License-Identifier: MIT */
/*
** join.c - join and outerjoin: by relationship, by condition, by foreign keys.
**
**     join(User.posts)             the relationship says target and condition
**     join(Post, User.posts)       the same for an alias or subclass of the target
**     join(Post, condition)
**     join(Post)                   by the one foreign key between Post and what is there
**
** Conditions live in an arena that the clause keeps alive. The link table of a
** many-to-many relationship always gets an alias, so that it can be joined again.
*/
#include "userdata/clause.h"
#include "userdata/criteria.h"
#include "userdata/enclosed.h"
#include "userdata/expression.h"
#include "userdata/from.h"
#include "userdata/keyjoin.h"
#include "userdata/model.h"
#include "userdata/option.h"
#include "userdata/relattr.h"

/* ---- the clause ---- */

/* Pushes JOINED(prev, left, right, on); the values at right and on keep them alive. */
static pl_node *push_joined(lua_State *L, int prev, pl_join_op op, const plua_from *right,
                            int right_owner, pl_node *on, int on_owner) {
    pl_node *n = plua_clause(L, PL_N_JOINED, prev, 3);
    n->op = (uint8_t)op;
    n->ref = right->mapper;
    n->kids[2] = right->from;
    lua_pushvalue(L, right_owner);
    lua_setiuservalue(L, -2, 3);
    n->kids[3] = on;
    lua_pushvalue(L, on_owner);
    lua_setiuservalue(L, -2, 4);
    return n;
}

static void check_memory(lua_State *L, const void *p) {
    if (!p)
        plua_nomem(L);
}

/* ---- by relationship ---- */

static void resolve(lua_State *L, const pl_relation *r) {
    if (!r->configured)
        plua_configure(L, plua_db_of(r->mapper->tables[0].table->metadata));
}

/* Target of a relationship: of_type's, else its own table. */
static void relation_target(lua_State *L, int rel, plua_from *f) {
    const plua_relattr *a = lua_touserdata(L, rel);
    if (a->of_source) {
        *f = (plua_from){a->of_type, a->of_source, a->of_source};
        lua_pushvalue(L, rel);
        return;
    }
    plua_push_model(L, a->of_type ? a->of_type : a->relation->target);
    plua_push_from(L, -1, f);
    lua_remove(L, -2);
}

/* What the join condition gets besides: of a subclass, of and_(...). */
static pl_node *add_conditions(lua_State *L, pl_arena *a, pl_node *on,
                               const plua_relattr *rel, const plua_from *right) {
    if (right->mapper)
        on = pl_node_and(a, on, pl_mapper_criterion(a, right->mapper, right->source));
    pl_node *more = rel->criteria;
    for (size_t i = 0; more && right->source && i < right->mapper->ntables; i++) {
        more =
            pl_node_adapt(a, more, right->mapper->tables[i].table, NULL, right->source);
        check_memory(L, more);
    }
    on = pl_node_and(a, on, more);
    check_memory(L, on);
    return plua_join_criteria(L, a, lua_touserdata(L, 1), on, right);
}

/* The parent's FROM item, so that the compiler knows what is joined to. */
static pl_node *parent_from(lua_State *L, pl_arena *a, const plua_relattr *rel) {
    pl_node *from = rel->source ? rel->source : pl_mapper_from(a, rel->mapper);
    check_memory(L, from);
    return from;
}

static void check_self_join(lua_State *L, const plua_relattr *rel,
                            const plua_from *right) {
    if (rel->source || right->source ||
        rel->mapper->tables[0].table != right->mapper->tables[0].table)
        return;
    const char *name = right->mapper->name;
    const char *hint =
        lua_pushfstring(L, "local other = db.aliased(%s); query:join(other, %s.%s)", name,
                        name, rel->relation->name);
    plua_raise_hint(L, PL_EARGUMENT, hint,
                    "%s.%s leads to the same table: one side needs an alias",
                    rel->mapper->name, rel->relation->name);
}

/* Pushes the joins over the query at 1 for the relationship at `rel` to `right`, whose
** owner is at `owner`. */
static void push_relation(lua_State *L, int rel, pl_join_op op, const plua_from *right,
                          int owner) {
    const plua_relattr *attr = lua_touserdata(L, rel);
    const pl_relation *r = attr->relation;
    resolve(L, r);
    check_self_join(L, attr, right);
    lua_createtable(L, 2, 0); /* what the condition refers to: arena, relationship */
    int kept = lua_gettop(L);
    pl_arena *a = plua_arena(L);
    lua_rawseti(L, kept, 1);
    lua_pushvalue(L, rel);
    lua_rawseti(L, kept, 2);
    lua_pushvalue(L, owner);
    lua_rawseti(L, kept, 3);
    pl_node *link = NULL, *far = NULL, *left = parent_from(L, a, attr);
    if (r->secondary) {
        link = pl_node_new(a, PL_N_ALIAS, 1);
        check_memory(L, link);
        link->kids[0] = pl_node_table(a, r->secondary);
        check_memory(L, link->kids[0]);
    }
    pl_node *on = pl_relation_on(a, r, attr->source, right->source, link, &far);
    check_memory(L, on);
    if (!link) {
        on = add_conditions(L, a, on, attr, right);
        push_joined(L, 1, op, right, owner, on, kept)->kids[1] = left;
        return;
    }
    far = add_conditions(L, a, far, attr, right);
    plua_from middle = {NULL, link, link};
    if (op == PL_JOIN_INNER) {
        push_joined(L, 1, op, &middle, kept, on, kept)->kids[1] = left;
        push_joined(L, -1, op, right, owner, far, kept)->kids[1] = link;
        return;
    }
    /* an outer join keeps link and target together: parent LEFT JOIN (link JOIN target)
     */
    pl_node *both = pl_node_new(a, PL_N_JOIN, 3);
    check_memory(L, both);
    both->kids[0] = link;
    both->kids[1] = right->from;
    both->kids[2] = far;
    pl_node *n = push_joined(L, 1, op, right, kept, on, kept);
    n->kids[1] = left;
    n->kids[2] = both;
}

/* ---- the methods ---- */

/* The plain table that a FROM item begins with, or ends with after its link table. */
static const pl_table *leaf_table(const pl_node *n) {
    while (n->kind == PL_N_JOIN)
        n = n->kids[0]->kind == PL_N_ALIAS ? n->kids[1] : n->kids[0];
    return n->kind == PL_N_TABLE ? n->ref : NULL;
}

/* A plain table can stand in FROM once; what is joined again must have another name. */
static void check_joined(lua_State *L, const pl_node *stmt, const plua_from *right) {
    const pl_table *t = right->source ? NULL : leaf_table(right->from);
    for (const pl_node *n = stmt; t && n; n = plua_previous(n)) {
        bool selected = n->kind == PL_N_FROM && (n->flags & PL_NF_INTERNAL) &&
                        leaf_table(n->kids[1]) == t; /* with a class that inherits */
        if (n->kind != PL_N_JOINED && !selected)
            continue;
        if (!selected && leaf_table(n->kids[2]) != t &&
            (!n->kids[1] || leaf_table(n->kids[1]) != t))
            continue;
        const char *name = plua_from_name(L, right);
        const char *hint = right->mapper ? "db.aliased(%s)" : "db.alias(%s)";
        hint = lua_pushfstring(L, hint, name);
        plua_raise_hint(L, PL_EINVALID, hint,
                        "%s is %s already; to join it again it needs an alias", name,
                        selected ? "read" : "joined");
    }
}

static void read_options(lua_State *L, int idx, pl_join_op *op) {
    if (plua_field_bool(L, idx, "isouter", false))
        *op = PL_JOIN_LEFT;
    if (plua_field_bool(L, idx, "full", false))
        *op = PL_JOIN_FULL;
}

/* Brings join{target, on, isouter =} and join(target, on, {isouter =}) to join(target,
 * on).
 */
static void normalize(lua_State *L, pl_join_op *op) {
    int last = lua_gettop(L);
    if (last == 2 && lua_type(L, 2) == LUA_TTABLE) {
        read_options(L, 2, op);
        lua_rawgeti(L, 2, 1);
        lua_rawgeti(L, 2, 2);
        lua_remove(L, 2);
    } else if (last > 2 && lua_type(L, last) == LUA_TTABLE) {
        read_options(L, last, op);
        lua_pop(L, 1);
    }
    if (lua_gettop(L) > 3)
        plua_raise_hint(L, PL_EARGUMENT, "join one after the other: join(A):join(B)",
                        "a join takes a target and a condition");
    lua_settop(L, 3);
}

static int join(lua_State *L, pl_join_op op, const char *method) {
    const pl_node *stmt = plua_self(L, PLUA_IS_QUERY, PLUA_QUERY, method);
    plua_need_argument(L, method);
    for (; stmt; stmt = plua_previous(stmt)) {
        bool encloses = stmt->kind == PL_N_FROM && stmt->ext == PLUA_ENCLOSES;
        if (stmt->kind == PL_N_COMPOUND || encloses)
            plua_raise_hint(L, PL_EINVALID, "join with the union's subquery()",
                            "a union cannot be joined to");
    }
    normalize(L, &op);
    plua_from right;
    if (plua_test_relattr(L, 2)) {
        if (!lua_isnil(L, 3))
            plua_raise_hint(L, PL_EARGUMENT, "join(User.posts:and_(condition))",
                            "a relationship brings its condition along");
        resolve(L, plua_test_relattr(L, 2)->relation);
        relation_target(L, 2, &right);
        check_joined(L, lua_touserdata(L, 1), &right);
        push_relation(L, 2, op, &right, 4);
        return 1;
    }
    if (lua_type(L, 2) == LUA_TSTRING)
        plua_raise_hint(L, PL_EARGUMENT, "join(User.posts)",
                        "a join expects a model, alias, subquery or relationship, got "
                        "the string '%s'",
                        lua_tostring(L, 2));
    plua_push_from(L, 2, &right);
    check_joined(L, lua_touserdata(L, 1), &right);
    if (plua_test_relattr(L, 3)) {
        if (!right.mapper)
            plua_raise(L, PL_EARGUMENT, "a relationship leads to a model or alias");
        push_relation(L, 3, op, &right, 4);
        return 1;
    }
    pl_node *on;
    if (!lua_isnil(L, 3)) {
        on = plua_tocondition(L, 3);
        lua_pushvalue(L, 3);
    } else {
        on = plua_push_key_condition(L, &right);
    }
    if (right.mapper && (pl_mapper_is_restricted(right.mapper) ||
                         plua_has_criteria(lua_touserdata(L, 1)))) {
        pl_arena *a = plua_arena(L);
        on = pl_node_and(a, on, pl_mapper_criterion(a, right.mapper, right.source));
        check_memory(L, on);
        on = plua_join_criteria(L, a, lua_touserdata(L, 1), on, &right);
        lua_createtable(L, 2, 0);
        lua_insert(L, -3);
        lua_rawseti(L, -3, 1);
        lua_rawseti(L, -2, 2);
    }
    push_joined(L, 1, op, &right, 4, on, 5);
    return 1;
}

/*** Joins a model, alias or subquery: by relationship, condition, or foreign key.
@function Query:join
@param target Post, User.posts, an alias ...
@param[opt] on a condition or a relationship
@tab[opt] options isouter, full
@treturn Query */
static int query_join(lua_State *L) {
    return join(L, PL_JOIN_INNER, "join");
}

/*** The same, keeping rows that have nothing to join (LEFT OUTER JOIN).
@function Query:outerjoin
@param target
@param[opt] on
@treturn Query */
static int query_outerjoin(lua_State *L) {
    return join(L, PL_JOIN_LEFT, "outerjoin");
}

const luaL_Reg plua_join_methods[] = {
    {"join", query_join}, {"outerjoin", query_outerjoin}, {NULL, NULL}};
