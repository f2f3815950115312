/* SPDX-License-Identifier: MIT */
/*
 * t_host.c - the C API: hosts, running, values, C functions, contexts, errors, limits,
 * interrupts, shared databases. Uses perilune.h only.
 */
#include <perilune.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

static int run(perilune_host *h, const char *text, perilune_result **out) {
    return perilune_run_string(h, "test", text, strlen(text), 0, NULL, out);
}

static void must(perilune_host *h, const char *text) {
    if (run(h, text, NULL) != PERILUNE_OK)
        fail_msg("%s", perilune_error_of(h)->message);
}

static perilune_value text_value(const char *s) {
    return (perilune_value){PERILUNE_TEXT, strlen(s), {.text = s}};
}

static perilune_value integer_value(int64_t i) {
    return (perilune_value){PERILUNE_INTEGER, 0, {.integer = i}};
}

/* The first value that a chunk returns must be this integer. */
static void returns(perilune_host *h, const char *text, int64_t expected) {
    perilune_result *r;
    if (run(h, text, &r) != PERILUNE_OK)
        fail_msg("%s", perilune_error_of(h)->message);
    assert_int_equal(perilune_result_at(r, 0)->type, PERILUNE_INTEGER);
    assert_int_equal(perilune_result_at(r, 0)->as.integer, expected);
    perilune_result_free(r);
}

/* A chunk must end with this code. */
static void ends(perilune_host *h, const char *text, int code) {
    int got = run(h, text, NULL);
    if (got != code)
        fail_msg("%s: %s, expected %s: %s", text, perilune_error_name(got),
                 perilune_error_name(code), perilune_error_of(h)->message);
}

static int new_host(void **state) {
    perilune_host *h;
    assert_int_equal(perilune_host_new(&h, NULL), PERILUNE_OK);
    *state = h;
    return 0;
}

static int free_host(void **state) {
    perilune_host_free(*state);
    return 0;
}

/* ---- running --------------------------------------------------------------------- */

static void versions(void **state) {
    (void)state;
    assert_string_equal(perilune_version(), PERILUNE_VERSION);
    assert_int_equal(perilune_version_number(), PERILUNE_VERSION_NUMBER);
    assert_string_equal(perilune_error_name(PERILUNE_ETIME), "TIME");
    assert_string_equal(perilune_error_name(0), "OK");
    assert_string_equal(perilune_error_name(-999), "UNKNOWN");
}

static void runs_text(void **state) {
    returns(*state, "return 6 * 7", 42);
}

static void no_result_is_nil(void **state) {
    perilune_result *r;
    assert_int_equal(run(*state, "local x = 1", &r), PERILUNE_OK);
    assert_int_equal(perilune_result_count(r), 0);
    assert_int_equal(perilune_result_at(r, 0)->type, PERILUNE_NIL);
    perilune_result_free(r);
    perilune_result_free(NULL);
}

static void arguments(void **state) {
    perilune_result *r;
    perilune_value args[] = {integer_value(1), text_value("b"), {.type = PERILUNE_NIL}};
    const char *text = "return select('#', ...), ...";
    assert_int_equal(perilune_run_string(*state, "args", text, strlen(text), 3, args, &r),
                     PERILUNE_OK);
    assert_int_equal(perilune_result_at(r, 0)->as.integer, 3);
    assert_int_equal(perilune_result_at(r, 1)->as.integer, 1);
    assert_string_equal(perilune_result_at(r, 2)->as.text, "b");
    assert_int_equal(perilune_result_count(r), 4);
    perilune_result_free(r);
}

static void errors(void **state) {
    perilune_host *h = *state;
    ends(h, "return +", PERILUNE_ESYNTAX);
    ends(h, "\033Lua", PERILUNE_ESYNTAX);
    ends(h, "local function f() error 'oops' end f()", PERILUNE_ERUNTIME);
    const perilune_error *e = perilune_error_of(h);
    assert_non_null(strstr(e->message, "oops"));
    assert_non_null(strstr(e->traceback, "test:1"));
    ends(h, "error({})", PERILUNE_ERUNTIME);
    assert_non_null(strstr(perilune_error_of(h)->message, "table value"));
    ends(h, "error(setmetatable({}, {__tostring = function() return 'me' end}))",
         PERILUNE_ERUNTIME);
    assert_string_equal(perilune_error_of(h)->message, "me");
    ends(h, "error(nil)", PERILUNE_ERUNTIME);
    must(h, "return 1");
    assert_int_equal(perilune_error_of(h)->code, PERILUNE_OK);
    assert_int_equal(perilune_run_file(h, "/nowhere/x.lua", 0, NULL, NULL),
                     PERILUNE_EFILE);
    assert_int_equal(perilune_call_function(h, "nowhere", 0, NULL, NULL), PERILUNE_ENAME);
    assert_int_equal(perilune_error_of(NULL)->code, PERILUNE_EMISUSE);
}

static void database_errors(void **state) {
    perilune_host *h = *state;
    ends(
        h,
        "local db = require 'perilune'.open 'sqlite://'\n"
        "local User = db.Model 'User' { id = db.Column{db.Integer, primary_key = true},\n"
        "  name = db.Column{db.String(9), nullable = false} }\n"
        "db:create_all()\n"
        "db.session:add(User{}) db.session:commit()",
        PERILUNE_ERUNTIME);
    const perilune_error *e = perilune_error_of(h);
    assert_string_equal(e->name, "IntegrityError");
    assert_non_null(strstr(e->message, "User.name"));
}

/* ---- values ---------------------------------------------------------------------- */

static void tables_out(void **state) {
    perilune_result *r;
    assert_int_equal(
        run(*state, "return {1, 'two', {x = 2.5}}, {a = true}, {}, print", &r),
        PERILUNE_OK);
    const perilune_value *list = perilune_result_at(r, 0);
    assert_int_equal(list->type, PERILUNE_LIST);
    assert_int_equal(list->size, 3);
    assert_true(perilune_field(&list->as.items[2], "x")->as.number == 2.5);
    const perilune_value *map = perilune_result_at(r, 1);
    assert_int_equal(map->type, PERILUNE_MAP);
    assert_int_equal(perilune_field(map, "a")->as.boolean, 1);
    assert_null(perilune_field(map, "b"));
    assert_int_equal(perilune_result_at(r, 2)->size, 0);
    assert_int_equal(perilune_result_at(r, 3)->type, PERILUNE_OTHER);
    perilune_result_free(r);
    perilune_result *none;
    assert_int_equal(run(*state, "local t = {} t.t = t return t", &none),
                     PERILUNE_EVALUE);
    assert_null(none);
}

static void tables_in(void **state) {
    perilune_value items[] = {integer_value(7), text_value("x")};
    perilune_pair pair = {text_value("list"), {PERILUNE_LIST, 2, {.items = items}}};
    perilune_value map = {PERILUNE_MAP, 1, {.pairs = &pair}};
    must(*state, "function first(t) return t.list[1] * #t.list end");
    perilune_result *r;
    assert_int_equal(perilune_call_function(*state, "first", 1, &map, &r), PERILUNE_OK);
    assert_int_equal(perilune_result_at(r, 0)->as.integer, 14);
    perilune_result_free(r);
    pair.key.type = PERILUNE_NIL;
    assert_int_equal(perilune_call_function(*state, "first", 1, &map, NULL),
                     PERILUNE_EVALUE);
    perilune_value deep[40];
    for (int i = 0; i < 40; i++)
        deep[i] = (perilune_value){PERILUNE_LIST, i < 39, {.items = deep + i + 1}};
    assert_int_equal(perilune_call_function(*state, "first", 1, deep, NULL),
                     PERILUNE_EVALUE);
}

/* ---- C functions ----------------------------------------------------------------- */

static int add(perilune_call *c, void *payload) {
    int64_t sum = 0;
    for (size_t i = 0; i < perilune_arg_count(c); i++) {
        if (perilune_arg(c, i)->type != PERILUNE_INTEGER)
            return perilune_fail(c, "integers only");
        sum += perilune_arg(c, i)->as.integer;
    }
    ++*(int *)payload;
    perilune_value v = integer_value(sum);
    return perilune_return(c, &v);
}

/* Calls back into the host that calls it. */
static int twice(perilune_call *c, void *payload) {
    (void)payload;
    perilune_result *r;
    perilune_host_free(perilune_call_host(c));
    int code = perilune_call_function(perilune_call_host(c), "inner", 0, NULL, &r);
    if (code != PERILUNE_OK)
        return code;
    code = perilune_return(c, perilune_result_at(r, 0));
    perilune_return(c, perilune_result_at(r, 0));
    perilune_result_free(r);
    return code;
}

static void native_functions(void **state) {
    perilune_host *h = *state;
    int calls = 0;
    assert_int_equal(perilune_register(h, "c.add", add, &calls), PERILUNE_OK);
    assert_int_equal(perilune_register(h, "c.twice", twice, NULL), PERILUNE_OK);
    returns(h, "return c.add(1, 2, 3)", 6);
    assert_int_equal(calls, 1);
    ends(h, "c.add('x')", PERILUNE_ERUNTIME);
    assert_non_null(strstr(perilune_error_of(h)->message, "integers only"));
    must(h, "function inner() return 21 end");
    returns(h, "local a, b = c.twice() return a + b", 42);
    returns(h, "return coroutine.wrap(function() return (c.twice()) end)()", 21);
    ends(h, "inner = nil c.twice()", PERILUNE_ENAME);
    must(h, "function inner() error 'x' end assert(not pcall(c.twice))");
    assert_int_equal(perilune_register(h, "c.", add, NULL), PERILUNE_ENAME);
    assert_int_equal(perilune_register(h, "print.x", add, NULL), PERILUNE_ENAME);
}

static int open_module(struct lua_State *L);

static void modules(void **state) {
    perilune_host *h = *state;
    const char *text = "local M = {} function M.five() return 5 end return M";
    assert_int_equal(perilune_module_source(h, "shop", text, strlen(text)), PERILUNE_OK);
    returns(h, "return require('shop').five()", 5);
    perilune_result *r;
    assert_int_equal(perilune_call_function(h, "shop.five", 0, NULL, &r), PERILUNE_OK);
    assert_int_equal(perilune_result_at(r, 0)->as.integer, 5);
    perilune_result_free(r);
    assert_int_equal(perilune_module(h, "again", open_module), PERILUNE_OK);
    must(h, "assert(require('again').open)");
}

static int open_module(struct lua_State *L) {
    return luaopen_perilune(L);
}

/* ---- contexts -------------------------------------------------------------------- */

static const char blog[] = "perilune = require 'perilune'\n"
                           "app = perilune.App 'blog'\n"
                           "app.config.DATABASE_URI = 'sqlite://'\n"
                           "db = perilune.Database(app)\n"
                           "User = db.Model 'User' {\n"
                           "  id = db.Column{db.Integer, primary_key = true},\n"
                           "  name = db.Column{db.String(40), nullable = false} }\n"
                           "app:app_context(function() db:create_all() end)\n"
                           "function add(name) db.session:add(User{name = name}) end\n"
                           "function count() return User.query:count() end\n";

static void count_is(perilune_host *h, int64_t expected) {
    perilune_result *r;
    assert_int_equal(perilune_context_push(h, NULL), PERILUNE_OK);
    assert_int_equal(perilune_call_function(h, "count", 0, NULL, &r), PERILUNE_OK);
    assert_int_equal(perilune_result_at(r, 0)->as.integer, expected);
    perilune_result_free(r);
    assert_int_equal(perilune_context_pop(h, 0), PERILUNE_OK);
}

static void contexts(void **state) {
    perilune_host *h = *state;
    perilune_value name = text_value("Alice");
    assert_int_equal(perilune_context_push(h, NULL), PERILUNE_ENAME);
    must(h, blog);
    assert_int_equal(perilune_context_pop(h, 0), PERILUNE_EMISUSE);
    assert_int_equal(perilune_context_push(h, "nothing"), PERILUNE_ENAME);
    assert_int_equal(perilune_context_push(h, "blog"), PERILUNE_OK);
    assert_int_equal(perilune_call_function(h, "add", 1, &name, NULL), PERILUNE_OK);
    assert_int_equal(perilune_context_pop(h, 0), PERILUNE_OK);
    count_is(h, 0);
    assert_int_equal(perilune_context_push(h, NULL), PERILUNE_OK);
    assert_int_equal(perilune_call_function(h, "add", 1, &name, NULL), PERILUNE_OK);
    assert_int_equal(perilune_context_pop(h, 1), PERILUNE_OK);
    count_is(h, 1);
    must(h, "function bad() db.session:add(User{}) end");
    assert_int_equal(perilune_context_push(h, NULL), PERILUNE_OK);
    assert_int_equal(perilune_call_function(h, "bad", 0, NULL, NULL), PERILUNE_OK);
    assert_int_equal(perilune_context_pop(h, 1), PERILUNE_ERUNTIME);
    assert_string_equal(perilune_error_of(h)->name, "IntegrityError");
    count_is(h, 1);
}

static void variables(void **state) {
    perilune_host *h = *state;
    perilune_value one = integer_value(1), two = integer_value(2);
    must(h, blog);
    must(h, "vars = require 'perilune.host'.vars");
    assert_int_equal(perilune_set(h, "tenant", &one), PERILUNE_OK);
    assert_int_equal(perilune_context_push(h, NULL), PERILUNE_OK);
    returns(h, "return vars.tenant", 1);
    assert_int_equal(perilune_set(h, "tenant", &two), PERILUNE_OK);
    returns(h, "return vars.tenant", 2);
    ends(h, "vars.tenant = 3", PERILUNE_ERUNTIME);
    assert_int_equal(perilune_context_pop(h, 0), PERILUNE_OK);
    returns(h, "return vars.tenant", 1);
}

static void shares_a_database(void **state) {
    perilune_host *h = *state;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(perilune_share(h, "main", db), PERILUNE_OK);
    must(h, "db = require 'perilune'.open{'sqlite://', handle = "
            "require 'perilune.host'.handle 'main'}\n"
            "T = db.Model 'T' { id = db.Column{db.Integer, primary_key = true} }\n"
            "db:create_all() db.session:add(T{id = 7}) db.session:commit()");
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT id FROM t", -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(stmt, 0), 7);
    sqlite3_finalize(stmt);
    assert_int_equal(perilune_share(h, "main", NULL), PERILUNE_OK);
    ends(h, "require 'perilune.host'.handle 'main'", PERILUNE_ERUNTIME);
    perilune_host_free(h);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(new_host(state), 0);
}

/* ---- limits ---------------------------------------------------------------------- */

static void limits(void **state) {
    perilune_host *h = *state;
    int64_t old;
    assert_int_equal(perilune_limit(h, PERILUNE_LIMIT_MEMORY, 32 << 20, &old),
                     PERILUNE_OK);
    assert_int_equal(old, 0);
    ends(h, "local t = {} while true do t[#t + 1] = ('x'):rep(1e5) .. #t end",
         PERILUNE_EMEMORY);
    ends(h, "while true do pcall(string.rep, 'x', 1 << 26) end", PERILUNE_EMEMORY);
    assert_int_equal(perilune_limit(h, PERILUNE_LIMIT_INSTRUCTIONS, 1000000, NULL),
                     PERILUNE_OK);
    ends(h, "while true do end", PERILUNE_EINSTRUCTIONS);
    ends(h, "while true do pcall(function() while true do end end) end",
         PERILUNE_EINSTRUCTIONS);
    ends(h, "pcall(function() while true do end end) return 1", PERILUNE_EINSTRUCTIONS);
    ends(h, "coroutine.wrap(function() while true do end end)()", PERILUNE_EINSTRUCTIONS);
    perilune_limit(h, PERILUNE_LIMIT_INSTRUCTIONS, 0, NULL);
    perilune_limit(h, PERILUNE_LIMIT_MILLISECONDS, 50, NULL);
    ends(h, "while true do end", PERILUNE_ETIME);
    ends(h,
         "local db = require 'perilune'.open 'sqlite://' db.session:execute(db.text("
         "'with recursive n(i) as (select 1 union all select i + 1 from n) '"
         "..'select max(i) from n'))",
         PERILUNE_ETIME);
    returns(h, "return 1", 1);
    assert_int_equal(perilune_limit(h, 99, 1, NULL), PERILUNE_EMISUSE);
}

static void row_and_database_limits(void **state) {
    perilune_host *h = *state;
    must(h, "p = require 'perilune' db = p.open 'sqlite://'\n"
            "function rows(n) return #db.session:execute(db.text("
            "'with recursive n(i) as (select 1 union all select i + 1 from n) '"
            "..'select i from n limit ' .. n)):all() end");
    perilune_limit(h, PERILUNE_LIMIT_ROWS, 100, NULL);
    returns(h, "return rows(100)", 100);
    ends(h, "return rows(101)", PERILUNE_EROWS);
    ends(h, "pcall(rows, 1000)", PERILUNE_EROWS);
    perilune_limit(h, PERILUNE_LIMIT_DATABASES, 2, NULL);
    must(h, "db2 = p.open 'sqlite://' db2.session:scalar(db2.text 'select 1')");
    ends(h, "db3 = p.open 'sqlite://' db3.session:scalar(db2.text 'select 1')",
         PERILUNE_ERUNTIME);
    perilune_stats stats = {.size = sizeof stats};
    assert_int_equal(perilune_get_stats(h, &stats), PERILUNE_OK);
    assert_int_equal(stats.databases, 2);
    must(h, "db2:close() db3.session:scalar(db2.text 'select 1')");
    assert_true(stats.memory > 100000 && stats.memory_peak >= stats.memory);
}

static void counts_statements(void **state) {
    perilune_host *h = *state;
    must(h, "p = require 'perilune' db = p.open 'sqlite://'\n"
            "for i = 1, 10 do db.session:execute(db.text 'select 1'):all() end");
    perilune_stats stats = {.size = sizeof stats};
    assert_int_equal(perilune_get_stats(h, &stats), PERILUNE_OK);
    assert_int_equal(stats.statements, 10);
    assert_int_equal(stats.rows, 10);
    must(h, "db.session:execute(db.text 'create table t (a)') db.session:commit()");
    assert_int_equal(perilune_get_stats(h, &stats), PERILUNE_OK);
    assert_int_equal(stats.statements, 11);
}

/* The mapper asks for memory once, where Lua collects and asks again. */
static void memory_of_the_mapper(void **state) {
    perilune_host *h = *state;
    must(h, blog);
    must(h, "db2 = perilune.open 'sqlite://' U = db2.Model 'U' {\n"
            "  id = db2.Column{db2.Integer, primary_key = true},\n"
            "  parent_id = db2.Column{db2.Integer, db2.ForeignKey 'u.id'},\n"
            "  parent = db2.relationship{'U', remote_side = 'U.id'} } db2:create_all()");
    must(h, "local a = U{} for i = 1, 20000 do a = U{parent = a} end db2.session:add(a)");
    perilune_stats stats = {.size = sizeof stats};
    assert_int_equal(perilune_get_stats(h, &stats), PERILUNE_OK);
    perilune_limit(h, PERILUNE_LIMIT_MEMORY, stats.memory + (1 << 20), NULL);
    ends(h, "pcall(function() db2.session:flush() end) ran = true", PERILUNE_EMEMORY);
    must(h, "assert(ran == nil)");
}

static void stopped_transaction_rolls_back(void **state) {
    perilune_host *h = *state;
    perilune_value name = text_value("Bob");
    must(h, blog);
    perilune_limit(h, PERILUNE_LIMIT_MILLISECONDS, 50, NULL);
    ends(h,
         "app:app_context(function() add 'x' db.session:flush() while true do end end)",
         PERILUNE_ETIME);
    assert_int_equal(perilune_context_push(h, NULL), PERILUNE_OK);
    assert_int_equal(perilune_call_function(h, "add", 1, &name, NULL), PERILUNE_OK);
    ends(h, "db.session:flush() while true do end", PERILUNE_ETIME);
    assert_int_equal(perilune_context_pop(h, 1), PERILUNE_OK);
    count_is(h, 0);
}

/* Listeners and teardown functions that never end cost a call its time, not the host. */
static void endless_listeners(void **state) {
    perilune_host *h = *state;
    must(h, blog);
    must(h, "function forever() while on do end end app:teardown(forever)\n"
            "function loop() on = true pcall(forever) end\n"
            "function begin() db.event.listen(db.session, 'after_rollback', forever)\n"
            "  db.event.listen(db.engine, 'before_cursor_execute', forever)\n"
            "  add 'x' db.session:flush() end");
    perilune_limit(h, PERILUNE_LIMIT_MILLISECONDS, 50, NULL);
    assert_int_equal(perilune_context_push(h, NULL), PERILUNE_OK);
    assert_int_equal(perilune_call_function(h, "begin", 0, NULL, NULL), PERILUNE_OK);
    assert_int_equal(perilune_call_function(h, "loop", 0, NULL, NULL), PERILUNE_ETIME);
    assert_int_equal(perilune_context_pop(h, 0), PERILUNE_ETIME);
    assert_int_equal(perilune_context_pop(h, 0), PERILUNE_EMISUSE);
    must(h, "on = false");
    count_is(h, 0);
    must(h, "on = true");
    assert_int_equal(perilune_context_push(h, NULL), PERILUNE_OK);
    assert_int_equal(perilune_context_push(h, NULL), PERILUNE_OK);
}

static void interrupts(void **state) {
    perilune_host *h = *state;
    perilune_interrupt(h);
    ends(h, "return 1", PERILUNE_EINTERRUPT);
    must(h, "for i = 1, 1e6 do end");
    perilune_interrupt(h);
    ends(h, "while true do end", PERILUNE_EINTERRUPT);
    returns(h, "return 1", 1);
    perilune_interrupt(NULL);
}

/* ---- memory ---------------------------------------------------------------------- */

typedef struct heap {
    int64_t used, fail_at, count;
} heap;

static void *heap_alloc(void *payload, void *block, size_t old_size, size_t new_size) {
    heap *h = payload;
    if (new_size > old_size && h->fail_at > 0 && ++h->count >= h->fail_at)
        return NULL;
    h->used += (int64_t)new_size - (int64_t)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

static perilune_host *heap_host(heap *p, int *code) {
    perilune_config c;
    perilune_host *h;
    perilune_config_init(&c);
    c.alloc = heap_alloc;
    c.alloc_payload = p;
    *code = perilune_host_new(&h, &c);
    return h;
}

static void thousand_hosts_leave_nothing(void **state) {
    (void)state;
    heap p = {0};
    int code;
    for (int i = 0; i < 1000; i++) {
        perilune_host *h = heap_host(&p, &code);
        assert_int_equal(code, PERILUNE_OK);
        if (i % 100 == 0)
            must(h, blog);
        perilune_host_free(h);
        assert_int_equal(p.used, 0);
    }
}

static void short_of_memory(void **state) {
    (void)state;
    for (int64_t k = 1; k < 4000; k += k < 300 ? 1 : 37) {
        heap p = {.fail_at = k};
        int code;
        perilune_host *h = heap_host(&p, &code);
        if (code == PERILUNE_OK)
            code = run(h, blog, NULL);
        assert_true(code == PERILUNE_OK || code < 0);
        assert_non_null(perilune_error_of(h)->message);
        perilune_host_free(h);
        assert_int_equal(p.used, 0);
    }
}

static void misuse(void **state) {
    perilune_host *h;
    perilune_config c = {0};
    assert_int_equal(perilune_host_new(NULL, NULL), PERILUNE_EMISUSE);
    assert_int_equal(perilune_host_new(&h, &c), PERILUNE_EMISUSE);
    assert_int_equal(perilune_run_string(h, "x", "return 1", 8, 0, NULL, NULL),
                     PERILUNE_EMISUSE);
    assert_null(perilune_lua(h));
    perilune_host_free(h);
    perilune_host_free(NULL);
    assert_int_equal(perilune_run_string(*state, NULL, "x", 1, 0, NULL, NULL),
                     PERILUNE_EMISUSE);
    assert_int_equal(perilune_run_string(NULL, "x", "x", 1, 0, NULL, NULL),
                     PERILUNE_EMISUSE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions),
        cmocka_unit_test_setup_teardown(runs_text, new_host, free_host),
        cmocka_unit_test_setup_teardown(no_result_is_nil, new_host, free_host),
        cmocka_unit_test_setup_teardown(arguments, new_host, free_host),
        cmocka_unit_test_setup_teardown(errors, new_host, free_host),
        cmocka_unit_test_setup_teardown(database_errors, new_host, free_host),
        cmocka_unit_test_setup_teardown(tables_out, new_host, free_host),
        cmocka_unit_test_setup_teardown(tables_in, new_host, free_host),
        cmocka_unit_test_setup_teardown(native_functions, new_host, free_host),
        cmocka_unit_test_setup_teardown(modules, new_host, free_host),
        cmocka_unit_test_setup_teardown(contexts, new_host, free_host),
        cmocka_unit_test_setup_teardown(variables, new_host, free_host),
        cmocka_unit_test_setup_teardown(shares_a_database, new_host, free_host),
        cmocka_unit_test_setup_teardown(limits, new_host, free_host),
        cmocka_unit_test_setup_teardown(row_and_database_limits, new_host, free_host),
        cmocka_unit_test_setup_teardown(counts_statements, new_host, free_host),
        cmocka_unit_test_setup_teardown(memory_of_the_mapper, new_host, free_host),
        cmocka_unit_test_setup_teardown(stopped_transaction_rolls_back, new_host,
                                        free_host),
        cmocka_unit_test_setup_teardown(endless_listeners, new_host, free_host),
        cmocka_unit_test_setup_teardown(interrupts, new_host, free_host),
        cmocka_unit_test_setup_teardown(misuse, new_host, free_host),
        cmocka_unit_test(thousand_hosts_leave_nothing),
        cmocka_unit_test(short_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
