/* SPDX-License-Identifier: MIT */
/*
** model.h - a model as Lua sees it: the class object, made callable.
**
** User values of a model: 1 its members (name -> code of a column or relationship, or the
** script's own method or property), 2 the class-level attributes made so far (name ->
** expression), 3 the db, 4 the metatable of instances, 5 the cached `query`.
*/
#ifndef PLUA_MODEL_H
#define PLUA_MODEL_H

#include "userdata/database.h"
#include "userdata/node.h"

/*
** Columns by the address of their name, which as a key of the members stays where it is:
** what reading an attribute needs, without a look into a table. Forgotten whenever the
** members may change.
*/
enum { PLUA_KNOWN = 64 };
typedef struct plua_known {
    const char *name; /* NULL: free */
    uint16_t slot;
} plua_known;

typedef struct plua_model {
    const char *get_sql; /* SELECT by key, NULL until first used; see get.c */
    size_t get_len;
    uint16_t *get_columns; /* slot of each of its columns */
    pl_mapper *mapper;
    plua_db *db;
    pl_node *entity; /* ENTITY node over the plain table, in the metadata's memory */
    bool attribute_events; /* validators or set/append/remove listeners */
    bool instance_events;  /* init, load, refresh, expire listeners */
    plua_known known[PLUA_KNOWN];
} plua_model;

/* Where a column of that name is known, or else would be: one of two places. */
static inline plua_known *plua_model_known(plua_model *model, const char *name) {
    uint64_t hash = (uint64_t)(uintptr_t)name * UINT64_C(0x9E3779B97F4A7C15);
    plua_known *known = &model->known[hash >> 32 & (PLUA_KNOWN - 2)];
    return known->name && known->name != name ? known + 1 : known;
}

enum {
    PLUA_MODEL_MEMBERS = 1,
    PLUA_MODEL_ATTRS,
    PLUA_MODEL_DB,
    PLUA_MODEL_META,
    PLUA_MODEL_QUERY
};

/*
** Codes of members that the mapper knows, in the members table: light userdata, which no
** field of a class written in Lua is; kind in the low bit, slot or relation position
*above.
*/
enum {
    PLUA_MEMBER = LUA_TLIGHTUSERDATA,
    PLUA_MEMBER_COLUMN = 0,
    PLUA_MEMBER_RELATION = 1
};

/* Pushes the code of the nth member of a kind. [-0, +1, -] */
static inline void plua_push_member(lua_State *L, int n, int kind) {
    lua_pushlightuserdata(L, (void *)(((uintptr_t)n << 1) | (unsigned)kind));
}

/* The position and kind of the member code at idx. */
static inline int plua_member(lua_State *L, int idx, int *kind) {
    uintptr_t code = (uintptr_t)lua_touserdata(L, idx);
    *kind = (int)(code & 1);
    return (int)(code >> 1);
}

/* The model at idx, or NULL. [-0, +0, -] */
plua_model *plua_test_model(lua_State *L, int idx);

/* The mapper of a model or alias at idx, its source in *source (NULL: plain); or NULL. */
pl_mapper *plua_tomapper(lua_State *L, int idx, pl_node **source);

/* Resolves relationships of all models declared so far; raises. Cheap when done. */
void plua_configure(lua_State *L, plua_db *db);

/*
** Pushes the class-level attribute `name` (at index key) of the model or alias at idx: a
** column expression, a relationship attribute, a hybrid's expression; raises
*AttributeError
** with a suggestion when there is none. [-0, +1, v]
*/
void plua_class_attr(lua_State *L, int idx, int key);

/* Pushes a member (see members) of a mapper's model or of its ancestors; its type. [-0,
 * +1, -] */
int plua_push_inherited(lua_State *L, const pl_mapper *m, int key);

int plua_open_model(lua_State *L);

/* Raises AttributeError "User has no attribute 'nmae'", hint: did you mean 'name'? */
__attribute__((noreturn)) void plua_no_attribute(lua_State *L, const pl_mapper *m,
                                                 const char *name);

#endif
