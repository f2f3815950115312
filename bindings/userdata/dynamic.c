/* SPDX-License-Identifier: MIT */
/*
** dynamic.c - what dynamic.lua needs of relationships with lazy = "dynamic" or
** "write_only": their lists are never loaded for reading, but what is appended and
** removed waits in them for the flush.
*/
#include "userdata/collection.h"
#include "userdata/loader.h"
#include "userdata/model.h"
#include "userdata/dynamic.h"

static pl_relation *check_list(lua_State *L, pl_object *o, int idx) {
    const char *name = luaL_checkstring(L, idx);
    pl_relation *r = pl_mapper_relation(o->mapper, name);
    if (!r || !r->uselist)
        plua_no_attribute(L, o->mapper, name);
    return r;
}

/* Pushes the list of changes; what was there when the object was new is forgotten once
** the database has it. */
static plua_collection *push_changes(lua_State *L, int idx, pl_object *o,
                                     pl_relation *r) {
    plua_collection *c = plua_collection_of(L, idx, o, r);
    if ((o->status & PL_OBJ_KEYED) && c->loaded && !c->has_added && !c->has_removed)
        plua_collection_expire(L, lua_gettop(L), c);
    return c;
}

/* core.dynamic_append(object, name, item) */
static int dynamic_append(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    pl_relation *r = check_list(L, o, 2);
    lua_settop(L, 3);
    plua_collection *c = push_changes(L, 1, o, r);
    plua_collection_queue(L, 4, c, 3, true);
    return 0;
}

/* core.dynamic_remove(object, name, item) */
static int dynamic_remove(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    pl_relation *r = check_list(L, o, 2);
    lua_settop(L, 3);
    plua_collection *c = push_changes(L, 1, o, r);
    plua_collection_queue(L, 4, c, 3, false);
    return 0;
}

/* Pushes { attribute of the model, attribute of the target } for each pair of columns. */
static void push_pairs(lua_State *L, const pl_relation *r) {
    lua_createtable(L, (int)r->npairs, 0);
    for (size_t i = 0; i < r->npairs; i++) {
        lua_createtable(L, 2, 0);
        lua_pushstring(L, r->mapper->attrs[r->pairs[i].local_slot].name);
        lua_rawseti(L, -2, 1);
        lua_pushstring(L, r->target->attrs[r->pairs[i].remote_slot].name);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_key_names(lua_State *L, const pl_mapper *m) {
    lua_createtable(L, m->npk, 0);
    for (int i = 0; i < m->npk; i++) {
        lua_pushstring(L, m->attrs[m->pk[i]].name);
        lua_rawseti(L, -2, i + 1);
    }
}

/*
** core.dynamic_info(object, name): the model that declares the relationship, its target,
** the names of the keys of both, and the pairs of attributes that are equal, or nil where
** that is not the whole of the join.
*/
static int dynamic_info(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    const pl_relation *r = check_list(L, o, 2);
    plua_push_model(L, r->mapper);
    plua_push_model(L, r->target);
    push_key_names(L, r->mapper);
    push_key_names(L, r->target);
    if (r->simple && !r->secondary)
        push_pairs(L, r);
    else
        lua_pushnil(L);
    return 5;
}

/* core.dynamic_pending(object, name): what a new object has, as a list. */
static int dynamic_pending(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    pl_relation *r = check_list(L, o, 2);
    plua_collection *c = plua_collection_of(L, 1, o, r);
    lua_createtable(L, (int)c->n, 0);
    lua_getiuservalue(L, -2, PLUA_C_ITEMS);
    for (lua_Integer i = 1; i <= c->n; i++) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -3, i);
    }
    lua_pop(L, 1);
    return 1;
}

/* core.dynamic_ready(object): flushes as a query would, and says whether the object has a
** row that can be asked about. */
static int dynamic_ready(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    plua_session *s = plua_object_session(o);
    if (s && s->autoflush)
        plua_session_autoflush(L, s);
    lua_pushboolean(L, plua_object_session(o) && pl_object_state(o) == PL_PERSISTENT);
    return 1;
}

/* core.dynamic_refuse(object, name): raises because the object is in no session. */
static int dynamic_refuse(lua_State *L) {
    pl_object *o = plua_check_instance(L, 1);
    const pl_relation *r = check_list(L, o, 2);
    plua_instance_describe(L, o);
    plua_raise_hint(L, PL_EDETACHED, "db.session:add(object) attaches it again",
                    "Parent instance %s is not attached to any Session; lazy load of "
                    "dynamic attribute '%s' cannot proceed",
                    lua_tostring(L, -1), r->name);
}

int plua_open_dynamic(lua_State *L) {
    static const luaL_Reg functions[] = {{"dynamic_append", dynamic_append},
                                         {"dynamic_remove", dynamic_remove},
                                         {"dynamic_info", dynamic_info},
                                         {"dynamic_pending", dynamic_pending},
                                         {"dynamic_ready", dynamic_ready},
                                         {"dynamic_refuse", dynamic_refuse},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
