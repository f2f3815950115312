/* SPDX-License-Identifier: MIT */
/*
** t_lua_oom.c - every allocation of Lua and of the core fails in turn, under a script.
**
** A round makes a Lua state with an allocator that refuses its k-th request (once, or
*that
** one and all later ones), runs a script, and closes the state. The outcome is success or
** an out-of-memory error and nothing else; no block and no descriptor is left. The script
** is examples/tutorial.lua on a file, which is sound afterwards and holds exactly what
*some
** commit of the script left, and features.lua. Lua's requests and the core's are counted
** and refused apart. A normal run takes some hundred rounds of each kind;
** PERILUNE_OOM=every takes every k.
*/
#include "../c/driver_fixture.h"

#include <fcntl.h>

#include <lauxlib.h>
#include <lualib.h>
#include <sqlite3.h>

#include "pl_lua.h"
#include "userdata/glue.h"

/* In a normal run: rounds while the library is loaded, and after. */
enum { LOADING_ROUNDS = 40, NORMAL_ROUNDS = 150, HEAD = 16 };

typedef struct counter {
    long count;   /* requests so far */
    long fail_at; /* the first to be refused, 0 none */
    bool for_good;
    long failed;
} counter;

/* Both allocators of a state; `blocks` and `bytes` are those given and not back yet. */
typedef struct heap {
    counter lua, core;
    long loaded; /* Lua's requests when the library was loaded */
    long blocks;
    long long bytes;
} heap;

typedef struct script {
    heap *heap;
    char *text;
    bool tutorial;
} script;

/* One series of rounds. */
typedef struct series {
    bool core; /* the core's requests are refused, else Lua's */
    bool for_good;
    const char *name;
} series;

static bool refuse(counter *c) {
    c->count++;
    if (c->fail_at == 0 || c->count < c->fail_at ||
        (c->count > c->fail_at && !c->for_good))
        return false;
    c->failed++;
    return true;
}

/* The size stands before the block: what is freed or grown must name it rightly. */
static void *request(heap *h, counter *c, void *ptr, size_t osize, size_t nsize) {
    char *old = ptr ? (char *)ptr - HEAD : NULL;
    size_t had = 0;
    if (old) {
        memcpy(&had, old, sizeof had);
        if (had != osize)
            fail_msg("a block of %zu bytes is given back as one of %zu", had, osize);
    }
    if (nsize > had && refuse(c))
        return NULL;
    h->bytes += (long long)nsize - (long long)had;
    h->blocks += (nsize > 0) - (old != NULL);
    if (nsize == 0) {
        free(old);
        return NULL;
    }
    char *p = realloc(old, nsize + HEAD);
    if (!p)
        abort();
    memcpy(p, &nsize, sizeof nsize);
    return p + HEAD;
}

static void *lua_request(void *ud, void *ptr, size_t osize, size_t nsize) {
    heap *h = ud;
    return request(h, &h->lua, ptr, ptr ? osize : 0, nsize);
}

static void *core_request(void *ud, void *ptr, size_t osize, size_t nsize) {
    heap *h = ud;
    return request(h, &h->core, ptr, ptr ? osize : 0, nsize);
}

static int no_output(lua_State *L) {
    int n = lua_gettop(L);
    for (int i = 1; i <= n; i++)
        (void)luaL_tolstring(L, i, NULL);
    return 0;
}

/* All of a round that may raise. */
static int body(lua_State *L) {
    const script *s = lua_touserdata(L, 1);
    luaL_openlibs(L);
    plua_runtime *rt = plua_rt(L);
    rt->alloc = (pl_alloc){core_request, s->heap};
    pl_error_init(&rt->err, rt->alloc);
    perilune_preload(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "perilune");
    lua_call(L, 1, 0);
    s->heap->loaded = s->heap->lua.count;
    lua_pushcfunction(L, no_output);
    lua_setglobal(L, "print");
    if (luaL_loadbufferx(L, s->text, strlen(s->text),
                         s->tutorial ? "=tutorial" : "=features", "t") != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 0);
    return 0;
}

/* Whether the error on top says that memory was short. */
static bool is_memory_error(lua_State *L, int status) {
    if (status == LUA_ERRMEM)
        return true;
    if (lua_type(L, -1) == LUA_TSTRING)
        return strstr(lua_tostring(L, -1), "not enough memory") != NULL;
    return luaL_getmetafield(L, -1, "__name") == LUA_TSTRING &&
           lua_getfield(L, -2, "name") == LUA_TSTRING &&
           strcmp(lua_tostring(L, -1), "MemoryError") == 0;
}

/* Runs it; 1 it came to its end, 0 memory was short. */
static int run(const script *s, long k, const char *how) {
    heap *h = s->heap;
    lua_State *L = lua_newstate(lua_request, h);
    int status = LUA_ERRMEM;
    if (L) {
        lua_pushcfunction(L, body);
        lua_pushlightuserdata(L, (void *)s);
        status = lua_pcall(L, 1, 0, 0);
        counter lua = h->lua, core = h->core;
        h->lua.fail_at = h->core.fail_at = 0;
        if (status != LUA_OK && !is_memory_error(L, status))
            fail_msg("%s %ld: not an out-of-memory error: %s", how, k,
                     luaL_tolstring(L, -1, NULL));
        h->lua.fail_at = lua.fail_at;
        h->core.fail_at = core.fail_at;
        lua_close(L);
    }
    return status == LUA_OK;
}

/* ---- the database ------------------------------------------------------------------ */

/* What stands in the tables after each commit of the tutorial. */
static const char *const states[] = {
    "",
    "users posts groups links",
    "users 1=Alice posts groups links",
    "users 1=Alice posts 1=Hello/1 groups 1=admins links 1-1",
    "users 1=Bob posts 1=Hello/1 groups 1=admins links 1-1",
    "users posts groups 1=admins links",
};

enum { STATES = sizeof states / sizeof *states, FINAL = STATES - 1 };

static void read_text(sqlite3 *db, const char *sql, char *out, size_t size) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int code = sqlite3_step(s);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : "";
    (void)snprintf(out, size, "%s", text ? text : "");
    (void)sqlite3_finalize(s);
}

/* The number of the state that the file is in. */
static int state_of(const char *path, long k, const char *how) {
    static const char content[] =
        "SELECT 'users' || ifnull((SELECT group_concat(' ' || id || '=' || name, '') "
        "FROM "
        "user), '') || ' posts' || ifnull((SELECT group_concat(' ' || id || '=' || title "
        "|| '/' || user_id, '') FROM post), '') || ' groups' || ifnull((SELECT "
        "group_concat(' ' || id || '=' || name, '') FROM \"group\"), '') || ' links' || "
        "ifnull((SELECT group_concat(' ' || user_id || '-' || group_id, '') FROM "
        "user_group), '')";
    char text[400];
    sqlite3 *db;
    int found = -1;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    read_text(db, "PRAGMA integrity_check", text, sizeof text);
    assert_string_equal(text, "ok");
    read_text(db, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'", text,
              sizeof text);
    if (strcmp(text, "0") == 0)
        text[0] = '\0';
    else
        read_text(db, content, text, sizeof text);
    for (int i = 0; i < STATES && found < 0; i++)
        if (strcmp(text, states[i]) == 0)
            found = i;
    if (found < 0)
        fail_msg("%s %ld: the database has %s", how, k, text);
    (void)sqlite3_close(db);
    return found;
}

static void remove_database(const fixture *f) {
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char path[FIXTURE_PATH + 10];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        (void)snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
        (void)unlink(path);
    }
}

/* ---- rounds ------------------------------------------------------------------------ */

/* The text of a script; the tutorial's database is at `path`. The caller frees it. */
static char *read_script(bool tutorial, const char *path) {
    enum { SIZE = 50000 };
    static const char from[] = "sqlite:///database.db";
    FILE *file =
        fopen(tutorial ? "examples/tutorial.lua" : "spec/fault/features.lua", "rb");
    char *text = calloc(1, SIZE), *out = calloc(1, SIZE + FIXTURE_PATH);
    assert_non_null(file);
    assert_true(fread(text, 1, SIZE - 1, file) > 0);
    (void)fclose(file);
    char *at = strstr(text, from);
    assert_true((at != NULL) == tutorial);
    if (at)
        *at = '\0';
    (void)snprintf(out, SIZE + FIXTURE_PATH, "%s%s%s%s", text, at ? "sqlite:///" : "",
                   at ? path : "", at ? at + sizeof from - 1 : "");
    free(text);
    return out;
}

static int open_descriptors(void) {
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

/* One round; the number of refused requests. */
static long round_of(const fixture *f, script *s, const series *how, long k, long *done) {
    heap h = {0};
    counter *c = how->core ? &h.core : &h.lua;
    *c = (counter){.fail_at = k, .for_good = how->for_good};
    int before = open_descriptors();
    remove_database(f);
    s->heap = &h;
    bool whole = run(s, k, how->name) == 1;
    *done += whole;
    if (h.blocks != 0 || h.bytes != 0)
        fail_msg("%s %ld: %ld blocks (%lld bytes) are left", how->name, k, h.blocks,
                 h.bytes);
    if (open_descriptors() != before)
        fail_msg("%s %ld: a descriptor is left open", how->name, k);
    if (!whole && c->failed == 0)
        fail_msg("%s %ld: failed without a refused request", how->name, k);
    if (s->tutorial) {
        int state = state_of(f->path, k, how->name);
        if (whole)
            assert_int_equal(state, FINAL);
    }
    return c->failed;
}

static long stride(long k, long loading, long total) {
    const char *every = getenv("PERILUNE_OOM");
    if (every && strcmp(every, "every") == 0)
        return 1;
    return k < loading ? loading / LOADING_ROUNDS + 1
                       : (total - loading) / NORMAL_ROUNDS + 1;
}

static void sweep(const fixture *f, bool tutorial, const series *how) {
    heap h = {0};
    script s = {&h, read_script(tutorial, f->path), tutorial};
    remove_database(f);
    assert_int_equal(run(&s, 0, "whole"), 1);
    long total = how->core ? h.core.count : h.lua.count, k = 1, rounds = 0, done = 0;
    long loading = how->core ? 0 : h.loaded;
    for (; round_of(f, &s, how, k, &done) > 0; k += stride(k, loading, total))
        rounds++;
    print_message("  %s: %ld of %ld requests refused in turn, %ld runs did without\n",
                  how->name, rounds, total, done - 1);
    assert_true(total > 100 && done > 0);
    assert_true(done < rounds / 2 || !how->for_good);
    free(s.text);
}

static void sweeps(const fixture *f, bool tutorial) {
    static const series all[] = {
        {false, false, "lua, once"},
        {false, true, "lua, for good"},
        {true, false, "core, once"},
        {true, true, "core, for good"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sweep(f, tutorial, &all[i]);
}

static void test_tutorial(void **state) {
    sweeps(*state, true);
}

static void test_features(void **state) {
    sweeps(*state, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_tutorial),
        FIXTURE_TEST(test_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
