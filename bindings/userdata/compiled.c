/* SPDX-License-Identifier: MIT */
/*
** compiled.c - the cache of compiled statements of a db. See compiled.h.
**
** A lookup walks the statement once, for its key and its literals, into buffers that are
** used again; on a hit nothing is allocated. Entries stand in a ring in order of their
** compilation: the newest takes the place of the oldest. All entries are also in one
** list, so that none is lost whatever the way out. No Lua runs between the walk and the
** return, so that the buffers need no depth.
*/
#include "userdata/compiled.h"
#include "userdata/value.h"

#include <string.h>

#define PLUA_CACHE "perilune.Cache"

/* Invariant: by_key has exactly the ring's entries that are not NULL. */
typedef struct plua_cache {
    pl_alloc alloc;
    pl_map by_key;
    plua_compiled *ring[PLUA_COMPILED_MAX];
    size_t next; /* the place in the ring that is taken next: the oldest's */
    plua_compiled *all;
    plua_compiled *passing; /* the result that nobody keeps and nothing caches */
    pl_buf key;
    pl_vec literals;
} plua_cache;

/* ---- entries ---- */

/* Takes an entry out of the list. It can outlive the cache then. */
static void unlist(plua_compiled *e) {
    if (e->prev)
        e->prev->next = e->next;
    else if (e->cache)
        e->cache->all = e->next;
    if (e->next)
        e->next->prev = e->prev;
    e->prev = e->next = NULL;
    e->cache = NULL;
}

static void free_entry(plua_compiled *e) {
    pl_alloc alloc = e->arena.alloc;
    unlist(e);
    pl_arena_free(&e->arena);
    pl_free(&alloc, e, sizeof *e);
}

/* Frees an entry that is neither in the cache nor kept. */
static void drop_entry(plua_compiled *e) {
    if (!e->cached && e->uses == 0)
        free_entry(e);
}

static plua_compiled *new_entry(plua_cache *cache) {
    plua_compiled *e = pl_new(&cache->alloc, sizeof *e);
    if (!e)
        return NULL;
    memset(e, 0, sizeof *e);
    pl_arena_init(&e->arena, cache->alloc);
    e->cache = cache;
    e->next = cache->all;
    if (cache->all)
        cache->all->prev = e;
    cache->all = e;
    return e;
}

static void forget(plua_cache *cache, size_t place) {
    plua_compiled *e = cache->ring[place];
    if (!e)
        return;
    cache->ring[place] = NULL;
    pl_map_del(&cache->by_key, e->key, e->klen);
    e->cached = false;
    drop_entry(e);
}

/* Puts an entry in the place of the oldest; it is just not cached without memory. */
static void insert(plua_cache *cache, plua_compiled *e) {
    forget(cache, cache->next);
    e->klen = cache->key.len;
    e->key = pl_arena_copy(&e->arena, cache->key.p, e->klen);
    if (!e->key || !pl_map_set(&cache->by_key, e->key, e->klen, e))
        return;
    e->cached = true;
    cache->ring[cache->next] = e;
    cache->next = (cache->next + 1) % PLUA_COMPILED_MAX;
}

/* ---- the cache ---- */

static void clear(plua_cache *cache) {
    cache->passing = NULL;
    for (size_t i = 0; i < PLUA_COMPILED_MAX; i++)
        forget(cache, i);
    pl_map_free(&cache->by_key);
    pl_map_init(&cache->by_key, cache->alloc);
}

/* A result that is still open keeps its entry: the collector's order is unknown. */
static int cache_gc(lua_State *L) {
    plua_cache *cache = lua_touserdata(L, 1);
    clear(cache);
    while (cache->all) {
        if (cache->all->uses > 0)
            unlist(cache->all);
        else
            free_entry(cache->all);
    }
    pl_map_free(&cache->by_key);
    pl_buf_free(&cache->key);
    pl_vec_free(&cache->literals);
    return 0;
}

static plua_cache *make_cache(lua_State *L, plua_db *db) {
    plua_push_db(L, db);
    lua_getiuservalue(L, -1, 1);
    plua_cache *cache = lua_newuserdatauv(L, sizeof *cache, 0);
    memset(cache, 0, sizeof *cache);
    cache->alloc = plua_rt(L)->alloc;
    pl_map_init(&cache->by_key, cache->alloc);
    pl_buf_init(&cache->key, cache->alloc);
    pl_vec_init(&cache->literals, cache->alloc);
    if (luaL_newmetatable(L, PLUA_CACHE)) {
        lua_pushcfunction(L, cache_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "compiled");
    lua_pop(L, 2);
    db->compiled = cache;
    return cache;
}

static plua_cache *cache_of(lua_State *L, plua_db *db) {
    return db->compiled ? db->compiled : make_cache(L, db);
}

pl_vec *plua_literals(lua_State *L, plua_db *db) {
    return &cache_of(L, db)->literals;
}

/* Compiles into a new entry; the cache keeps it when that is worth while. */
static plua_compiled *compile(lua_State *L, plua_cache *cache, pl_node *stmt,
                              uint32_t pass) {
    plua_compiled *e = new_entry(cache);
    pl_error *err = plua_err(L);
    if (!e) {
        pl_nomem(err);
        plua_throw(L);
    }
    pl_code code = pl_compile(&pl_dialect_sqlite, stmt, pass, &e->arena, &e->c, err);
    if (code != PL_OK) {
        free_entry(e);
        plua_throw(L);
    }
    if (e->c.cacheable)
        insert(cache, e);
    return e;
}

const pl_compiled *plua_compile(lua_State *L, plua_db *db, pl_node *stmt,
                                pl_vec *literals) {
    plua_cache *cache = cache_of(L, db);
    if (cache->passing)
        drop_entry(cache->passing);
    cache->passing = NULL;
    uint32_t pass = ++db->rt->pass;
    pl_buf_clear(&cache->key);
    literals->n = 0;
    if (!pl_node_walk(stmt, pass, &cache->key, literals)) {
        pl_nomem(plua_err(L));
        plua_throw(L);
    }
    plua_compiled *e = pl_map_get(&cache->by_key, cache->key.p, cache->key.len);
    if (e) {
        db->compiled_hits++;
        return &e->c;
    }
    db->compiled_misses++;
    e = compile(L, cache, stmt, pass);
    if (!e->cached)
        cache->passing = e;
    return &e->c;
}

/* The entry of a compiled statement: its first member. */
static plua_compiled *entry_of(const pl_compiled *c) {
    return (plua_compiled *)(uintptr_t)c;
}

void plua_compiled_keep(const pl_compiled *c) {
    plua_compiled *e = entry_of(c);
    e->uses++;
    if (e->cache && e->cache->passing == e)
        e->cache->passing = NULL;
}

void plua_compiled_release(const pl_compiled *c) {
    plua_compiled *e = entry_of(c);
    e->uses--;
    drop_entry(e);
}

void plua_compiled_clear(plua_db *db) {
    if (db->compiled)
        clear(db->compiled);
}

int plua_compiled_counts(lua_State *L) {
    const plua_db *db = plua_check_db(L, 1);
    lua_pushinteger(L, (lua_Integer)db->compiled_hits);
    lua_pushinteger(L, (lua_Integer)db->compiled_misses);
    return 2;
}

/* ---- named parameters ---- */

void plua_parameter(lua_State *L, int params, const pl_node *literal, pl_slot *out) {
    if (params && lua_istable(L, params)) {
        params = lua_absindex(L, params);
        lua_pushlstring(L, literal->text, literal->len);
        if (lua_rawget(L, params) != LUA_TNIL) {
            const char *where = lua_pushlstring(L, literal->text, literal->len);
            if (lua_type(L, -2) == LUA_TTABLE)
                plua_raise_hint(L, PL_ESTATEMENT,
                                "give it with the text: text:bindparams{name = {...}}",
                                "the value of ':%s' is a list, whose length is part of "
                                "the statement",
                                where);
            if (literal->type)
                plua_to_slot(L, lua_gettop(L) - 1, literal->type, where, out);
            else
                plua_any_slot(L, lua_gettop(L) - 1, out);
            lua_pop(L, 1);
            return;
        }
        lua_pop(L, 1);
    }
    if (literal->value.tag == PL_UNSET)
        plua_raise(L, PL_ESTATEMENT, "A value is required for bind parameter '%s'",
                   lua_pushlstring(L, literal->text, literal->len));
    *out = literal->value;
    lua_pushnil(L);
}
