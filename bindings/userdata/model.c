/* SPDX-License-Identifier: MIT */
/*
** model.c - models: the class objects of lua/perilune/declare/model.lua. See model.h.
*/
#include "userdata/model.h"
#include "userdata/alias.h"
#include "userdata/instance.h"
#include "userdata/query.h"
#include "userdata/relattr.h"
#include "userdata/schema.h"
#include "userdata/value.h"

#include "core/base/utf8.h"

#include <string.h>

static plua_db *registry_db(const pl_mapper *m) {
    return (plua_db *)((char *)m->registry - offsetof(plua_db, registry));
}

plua_model *plua_test_model(lua_State *L, int idx) {
    return plua_test(L, idx, PLUA_MODEL);
}

static plua_model *check_model(lua_State *L, int idx) {
    return luaL_checkudata(L, idx, PLUA_MODEL);
}

pl_mapper *plua_tomapper(lua_State *L, int idx, pl_node **source) {
    plua_model *model = plua_test_model(L, idx);
    plua_alias *alias = model ? NULL : plua_test_alias(L, idx);
    if (source)
        *source = alias ? alias->source : NULL;
    return model ? model->mapper : alias ? alias->mapper : NULL;
}

void plua_push_model(lua_State *L, const pl_mapper *m) {
    plua_push_db(L, registry_db(m));
    lua_getiuservalue(L, -1, PLUA_DB_MODELS);
    lua_rawgeti(L, -1, m->ext);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

void plua_push_instance_meta(lua_State *L, const pl_mapper *m) {
    plua_push_model(L, m);
    lua_getiuservalue(L, -1, PLUA_MODEL_META);
    lua_remove(L, -2);
}

/* Arguments of relationships that are functions are called now: see relationship.lua. */
static void settle_declarations(lua_State *L, plua_db *db) {
    luaL_checkstack(L, 4, "configure");
    plua_shared(L);
    if (lua_getfield(L, -1, "settle_declarations") == LUA_TFUNCTION) {
        plua_push_db(L, db);
        lua_call(L, 1, 0);
        lua_pop(L, 1);
    } else {
        lua_pop(L, 2);
    }
}

void plua_configure(lua_State *L, plua_db *db) {
    if (!db->registry.dirty)
        return;
    settle_declarations(L, db);
    for (plua_engine *e = db->engines; e; e = e->next)
        plua_check(L, pl_metadata_resolve(&e->md, plua_err(L)));
    plua_check(L, pl_registry_configure(&db->registry, plua_err(L)));
}

/* ---- names ------------------------------------------------------------------------- */

enum { MAX_NAMES = 256 };

/* Names of attributes and members, NULL-terminated, for suggestions. */
static void collect_names(lua_State *L, const pl_mapper *m, const char **names) {
    size_t n = 0;
    plua_push_model(L, m);
    lua_getiuservalue(L, -1, PLUA_MODEL_MEMBERS);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_type(L, -2) == LUA_TSTRING && n < MAX_NAMES - 1)
            names[n++] = lua_tostring(L, -2);
        lua_pop(L, 1);
    }
    lua_pop(L, 2);
    names[n] = NULL;
}

void plua_no_attribute(lua_State *L, const pl_mapper *m, const char *name) {
    const char *names[MAX_NAMES];
    collect_names(L, m, names);
    const char *near = pl_nearest(name, names);
    if (near)
        plua_raise_hint(L, PL_EATTRIBUTE, lua_pushfstring(L, "did you mean '%s'?", near),
                        "%s has no attribute '%s'", m->name, name);
    plua_raise(L, PL_EATTRIBUTE, "%s has no attribute '%s'", m->name, name);
}

/* ---- making models ----------------------------------------------------------------- */

/* core.model_new(db, name, table or nil, parent or nil): a model without attributes. */
static int model_new(lua_State *L) {
    plua_db *db = plua_check_db(L, 1);
    const char *name = luaL_checkstring(L, 2);
    plua_table *u = plua_test_table(L, 3);
    plua_model *parent = plua_test_model(L, 4);
    lua_settop(L, 4);
    plua_model *model = lua_newuserdatauv(L, sizeof *model, PLUA_MODEL_QUERY);
    memset(model, 0, sizeof *model);
    model->db = db;
    plua_check(L, pl_mapper_new(&db->registry, name, u ? u->t : NULL,
                                parent ? parent->mapper : NULL, &model->mapper,
                                plua_err(L)));
    luaL_setmetatable(L, PLUA_MODEL);
    lua_newtable(L);
    lua_setiuservalue(L, 5, PLUA_MODEL_MEMBERS);
    lua_newtable(L);
    lua_setiuservalue(L, 5, PLUA_MODEL_ATTRS);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 5, PLUA_MODEL_DB);
    lua_getiuservalue(L, 1, 1);
    lua_getfield(L, -1, "models");
    model->mapper->ext = (int)lua_rawlen(L, -1) + 1;
    lua_pushvalue(L, 5);
    lua_rawseti(L, -2, model->mapper->ext);
    lua_pushvalue(L, 5);
    lua_setfield(L, -2, name);
    lua_settop(L, 5);
    return 1;
}

/* core.model_remove(model): takes back one whose declaration failed. */
static int model_remove(lua_State *L) {
    plua_model *model = check_model(L, 1);
    const pl_mapper *m = model->mapper;
    plua_push_db(L, model->db);
    lua_getiuservalue(L, -1, 1);
    lua_getfield(L, -1, "models");
    lua_pushnil(L);
    lua_setfield(L, -2, m->name);
    if ((lua_Integer)lua_rawlen(L, -1) == m->ext) {
        lua_pushnil(L);
        lua_rawseti(L, -2, m->ext);
    }
    pl_registry_remove(&model->db->registry, model->mapper);
    return 0;
}

/* core.model_column(model, attribute, table, column name) */
static int model_column(lua_State *L) {
    plua_model *model = check_model(L, 1);
    const char *name = luaL_checkstring(L, 2);
    plua_table *u = plua_check_table(L, 3);
    pl_column *c = pl_table_column(u->t, luaL_checkstring(L, 4));
    if (!c)
        plua_raise(L, PL_EARGUMENT, "table '%s' has no column '%s'", u->t->name,
                   lua_tostring(L, 4));
    plua_check(L, pl_mapper_add_column(model->mapper, name, c, plua_err(L)));
    return 0;
}

/* core.model_expr(model, attribute, expression): a column_property. */
static int model_expr(lua_State *L) {
    plua_model *model = check_model(L, 1);
    pl_node *n = plua_tonode(L, 3);
    if (!n)
        plua_raise(L, PL_EARGUMENT, "column_property needs an expression, got %s",
                   plua_typename(L, 3));
    plua_check(L,
               pl_mapper_add_expr(model->mapper, luaL_checkstring(L, 2), n, plua_err(L)));
    lua_getiuservalue(L, 1, PLUA_MODEL_ATTRS);
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, lua_tostring(L, 2));
    return 0;
}

static void add_member(lua_State *L, int members, const char *name, int n, int kind) {
    plua_push_member(L, n, kind);
    lua_setfield(L, members, name);
}

static void push_meta(lua_State *L, int model) {
    lua_createtable(L, 0, 8);
    lua_getiuservalue(L, model, PLUA_MODEL_MEMBERS);
    lua_pushvalue(L, model);
    luaL_setfuncs(L, plua_instance_meta, 2);
    lua_pushfstring(L, "perilune.Instance");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    plua_mark_instance_meta(L);
}

/* The members change. */
static void forget_known(plua_model *model) {
    memset(model->known, 0, sizeof model->known);
}

/* Puts the mapper's attributes and relationships among the members (again). */
static void refresh_members(lua_State *L, int idx) {
    plua_model *model = lua_touserdata(L, idx);
    pl_mapper *m = model->mapper;
    forget_known(model);
    lua_getiuservalue(L, idx, PLUA_MODEL_MEMBERS);
    int members = lua_gettop(L);
    for (int i = 0; i < m->nslots; i++)
        add_member(L, members, m->attrs[i].name, i, PLUA_MEMBER_COLUMN);
    for (int i = 0; i < (int)m->nrelations; i++)
        add_member(L, members, m->relations[i]->name, i, PLUA_MEMBER_RELATION);
    lua_pop(L, 1);
}

/* core.model_finish(model): after the last column. */
static int model_finish(lua_State *L) {
    plua_model *model = check_model(L, 1);
    pl_mapper *m = model->mapper;
    plua_check(L, pl_mapper_finish(m, plua_err(L)));
    model->entity = pl_mapper_entity(&model->db->objects, m, NULL, false);
    if (!model->entity)
        plua_nomem(L);
    push_meta(L, 1);
    lua_setiuservalue(L, 1, PLUA_MODEL_META);
    refresh_members(L, 1);
    return 0;
}

/* core.model_set(model, {polymorphic_on=, polymorphic_identity=, version_id_col=,
** has_events=, attribute_events=, instance_events=, confirm_deleted_rows=}) */
static int model_set(lua_State *L) {
    plua_model *model = check_model(L, 1);
    pl_mapper *m = model->mapper;
    luaL_checktype(L, 2, LUA_TTABLE);
    const char *on = plua_field_str(L, 2, "polymorphic_on");
    const char *version = plua_field_str(L, 2, "version_id_col");
    if (on)
        m->polymorphic_on = pl_mapper_slot(m, on);
    if (version)
        m->version = pl_mapper_slot(m, version);
    if ((on && m->polymorphic_on == PL_NO_SLOT) || (version && m->version == PL_NO_SLOT))
        plua_raise(L, PL_EARGUMENT, "%s: __mapper_args__ names no column of the model",
                   m->name);
    m->has_events = plua_field_bool(L, 2, "has_events", m->has_events);
    m->confirm_deleted_rows =
        plua_field_bool(L, 2, "confirm_deleted_rows", m->confirm_deleted_rows);
    model->attribute_events =
        plua_field_bool(L, 2, "attribute_events", model->attribute_events);
    model->instance_events =
        plua_field_bool(L, 2, "instance_events", model->instance_events);
    if (lua_getfield(L, 2, "polymorphic_identity") == LUA_TNIL)
        return 0;
    uint16_t slot = m->root->polymorphic_on;
    pl_slot v;
    if (slot == PL_NO_SLOT)
        plua_any_slot(L, -1, &v);
    else
        plua_to_slot(L, lua_gettop(L), m->root->attrs[slot].type, "polymorphic_identity",
                     &v);
    if (v.tag == PL_TEXT)
        v.v.s = pl_arena_copy(&model->db->objects, v.v.s, v.len);
    m->polymorphic_identity = v;
    return 0;
}

/* core.model_criterion(model, condition or nil): queries see only rows that meet it.
 *Those
 ** made before stay as they are. */
static int model_criterion(lua_State *L) {
    plua_model *model = check_model(L, 1);
    lua_settop(L, 2);
    model->mapper->criterion = lua_isnil(L, 2) ? NULL : plua_tocondition(L, 2);
    lua_getiuservalue(L, 1, PLUA_MODEL_ATTRS);
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "?criterion"); /* keeps it alive */
    lua_pushnil(L);
    lua_setiuservalue(L, 1, PLUA_MODEL_QUERY);
    return 0;
}

/* core.alias_model(model or alias): the model. */
static int alias_model(lua_State *L) {
    const pl_mapper *m = plua_tomapper(L, 1, NULL);
    if (!m)
        plua_raise(L, PL_EARGUMENT, "a model or an alias expected, got %s",
                   plua_typename(L, 1));
    plua_push_model(L, m);
    return 1;
}

/* ---- relationships ----------------------------------------------------------------- */

/* A list of column expressions in field `key` of the arguments, as columns. */
static pl_column **column_list(lua_State *L, plua_model *model, const char *key,
                               size_t *n) {
    *n = 0;
    if (lua_getfield(L, 3, key) != LUA_TTABLE) {
        lua_pop(L, 1);
        return NULL;
    }
    size_t count = lua_rawlen(L, -1);
    pl_column **list = pl_arena_array(&model->db->objects, count + 1, sizeof *list);
    for (size_t i = 0; list && i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        const pl_node *node = plua_tonode(L, -1);
        if (!node || node->kind != PL_N_COLUMN || !node->ref)
            plua_raise(L, PL_EARGUMENT, "%s.%s: %s must name columns",
                       model->mapper->name, lua_tostring(L, 2), key);
        list[(*n)++] = (pl_column *)node->ref;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return list;
}

/* A node in field `key`; kept alive by the db's list of nodes. */
static pl_node *node_field(lua_State *L, plua_model *model, const char *key) {
    lua_getfield(L, 3, key);
    pl_node *n = lua_isuserdata(L, -1) ? plua_tonode(L, -1) : NULL;
    if (n) {
        plua_push_db(L, model->db);
        lua_getiuservalue(L, -1, 1);
        lua_getfield(L, -1, "functions");
        lua_pushvalue(L, -4);
        lua_rawsetp(L, -2, n);
        lua_pop(L, 3);
    }
    lua_pop(L, 1);
    return n;
}

static const char *text_field(lua_State *L, plua_model *model, const char *key) {
    return pl_arena_str(&model->db->objects, plua_field_str(L, 3, key));
}

static void read_args(lua_State *L, plua_model *model, pl_relation_args *a) {
    static const char *const lazy[] = {"select",     "joined", "selectin",
                                       "subquery",   "raise",  "dynamic",
                                       "write_only", "noload", "immediate"};
    const char *word = plua_field_str(L, 3, "lazy");
    for (int i = 0; word && i < 9; i++)
        if (strcmp(word, lazy[i]) == 0)
            a->lazy = i;
    a->target = text_field(L, model, "target");
    a->secondary = text_field(L, model, "secondary");
    a->back_populates = text_field(L, model, "back_populates");
    a->cascade = text_field(L, model, "cascade");
    a->uselist = (int)plua_field_int(L, 3, "uselist", -1);
    a->passive_deletes = (int)plua_field_int(L, 3, "passive_deletes", 0);
    a->passive_deletes_given = plua_field_bool(L, 3, "passive_deletes_given", false);
    a->viewonly = plua_field_bool(L, 3, "viewonly", false);
    a->single_parent = plua_field_bool(L, 3, "single_parent", false);
    a->post_update = plua_field_bool(L, 3, "post_update", false);
    a->passive_updates_off = plua_field_bool(L, 3, "passive_updates_off", false);
    a->innerjoin = plua_field_bool(L, 3, "innerjoin", false);
    a->raise_on_sql = plua_field_bool(L, 3, "raise_on_sql", false);
    a->join_depth = (int)plua_field_int(L, 3, "join_depth", 0);
    lua_getfield(L, 3, "secondary_table");
    plua_table *u = plua_test_table(L, -1);
    a->secondary_table = u ? u->t : NULL;
    lua_pop(L, 1);
    a->foreign_keys = column_list(L, model, "foreign_keys", &a->nforeign_keys);
    a->remote_side = column_list(L, model, "remote_side", &a->nremote_side);
    a->primaryjoin = node_field(L, model, "primaryjoin");
    a->secondaryjoin = node_field(L, model, "secondaryjoin");
    a->order_by = node_field(L, model, "order_by");
    a->numbered = text_field(L, model, "numbered");
    a->first_number = plua_field_int(L, 3, "first_number", 0);
}

/* core.model_relation(model, name, args): declares a relationship; args are normalised.
 */
static int model_relation(lua_State *L) {
    plua_model *model = check_model(L, 1);
    const char *name = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    pl_relation_args args = {.lazy = -1};
    read_args(L, model, &args);
    pl_relation *r;
    plua_check(L, pl_mapper_add_relation(model->mapper, name, &args, &r, plua_err(L)));
    r->by_backref = plua_field_bool(L, 3, "by_backref", false);
    r->ext = (int)++plua_rt(L)->sequence;
    refresh_members(L, 1);
    return 0;
}

/* core.relation_arguments(model, name, args): all arguments of a relationship that was
** declared with some of them only, before it is configured. */
static int relation_arguments(lua_State *L) {
    plua_model *model = check_model(L, 1);
    pl_relation *r = pl_mapper_relation(model->mapper, luaL_checkstring(L, 2));
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    if (!r || r->configured)
        return 0;
    pl_relation_args args = {.lazy = -1};
    read_args(L, model, &args);
    r->args = args;
    return 0;
}

/* core.cascade_check(text): raises for a word that is no cascade. */
static int cascade_check(lua_State *L) {
    unsigned bits;
    plua_check(L, pl_cascade_parse(luaL_checkstring(L, 1), &bits, plua_err(L)));
    return 0;
}

/* core.model_refresh(model): members again, after a relationship reached a subclass. */
static int model_refresh(lua_State *L) {
    check_model(L, 1);
    refresh_members(L, 1);
    return 0;
}

/* core.model_members(model): for the Lua side, which may write to it until it next asks.
 */
static int model_members(lua_State *L) {
    forget_known(check_model(L, 1));
    lua_getiuservalue(L, 1, PLUA_MODEL_MEMBERS);
    return 1;
}

/* core.configure(db) */
static int configure(lua_State *L) {
    plua_configure(L, plua_check_db(L, 1));
    return 0;
}

static void describe_relation(lua_State *L, const pl_relation *r) {
    static const char *const directions[] = {"many-to-one", "one-to-many",
                                             "many-to-many"};
    static const char *const lazy[] = {"select",     "joined", "selectin",
                                       "subquery",   "raise",  "dynamic",
                                       "write_only", "noload", "immediate"};
    lua_createtable(L, 0, 8);
    lua_pushstring(L, r->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, r->target ? r->target->name : r->args.target);
    lua_setfield(L, -2, "target");
    lua_pushstring(L, directions[r->direction]);
    lua_setfield(L, -2, "direction");
    lua_pushstring(L, lazy[r->lazy]);
    lua_setfield(L, -2, "lazy");
    lua_pushboolean(L, r->uselist);
    lua_setfield(L, -2, "uselist");
    lua_pushboolean(L, r->viewonly);
    lua_setfield(L, -2, "viewonly");
    lua_pushinteger(L, (lua_Integer)r->cascade);
    lua_setfield(L, -2, "cascade");
    if (r->back) {
        lua_pushstring(L, r->back->name);
        lua_setfield(L, -2, "back");
    }
    if (r->secondary) {
        lua_pushstring(L, r->secondary->name);
        lua_setfield(L, -2, "secondary");
    }
}

/* core.model_describe(model): name, columns and relationships as plain tables; info is
** the number of a column's own data among the functions of the db, 0 without. */
static int model_describe(lua_State *L) {
    plua_model *model = check_model(L, 1);
    pl_mapper *m = model->mapper;
    plua_configure(L, model->db);
    lua_createtable(L, 0, 6);
    lua_pushstring(L, m->name);
    lua_setfield(L, -2, "name");
    lua_createtable(L, m->nslots, 0);
    for (int i = 0; i < m->nslots; i++) {
        lua_createtable(L, 0, 4);
        lua_pushstring(L, m->attrs[i].name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, m->attrs[i].column ? m->attrs[i].column->name : NULL);
        lua_setfield(L, -2, "column");
        lua_pushstring(L, pl_kind_name(m->attrs[i].type->kind));
        lua_setfield(L, -2, "type");
        lua_pushinteger(L, m->attrs[i].column ? m->attrs[i].column->ext : 0);
        lua_setfield(L, -2, "info");
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "attributes");
    lua_createtable(L, m->npk, 0);
    for (int i = 0; i < m->npk; i++) {
        lua_pushstring(L, m->attrs[m->pk[i]].name);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "primary_key");
    lua_createtable(L, (int)m->nrelations, 0);
    for (size_t i = 0; i < m->nrelations; i++) {
        describe_relation(L, m->relations[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "relationships");
    lua_createtable(L, (int)m->ntables, 0);
    for (size_t i = 0; i < m->ntables; i++) {
        plua_push_table(L, m->tables[i].table);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "tables");
    return 1;
}

/* ---- class-level attributes -------------------------------------------------------- */

/* Pushes the member of a model or, failing that, of its ancestors. */
static int push_member(lua_State *L, const pl_mapper *m, int key) {
    for (; m; m = m->parent) {
        plua_push_model(L, m);
        lua_getiuservalue(L, -1, PLUA_MODEL_MEMBERS);
        lua_pushvalue(L, key);
        int type = lua_rawget(L, -2);
        lua_replace(L, -3);
        lua_pop(L, 1);
        if (type != LUA_TNIL)
            return type;
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    return LUA_TNIL;
}

int plua_push_inherited(lua_State *L, const pl_mapper *m, int key) {
    return push_member(L, m, key);
}

/* A column_property of the alias at idx: its expression over the alias's source. */
static void push_computed(lua_State *L, int idx, pl_mapper *m, pl_node *source,
                          const pl_attr *at) {
    pl_arena *a = plua_arena(L);
    const pl_node *n = pl_mapper_attr(a, m, at, source);
    if (!n)
        plua_nomem(L);
    pl_node *copy =
        plua_node_block(L, PLUA_EXPRESSION, (pl_node_kind)n->kind, n->nkids, 0, 1);
    memcpy(copy, n, pl_node_size(n->nkids));
    lua_createtable(L, 2, 0); /* what the kids stand on */
    lua_pushvalue(L, -3);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, 2);
    lua_setiuservalue(L, -2, 1);
}

/* The expression of a column attribute: of the model's table or the alias's. */
static void push_column(lua_State *L, int idx, pl_mapper *m, pl_node *source,
                        uint16_t slot) {
    const pl_attr *a = &m->attrs[slot];
    if (!a->column && source) {
        push_computed(L, idx, m, source, a);
        return;
    }
    if (!a->column) {
        plua_push_model(L, m);
        lua_getiuservalue(L, -1, PLUA_MODEL_ATTRS);
        lua_getfield(L, -1, a->name);
        return;
    }
    int from = 0;
    if (source) {
        lua_getiuservalue(L, idx, 3);
        from = lua_gettop(L);
    }
    pl_node *n = plua_column_node(L, a->column, a->type, from, idx);
    n->ext = (uint32_t)m->position + 1; /* see node.h */
}

void plua_class_attr(lua_State *L, int idx, int key) {
    pl_node *source;
    idx = lua_absindex(L, idx);
    key = lua_absindex(L, key);
    int top = lua_gettop(L);
    pl_mapper *m = plua_tomapper(L, idx, &source);
    int type = push_member(L, m, key);
    if (type == LUA_TNIL)
        plua_no_attribute(L, m, luaL_tolstring(L, key, NULL));
    if (type == PLUA_MEMBER) {
        int kind;
        int n = plua_member(L, -1, &kind);
        if (kind == PLUA_MEMBER_COLUMN) {
            push_column(L, idx, m, source, (uint16_t)n);
        } else {
            plua_configure(L, registry_db(m));
            if (source)
                lua_getiuservalue(L, idx, 3);
            plua_push_relation_attr(L, m->relations[n], source ? lua_gettop(L) : 0, idx);
        }
    } else if (lua_istable(L, -1)) {
        lua_pushliteral(L, "__property");
        if (lua_rawget(L, -2) == LUA_TTABLE &&
            lua_getfield(L, -1, "expr") == LUA_TFUNCTION) {
            lua_pushvalue(L, idx);
            lua_call(L, 1, 1);
        } else {
            lua_settop(L, top + 1);
        }
    }
    lua_copy(L, -1, top + 1);
    lua_settop(L, top + 1);
}

/* Whether what a name gives at class level never changes and may be kept. */
static bool cacheable(lua_State *L, int idx) {
    return lua_isuserdata(L, idx);
}

/* Pushes what the Lua side answers for a name that is no member; false when nothing. */
static bool push_field(lua_State *L) {
    plua_shared(L);
    lua_getfield(L, -1, "model_fields");
    if (!lua_istable(L, -1))
        return false;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TFUNCTION)
        return false;
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return true;
}

/* Upvalue 1: the string "query". */
static int model_index(lua_State *L) {
    plua_model *model = lua_touserdata(L, 1);
    if (lua_rawequal(L, 2, lua_upvalueindex(1))) {
        if (lua_getiuservalue(L, 1, PLUA_MODEL_QUERY) == LUA_TNIL) {
            plua_select_entity(L, 1);
            lua_pushvalue(L, -1);
            lua_setiuservalue(L, 1, PLUA_MODEL_QUERY);
        }
        if (model->db->bound)
            plua_push_session(L, model->db), lua_pop(L, 1);
        return 1;
    }
    lua_getiuservalue(L, 1, PLUA_MODEL_ATTRS);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL)
        return 1;
    if (plua_push_inherited(L, model->mapper, 2) == LUA_TNIL && push_field(L))
        return 1;
    plua_class_attr(L, 1, 2);
    if (cacheable(L, -1)) {
        lua_getiuservalue(L, 1, PLUA_MODEL_ATTRS);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -3);
        lua_rawset(L, -3);
        lua_pop(L, 1);
    }
    return 1;
}

/* Functions become methods at once; anything else is declared by the Lua side. */
static int model_newindex(lua_State *L) {
    if (lua_isfunction(L, 3)) {
        forget_known(lua_touserdata(L, 1));
        lua_getiuservalue(L, 1, PLUA_MODEL_MEMBERS);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, 3);
        lua_rawset(L, -3);
        return 0;
    }
    plua_shared(L);
    lua_getfield(L, -1, "model_declare");
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_call(L, 3, 0);
    return 0;
}

static int model_call(lua_State *L) {
    plua_model *model = lua_touserdata(L, 1);
    if (model->db->registry.dirty)
        plua_configure(L, model->db);
    if (lua_isnoneornil(L, 2)) {
        plua_construct(L, model, 1, 0);
        return 1;
    }
    if (!lua_istable(L, 2))
        plua_raise_hint(L, PL_ETYPE, "write Model{name = value}",
                        "%s(...) takes one table of attributes, got %s",
                        model->mapper->name, plua_typename(L, 2));
    lua_settop(L, 2);
    plua_construct(L, model, 1, 2);
    return 1;
}

static int model_tostring(lua_State *L) {
    plua_model *model = lua_touserdata(L, 1);
    lua_pushfstring(L, "<Model %s>", model->mapper->name);
    return 1;
}

int plua_open_model(lua_State *L) {
    static const luaL_Reg meta[] = {{"__newindex", model_newindex},
                                    {"__call", model_call},
                                    {"__tostring", model_tostring},
                                    {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"model_new", model_new},
        {"model_remove", model_remove},
        {"model_column", model_column},
        {"model_expr", model_expr},
        {"model_finish", model_finish},
        {"model_set", model_set},
        {"model_criterion", model_criterion},
        {"alias_model", alias_model},
        {"relation_arguments", relation_arguments},
        {"model_relation", model_relation},
        {"model_members", model_members},
        {"cascade_check", cascade_check},
        {"model_refresh", model_refresh},
        {"model_describe", model_describe},
        {"configure", configure},
        {NULL, NULL},
    };
    plua_class(L, PLUA_MODEL, meta, NULL);
    lua_pushliteral(L, "query");
    lua_pushcclosure(L, model_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
