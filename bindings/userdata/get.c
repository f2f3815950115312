/* SPDX-License-Identifier: MIT */
/*
** get.c - one object by its primary key: from the identity map, else one SELECT.
**
** The statement of a plain model (one table, no subclasses, nothing eager) is compiled
** once and its text kept by the model; the row goes straight into an instance that holds
** its own slots. Any other model takes the way of a query.
*/
#include "userdata/compiled.h"
#include "userdata/cursor.h"
#include "userdata/eager.h"
#include "userdata/event.h"
#include "userdata/identity.h"
#include "userdata/loader.h"
#include "userdata/materialize.h"
#include "userdata/model.h"
#include "userdata/scratch.h"

#include <string.h>

enum { MAX_COLUMNS = 64 };

static pl_node *need(lua_State *L, pl_node *n) {
    if (!n)
        plua_nomem(L);
    return n;
}

/* SELECT entity FROM ... WHERE key = values. */
static pl_node *build(lua_State *L, pl_arena *a, pl_mapper *m, pl_node *entity,
                      const pl_slot *values) {
    pl_node *stmt = need(L, pl_node_new(a, PL_N_SELECT, 1));
    stmt->kids[0] = entity;
    stmt = need(L, pl_node_clause(a, PL_N_FROM, stmt, need(L, pl_mapper_from(a, m))));
    pl_node *all = need(L, pl_node_new(a, PL_N_AND, m->npk));
    for (int i = 0; i < m->npk; i++) {
        const pl_column *c = m->tables[0].table->pk[i];
        all->kids[i] =
            need(L, pl_node_binary(a, PL_OP_EQ, need(L, pl_node_column(a, c, NULL)),
                                   need(L, pl_node_literal(a, c->type, values[i]))));
    }
    return need(L, pl_node_clause(a, PL_N_WHERE, stmt, all));
}

/* ---- any model --------------------------------------------------------------------- */

static void get_by_query(lua_State *L, plua_session *s, pl_mapper *m,
                         const pl_slot *values) {
    int top = lua_gettop(L);
    pl_arena *a = plua_arena(L);
    pl_node *entity = need(L, pl_mapper_entity(a, m, NULL, false));
    pl_node *stmt = build(L, a, m, entity, values);
    plua_push_level(L, NULL, 0, m, NULL);
    plua_eager *e = plua_eager_extend(L, s, a, stmt, lua_gettop(L));
    plua_cursor *cursor = plua_cursor_open(L, s, 0, e ? e->run : stmt, 0);
    plua_maker k;
    plua_maker_begin(L, &k, s, entity, 0);
    if (e)
        plua_eager_begin(L, e, &k, 1, (int)entity->nkids);
    int n = pl_stmt_column_count(cursor->stmt);
    pl_slot *row = lua_newuserdatauv(L, (size_t)n * sizeof *row, 0);
    lua_createtable(L, 1, 0); /* the object, once: a joined list gives several rows */
    int found = lua_gettop(L);
    while (plua_cursor_step(L, cursor)) {
        pl_stmt_columns(cursor->stmt, 0, n, row);
        const pl_object *o = plua_make(L, &k, row);
        if (e && o)
            plua_eager_row(L, e, 0, row);
        if (o && pl_mapper_is(o->mapper, m))
            lua_rawseti(L, found, 1);
        lua_settop(L, found);
    }
    if (e)
        plua_eager_finish(L, e, found);
    lua_rawgeti(L, found, 1);
    plua_cursor_close(cursor);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    plua_arena_done(a);
}

/* ---- a plain model ----------------------------------------------------------------- */

static bool is_plain(const plua_model *model) {
    const pl_mapper *m = model->mapper;
    if (m->ntables != 1 || m->parent || m->polymorphic_on != PL_NO_SLOT ||
        model->entity->nkids != m->nslots || m->nslots > MAX_COLUMNS)
        return false;
    for (uint16_t i = 0; i < m->nslots; i++)
        if (!m->attrs[i].column || m->attrs[i].deferred)
            return false;
    return !plua_loads_eagerly(m);
}

/* Compiles the statement once; its text and columns stay with the model. */
static void compile(lua_State *L, plua_model *model, const pl_slot *values) {
    pl_mapper *m = model->mapper;
    int top = lua_gettop(L);
    pl_arena *a = plua_arena(L);
    pl_node *stmt = build(L, a, m, model->entity, values);
    const pl_compiled *c = plua_compile(L, model->db, stmt, plua_literals(L, model->db));
    model->get_columns =
        pl_arena_array(&model->db->objects, m->nslots, sizeof *model->get_columns);
    for (uint16_t i = 0; model->get_columns && i < m->nslots; i++)
        model->get_columns[i] = pl_mapper_column_slot(m, model->entity->kids[i]->ref);
    model->get_len = c->len;
    model->get_sql = pl_arena_copy(&model->db->objects, c->sql, c->len);
    if (!model->get_sql || !model->get_columns)
        plua_nomem(L);
    lua_settop(L, top);
    plua_arena_done(a);
}

/* Copies the row into the slots of a new instance, texts behind them. [-0, +1, m] */
static void make(lua_State *L, plua_session *s, plua_model *model, int meta,
                 const pl_slot *row) {
    pl_mapper *m = model->mapper;
    size_t bytes = 0;
    for (uint16_t i = 0; i < m->nslots; i++)
        bytes += row[i].tag >= PL_TEXT ? row[i].len : 0;
    pl_object *o = plua_new_instance(L, m, meta, bytes, false);
    char *room = (char *)(o->slots + m->nslots);
    for (uint16_t i = 0; i < m->nslots; i++) {
        pl_slot *slot = &o->slots[model->get_columns[i]];
        *slot = row[i];
        if (row[i].tag < PL_TEXT)
            continue;
        memcpy(room, row[i].v.s, row[i].len);
        slot->v.s = room;
        room += row[i].len;
    }
    o->session = s->cell;
    o->epoch = s->cell->epoch;
    o->status = PL_PERSISTENT | PL_OBJ_KEYED;
}

/*
** The statement is held by the session while Lua may raise: what is left there is
** released by the next get or when the session closes.
*/
static void get_plain(lua_State *L, plua_session *s, plua_model *model, int modelidx,
                      int map, const pl_slot *values) {
    pl_slot row[MAX_COLUMNS];
    pl_mapper *m = model->mapper;
    if (!model->get_sql)
        compile(L, model, values);
    plua_session_usable(L, s);
    pl_conn *conn = plua_session_conn(L, s, plua_engine_of(m->tables[0].table), false);
    pl_error *err = plua_err_of(s->db->rt);
    pl_stmt_release(s->get);
    s->get = NULL;
    plua_check(L,
               pl_conn_prepare(conn, model->get_sql, model->get_len, true, &s->get, err));
    plua_check(L, pl_stmt_bind_all(s->get, values, m->npk, err));
    pl_step step = pl_stmt_step(s->get, err);
    if (step == PL_STEP_ERROR)
        plua_throw(L);
    if (step == PL_STEP_DONE) {
        lua_pushnil(L);
    } else {
        (void)pl_stmt_columns(s->get, 0, m->nslots, row);
        lua_getiuservalue(L, modelidx, PLUA_MODEL_META);
        make(L, s, model, lua_gettop(L), row);
        lua_remove(L, -2);
        plua_push_key_values(L, values, m->npk);
        lua_pushvalue(L, -2);
        lua_rawset(L, map);
    }
    pl_stmt_release(s->get);
    s->get = NULL;
}

/* ---- either ------------------------------------------------------------------------ */

/* The known object on top; nil in its place when it is of another model, or its row is
** not there any more. */
static void known(lua_State *L, pl_mapper *m, pl_object *o) {
    bool there = true;
    if (!pl_object_fresh(o) || (o->status & PLUA_OBJ_EXPIRED))
        there = plua_confirm(L, lua_gettop(L), o);
    if (!there)
        plua_session_gone(L, plua_object_session(o), lua_gettop(L), o);
    if (!there || (o->mapper != m && !pl_mapper_is(o->mapper, m))) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

/* The object that the flush before a query gave the key. [-0, +(0|1), -] */
static bool flushed_meanwhile(lua_State *L, int map, const pl_slot *values,
                              pl_mapper *m) {
    plua_push_key_values(L, values, m->npk);
    if (lua_rawget(L, map) == LUA_TUSERDATA) {
        known(L, m, lua_touserdata(L, -1));
        return true;
    }
    lua_pop(L, 1);
    return false;
}

void plua_get(lua_State *L, plua_session *s, pl_mapper *m, int modelidx,
              const pl_slot *values) {
    int top = lua_gettop(L);
    plua_identity_map(L, s, m);
    plua_push_key_values(L, values, m->npk);
    lua_rawget(L, -2);
    pl_object *o = lua_touserdata(L, -1);
    if (o) {
        known(L, m, o);
    } else {
        if (s->autoflush && s->npins > 0) {
            plua_session_autoflush(L, s);
            if (flushed_meanwhile(L, top + 1, values, m)) {
                lua_replace(L, top + 1);
                lua_settop(L, top + 1);
                return;
            }
        }
        if (modelidx)
            lua_pushvalue(L, modelidx);
        else
            plua_push_model(L, m);
        plua_model *model = lua_touserdata(L, -1);
        if (!model->instance_events && is_plain(model))
            get_plain(L, s, model, top + 3, top + 1, values);
        else
            get_by_query(L, s, m, values);
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}
