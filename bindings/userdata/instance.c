/* SPDX-License-Identifier: MIT */
/*
** instance.c - reading, setting and describing instances. See instance.h for the layout.
**
** Reading an attribute that is there is the hottest path of the module: one raw lookup of
** the name, one test for freshness, one push. Everything else is in functions behind it.
** Relationships are relationship.c's business, loading is loader.c's.
*/
#include "userdata/instance.h"
#include "userdata/event.h"
#include "userdata/identity.h"
#include "userdata/loader.h"
#include "userdata/null.h"
#include "userdata/relationship.h"
#include "userdata/session.h"
#include "userdata/value.h"

#include <string.h>

#define MEMBERS  lua_upvalueindex(1)
#define THEMODEL lua_upvalueindex(2)

pl_object *plua_new_instance(lua_State *L, pl_mapper *m, int meta, size_t extra,
                             bool paged) {
    meta = lua_absindex(L, meta);
    size_t slots = paged ? 0 : m->nslots * sizeof(pl_slot);
    pl_object *o = lua_newuserdatauv(L, sizeof *o + slots + extra, 1);
    memset(o, 0, sizeof *o + slots);
    o->mapper = m;
    o->slots = (pl_slot *)(o + 1);
    lua_pushvalue(L, meta);
    lua_setmetatable(L, -2);
    return o;
}

/* Every metatable of instances has this field: the way to tell them from other userdata.
 */
static const char INSTANCE_MARK = 0;

void plua_mark_instance_meta(lua_State *L) {
    lua_pushboolean(L, 1);
    lua_rawsetp(L, -2, &INSTANCE_MARK);
}

pl_object *plua_test_instance(lua_State *L, int idx) {
    void *p = lua_touserdata(L, idx);
    if (!p || lua_islightuserdata(L, idx) || !lua_getmetatable(L, idx))
        return NULL;
    bool ours = lua_rawgetp(L, -1, &INSTANCE_MARK) == LUA_TBOOLEAN;
    lua_pop(L, 2);
    return ours ? p : NULL;
}

pl_object *plua_check_instance(lua_State *L, int idx) {
    pl_object *o = plua_test_instance(L, idx);
    if (o)
        return o;
    const plua_model *model = plua_test_model(L, idx);
    if (model) {
        const char *name = model->mapper->name;
        plua_raise_hint(L, PL_EUNMAPPED, lua_pushfstring(L, "make one: %s{...}", name),
                        "the model %s itself is not an instance of a model", name);
    }
    plua_raise(L, PL_EUNMAPPED, "%s is not an instance of a model",
               plua_typename(L, idx));
}

void plua_state_table(lua_State *L, int idx, pl_object *o) {
    idx = lua_absindex(L, idx);
    lua_getiuservalue(L, idx, 1);
    if (o->status & PL_OBJ_TABLE)
        return;
    lua_createtable(L, 0, 4); /* page, working copy, an owner, something else */
    if (!lua_isnil(L, -2)) {
        lua_pushvalue(L, -2);
        lua_rawseti(L, -2, 0);
    }
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, idx, 1);
    o->status |= PL_OBJ_TABLE;
    lua_remove(L, -2);
}

void plua_state_peek(lua_State *L, int idx, const pl_object *o) {
    if (o->status & PL_OBJ_TABLE)
        lua_getiuservalue(L, idx, 1);
    else
        lua_pushnil(L);
}

void plua_instance_copy(lua_State *L, int idx, pl_object *o) {
    if (o->status & PLUA_OBJ_COPY)
        return;
    size_t bytes = o->mapper->nslots * sizeof(pl_slot);
    plua_state_table(L, idx, o);
    plua_copy *copy = lua_newuserdatauv(L, sizeof *copy + bytes, 1);
    copy->base = o->slots;
    memcpy(copy->slots, o->slots, bytes);
    lua_rawseti(L, -2, -1);
    lua_pop(L, 1);
    o->slots = copy->slots;
    o->status |= PLUA_OBJ_COPY;
}

/* What the database computes may be something else after a flush. */
static void forget_computed(pl_object *o) {
    for (uint16_t i = 0; i < o->mapper->nslots; i++) {
        if (o->mapper->attrs[i].column)
            continue;
        o->slots[i] = (pl_slot){.tag = PL_UNSET};
        o->status |= PL_OBJ_PARTIAL;
    }
}

static bool is_key(const pl_mapper *m, uint16_t slot) {
    for (int k = 0; k < m->npk; k++)
        if (m->pk[k] == slot)
            return true;
    return false;
}

/* A listener has set attributes since the row was written: they are still to be written,
** and what the row has there is not known. */
static void settle_but(lua_State *L, int idx, pl_object *o) {
    plua_instance_copy(L, idx, o);
    pl_slot *base = plua_base(o);
    for (uint16_t i = 0; i < o->mapper->nslots; i++) {
        o->slots[i].flags &= (uint8_t)~PL_SLOT_GUESS;
        if (!(o->slots[i].flags & PL_SLOT_CHANGED))
            base[i] = o->slots[i];
        else if (!is_key(o->mapper, i))
            base[i] = (pl_slot){.tag = PL_UNSET};
    }
    o->status &= ~(uint32_t)PLUA_OBJ_HISTORY;
    o->status |= PL_OBJ_CHANGED | PL_OBJ_MODIFIED | PL_OBJ_PARTIAL;
    lua_getiuservalue(L, idx, 1);
    lua_rawgeti(L, -1, -1);
    lua_pushnil(L);
    lua_setiuservalue(L, -2, 1); /* no slot has the owner that it had */
    lua_pop(L, 2);
}

void plua_instance_settle(lua_State *L, int idx, pl_object *o) {
    if (o->mapper->has_exprs)
        forget_computed(o);
    if ((o->status & PL_OBJ_WRITTEN) && (o->status & PL_OBJ_CHANGED)) {
        settle_but(L, idx, o);
        return;
    }
    pl_slot *base = plua_base(o);
    for (uint16_t i = 0; i < o->mapper->nslots; i++) {
        base[i] = o->slots[i];
        base[i].flags &= (uint8_t) ~(PL_SLOT_CHANGED | PL_SLOT_GUESS);
    }
    o->status &= ~(uint32_t)(PL_OBJ_CHANGED | PL_OBJ_MODIFIED | PLUA_OBJ_HISTORY);
    if (!(o->status & PLUA_OBJ_COPY))
        return;
    o->slots = base;
    o->status &= ~(uint32_t)PLUA_OBJ_COPY;
    lua_getiuservalue(L, idx, 1);
    lua_pushnil(L);
    lua_rawseti(L, -2, -1);
    lua_pop(L, 1);
}

/*
** The owner of a slot's bytes is about to be replaced in the state table on top. While
** the object is changed, the row behind it may still point there: its working copy keeps
** the first owner of each slot in a table, its user value.
*/
static void keep_owner(lua_State *L, const pl_object *o, uint16_t slot) {
    if (!(o->status & PLUA_OBJ_COPY))
        return;
    int state = lua_gettop(L);
    if (lua_rawgeti(L, state, slot + 1) == LUA_TNIL) { /* the bytes stand in the page */
        lua_settop(L, state);
        return;
    }
    lua_rawgeti(L, state, -1);
    lua_replace(L, -2);
    if (lua_getiuservalue(L, -1, 1) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, -3, 1);
    }
    if (lua_rawgeti(L, -1, slot + 1) == LUA_TNIL) {
        lua_rawgeti(L, state, slot + 1);
        lua_rawseti(L, state + 2, slot + 1);
    }
    lua_settop(L, state);
}

/* The working copy goes and the row is what it was: so are the owners of the key's bytes,
** the only ones that expiring leaves. The state table is on top. */
static void restore_owners(lua_State *L, const pl_object *o) {
    int state = lua_gettop(L);
    lua_rawgeti(L, state, -1);
    if (lua_getiuservalue(L, -1, 1) == LUA_TTABLE) {
        for (int k = 0; k < o->mapper->npk; k++) {
            lua_rawgeti(L, state + 2, o->mapper->pk[k] + 1);
            if (lua_toboolean(L, -1))
                lua_rawseti(L, state, o->mapper->pk[k] + 1);
            else
                lua_pop(L, 1);
        }
    }
    lua_settop(L, state);
}

/* Keeps the value at `owner` alive as the holder of a slot's bytes. */
static void anchor(lua_State *L, int idx, pl_object *o, uint16_t slot, int owner) {
    owner = lua_absindex(L, owner);
    plua_state_table(L, idx, o);
    keep_owner(L, o, slot);
    lua_pushvalue(L, owner);
    lua_rawseti(L, -2, slot + 1);
    if (o->mapper->attrs[slot].type->kind == PL_K_JSON) {
        lua_pushnil(L);
        lua_rawseti(L, -2, o->mapper->nslots + slot + 1);
    }
    lua_pop(L, 1);
}

void plua_instance_store(lua_State *L, int idx, pl_object *o, uint16_t slot,
                         const pl_slot *v) {
    idx = lua_absindex(L, idx);
    pl_slot kept = *v;
    if (v->tag == PL_TEXT || v->tag == PL_BLOB) {
        kept.v.s = lua_pushlstring(L, v->v.s ? v->v.s : "", v->len);
        anchor(L, idx, o, slot, -1);
        lua_pop(L, 1);
    }
    kept.flags = (uint8_t)(o->slots[slot].flags & PL_SLOT_CHANGED);
    o->slots[slot] = kept;
}

/* Whether the row is known to hold the value already. */
static bool is_net_change(const pl_object *o, uint16_t slot, const pl_slot *v) {
    bool written = (o->status & PL_OBJ_WRITTEN) != 0; /* a moment ago, by this flush */
    const pl_slot *row = written ? &o->slots[slot] : &plua_base(o)[slot];
    return !pl_object_fresh(o) || (row->flags & PL_SLOT_CHANGED) ||
           row->tag == PL_UNSET || !pl_slot_same(row, v);
}

static void set_persistent(lua_State *L, int idx, pl_object *o, uint16_t slot, int val,
                           pl_slot v) {
    plua_session *s = plua_object_session(o);
    plua_instance_copy(L, idx, o);
    bool changed = is_net_change(o, slot, &v);
    v.flags = changed ? PL_SLOT_CHANGED : 0;
    if (v.tag == PL_TEXT || v.tag == PL_BLOB || v.tag == PL_EXPR)
        anchor(L, idx, o, slot, val);
    o->slots[slot] = v;
    o->status |= PL_OBJ_MODIFIED | (changed ? PL_OBJ_CHANGED : 0);
    if (s)
        plua_session_pin(L, s, idx, o);
}

static void set_new(lua_State *L, int idx, pl_object *o, uint16_t slot, int val,
                    pl_slot v) {
    v.flags = PL_SLOT_CHANGED;
    if (v.tag == PL_TEXT || v.tag == PL_BLOB || v.tag == PL_EXPR)
        anchor(L, idx, o, slot, val);
    o->slots[slot] = v;
    if (o->status & PL_OBJ_WRITTEN)
        o->status |= PL_OBJ_CHANGED;
}

static const char *attr_label(const pl_attr *a) {
    return a->label ? a->label : a->name;
}

/* An SQL expression or a value of the attribute's type. */
static void convert(lua_State *L, pl_object *o, uint16_t slot, int val, pl_slot *v) {
    const pl_attr *a = &o->mapper->attrs[slot];
    const pl_node *n = lua_isuserdata(L, val) ? plua_tonode(L, val) : NULL;
    if (a->readonly)
        plua_raise(L, PL_EATTRIBUTE, "%s is read-only: it is computed by the database",
                   attr_label(a));
    if (n)
        *v = (pl_slot){.v.p = n, .tag = PL_EXPR};
    else
        plua_to_slot(L, val, a->type, attr_label(a), v);
}

void plua_instance_set_slot(lua_State *L, int idx, pl_object *o, uint16_t slot, int val) {
    idx = lua_absindex(L, idx);
    pl_slot v;
    lua_pushvalue(L, val);
    val = lua_gettop(L);
    convert(L, o, slot, val, &v);
    if (o->status & PL_OBJ_KEYED)
        set_persistent(L, idx, o, slot, val, v);
    else
        set_new(L, idx, o, slot, val, v);
    lua_settop(L, val - 1);
}

/* JSON: the decoded value is made once and watched for changes until the next commit. */
static void push_json(lua_State *L, int idx, pl_object *o, uint16_t slot) {
    const pl_attr *a = &o->mapper->attrs[slot];
    plua_state_table(L, idx, o);
    if (lua_rawgeti(L, -1, o->mapper->nslots + slot + 1) == LUA_TNIL) {
        lua_pop(L, 1);
        plua_push_slot(L, a->type, &o->slots[slot], attr_label(a));
        if (lua_istable(L, -1)) {
            lua_pushvalue(L, -1);
            lua_rawseti(L, -3, o->mapper->nslots + slot + 1);
            o->status |= PL_OBJ_JSON;
        }
    }
    lua_remove(L, -2);
    plua_session *s = plua_object_session(o);
    if (s && lua_istable(L, -1))
        plua_session_pin(L, s, idx, o);
}

static void push_slot(lua_State *L, int idx, pl_object *o, uint16_t slot) {
    const pl_attr *a = &o->mapper->attrs[slot];
    const pl_slot *v = &o->slots[slot];
    if (v->tag == PL_UNSET || (o->session && !pl_object_fresh(o))) {
        plua_instance_load(L, idx, o, slot);
        v = &o->slots[slot];
    }
    if (v->tag == PL_TEXT && a->type->kind >= PL_K_STRING &&
        a->type->kind <= PL_K_UNICODETEXT)
        lua_pushlstring(L, v->v.s, v->len);
    else if (v->tag == PL_EXPR)
        lua_pushnil(L);
    else if (a->type->kind == PL_K_JSON && v->tag > PL_NULL)
        push_json(L, idx, o, slot);
    else
        plua_push_slot(L, a->type, v, attr_label(a));
}

/* A property of the class (hybrid, synonym ...): calls its getter. */
static int index_other(lua_State *L) {
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "__property");
        if (lua_rawget(L, -2) == LUA_TTABLE) {
            lua_getfield(L, -1, "get");
            lua_pushvalue(L, 1);
            lua_call(L, 1, 1);
            return 1;
        }
        lua_pop(L, 1);
    }
    return 1;
}

static int index_missing(lua_State *L, pl_object *o) {
    size_t len;
    if (o->mapper->parent && plua_push_inherited(L, o->mapper->parent, 2) != LUA_TNIL)
        return index_other(L);
    const char *name = lua_tolstring(L, 2, &len);
    if (lua_type(L, 2) == LUA_TSTRING && name[0] == '_') {
        plua_state_peek(L, 1, o);
        if (lua_istable(L, -1)) {
            lua_pushvalue(L, 2);
            lua_rawget(L, -2);
        }
        return 1;
    }
    plua_no_attribute(L, o->mapper, name ? name : luaL_tolstring(L, 2, NULL));
}

/* Any member but a column that is known already. */
static int index_member(lua_State *L, pl_object *o, plua_known *known, const char *name) {
    lua_pushvalue(L, 2);
    int kind, type = lua_rawget(L, MEMBERS);
    if (type == LUA_TNIL)
        return index_missing(L, o);
    if (type != PLUA_MEMBER)
        return index_other(L);
    int n = plua_member(L, -1, &kind);
    if (kind == PLUA_MEMBER_RELATION) {
        plua_note_relation(L, o->mapper->relations[n], "read", 1);
        plua_relation_get(L, 1, o, o->mapper->relations[n]);
        return 1;
    }
    if (name)
        *known = (plua_known){name, (uint16_t)n};
    push_slot(L, 1, o, (uint16_t)n);
    return 1;
}

static int instance_index(lua_State *L) {
    pl_object *o = lua_touserdata(L, 1);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
    plua_known *known = plua_model_known(lua_touserdata(L, THEMODEL), name);
    if (!name || known->name != name)
        return index_member(L, o, known, name);
    push_slot(L, 1, o, known->slot);
    return 1;
}

static void set_private(lua_State *L, pl_object *o, const char *name) {
    if (lua_type(L, 2) != LUA_TSTRING || name[0] != '_')
        plua_no_attribute(L, o->mapper, name ? name : luaL_tolstring(L, 2, NULL));
    plua_state_table(L, 1, o);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_rawset(L, -3);
}

static void set_property(lua_State *L, const pl_object *o) {
    const char *name = lua_tostring(L, 2);
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "__property");
        if (lua_rawget(L, -2) == LUA_TTABLE &&
            lua_getfield(L, -1, "set") == LUA_TFUNCTION) {
            lua_pushvalue(L, 1);
            lua_pushvalue(L, 3);
            lua_call(L, 2, 0);
            return;
        }
    }
    plua_raise(L, PL_EATTRIBUTE, "%s.%s cannot be set", o->mapper->name, name);
}

/* Sets the attribute named at 2 to the value at 3 on the instance at 1. */
static void set_member(lua_State *L, pl_object *o, int type) {
    if (type == LUA_TNIL) {
        set_private(L, o, lua_tostring(L, 2));
        return;
    }
    if (type != PLUA_MEMBER) {
        set_property(L, o);
        return;
    }
    int kind;
    int n = plua_member(L, -1, &kind);
    plua_model *model = lua_touserdata(L, THEMODEL);
    bool relation = kind == PLUA_MEMBER_RELATION;
    if (model->attribute_events)
        plua_event_set(L, o, relation ? -1 - n : n);
    if (relation)
        plua_relation_set(L, 1, o, o->mapper->relations[n], 3);
    else
        plua_instance_set_slot(L, 1, o, (uint16_t)n, 3);
}

static int instance_newindex(lua_State *L) {
    pl_object *o = lua_touserdata(L, 1);
    lua_pushvalue(L, 2);
    int type = lua_rawget(L, MEMBERS);
    if (type == LUA_TNIL && o->mapper->parent)
        type = plua_push_inherited(L, o->mapper->parent, 2);
    set_member(L, o, type);
    return 0;
}

static void describe_key(lua_State *L, const pl_object *o, luaL_Buffer *b) {
    const pl_mapper *m = o->mapper;
    for (int i = 0; i < m->npk; i++) {
        if (i > 0)
            luaL_addstring(b, ", ");
        const pl_slot *v = &plua_base(o)[m->pk[i]];
        if (v->tag == PL_INT)
            lua_pushfstring(L, "%I", (LUAI_UACINT)v->v.i);
        else if (v->tag == PL_TEXT)
            lua_pushlstring(L, v->v.s, v->len);
        else
            lua_pushliteral(L, "?");
        luaL_addvalue(b);
    }
}

void plua_instance_describe(lua_State *L, const pl_object *o) {
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addchar(&b, '<');
    luaL_addstring(&b, o->mapper->name);
    luaL_addchar(&b, ' ');
    if (o->status & PL_OBJ_KEYED)
        describe_key(L, o, &b);
    else
        luaL_addstring(&b,
                       pl_object_state(o) == PL_PENDING ? "(pending)" : "(transient)");
    luaL_addchar(&b, '>');
    luaL_pushresult(&b);
}

static int instance_tostring(lua_State *L) {
    pl_object *o = lua_touserdata(L, 1);
    lua_pushliteral(L, "__tostring");
    if (plua_push_inherited(L, o->mapper, lua_gettop(L)) == LUA_TFUNCTION) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 1);
        return 1;
    }
    plua_instance_describe(L, o);
    return 1;
}

static int instance_next(lua_State *L) {
    pl_object *o = lua_touserdata(L, 1);
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(1));
    if (i >= o->mapper->nslots)
        return 0;
    lua_pushinteger(L, i + 1);
    lua_replace(L, lua_upvalueindex(1));
    lua_settop(L, 1);
    lua_pushstring(L, o->mapper->attrs[i].name);
    push_slot(L, 1, o, (uint16_t)i);
    return 2;
}

static int instance_pairs(lua_State *L) {
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, instance_next, 1);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

const luaL_Reg plua_instance_meta[] = {
    {"__index", instance_index},
    {"__newindex", instance_newindex},
    {"__tostring", instance_tostring},
    {"__pairs", instance_pairs},
    {NULL, NULL},
};

/* Bytes that the strings given for text columns need behind the slots. */
static size_t inline_bytes(lua_State *L, int args) {
    size_t n = 0;
    lua_pushnil(L);
    while (lua_next(L, args)) {
        if (lua_type(L, -1) == LUA_TSTRING)
            n += lua_rawlen(L, -1);
        lua_pop(L, 1);
    }
    return n;
}

static void set_default(pl_object *o, uint16_t slot, const pl_column *c) {
    if (c && c->dflt.kind == PL_D_VALUE) {
        o->slots[slot] = c->dflt.value;
        o->slots[slot].flags = PL_SLOT_CHANGED | PL_SLOT_GUESS;
    }
}

static void set_defaults(pl_object *o) {
    const pl_mapper *m = o->mapper;
    for (uint16_t i = 0; i < m->nslots; i++)
        set_default(o, i, m->attrs[i].column);
    if (m->polymorphic_on != PL_NO_SLOT && m->polymorphic_identity.tag != PL_UNSET) {
        o->slots[m->polymorphic_on] = m->polymorphic_identity;
        o->slots[m->polymorphic_on].flags = PL_SLOT_CHANGED;
    }
}

/* A column value of the constructor: text goes behind the slots, into *room. */
static void construct_slot(lua_State *L, int idx, pl_object *o, uint16_t slot, int val,
                           char **room) {
    pl_slot v;
    int top = lua_gettop(L);
    lua_pushvalue(L, val);
    convert(L, o, slot, top + 1, &v);
    bool inlined = lua_rawequal(L, val, top + 1) && lua_type(L, val) == LUA_TSTRING;
    if (inlined && (v.tag == PL_TEXT || v.tag == PL_BLOB)) {
        memcpy(*room, v.v.s, v.len);
        v.v.s = *room;
        *room += v.len;
        v.flags = PL_SLOT_CHANGED;
        o->slots[slot] = v;
    } else {
        set_new(L, idx, o, slot, top + 1, v);
    }
    lua_settop(L, top);
}

/* Sets attribute key -> value (top two of the stack) on the new instance at idx. */
static void construct_member(lua_State *L, plua_model *model, int members, int idx,
                             pl_object *o, char **room) {
    int val = lua_gettop(L);
    if (lua_type(L, val - 1) != LUA_TSTRING)
        plua_raise_hint(L, PL_ETYPE, "write Model{name = value}",
                        "%s{...} takes named attributes only", o->mapper->name);
    lua_pushvalue(L, val - 1);
    int type = lua_rawget(L, members);
    int kind = -1;
    int n = type == PLUA_MEMBER ? plua_member(L, -1, &kind) : 0;
    lua_pop(L, 1);
    if (kind == PLUA_MEMBER_COLUMN && !model->attribute_events) {
        construct_slot(L, idx, o, (uint16_t)n, val, room);
        return;
    }
    if (type == LUA_TNIL && !o->mapper->parent && *lua_tostring(L, val - 1) != '_')
        plua_no_attribute(L, o->mapper, lua_tostring(L, val - 1));
    lua_pushvalue(L, val - 1);
    lua_pushvalue(L, val);
    lua_settable(L, idx);
}

static void fill(lua_State *L, plua_model *model, int modelidx, int idx, int args,
                 pl_object *o) {
    char *room = (char *)(o->slots + o->mapper->nslots);
    lua_getiuservalue(L, modelidx, PLUA_MODEL_MEMBERS);
    int members = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, args)) {
        construct_member(L, model, members, idx, o, &room);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void plua_construct(lua_State *L, plua_model *model, int modelidx, int args) {
    modelidx = lua_absindex(L, modelidx);
    size_t extra = args ? inline_bytes(L, args) : 0;
    lua_getiuservalue(L, modelidx, PLUA_MODEL_META);
    pl_object *o = plua_new_instance(L, model->mapper, -1, extra, false);
    lua_remove(L, -2);
    set_defaults(o);
    if (model->instance_events)
        plua_event_instance(L, "init", lua_gettop(L), args);
    if (args)
        fill(L, model, modelidx, lua_gettop(L), args, o);
}

/* Slots loaded from rows become unset; the script's own changes go. */
static void forget_slots(pl_object *o) {
    for (uint16_t i = 0; i < o->mapper->nslots; i++) {
        if (!is_key(o->mapper, i))
            o->slots[i] = (pl_slot){.tag = PL_UNSET};
    }
    o->status |= PL_OBJ_PARTIAL;
}

/* Drops loaded relationships from the state table, but not the script's own data. */
void plua_instance_forget_related(lua_State *L, int idx, const pl_object *o) {
    if (!(o->status & PL_OBJ_TABLE))
        return;
    lua_getiuservalue(L, idx, 1);
    for (size_t i = 0; i < o->mapper->nrelations; i++)
        plua_relation_forget(L, lua_gettop(L), o->mapper->relations[i]);
    for (uint16_t i = 0; i < o->mapper->nslots; i++) {
        lua_pushnil(L);
        lua_rawseti(L, -2, o->mapper->nslots + i + 1);
    }
    lua_pop(L, 1);
}

void plua_instance_expire(lua_State *L, int idx, pl_object *o) {
    idx = lua_absindex(L, idx);
    if (o->status & PLUA_OBJ_COPY) {
        o->slots = plua_base(o);
        o->status &= ~(uint32_t)PLUA_OBJ_COPY;
        lua_getiuservalue(L, idx, 1);
        restore_owners(L, o);
        lua_pushnil(L);
        lua_rawseti(L, -2, -1);
        lua_pop(L, 1);
    }
    forget_slots(o);
    plua_instance_forget_related(L, idx, o);
    o->status &=
        ~(uint32_t)(PL_OBJ_CHANGED | PL_OBJ_MODIFIED | PL_OBJ_JSON | PLUA_OBJ_HISTORY);
    o->status |= PLUA_OBJ_EXPIRED;
}
