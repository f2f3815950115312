/* SPDX-License-Identifier: MIT */
/*
** schema.c - types, tables, columns, constraints and indexes for the Lua side's
** declarations (lua/perilune/declare).
**
** The Lua side reads what a script declared, checks names of options and gives plain
** values; the functions here put them into the metadata. Tables are values of their own:
** `t.c.name` is a column's expression.
*/
#include "userdata/schema.h"
#include "userdata/node.h"
#include "userdata/value.h"

#include <string.h>

/* ---- types ------------------------------------------------------------------------- */

const pl_type *plua_test_type(lua_State *L, int idx) {
    return plua_test(L, idx, PLUA_TYPE);
}

void plua_push_type(lua_State *L, const pl_type *t, int owner) {
    owner = lua_absindex(L, owner);
    pl_type *copy = lua_newuserdatauv(L, sizeof *copy, 2);
    *copy = *t;
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, PLUA_TYPE);
}

static size_t words_bytes(lua_State *L, int idx, size_t *n) {
    size_t bytes = 0;
    *n = 0;
    if (!lua_istable(L, idx))
        return 0;
    *n = lua_rawlen(L, idx);
    for (size_t i = 1; i <= *n; i++) {
        if (lua_rawgeti(L, idx, (lua_Integer)i) != LUA_TSTRING)
            plua_raise(L, PL_EARGUMENT, "Enum words must be strings");
        bytes += lua_rawlen(L, -1) + 1;
        lua_pop(L, 1);
    }
    return bytes;
}

static void copy_words(lua_State *L, int idx, pl_type *t, size_t n) {
    const char **words = (const char **)(t + 1);
    char *text = (char *)(words + n);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, idx, (lua_Integer)i + 1);
        size_t len = lua_rawlen(L, -1);
        memcpy(text, lua_tostring(L, -1), len + 1);
        words[i] = text;
        text += len + 1;
        lua_pop(L, 1);
    }
    t->words = words;
    t->nwords = n;
}

static unsigned type_flags(lua_State *L, int idx) {
    unsigned flags = 0;
    if (plua_field_bool(L, idx, "create_constraint", false))
        flags |= PL_TYPE_CONSTRAINT;
    if (plua_field_bool(L, idx, "none_as_null", false))
        flags |= PL_TYPE_NONE_AS_NULL;
    return flags;
}

/*
** core.type(kind, {length=, precision=, scale=, words=, name=, base=, ext=, ...}): a
*type.
*/
static int new_type(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    pl_kind kind = pl_kind_named(name);
    if (kind == PL_KIND_COUNT)
        plua_raise(L, PL_EARGUMENT, "unknown type '%s'", name);
    if (!lua_istable(L, 2)) {
        lua_settop(L, 1);
        lua_newtable(L);
    }
    lua_getfield(L, 2, "words");
    size_t n;
    size_t bytes = words_bytes(L, 3, &n);
    pl_type *t = lua_newuserdatauv(L, sizeof *t + n * sizeof(char *) + bytes, 2);
    *t = (pl_type){.kind = kind, .flags = type_flags(L, 2)};
    t->length = (int)plua_field_int(L, 2, "length", 0);
    t->precision = (int)plua_field_int(L, 2, "precision", 0);
    t->scale = (int)plua_field_int(L, 2, "scale", -1);
    t->ext = (int)plua_field_int(L, 2, "ext", 0);
    copy_words(L, 3, t, n);
    lua_getfield(L, 2, "base");
    t->base = plua_test_type(L, -1);
    lua_setiuservalue(L, -2, 1);
    lua_getfield(L, 2, "name");
    t->name = lua_tostring(L, -1);
    lua_setiuservalue(L, -2, 2);
    luaL_setmetatable(L, PLUA_TYPE);
    return 1;
}

static int type_index(lua_State *L) {
    const pl_type *t = lua_touserdata(L, 1);
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "kind") == 0)
        lua_pushstring(L, pl_kind_name(t->kind));
    else if (strcmp(key, "length") == 0)
        lua_pushinteger(L, t->length);
    else if (strcmp(key, "precision") == 0)
        lua_pushinteger(L, t->precision);
    else if (strcmp(key, "scale") == 0)
        lua_pushinteger(L, t->scale);
    else if (strcmp(key, "ext") == 0)
        lua_pushinteger(L, t->ext);
    else if (strcmp(key, "words") == 0) {
        lua_createtable(L, (int)t->nwords, 0);
        for (size_t i = 0; i < t->nwords; i++) {
            lua_pushstring(L, t->words[i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    } else
        lua_pushnil(L);
    return 1;
}

static int type_tostring(lua_State *L) {
    const pl_type *t = lua_touserdata(L, 1);
    if (t->length > 0)
        lua_pushfstring(L, "%s(%d)", pl_kind_name(t->kind), t->length);
    else if (t->precision > 0)
        lua_pushfstring(L, "%s(%d, %d)", pl_kind_name(t->kind), t->precision,
                        t->scale < 0 ? 0 : t->scale);
    else
        lua_pushstring(L, pl_kind_name(t->kind));
    return 1;
}

/* db.String(100): the Lua side reads the arguments. */
static int type_call(lua_State *L) {
    int n = lua_gettop(L);
    plua_shared(L);
    lua_getfield(L, -1, "type_call");
    lua_insert(L, 1);
    lua_settop(L, n + 1);
    lua_call(L, n, 1);
    return 1;
}

/* A type copied into the memory of declarations. */
static const pl_type *keep_type(lua_State *L, pl_arena *a, const pl_type *t) {
    pl_type *copy = pl_arena_new(a, pl_type);
    if (!copy)
        plua_nomem(L);
    *copy = *t;
    copy->name = pl_arena_str(a, t->name);
    if (t->nwords > 0) {
        const char **words = pl_arena_array(a, t->nwords, sizeof *words);
        for (size_t i = 0; words && i < t->nwords; i++)
            words[i] = pl_arena_str(a, t->words[i]);
        copy->words = words;
    }
    if (t->base)
        copy->base = keep_type(L, a, t->base);
    return copy;
}

/* ---- tables ------------------------------------------------------------------------ */

plua_table *plua_check_table(lua_State *L, int idx) {
    return luaL_checkudata(L, idx, PLUA_TABLE);
}

plua_table *plua_test_table(lua_State *L, int idx) {
    return plua_test(L, idx, PLUA_TABLE);
}

void plua_push_table(lua_State *L, pl_table *t) {
    plua_table *u = lua_newuserdatauv(L, sizeof *u, 2);
    u->t = t;
    u->node = NULL;
    luaL_setmetatable(L, PLUA_TABLE);
    plua_push_db(L, plua_db_of(t->metadata));
    lua_setiuservalue(L, -2, 1);
}

static const char *keep(plua_table *u, const char *s) {
    return pl_arena_str(&u->t->metadata->arena, s);
}

/* core.table_new(db, bind_key or nil, name, {schema=, comment=, strict=, ...}) */
static int table_new(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    plua_engine *e = plua_engine_get(L, db, luaL_optstring(L, 2, NULL));
    const char *name = luaL_checkstring(L, 3);
    luaL_checktype(L, 4, LUA_TTABLE);
    pl_table *t;
    plua_check(
        L, pl_table_new(&e->md, name, plua_field_str(L, 4, "schema"), &t, plua_err(L)));
    if (db->watch && db->watch->view)
        t->view = pl_arena_str(&e->md.arena, db->watch->view(db->watch->ud, name));
    t->comment = pl_arena_str(&e->md.arena, plua_field_str(L, 4, "comment"));
    t->renamed_from = pl_arena_str(&e->md.arena, plua_field_str(L, 4, "renamed_from"));
    t->flags |= plua_field_bool(L, 4, "strict", false) ? PL_TABLE_STRICT : 0;
    t->flags |=
        plua_field_bool(L, 4, "without_rowid", false) ? PL_TABLE_WITHOUT_ROWID : 0;
    t->flags |=
        plua_field_bool(L, 4, "autoincrement", false) ? PL_TABLE_AUTOINCREMENT : 0;
    plua_push_table(L, t);
    return 1;
}

static int table_remove(lua_State *L) {
    plua_table *u = plua_check_table(L, 1);
    pl_metadata_remove(u->t->metadata, u->t);
    return 0;
}

/* A slot copied into the memory of declarations. */
static pl_slot keep_slot(plua_table *u, pl_slot v) {
    if (v.tag == PL_TEXT || v.tag == PL_BLOB)
        v.v.s = pl_arena_copy(&u->t->metadata->arena, v.v.s, v.len);
    return v;
}

/*
** default_value= / default_fn= (number) / default_node= of the options at `opts` with the
** given prefix. Functions and nodes are kept by the db's table of functions.
*/
static void read_default(lua_State *L, plua_table *u, pl_column *c, int opts,
                         const char *prefix, pl_default *d) {
    const char *key = lua_pushfstring(L, "%s_fn", prefix);
    int fn = (int)plua_field_int(L, opts, key, 0);
    key = lua_pushfstring(L, "%s_node", prefix);
    lua_getfield(L, opts, key);
    const pl_node *node = lua_isuserdata(L, -1) ? plua_tonode(L, -1) : NULL;
    key = lua_pushfstring(L, "%s_value", prefix);
    lua_getfield(L, opts, key);
    d->ext = fn;
    if (node) {
        d->kind = PL_D_EXPR;
        d->node = node;
    } else if (fn) {
        d->kind = PL_D_FUNCTION;
    } else if (!lua_isnil(L, -1)) {
        const char *where = lua_pushfstring(L, "%s.%s default", u->t->name, c->name);
        lua_insert(L, -2);
        pl_slot v;
        /* a foreign key's type is not known yet: the value stands as it is */
        plua_to_slot(L, lua_gettop(L), c->type ? c->type : pl_type_plain(PL_K_ANY), where,
                     &v);
        d->kind = PL_D_VALUE;
        d->value = keep_slot(u, v);
    }
    lua_settop(L, opts);
}

static void read_flags(lua_State *L, plua_table *u, int opts, pl_column *c) {
    c->primary_key = plua_field_bool(L, opts, "primary_key", false);
    c->nullable_given = plua_field_bool(L, opts, "nullable_given", false);
    c->nullable = plua_field_bool(L, opts, "nullable", !c->primary_key);
    c->unique = plua_field_bool(L, opts, "unique", false);
    c->index = plua_field_bool(L, opts, "index", false);
    lua_getfield(L, opts, "autoincrement");
    c->autoincrement = lua_toboolean(L, -1);
    c->no_autoincrement = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
    lua_pop(L, 1);
    c->deferred = plua_field_bool(L, opts, "deferred", false);
    c->deferred_group = keep(u, plua_field_str(L, opts, "deferred_group"));
    c->persisted = plua_field_bool(L, opts, "persisted", false);
    c->ext = (int)plua_field_int(L, opts, "ext", 0);
}

/* core.table_column(table, {name=, key=, type=, primary_key=, ...}) */
static int table_column(lua_State *L) {
    plua_table *u = plua_check_table(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    pl_metadata *md = u->t->metadata;
    lua_getfield(L, 2, "type");
    const pl_type *t = plua_test_type(L, 3);
    pl_column *c = pl_column_new(md, plua_field_str(L, 2, "name"),
                                 t ? keep_type(L, &md->arena, t) : NULL);
    if (!c)
        plua_nomem(L);
    lua_settop(L, 2);
    const char *key = plua_field_str(L, 2, "key");
    if (key)
        c->key = keep(u, key);
    read_flags(L, u, 2, c);
    c->server_default = keep(u, plua_field_str(L, 2, "server_default"));
    c->server_onupdate = keep(u, plua_field_str(L, 2, "server_onupdate"));
    c->computed = keep(u, plua_field_str(L, 2, "computed"));
    c->comment = keep(u, plua_field_str(L, 2, "comment"));
    c->collation = keep(u, plua_field_str(L, 2, "collation"));
    c->renamed_from = keep(u, plua_field_str(L, 2, "renamed_from"));
    read_default(L, u, c, 2, "default", &c->dflt);
    read_default(L, u, c, 2, "onupdate", &c->onupdate);
    plua_check(L, pl_table_add_column(u->t, c, plua_err(L)));
    return 0;
}

static pl_column *need_column(lua_State *L, const plua_table *u, const char *name) {
    pl_column *c = pl_table_column(u->t, name);
    if (!c)
        c = pl_table_column_by_key(u->t, name);
    if (!c)
        plua_raise(L, PL_EARGUMENT, "table '%s' has no column '%s'", u->t->name, name);
    return c;
}

/* The columns named in the list `columns` of the options at 2, in memory on the stack.
** [-0, +1, v] */
static pl_column **read_columns(lua_State *L, const plua_table *u, size_t *n) {
    lua_getfield(L, 2, "columns");
    *n = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
    pl_column **out = lua_newuserdatauv(L, (*n + 1) * sizeof *out, 0);
    for (size_t i = 0; i < *n; i++) {
        lua_rawgeti(L, -2, (lua_Integer)i + 1);
        out[i] = need_column(L, u, luaL_checkstring(L, -1));
        lua_pop(L, 1);
    }
    lua_remove(L, -2);
    return out;
}

static pl_constraint *new_constraint(lua_State *L, plua_table *u,
                                     pl_constraint_kind kind) {
    size_t n;
    pl_column **columns = read_columns(L, u, &n);
    pl_constraint *c = pl_table_add_constraint(u->t, kind, columns, n);
    if (!c)
        plua_nomem(L);
    lua_pop(L, 1);
    c->name = keep(u, plua_field_str(L, 2, "name"));
    c->named_by_user = c->name != NULL;
    return c;
}

/* core.table_foreign(table, {columns={}, target="t", refs={}, ondelete=, ...}) */
static int table_foreign(lua_State *L) {
    plua_table *u = plua_check_table(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    pl_constraint *c = new_constraint(L, u, PL_C_FOREIGN);
    c->ref_table = keep(u, plua_field_str(L, 2, "target"));
    c->ref_columns =
        pl_arena_array(&u->t->metadata->arena, c->ncolumns + 1, sizeof *c->ref_columns);
    lua_getfield(L, 2, "refs");
    for (size_t i = 0; i < c->ncolumns; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        c->ref_columns[i] = keep(u, luaL_checkstring(L, -1));
        lua_pop(L, 1);
        if (!c->columns[i]->foreign)
            c->columns[i]->foreign = c;
    }
    c->ondelete = keep(u, plua_field_str(L, 2, "ondelete"));
    c->onupdate = keep(u, plua_field_str(L, 2, "onupdate"));
    c->initially = keep(u, plua_field_str(L, 2, "initially"));
    lua_getfield(L, 2, "deferrable");
    c->deferrable = lua_isnil(L, -1) ? -1 : lua_toboolean(L, -1);
    c->use_alter = plua_field_bool(L, 2, "use_alter", false);
    return 0;
}

/* core.table_constraint(table, {kind="unique"|"check"|"primary", columns=, name=, sql=})
 */
static int table_constraint(lua_State *L) {
    plua_table *u = plua_check_table(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    const char *kind = plua_field_str(L, 2, "kind");
    pl_constraint_kind k = strcmp(kind, "unique") == 0  ? PL_C_UNIQUE
                           : strcmp(kind, "check") == 0 ? PL_C_CHECK
                                                        : PL_C_PRIMARY;
    pl_constraint *c = new_constraint(L, u, k);
    c->sqltext = keep(u, plua_field_str(L, 2, "sql"));
    return 0;
}

/* core.table_index(table, {name=, columns={names or false}, exprs={text or false},
** unique=, where=}) */
static int table_index(lua_State *L) {
    plua_table *u = plua_check_table(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "columns");
    lua_getfield(L, 2, "exprs");
    size_t n = lua_rawlen(L, -2);
    pl_column **columns = lua_newuserdatauv(L, (n + 1) * sizeof *columns, 0);
    const char **exprs = lua_newuserdatauv(L, (n + 1) * sizeof *exprs, 0);
    lua_rotate(L, -4, 2);
    for (size_t i = 0; i < n; i++) {
        columns[i] = NULL;
        exprs[i] = NULL;
        if (lua_rawgeti(L, -2, (lua_Integer)i + 1) == LUA_TSTRING)
            columns[i] = need_column(L, u, lua_tostring(L, -1));
        if (lua_rawgeti(L, -2, (lua_Integer)i + 1) == LUA_TSTRING)
            exprs[i] = keep(u, lua_tostring(L, -1));
        lua_pop(L, 2);
    }
    pl_index *ix = pl_table_add_index(u->t, keep(u, plua_field_str(L, 2, "name")),
                                      columns, exprs, n);
    if (!ix)
        plua_nomem(L);
    ix->unique = plua_field_bool(L, 2, "unique", false);
    ix->where = keep(u, plua_field_str(L, 2, "where"));
    return 0;
}

/* core.table_ddl(table, {create statements}, {drop statements}, virtual) */
static int table_ddl(lua_State *L) {
    plua_table *u = plua_check_table(L, 1);
    for (int i = 2; i <= 3; i++) {
        luaL_checktype(L, i, LUA_TTABLE);
        size_t n = lua_rawlen(L, i);
        const char **list = pl_arena_array(&u->t->metadata->arena, n + 1, sizeof *list);
        for (size_t k = 0; list && k < n; k++) {
            lua_rawgeti(L, i, (lua_Integer)k + 1);
            list[k] = keep(u, luaL_checkstring(L, -1));
            lua_pop(L, 1);
        }
        *(i == 2 ? &u->t->ddl : &u->t->ddl_drop) = list;
    }
    if (lua_toboolean(L, 4)) {
        u->t->flags |= PL_TABLE_VIRTUAL;
        u->t->metadata->has_virtual = true;
    }
    return 0;
}

static int table_finish(lua_State *L) {
    plua_table *u = plua_check_table(L, 1);
    plua_check(L, pl_table_finish(u->t, plua_err(L)));
    return 0;
}

/* ---- what a script sees of a table --------------------------------------------------
 */

pl_node *plua_push_table_column(lua_State *L, int idx, const char *name) {
    idx = lua_absindex(L, idx);
    plua_table *u = lua_touserdata(L, idx);
    pl_column *c = pl_table_column_by_key(u->t, name);
    if (!c)
        c = pl_table_column(u->t, name);
    if (!c)
        return NULL;
    if (!c->type)
        plua_check(L, pl_metadata_resolve(u->t->metadata, plua_err(L)));
    lua_getiuservalue(L, idx, 1);
    pl_node *n = plua_column_node(L, c, c->type, 0, lua_gettop(L));
    lua_remove(L, -2);
    return n;
}

/* A position past the end is nil, which ends ipairs; a name must be a column's. */
static int columns_index(lua_State *L) {
    if (lua_type(L, 2) == LUA_TNUMBER)
        return 0;
    lua_pushvalue(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 2);
    if (!plua_push_table_column(L, lua_gettop(L), name))
        plua_raise(L, PL_EATTRIBUTE, "table '%s' has no column '%s'",
                   ((plua_table *)lua_touserdata(L, -1))->t->name, name);
    return 1;
}

/* Pushes the `c` of the table at 1: a table whose fields are its columns. */
static int push_columns(lua_State *L) {
    plua_table *u = lua_touserdata(L, 1);
    lua_createtable(L, (int)u->t->ncolumns, 0);
    for (size_t i = 0; i < u->t->ncolumns; i++) {
        plua_push_table_column(L, 1, u->t->columns[i]->key);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, columns_index, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    return 1;
}

static int table_get(lua_State *L) {
    plua_table *u = lua_touserdata(L, 1);
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "c") == 0 || strcmp(key, "columns") == 0)
        return push_columns(L);
    if (strcmp(key, "name") == 0)
        lua_pushstring(L, u->t->name);
    else if (strcmp(key, "bind_key") == 0)
        lua_pushstring(L, u->t->metadata->bind_key);
    else if (strcmp(key, "db") == 0)
        lua_getiuservalue(L, 1, 1);
    else {
        plua_shared(L);
        lua_getfield(L, -1, "table_methods");
        if (!lua_istable(L, -1))
            return 0;
        lua_pushvalue(L, 2);
        lua_rawget(L, -2);
    }
    return 1;
}

static int table_tostring(lua_State *L) {
    lua_pushstring(L, ((plua_table *)lua_touserdata(L, 1))->t->name);
    return 1;
}

static int table_equal(lua_State *L) {
    plua_table *a = plua_test_table(L, 1), *b = plua_test_table(L, 2);
    lua_pushboolean(L, a && b && a->t == b->t);
    return 1;
}

static const char *default_kind(const pl_default *d) {
    static const char *const names[] = {NULL, "value", "function", "expression"};
    return names[d->kind];
}

static void describe_column(lua_State *L, const pl_column *c) {
    lua_createtable(L, 0, 16);
    const struct {
        const char *key;
        const char *text;
    } texts[] = {{"name", c->name},
                 {"key", c->key},
                 {"type", c->type ? pl_kind_name(c->type->kind) : NULL},
                 {"server_default", c->server_default},
                 {"computed", c->computed},
                 {"comment", c->comment},
                 {"collation", c->collation},
                 {"renamed_from", c->renamed_from},
                 {"default", default_kind(&c->dflt)},
                 {"onupdate", default_kind(&c->onupdate)}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lua_pushstring(L, texts[i].text);
        lua_setfield(L, -2, texts[i].key);
    }
    const struct {
        const char *key;
        bool value;
    } flags[] = {{"primary_key", c->pk_position >= 0},
                 {"nullable", c->nullable},
                 {"unique", c->unique},
                 {"index", c->index},
                 {"deferred", c->deferred}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        lua_pushboolean(L, flags[i].value);
        lua_setfield(L, -2, flags[i].key);
    }
    lua_pushinteger(L, c->type ? c->type->length : 0);
    lua_setfield(L, -2, "length");
}

static void describe_constraint(lua_State *L, const pl_constraint *c) {
    static const char *const kinds[] = {"primary", "foreign", "unique", "check"};
    lua_createtable(L, 0, 8);
    lua_pushstring(L, kinds[c->kind]);
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, c->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, c->sqltext);
    lua_setfield(L, -2, "sql");
    lua_pushstring(L, c->ref_table);
    lua_setfield(L, -2, "target");
    lua_pushstring(L, c->ondelete);
    lua_setfield(L, -2, "ondelete");
    lua_createtable(L, (int)c->ncolumns, 0);
    lua_createtable(L, (int)c->ncolumns, 0);
    for (size_t i = 0; i < c->ncolumns; i++) {
        lua_pushstring(L, c->columns[i]->name);
        lua_rawseti(L, -3, (lua_Integer)i + 1);
        if (c->ref_columns) {
            lua_pushstring(L, c->ref_columns[i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    }
    lua_setfield(L, -3, "refs");
    lua_setfield(L, -2, "columns");
}

static void describe_index(lua_State *L, const pl_index *ix) {
    lua_createtable(L, 0, 4);
    lua_pushstring(L, ix->name);
    lua_setfield(L, -2, "name");
    lua_pushboolean(L, ix->unique);
    lua_setfield(L, -2, "unique");
    lua_pushstring(L, ix->where);
    lua_setfield(L, -2, "where");
    lua_createtable(L, (int)ix->ncolumns, 0);
    for (size_t i = 0; i < ix->ncolumns; i++) {
        lua_pushstring(L, ix->columns[i] ? ix->columns[i]->name : ix->exprs[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "columns");
}

/* core.table_describe(table): columns, constraints and indexes as plain tables. */
static int table_describe(lua_State *L) {
    plua_table *u = plua_check_table(L, 1);
    lua_Integer n = 0;
    lua_createtable(L, 0, 4);
    lua_pushstring(L, u->t->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, u->t->schema);
    lua_setfield(L, -2, "schema");
    lua_pushboolean(L, u->t->flags & PL_TABLE_VIRTUAL);
    lua_setfield(L, -2, "virtual");
    lua_createtable(L, (int)u->t->ncolumns, 0);
    for (size_t i = 0; i < u->t->ncolumns; i++) {
        describe_column(L, u->t->columns[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "columns");
    lua_newtable(L);
    for (const pl_constraint *c = u->t->constraints; c; c = c->next) {
        describe_constraint(L, c);
        lua_rawseti(L, -2, ++n);
    }
    lua_setfield(L, -2, "constraints");
    lua_newtable(L);
    n = 0;
    for (const pl_index *ix = u->t->indexes; ix; ix = ix->next) {
        describe_index(L, ix);
        lua_rawseti(L, -2, ++n);
    }
    lua_setfield(L, -2, "indexes");
    return 1;
}

int plua_open_schema(lua_State *L) {
    static const luaL_Reg type_meta[] = {{"__index", type_index},
                                         {"__tostring", type_tostring},
                                         {"__call", type_call},
                                         {NULL, NULL}};
    static const luaL_Reg table_meta[] = {{"__index", table_get},
                                          {"__tostring", table_tostring},
                                          {"__eq", table_equal},
                                          {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"type", new_type},
        {"table_new", table_new},
        {"table_remove", table_remove},
        {"table_column", table_column},
        {"table_foreign", table_foreign},
        {"table_constraint", table_constraint},
        {"table_index", table_index},
        {"table_ddl", table_ddl},
        {"table_finish", table_finish},
        {"table_describe", table_describe},
        {NULL, NULL},
    };
    plua_class(L, PLUA_TYPE, type_meta, NULL);
    plua_class(L, PLUA_TABLE, table_meta, NULL);
    lua_pop(L, 2);
    luaL_newlib(L, functions);
    return 1;
}
