/* SPDX-License-Identifier: MIT */
/*
** instance.h - instances of models: userdata over a pl_object.
**
** The one user value of an instance is the page its slots stand in, or nil, until it
** needs a state table; then the table holds the page at [0] and
**   [slot + 1]            the Lua value that owns the bytes of a slot set by the script,
**   [nslots + slot + 1]   the decoded JSON value of a slot,
**   [-1]                  the working copy of the slots while the object is changed,
**   [name]                a related object, a collection, false for "none"
*(relationship),
**   ["_x"]                the script's own data.
** While an object is changed (PLUA_OBJ_COPY) `slots` is the working copy and the row as
** it was last known stands behind plua_base.
*/
#ifndef PLUA_INSTANCE_H
#define PLUA_INSTANCE_H

#include "core/unit/mapper.h"
#include "userdata/model.h"

enum {
    PLUA_OBJ_COPY = 1u << PL_OBJ_SHIFT,    /* slots is a working copy */
    PLUA_OBJ_HISTORY = 2u << PL_OBJ_SHIFT, /* a relationship was changed */
    PLUA_OBJ_EXPIRED = 4u << PL_OBJ_SHIFT, /* expired as a whole: relationships too */
    PLUA_OBJ_LOADING = 8u << PL_OBJ_SHIFT, /* values are being loaded: no events */
    PLUA_OBJ_SINGLE = 16u << PL_OBJ_SHIFT  /* lazy loads one by one (option) */
};

/* The working copy of a changed object's slots. */
typedef struct plua_copy {
    pl_slot *base;
    pl_slot slots[];
} plua_copy;

/* Slots as last loaded or flushed. */
static inline pl_slot *plua_base(const pl_object *o) {
    if (!(o->status & PLUA_OBJ_COPY))
        return o->slots;
    return ((plua_copy *)((char *)o->slots - offsetof(plua_copy, slots)))->base;
}

/*
** Pushes a new instance with `extra` bytes behind its own slots (slots UNSET), of the
** metatable at `meta`. With paged, it has no slots: the caller points them into a page
** and sets the user value. [-0, +1, m]
*/
pl_object *plua_new_instance(lua_State *L, pl_mapper *m, int meta, size_t extra,
                             bool paged);

/* The object at idx when it is an instance of any model, else NULL. [-0, +0, -] */
pl_object *plua_test_instance(lua_State *L, int idx);

/* The same, raising UnmappedInstanceError. [-0, +0, v] */
pl_object *plua_check_instance(lua_State *L, int idx);

/* Pushes the state table of the instance at idx, made when missing. [-0, +1, m] */
void plua_state_table(lua_State *L, int idx, pl_object *o);

/* Pushes it, or nil when there is none. [-0, +1, -] */
void plua_state_peek(lua_State *L, int idx, const pl_object *o);

/* Makes the working copy (persistent objects) before the first change. [-0, +0, m] */
void plua_instance_copy(lua_State *L, int idx, pl_object *o);

/* Writes the working copy back over the row: what is there is what the database has. */
void plua_instance_settle(lua_State *L, int idx, pl_object *o);

/* Sets a column slot from the Lua value at val, with checks, tracking and pinning. [-0,
 * +0, v] */
void plua_instance_set_slot(lua_State *L, int idx, pl_object *o, uint16_t slot, int val);

/* Puts a stored value into a slot without tracking, keeping its bytes. [-0, +0, m] */
void plua_instance_store(lua_State *L, int idx, pl_object *o, uint16_t slot,
                         const pl_slot *v);

/* Makes sure a slot's value is there (refreshes, loads deferred ones); raises. */
void plua_instance_load(lua_State *L, int idx, pl_object *o, uint16_t slot);

/* Forgets loaded values: all, so that the next read loads them. [-0, +0, m] */
void plua_instance_expire(lua_State *L, int idx, pl_object *o);

/* Drops loaded relationships, not the script's own data. [-0, +0, m] */
void plua_instance_forget_related(lua_State *L, int idx, const pl_object *o);

/* "<User 1>" or the script's __tostring. [-0, +1, v] */
void plua_instance_describe(lua_State *L, const pl_object *o);

/* Metamethods of instances: upvalue 1 members, upvalue 2 the model. For model.c. */
extern const luaL_Reg plua_instance_meta[];

/* Marks the metatable on top of the stack as one of instances. [-0, +0, m] */
void plua_mark_instance_meta(lua_State *L);

/* Model(...) : a transient instance from the table at `args` (0: none). [-0, +1, v] */
void plua_construct(lua_State *L, plua_model *model, int modelidx, int args);

#endif
