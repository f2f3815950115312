/* SPDX-License-Identifier: MIT */
/*
** column.c - what a column says of itself: User.name.type, .nullable, .info ...
**
** The class of expressions that are columns or labels: the methods of all expressions,
** and behind them the fields below, read from the declaration. A label and a column of a
** subquery have name, key and type only. Nothing can be set; `info` is the script's own
** table. Columns of type JSON are not of this class, because their fields are paths.
*/
#include "userdata/expression.h"
#include "userdata/schema.h"
#include "userdata/value.h"

#include "core/unit/mapper.h"

#include <string.h>

/* Pushes the table of Lua values that the db keeps for its columns. [-0, +1, m] */
static void push_kept(lua_State *L, const pl_column *c) {
    plua_push_db(L, plua_db_of(c->table->metadata));
    lua_getiuservalue(L, -1, PLUA_DB_TABLE);
    lua_getfield(L, -1, "functions");
    lua_replace(L, -3);
    lua_pop(L, 1);
}

static void push_kept_value(lua_State *L, const pl_column *c, int n) {
    push_kept(L, c);
    lua_rawgeti(L, -1, n);
    lua_replace(L, -2);
}

static void push_default(lua_State *L, const pl_column *c, const pl_default *d) {
    if (d->kind == PL_D_NONE)
        lua_pushnil(L);
    else if (d->kind == PL_D_VALUE)
        plua_push_slot(L, c->type, &d->value, c->name);
    else
        push_kept_value(L, c, d->ext);
}

static bool is_foreign_key_of(const pl_constraint *k, const pl_column *c, size_t *at) {
    for (*at = 0; k->kind == PL_C_FOREIGN && *at < k->ncolumns; ++*at)
        if (k->columns[*at] == c)
            return true;
    return false;
}

static void set_text(lua_State *L, const char *key, const char *text) {
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

/* The name of the attribute by which the column was asked for. */
static const char *attribute_key(const pl_node *n, const pl_column *c) {
    const pl_mapper *m = plua_noted_mapper(n);
    uint16_t slot = m ? pl_mapper_column_slot(m, c) : PL_NO_SLOT;
    return slot == PL_NO_SLOT ? c->key : m->attrs[slot].name;
}

/* ---- the fields ---- */

#define TEXT_FIELD(member)                                                               \
    static void get_##member(lua_State *L, pl_column *c) {                               \
        lua_pushstring(L, c->member);                                                    \
    }
#define FLAG_FIELD(member)                                                               \
    static void get_##member(lua_State *L, pl_column *c) {                               \
        lua_pushboolean(L, c->member);                                                   \
    }
TEXT_FIELD(name)
TEXT_FIELD(server_default)
TEXT_FIELD(server_onupdate)
TEXT_FIELD(computed)
TEXT_FIELD(comment)
TEXT_FIELD(collation)
FLAG_FIELD(nullable)
FLAG_FIELD(unique)
FLAG_FIELD(index)
FLAG_FIELD(deferred)

static void get_primary_key(lua_State *L, pl_column *c) {
    lua_pushboolean(L, c->pk_position >= 0);
}

static void get_default(lua_State *L, pl_column *c) {
    push_default(L, c, &c->dflt);
}

static void get_onupdate(lua_State *L, pl_column *c) {
    push_default(L, c, &c->onupdate);
}

/* The table given, else one that is made now and stays. */
static void get_info(lua_State *L, pl_column *c) {
    if (c->ext == 0) {
        push_kept(L, c);
        lua_newtable(L);
        c->ext = (int)lua_rawlen(L, -2) + 1;
        lua_rawseti(L, -2, c->ext);
        lua_pop(L, 1);
    }
    push_kept_value(L, c, c->ext);
}

/* A list with an entry for each foreign key that the column is part of. */
static void get_foreign_keys(lua_State *L, pl_column *c) {
    lua_newtable(L);
    size_t at;
    lua_Integer n = 0;
    for (const pl_constraint *k = c->table->constraints; k; k = k->next) {
        if (!is_foreign_key_of(k, c, &at))
            continue;
        lua_createtable(L, 0, 4);
        lua_pushfstring(L, "%s.%s", k->ref_table, k->ref_columns[at]);
        lua_setfield(L, -2, "target");
        set_text(L, "name", k->name);
        set_text(L, "ondelete", k->ondelete);
        set_text(L, "onupdate", k->onupdate);
        lua_rawseti(L, -2, ++n);
    }
}

static void get_table(lua_State *L, pl_column *c) {
    plua_push_table(L, c->table);
}

static const struct {
    const char *name;
    void (*push)(lua_State *L, pl_column *c);
} fields[] = {{"name", get_name},
              {"nullable", get_nullable},
              {"primary_key", get_primary_key},
              {"unique", get_unique},
              {"index", get_index},
              {"deferred", get_deferred},
              {"default", get_default},
              {"onupdate", get_onupdate},
              {"server_default", get_server_default},
              {"server_onupdate", get_server_onupdate},
              {"computed", get_computed},
              {"comment", get_comment},
              {"collation", get_collation},
              {"info", get_info},
              {"foreign_keys", get_foreign_keys},
              {"table", get_table}};

/* name, key and type, which every expression of this class has; false for other names. */
static bool push_common(lua_State *L, const pl_node *n, const pl_column *c,
                        const char *name) {
    bool key = strcmp(name, "key") == 0;
    if (strcmp(name, "type") == 0)
        plua_push_type(L, pl_node_type(n), 1);
    else if (key && c)
        lua_pushstring(L, attribute_key(n, c));
    else if ((key || strcmp(name, "name") == 0) && !c)
        lua_pushlstring(L, n->text, n->len);
    else
        return false;
    return true;
}

/* __index: a method, else a field. Upvalue: the methods. */
static int column_index(lua_State *L) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    const pl_node *n = lua_touserdata(L, 1);
    pl_column *c = n->kind == PL_N_COLUMN ? (pl_column *)n->ref : NULL;
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (push_common(L, n, c, name))
        return 1;
    size_t count = c && c->table ? sizeof fields / sizeof *fields : 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            fields[i].push(L, c);
            return 1;
        }
    }
    lua_settop(L, 2);
    lua_gettable(L, lua_upvalueindex(1)); /* raises, with a suggestion */
    return 1;
}

void plua_column_index(lua_State *L, int methods) {
    lua_pushvalue(L, methods);
    lua_pushcclosure(L, column_index, 1);
}
