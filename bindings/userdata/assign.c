/* SPDX-License-Identifier: MIT */
/*
** assign.c - tables of names and values as what INSERT and UPDATE write.
**
** Names are turned into columns first, so that the nodes can be made in the order of the
** table's columns; all of them stand in one block. Values are checked as when they are
** set on an object: type, length, range. Values that came from the script are kept alive
** by tables the node holds.
*/
#include "userdata/assign.h"
#include "userdata/clause.h"
#include "userdata/expression.h"
#include "userdata/model.h"
#include "userdata/value.h"

#include "core/base/utf8.h"

/* ---- names ---- */

static __attribute__((noreturn)) void no_column(lua_State *L, const pl_table *t,
                                                const pl_mapper *m, const char *name) {
    const char *names[512];
    int n = 0;
    for (int i = 0; m && i < m->nslots && n < 500; i++)
        names[n++] = m->attrs[i].name;
    for (size_t i = 0; !m && i < t->ncolumns && n < 500; i++)
        names[n++] = t->columns[i]->name;
    names[n] = NULL;
    const char *near = pl_nearest(name, names);
    const char *hint = near ? lua_pushfstring(L, "did you mean '%s'?", near) : NULL;
    plua_raise_hint(L, PL_EARGUMENT, hint, "%s has no column '%s'", m ? m->name : t->name,
                    name);
}

/* The attribute's column is in another of the model's tables. */
static __attribute__((noreturn)) void other_table(lua_State *L, const pl_table *t,
                                                  const pl_mapper *m, const pl_attr *a) {
    plua_raise_hint(L, PL_EARGUMENT,
                    "query:update{...} and session:add(object) write to every table of a "
                    "model",
                    "%s.%s is a column of table '%s', the statement changes '%s'",
                    m->name, a->name, a->column->table->name, t->name);
}

/* The column that the key at idx names: an attribute, a column, a column expression. */
static const pl_column *find_column(lua_State *L, const pl_table *t, const pl_mapper *m,
                                    int idx) {
    const pl_node *n = plua_tonode_of(L, idx, PLUA_IS_EXPRESSION);
    const pl_column *c = n && n->kind == PL_N_COLUMN ? n->ref : NULL;
    if (c && c->table == t)
        return c;
    if (n || lua_type(L, idx) != LUA_TSTRING)
        plua_raise(L, PL_EARGUMENT, "values are named by columns of %s, got %s", t->name,
                   n ? plua_node_name(L, n) : plua_typename(L, idx));
    const char *name = lua_tostring(L, idx);
    uint16_t slot = m ? pl_mapper_slot(m, name) : PL_NO_SLOT;
    if (slot != PL_NO_SLOT)
        c = m->attrs[slot].column;
    if (c && c->table != t)
        other_table(L, t, m, &m->attrs[slot]);
    if (!c)
        c = pl_table_column_by_key(t, name);
    if (!c)
        c = pl_table_column(t, name);
    if (!c)
        no_column(L, t, m, name);
    return c;
}

/* Pushes a table position + 1 -> value for the table of names at idx; marks what it has.
 */
static void push_by_position(lua_State *L, const pl_table *t, const pl_mapper *m, int idx,
                             bool *marks) {
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, idx)) {
        const pl_column *c = find_column(L, t, m, lua_gettop(L) - 1);
        marks[c->position] = true;
        lua_rawseti(L, -3, c->position + 1);
    }
}

/* Pushes what messages call a column. */
static const char *column_label(lua_State *L, const pl_mapper *m, const pl_column *c) {
    uint16_t slot = m ? pl_mapper_column_slot(m, c) : PL_NO_SLOT;
    if (slot != PL_NO_SLOT && m->attrs[slot].label)
        return lua_pushstring(L, m->attrs[slot].label);
    return lua_pushfstring(L, "%s.%s", c->table->name, c->name);
}

/* ---- values ---- */

static void fill_value(lua_State *L, int idx, const pl_mapper *m, const pl_column *c,
                       pl_node *literal) {
    literal->type = c->type;
    if (lua_isnil(L, idx)) {
        literal->value = pl_slot_null();
        return;
    }
    const char *label = column_label(L, m, c);
    plua_to_slot(L, idx, c->type, label, &literal->value);
    plua_check(L, pl_type_check(c->type, &literal->value, label, plua_err(L)));
    lua_pop(L, 1);
}

/* Pushes what a default's function returns. */
static void call_default(lua_State *L, const pl_table *t, int number) {
    plua_push_db(L, plua_db_of(t->metadata));
    lua_getiuservalue(L, -1, 1);
    lua_getfield(L, -1, "functions");
    lua_rawgeti(L, -1, number);
    lua_call(L, 0, 1);
    lua_insert(L, -4);
    lua_pop(L, 3);
}

/*
** The node for a column's value: that of the row (table at `row`), else of the default,
** else NULL. What owns its bytes is put back into the row.
*/
static pl_node *value_node(lua_State *L, int row, const pl_mapper *m, const pl_column *c,
                           const pl_default *d, void **space) {
    int top = lua_gettop(L);
    bool given = lua_rawgeti(L, row, c->position + 1) != LUA_TNIL;
    if (!given && d && d->kind == PL_D_EXPR) {
        lua_settop(L, top);
        return (pl_node *)d->node;
    }
    if (!given && d && d->kind == PL_D_FUNCTION) {
        lua_settop(L, top);
        call_default(L, c->table, d->ext);
    }
    pl_node *n = plua_operand(L, top + 1);
    if (!n) {
        n = plua_carve(space, PL_N_LITERAL, 0);
        fill_value(L, top + 1, m, c, n);
        if (!given && d && d->kind == PL_D_VALUE)
            n->value = d->value;
        n->value.flags = 0;
    }
    lua_rawseti(L, row, c->position + 1);
    return n;
}

static pl_node *carve_column(void **space, const pl_column *c) {
    pl_node *n = plua_carve(space, PL_N_COLUMN, 0);
    n->ref = c;
    n->type = c->type;
    return n;
}

static bool *push_marks(lua_State *L, const pl_table *t) {
    bool *marks = lua_newuserdatauv(L, t->ncolumns + 1, 0);
    for (size_t i = 0; i < t->ncolumns; i++)
        marks[i] = false;
    return marks;
}

static uint32_t count_marks(const pl_table *t, const bool *marks) {
    uint32_t n = 0;
    for (size_t i = 0; i < t->ncolumns; i++)
        n += marks[i];
    return n;
}

/* Columns of which nobody said a value but which have a default take part. */
static void mark_defaults(const pl_table *t, bool *marks, bool update) {
    for (size_t i = 0; i < t->ncolumns; i++) {
        const pl_column *c = t->columns[i];
        const pl_default *d = update ? &c->onupdate : &c->dflt;
        if (d->kind != PL_D_NONE)
            marks[i] = true;
    }
}

/* ---- UPDATE ---- */

void plua_push_assignments(lua_State *L, pl_table *t, const pl_mapper *m, int idx,
                           plua_assign how) {
    int top = lua_gettop(L);
    idx = lua_absindex(L, idx);
    m = m ? m : plua_table_mapper(t);
    bool *marks = push_marks(L, t);
    push_by_position(L, t, m, idx, marks);
    int row = lua_gettop(L);
    if (count_marks(t, marks) == 0)
        plua_raise(L, PL_EARGUMENT, "values of %s: the table is empty",
                   m ? m->name : t->name);
    if (how == PLUA_ASSIGN_UPDATE)
        mark_defaults(t, marks, true);
    uint32_t n = count_marks(t, marks), k = 0;
    size_t each = pl_node_size(2) + 2 * pl_node_size(0);
    pl_node *set = plua_node_block(L, PLUA_EXPRESSION, PL_N_TUPLE, n, n * each, 1);
    void *space = plua_node_extra(set);
    for (size_t i = 0; i < t->ncolumns; i++) {
        const pl_column *c = t->columns[i];
        if (!marks[i])
            continue;
        pl_node *both = plua_carve(&space, PL_N_BINARY, 2);
        both->op = PL_OP_EQ;
        both->kids[0] = carve_column(&space, c);
        both->kids[1] = value_node(L, row, m, c, &c->onupdate, &space);
        set->kids[k++] = both;
    }
    lua_pushvalue(L, row);
    lua_setiuservalue(L, -2, 1);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

/* ---- INSERT ---- */

/* Pushes a list of the rows at idx, each by position. */
static lua_Integer push_rows(lua_State *L, const pl_table *t, const pl_mapper *m, int idx,
                             bool *marks) {
    lua_newtable(L);
    int list = lua_gettop(L);
    if (lua_isnil(L, idx))
        return 0;
    if (lua_type(L, idx) != LUA_TTABLE)
        plua_raise(L, PL_ETYPE, "values expects a table of names and values, got %s",
                   plua_typename(L, idx));
    bool many = lua_rawgeti(L, idx, 1) == LUA_TTABLE;
    lua_settop(L, list);
    lua_Integer n = many ? (lua_Integer)lua_rawlen(L, idx) : 1;
    for (lua_Integer i = 1; i <= n; i++) {
        if (many)
            lua_rawgeti(L, idx, i);
        else
            lua_pushvalue(L, idx);
        if (lua_type(L, -1) != LUA_TTABLE)
            plua_raise(L, PL_ETYPE, "row %d of values is no table", (int)i);
        push_by_position(L, t, m, lua_gettop(L), marks);
        lua_rawseti(L, list, i);
        lua_settop(L, list);
    }
    return n;
}

/* Carves the values of the row on top of the stack. */
static pl_node *carve_row(lua_State *L, const pl_table *t, const pl_mapper *m,
                          const bool *marks, uint32_t n, void **space) {
    int row = lua_gettop(L);
    pl_node *tuple = plua_carve(space, PL_N_TUPLE, n);
    uint32_t k = 0;
    for (size_t i = 0; i < t->ncolumns; i++) {
        const pl_column *c = t->columns[i];
        if (marks[i])
            tuple->kids[k++] = value_node(L, row, m, c, &c->dflt, space);
    }
    return tuple;
}

/* The column of t that tells rows of the mapper, or NULL. */
static const pl_column *discriminator(const pl_table *t, const pl_mapper *m) {
    if (!m || m->polymorphic_on == PL_NO_SLOT || m->polymorphic_identity.tag == PL_UNSET)
        return NULL;
    const pl_column *c = m->attrs[m->polymorphic_on].column;
    return c && c->table == t ? c : NULL;
}

/* Gives the rows in the list their discriminator, unless they have it. */
static void put_identity(lua_State *L, const pl_mapper *m, const pl_column *kind,
                         int list) {
    size_t n = lua_rawlen(L, list);
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, list, (lua_Integer)i);
        if (lua_rawgeti(L, -1, kind->position + 1) == LUA_TNIL) {
            plua_push_slot(L, kind->type, &m->polymorphic_identity, kind->name);
            lua_rawseti(L, -3, kind->position + 1);
        }
        lua_settop(L, list);
    }
}

void plua_push_rows(lua_State *L, pl_table *t, const pl_mapper *m, int stmt, int idx) {
    int top = lua_gettop(L);
    const pl_column *kind = discriminator(t, m);
    m = m ? m : plua_table_mapper(t);
    idx = lua_absindex(L, idx);
    stmt = lua_absindex(L, stmt);
    bool *marks = push_marks(L, t);
    lua_Integer rows = push_rows(L, t, m, idx, marks);
    int list = lua_gettop(L);
    if (rows == 0) {
        lua_newtable(L);
        lua_rawseti(L, list, 1);
        rows = 1;
    }
    if (rows > 30000)
        plua_raise_hint(L, PL_EARGUMENT, "db.session:bulk_insert(Model, rows)",
                        "%d rows are too many for one statement", (int)rows);
    mark_defaults(t, marks, false);
    if (kind) {
        marks[kind->position] = true;
        put_identity(L, m, kind, list);
    }
    uint32_t n = count_marks(t, marks);
    size_t each = pl_node_size(n) + n * pl_node_size(0);
    pl_node *c =
        plua_node_block(L, PLUA_STATEMENT, PL_N_ROWS, (uint32_t)rows + 2,
                        pl_node_size(n) + n * pl_node_size(0) + (size_t)rows * each, 2);
    void *space = plua_node_extra(c);
    c->kids[0] = lua_touserdata(L, stmt);
    pl_node *columns = plua_carve(&space, PL_N_TUPLE, n);
    uint32_t k = 0;
    for (size_t i = 0; i < t->ncolumns; i++) {
        if (marks[i])
            columns->kids[k++] = carve_column(&space, t->columns[i]);
    }
    c->kids[1] = columns;
    for (lua_Integer i = 1; i <= rows; i++) {
        lua_rawgeti(L, list, i);
        c->kids[i + 1] = carve_row(L, t, m, marks, n, &space);
        lua_pop(L, 1);
    }
    lua_pushvalue(L, stmt);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, list);
    lua_setiuservalue(L, -2, 2);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

/* ---- lists of columns ---- */

void plua_push_column_tuple(lua_State *L, pl_column *const *columns, size_t n) {
    pl_node *tuple = plua_node_block(L, PLUA_EXPRESSION, PL_N_TUPLE, (uint32_t)n,
                                     n * pl_node_size(0), 0);
    void *space = plua_node_extra(tuple);
    for (size_t i = 0; i < n; i++)
        tuple->kids[i] = carve_column(&space, columns[i]);
}

void plua_push_targets(lua_State *L, pl_table *t, const pl_mapper *m, int idx,
                       const char *what) {
    m = m ? m : plua_table_mapper(t);
    if (lua_type(L, idx) != LUA_TTABLE)
        plua_raise(L, PL_EARGUMENT, "%s expects a list of columns, got %s", what,
                   plua_typename(L, idx));
    idx = lua_absindex(L, idx);
    uint32_t n = (uint32_t)lua_rawlen(L, idx);
    pl_node *tuple =
        plua_node_block(L, PLUA_EXPRESSION, PL_N_TUPLE, n, n * pl_node_size(0), 0);
    void *space = plua_node_extra(tuple);
    for (uint32_t i = 0; i < n; i++) {
        lua_rawgeti(L, idx, (lua_Integer)i + 1);
        tuple->kids[i] = carve_column(&space, find_column(L, t, m, lua_gettop(L)));
        lua_pop(L, 1);
    }
}
