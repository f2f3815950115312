/* SPDX-License-Identifier: MIT */
/*
** loader.c - see loader.h: expired and deferred columns, and which objects load together.
*/
#include "userdata/loader.h"
#include "userdata/collection.h"
#include "userdata/cursor.h"
#include "userdata/event.h"
#include "userdata/identity.h"
#include "userdata/json.h"
#include "userdata/level.h"
#include "userdata/materialize.h"
#include "userdata/node.h"
#include "userdata/related.h"
#include "userdata/value.h"

#include <string.h>

enum { CHUNK = 500 };

/* ---- who came together ------------------------------------------------------------- */

typedef bool (*wants)(lua_State *L, int idx, pl_object *o, const void *what);

/* Appends the live objects of a page that want it to the list at `list`. */
static void page_objects(lua_State *L, plua_page *page, int map, int list, wants test,
                         const void *what) {
    for (uint32_t i = 0; i < page->nrows; i++) {
        plua_push_key(L, page->mapper, plua_page_row(page, i));
        if (lua_rawget(L, map) == LUA_TUSERDATA &&
            test(L, lua_gettop(L), lua_touserdata(L, -1), what))
            lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
        else
            lua_pop(L, 1);
    }
}

/* Appends the objects of its kind that the session is to delete. */
static void doomed_objects(lua_State *L, const plua_session *s, const pl_mapper *m,
                           int list, wants test, const void *what) {
    int top = lua_gettop(L);
    plua_session_field(L, s, PLUA_S_PINS);
    for (lua_Integer i = 1; i <= s->npins; i++) {
        pl_object *o = lua_rawgeti(L, top + 1, i) == LUA_TUSERDATA
                           ? lua_touserdata(L, top + 2)
                           : NULL;
        if (o && (o->status & PL_OBJ_DELETING) && o->mapper->root == m->root &&
            test(L, top + 2, o, what))
            lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
}

/* Appends the objects that came in one result, the one that the page is of whose cohort
** (nil: it is alone) is on top. */
static void cohort_objects(lua_State *L, const plua_session *s, const pl_mapper *m,
                           plua_page *page, int list, wants test, const void *what) {
    int cohort = lua_gettop(L);
    plua_identity_map(L, s, m);
    if (lua_isnil(L, cohort)) {
        page_objects(L, page, cohort + 1, list, test, what);
        return;
    }
    lua_Integer n = (lua_Integer)lua_rawlen(L, cohort);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, cohort, i);
        plua_page *p = lua_touserdata(L, -1);
        if (p && p->mapper->root == m->root)
            page_objects(L, p, cohort + 1, list, test, what);
        lua_settop(L, cohort + 1);
    }
}

/*
** Pushes a list of the object at idx and, with `siblings`, of those that pass the test
** and came with it in one result; or, when it came in none and is to be deleted, of those
** that are deleted with it. [-0, +1, m]
*/
static void push_peers(lua_State *L, plua_session *s, int idx, pl_object *o,
                       bool siblings, wants test, const void *what) {
    lua_newtable(L);
    int list = lua_gettop(L);
    plua_page *page = siblings ? plua_push_page(L, idx, o) : NULL;
    if (page) {
        lua_getiuservalue(L, -1, 1);
        cohort_objects(L, s, o->mapper, page, list, test, what);
    } else if (siblings && (o->status & PL_OBJ_DELETING)) {
        doomed_objects(L, s, o->mapper, list, test, what);
    }
    lua_settop(L, list);
    if (lua_rawlen(L, list) == 0) {
        lua_pushvalue(L, idx);
        lua_rawseti(L, list, 1);
    }
}

static bool batches(const plua_session *s, const pl_object *o) {
    return s->db->batch_lazy && !(o->status & PLUA_OBJ_SINGLE);
}

/* ---- columns ----------------------------------------------------------------------- */

static pl_node *need(lua_State *L, pl_node *n) {
    if (!n)
        plua_nomem(L);
    return n;
}

static bool is_key(const pl_mapper *m, uint16_t slot) {
    for (int k = 0; k < m->npk; k++)
        if (m->pk[k] == slot)
            return true;
    return false;
}

/* Whether a deferred column comes with another of its group. */
static bool in_group(const pl_mapper *m, uint16_t slot, uint16_t wanted) {
    const pl_column *c = m->attrs[slot].column;
    const pl_column *d = wanted == PL_NO_SLOT ? NULL : m->attrs[wanted].column;
    return c && d && c->deferred_group && d->deferred_group &&
           strcmp(c->deferred_group, d->deferred_group) == 0;
}

/* ENTITY of the key and the unset or wanted columns of a mapper. */
static pl_node *columns_entity(lua_State *L, pl_arena *a, const pl_object *o, bool all,
                               uint16_t wanted) {
    pl_mapper *m = o->mapper;
    pl_node *entity = need(L, pl_node_new(a, PL_N_ENTITY, m->nslots));
    uint32_t n = 0;
    for (uint16_t i = 0; i < m->nslots; i++) {
        bool key = is_key(m, i);
        bool unset = plua_base(o)[i].tag == PL_UNSET &&
                     (!m->attrs[i].deferred || in_group(m, i, wanted));
        if ((key || all || unset || i == wanted) &&
            (!all || !m->attrs[i].deferred || i == wanted || unset))
            entity->kids[n++] = need(L, pl_mapper_attr(a, m, &m->attrs[i], NULL));
    }
    entity->nkids = n;
    entity->ref = m;
    return entity;
}

static pl_node *keys_condition(lua_State *L, pl_arena *a, const pl_mapper *m, int list,
                               lua_Integer from, lua_Integer to) {
    pl_node *any = need(L, pl_node_new(a, m->npk == 1 ? PL_N_IN : PL_N_OR,
                                       (uint32_t)(to - from + 1) + (m->npk == 1)));
    pl_column **pk = m->tables[0].table->pk;
    if (m->npk == 1)
        any->kids[0] = need(L, pl_node_column(a, pk[0], NULL));
    for (lua_Integer i = from; i <= to; i++) {
        lua_rawgeti(L, list, i);
        const pl_slot *base = plua_base(lua_touserdata(L, -1));
        lua_pop(L, 1);
        if (m->npk == 1) {
            any->kids[i - from + 1] =
                need(L, pl_node_literal(a, pk[0]->type, base[m->pk[0]]));
            continue;
        }
        pl_node *all = need(L, pl_node_new(a, PL_N_AND, m->npk));
        for (int k = 0; k < m->npk; k++)
            all->kids[k] = need(
                L,
                pl_node_binary(a, PL_OP_EQ, need(L, pl_node_column(a, pk[k], NULL)),
                               need(L, pl_node_literal(a, pk[k]->type, base[m->pk[k]]))));
        any->kids[i - from] = all;
    }
    return any;
}

/* Reads columns of objects from..to of the list, all of o's mapper or below. */
static void read_columns(lua_State *L, plua_session *s, const pl_object *o, int list,
                         lua_Integer from, lua_Integer to, bool all, uint16_t wanted) {
    int top = lua_gettop(L);
    pl_arena *a = plua_arena(L);
    pl_node *entity = columns_entity(L, a, o, all, wanted);
    pl_node *select = need(L, pl_node_new(a, PL_N_SELECT, 1));
    select->kids[0] = entity;
    pl_node *stmt = need(
        L, pl_node_clause(a, PL_N_FROM, select, need(L, pl_mapper_from(a, o->mapper))));
    stmt = need(L, pl_node_clause(a, PL_N_WHERE, stmt,
                                  keys_condition(L, a, o->mapper, list, from, to)));
    plua_cursor *cursor = plua_cursor_open(L, s, 0, stmt, 0);
    plua_maker k;
    plua_maker_begin(L, &k, s, entity, 0);
    int n = pl_stmt_column_count(cursor->stmt);
    pl_slot *row = lua_newuserdatauv(L, (size_t)n * sizeof *row, 0);
    int base = lua_gettop(L);
    while (plua_cursor_step(L, cursor)) {
        pl_stmt_columns(cursor->stmt, 0, n, row);
        plua_make(L, &k, row);
        lua_settop(L, base);
    }
    lua_settop(L, top);
    plua_arena_done(a);
}

__attribute__((noreturn)) static void raise_vanished(lua_State *L, const pl_object *o) {
    plua_instance_describe(L, o);
    plua_raise_hint(
        L, PL_EDELETED, "expunge the object, or roll back",
        "Instance '%s' has been deleted, or its row is otherwise not present.",
        lua_tostring(L, -1));
}

static void read_all(lua_State *L, plua_session *s, const pl_object *o, int list,
                     bool all, uint16_t wanted) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, list);
    lua_Integer size = o->mapper->npk == 1 ? CHUNK : 100;
    for (lua_Integer from = 1; from <= n; from += size)
        read_columns(L, s, o, list, from, from + size - 1 < n ? from + size - 1 : n, all,
                     wanted);
}

static bool is_stale(lua_State *L, int idx, pl_object *o, const void *what) {
    if (pl_object_fresh(o) || pl_object_state(o) != PL_PERSISTENT ||
        o->mapper != ((const pl_object *)what)->mapper)
        return false;
    plua_instance_forget_related(L, idx, o);
    return true;
}

bool plua_confirm(lua_State *L, int idx, pl_object *o) {
    plua_session *s = plua_object_session(o);
    idx = lua_absindex(L, idx);
    if (!s || pl_object_state(o) != PL_PERSISTENT)
        return true;
    plua_session_usable(L, s);
    plua_session_conn(L, s, plua_engine_of(o->mapper->tables[0].table), false);
    if (o->status & PLUA_OBJ_EXPIRED)
        o->epoch = s->cell->epoch - 1;
    if (pl_object_fresh(o))
        return true;
    int top = lua_gettop(L);
    push_peers(L, s, idx, o, batches(s, o), is_stale, o);
    read_all(L, s, o, top + 1, true, PL_NO_SLOT);
    lua_settop(L, top);
    if (!pl_object_fresh(o))
        return false;
    if (s->db->session_events)
        plua_event_instance(L, "refresh", idx, 0);
    return true;
}

void plua_touch(lua_State *L, int idx, pl_object *o) {
    if (!plua_confirm(L, idx, o))
        raise_vanished(L, o);
}

/* A slot that is missing, and the mapper that it is a slot of: those beside it (another
** subclass) use the same number for something else. */
typedef struct missing {
    const pl_mapper *mapper;
    uint16_t slot;
} missing;

static bool lacks_slot(lua_State *L, int idx, pl_object *o, const void *what) {
    (void)L;
    (void)idx;
    const missing *m = what;
    return pl_object_state(o) == PL_PERSISTENT && pl_mapper_is(o->mapper, m->mapper) &&
           plua_base(o)[m->slot].tag == PL_UNSET && pl_object_fresh(o);
}

static void load_missing(lua_State *L, plua_session *s, int idx, pl_object *o,
                         uint16_t slot) {
    int top = lua_gettop(L);
    missing what = {o->mapper, slot};
    push_peers(L, s, idx, o, batches(s, o), lacks_slot, &what);
    read_all(L, s, o, top + 1, false, slot);
    lua_settop(L, top);
    if (o->slots[slot].tag == PL_UNSET)
        raise_vanished(L, o);
}

void plua_instance_load(lua_State *L, int idx, pl_object *o, uint16_t slot) {
    if (!(o->status & PL_OBJ_KEYED))
        return;
    idx = lua_absindex(L, idx);
    if (!pl_object_attached(o)) {
        if (o->slots[slot].tag != PL_UNSET)
            return;
        plua_instance_describe(L, o);
        plua_raise_hint(
            L, PL_EDETACHED, "db.session:add(object) attaches it again",
            "Instance %s is not bound to a Session; attribute refresh operation "
            "of '%s' cannot proceed",
            lua_tostring(L, -1), o->mapper->attrs[slot].name);
    }
    if (!pl_object_fresh(o) && !(o->slots[slot].flags & PL_SLOT_CHANGED))
        plua_touch(L, idx, o);
    if (o->slots[slot].tag == PL_UNSET && pl_object_state(o) == PL_PERSISTENT) {
        plua_session *s = plua_object_session(o);
        plua_session_usable(L, s);
        if (plua_level_forbids(plua_push_level_of(L, idx, o), slot))
            plua_raise_hint(L, PL_EINVALID, "load it with the query: db.undefer(...)",
                            "'%s' is not available due to raiseload = true",
                            o->mapper->attrs[slot].label);
        lua_pop(L, 1);
        load_missing(L, s, idx, o, slot);
    }
}

void plua_refresh(lua_State *L, int idx, pl_object *o) {
    plua_session *s = plua_object_session(o);
    idx = lua_absindex(L, idx);
    int top = lua_gettop(L);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, 1);
    plua_session_conn(L, s, plua_engine_of(o->mapper->tables[0].table), false);
    o->epoch = s->cell->epoch - 1;
    read_all(L, s, o, top + 1, true, PL_NO_SLOT);
    if (!pl_object_fresh(o))
        raise_vanished(L, o);
    if (!plua_push_level_of(L, idx, o))
        plua_push_level(L, NULL, 0, o->mapper, NULL);
    plua_load_eagerly(L, s, top + 1, lua_gettop(L), NULL);
    lua_settop(L, top);
    if (s->db->session_events)
        plua_event_instance(L, "refresh", idx, 0);
}

void plua_refresh_attributes(lua_State *L, int idx, pl_object *o, int names) {
    plua_session *s = plua_object_session(o);
    lua_Integer n = luaL_len(L, names);
    idx = lua_absindex(L, idx);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, names, i);
        const char *name = luaL_checkstring(L, -1);
        uint16_t slot = pl_mapper_slot(o->mapper, name);
        if (slot != PL_NO_SLOT)
            plua_instance_load(L, idx, o, slot);
        else
            plua_load_for_flush(L, idx, o, pl_mapper_relation(o->mapper, name));
        lua_pop(L, 1);
    }
    if (s->db->session_events)
        plua_event_instance(L, "refresh", idx, 0);
}

void plua_expire_attributes(lua_State *L, int idx, pl_object *o, int names) {
    lua_Integer n = luaL_len(L, names);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, names, i);
        const char *name = luaL_checkstring(L, -1);
        uint16_t slot = pl_mapper_slot(o->mapper, name);
        pl_relation *r = pl_mapper_relation(o->mapper, name);
        if (slot == PL_NO_SLOT && !r)
            plua_no_attribute(L, o->mapper, name);
        if (slot != PL_NO_SLOT && is_key(o->mapper, slot)) {
            o->slots[slot] = plua_base(o)[slot]; /* what the row is found by */
        } else if (slot != PL_NO_SLOT) {
            o->slots[slot] = plua_base(o)[slot] = (pl_slot){.tag = PL_UNSET};
            o->status |= PL_OBJ_PARTIAL;
        } else if (o->status & PL_OBJ_TABLE) {
            plua_state_peek(L, idx, o);
            plua_relation_forget(L, lua_gettop(L), r);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
}

/* ---- identity ---------------------------------------------------------------------- */

void plua_identity_of(lua_State *L, const pl_object *o, const pl_relation *r) {
    pl_slot values[PL_MAX_KEY];
    for (size_t i = 0; i < r->npairs; i++) {
        values[i] = o->slots[r->pairs[i].local_slot];
        if (values[i].tag == PL_NULL) {
            lua_pushboolean(L, 0);
            return;
        }
    }
    const plua_session *s = plua_object_session(o);
    if (!r->to_key || !s) {
        lua_pushnil(L);
        return;
    }
    plua_identity_map(L, s, r->target);
    plua_push_key_values(L, values, (int)r->npairs);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

/* ---- relationships ----------------------------------------------------------------- */

static bool lacks_relation(lua_State *L, int idx, pl_object *o, const void *what) {
    return plua_lacks_relation(L, idx, o, what);
}

__attribute__((noreturn)) static void refuse_load(lua_State *L, const pl_object *o,
                                                  const pl_relation *r) {
    plua_raise_hint(L, PL_EINVALID, "load it with the query: db.selectinload(...)",
                    "'%s.%s' is not available due to lazy='raise'", o->mapper->name,
                    r->name);
}

static void check_loadable(lua_State *L, const pl_object *o, const pl_relation *r) {
    if (pl_object_attached(o))
        return;
    plua_instance_describe(L, o);
    plua_raise_hint(
        L, PL_EDETACHED, "db.session:add(object) attaches it again",
        "Parent instance %s is not bound to a Session; lazy load operation of "
        "attribute '%s' cannot proceed",
        lua_tostring(L, -1), r->name);
}

/* The foreign key must be there before it can be followed. */
static void ensure_key(lua_State *L, int idx, pl_object *o, const pl_relation *r) {
    for (size_t i = 0; i < r->npairs; i++)
        if (o->slots[r->pairs[i].local_slot].tag == PL_UNSET)
            plua_instance_load(L, idx, o, r->pairs[i].local_slot);
}

/* Pushes what the identity map says of a MANY_TO_ONE: the object or false; nil when it
** does not know, or the query said more of the target than its key. [-0, +1, m] */
static void push_known(lua_State *L, const pl_object *o, const pl_relation *r,
                       const plua_option *step) {
    bool plain = r->direction == PL_MANY_TO_ONE && r->to_key && r->simple;
    if (plain && !(step && (step->criteria || step->of_type)))
        plua_identity_of(L, o, r);
    else
        lua_pushnil(L);
}

/* Loads for the object at idx, and for its siblings unless an option says otherwise. The
** level of the object is at `level`. */
static void load_with_peers(lua_State *L, plua_session *s, int idx, pl_object *o,
                            pl_relation *r, const plua_option *step, int level) {
    int top = lua_gettop(L);
    bool many = batches(s, o) && !(step && step->no_batch);
    plua_related q = {.r = r, .step = step, .level = level};
    push_peers(L, s, idx, o, many, lacks_relation, r);
    plua_load_related(L, s, &q, top + 1);
    lua_settop(L, top);
}

/* A relationship that is not to be loaded is empty. */
static void set_empty(lua_State *L, int idx, pl_object *o, pl_relation *r) {
    if (r->uselist) {
        plua_collection *c = plua_collection_of(L, idx, o, r);
        plua_collection_begin_load(L, lua_gettop(L), c);
        plua_collection_end_load(L, lua_gettop(L), c);
        lua_pop(L, 1);
    } else {
        lua_pushboolean(L, 0);
        plua_relation_loaded(L, idx, o, r);
    }
}

static void load_relation(lua_State *L, int idx, pl_object *o, pl_relation *r,
                          bool refuses) {
    if (!(o->status & PL_OBJ_KEYED) || pl_object_state(o) == PL_DELETED)
        return;
    idx = lua_absindex(L, idx);
    int top = lua_gettop(L);
    const plua_option *step;
    plua_option_op way = plua_level_way(plua_push_level_of(L, idx, o), r, &step);
    if (way == PLUA_O_RAISE && !refuses)
        way = PLUA_O_SELECT;
    bool only_sql = step ? step->sql_only : r->args.raise_on_sql;
    if (way == PLUA_O_NOLOAD) {
        set_empty(L, idx, o, r);
        lua_settop(L, top);
        return;
    }
    if (way == PLUA_O_RAISE && !only_sql)
        refuse_load(L, o, r);
    check_loadable(L, o, r);
    plua_session *s = plua_object_session(o);
    plua_session_usable(L, s);
    push_known(L, o, r, step);
    if (lua_isnil(L, -1)) { /* something must be read */
        if (s->autoflush)
            plua_session_autoflush(L, s);
        ensure_key(L, idx, o, r);
        push_known(L, o, r, step);
    }
    if (!lua_isnil(L, -1)) {
        plua_relation_loaded(L, idx, o, r);
    } else {
        if (way == PLUA_O_RAISE)
            refuse_load(L, o, r);
        load_with_peers(L, s, idx, o, r, step, top + 1);
    }
    lua_settop(L, top);
}

void plua_load_relation(lua_State *L, int idx, pl_object *o, pl_relation *r) {
    load_relation(L, idx, o, r, true);
}

void plua_load_for_flush(lua_State *L, int idx, pl_object *o, pl_relation *r) {
    load_relation(L, idx, o, r, false);
}

/* A dynamic list is the query of its rows, with append and remove. */
void plua_dynamic_collection(lua_State *L, int idx, pl_object *o, pl_relation *r) {
    (void)o;
    idx = lua_absindex(L, idx);
    plua_shared(L);
    lua_getfield(L, -1, "dynamic");
    lua_remove(L, -2);
    lua_pushvalue(L, idx);
    lua_pushstring(L, r->name);
    lua_pushboolean(L, r->lazy == PL_LAZY_WRITE_ONLY);
    lua_call(L, 3, 1);
}

/* ---- JSON -------------------------------------------------------------------------- */

static void scan_slot(lua_State *L, int idx, pl_object *o, uint16_t slot) {
    plua_state_peek(L, idx, o);
    lua_rawgeti(L, -1, o->mapper->nslots + slot + 1);
    const pl_slot *v = &o->slots[slot];
    if (lua_istable(L, -1) &&
        plua_json_changed(L, lua_gettop(L), v->tag == PL_TEXT ? v->v.s : "",
                          v->tag == PL_TEXT ? v->len : 0, o->mapper->attrs[slot].name)) {
        int value = lua_gettop(L);
        plua_instance_set_slot(L, idx, o, slot, value);
        plua_state_peek(L, idx, o);
        lua_pushvalue(L, value);
        lua_rawseti(L, -2, o->mapper->nslots + slot + 1);
        lua_settop(L, value);
    }
    lua_pop(L, 2);
}

void plua_json_scan(lua_State *L, int idx, pl_object *o) {
    if (!(o->status & PL_OBJ_JSON))
        return;
    idx = lua_absindex(L, idx);
    for (uint16_t i = 0; i < o->mapper->nslots; i++)
        if (o->mapper->attrs[i].type->kind == PL_K_JSON)
            scan_slot(L, idx, o, i);
}
