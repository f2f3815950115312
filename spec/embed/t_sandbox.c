/* SPDX-License-Identifier: MIT */
/*
 * t_sandbox.c - escapes from Lua sandboxes that have been published or that C functions
 * of Lua 5.4 allow, each tried in a sandboxed host under limits of memory and time. A
 * chunk must end with the code that stands beside it, and use little more time of the
 * processor than it has.
 */
#include <perilune.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* Milliseconds. The address sanitizer takes its time for large blocks. */
#if defined(__SANITIZE_ADDRESS__)
enum { TIME = 100, SLACK = 4500 };
#else
enum { TIME = 100, SLACK = 900 };
#endif
enum { SOME = 1 }; /* which limit comes first depends on the machine */

typedef struct attempt {
    const char *what, *text;
    int code;
} attempt;

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static perilune_host *new_sandbox(unsigned allow) {
    perilune_config c;
    perilune_host *h;
    perilune_config_init(&c);
    c.sandbox = 1;
    c.allow = allow;
    c.memory = 64 << 20;
    c.milliseconds = TIME;
    if (perilune_host_new(&h, &c) != PERILUNE_OK)
        fail_msg("%s", perilune_error_of(h)->message);
    return h;
}

static void try_all(const attempt *list, size_t n) {
    int failures = 0;
    for (size_t i = 0; i < n; i++) {
        perilune_host *h = new_sandbox(0);
        const attempt *a = &list[i];
        /* what ends of itself takes longer on a busy machine */
        if (a->code == PERILUNE_OK || a->code == PERILUNE_EMEMORY)
            perilune_limit(h, PERILUNE_LIMIT_MILLISECONDS, SLACK, NULL);
        double began = now_ms();
        int code =
            perilune_run_string(h, "script", a->text, strlen(a->text), 0, NULL, NULL);
        double took = now_ms() - began;
        if ((a->code == SOME ? code >= 0 : code != a->code) && ++failures)
            print_error("%s: ended with %s (%s)\n", a->what, perilune_error_name(code),
                        perilune_error_of(h)->message);
        if (took > TIME + SLACK && ++failures)
            print_error("%s: took %.0f ms\n", a->what, took);
        perilune_host_free(h);
        if (now_ms() - began > TIME + 2 * SLACK && ++failures)
            print_error("%s: the host took long to close\n", a->what);
    }
    assert_int_equal(failures, 0);
}

#define TRY(list) try_all(list, sizeof(list) / sizeof *(list))

static void nothing_to_reach(void **state) {
    (void)state;
    static const attempt list[] = {
        {"no files, processes, debug, loaders",
         "for _, name in ipairs{'io', 'debug', 'package', 'dofile', 'loadfile', "
         "'loadstring',"
         " 'module'} do assert(_G[name] == nil, name) end\n"
         "for _, name in ipairs{'execute', 'exit', 'getenv', 'remove', 'rename', "
         "'tmpname',"
         " 'setlocale'} do assert(os[name] == nil, name) end\n"
         "assert(string.dump == nil)",
         PERILUNE_OK},
        {"the string metatable is out of reach",
         "assert(getmetatable('') == false) assert(('x').dump == nil)\n"
         "assert(not pcall(function() string.rep = nil end))\n"
         "assert(not pcall(rawset, string, 'rep', 1)) assert(('x'):rep(2) == 'xx')",
         PERILUNE_OK},
        {"bytecode is not loaded",
         "local f, m = load('\\27LuaT') assert(not f and m:find 'binary')\n"
         "assert(not load('\\27LuaT', 'x', 'b'))\n"
         "local n = 0 assert(not load(function() n = n + 1 return n == 1 and '\\27Lua' "
         "or nil"
         " end))",
         PERILUNE_OK},
        {"load sees the sandbox's globals",
         "assert(load('return debug or io or package')() == nil)\n"
         "assert(load('return _G')() == _G) assert(load('return x', 'x', 't', {x = 1})() "
         "== 1)",
         PERILUNE_OK},
        {"globals and libraries are read-only",
         "assert(not pcall(function() print = nil end))\n"
         "assert(not pcall(function() string.format = nil end))\n"
         "assert(not pcall(function() table.x = 1 end)) assert(not pcall(rawset, math, "
         "'pi', 3))\n"
         "assert(not pcall(setmetatable, math, {})) assert(not pcall(table.insert, "
         "table, 1))\n"
         "assert(getmetatable(_G) == false and getmetatable(os) == false)\n"
         "mine = 1 assert(mine == 1)",
         PERILUNE_OK},
        {"rawset is no way around that",
         "assert(not pcall(rawset, _G, 'print', 1)) assert(not pcall(rawset, _ENV, "
         "'string', "
         "{}))\n"
         "assert(not pcall(table.insert, _G, 1, 2) or not _G[2])\n"
         "local vars = require 'perilune.host'.vars\n"
         "assert(not pcall(rawset, vars, 'tenant', 'b') and vars.tenant == nil)\n"
         "assert(rawset(_G, 'mine', 2) == _G and mine == 2)",
         PERILUNE_OK},
        {"what modules share is read-only",
         "local p = require 'perilune' local db = p.open 'sqlite://'\n"
         "for _, t in ipairs {p.json, p.date, p.datetime, p.time, p.interval, p.decimal, "
         "db.json, db.event} do\n"
         "  assert(not pcall(rawset, t, 'x', 1) and not pcall(function() t.decode = 1 "
         "end))\n"
         "  assert(type(getmetatable(t)) ~= 'table') end\n"
         "assert(p.json.decode '[1]'[1] == 1 and p.date(2026, 1, 2).year == 2026)\n"
         "assert(tostring(p.decimal '1.50') == '1.50' and p.json == db.json)",
         PERILUNE_OK},
        {"a database that the program does not share",
         "local ok, e = pcall(require 'perilune.host'.handle, 'x')\n"
         "assert(not ok and tostring(e):find \"shares no database 'x'\", e)",
         PERILUNE_OK},
        {"no finalizers",
         "assert(not pcall(setmetatable, {}, {__gc = function() end}))\n"
         "local m = {} setmetatable({}, m) m.__gc = print\n"
         "assert(not pcall(setmetatable, {}, m)) assert(not pcall(setmetatable, {}, "
         "{__gc = 1}))",
         PERILUNE_OK},
        {"collectgarbage only counts",
         "for _, o in ipairs{'stop', 'incremental', 'generational', 'setpause'} do\n"
         "  assert(not pcall(collectgarbage, o)) end assert(collectgarbage 'count' > 0)",
         PERILUNE_OK},
        {"require finds no file and no part of the mapper",
         "for _, n in ipairs{'lfs', 'perilune.core', 'perilune.sandbox', "
         "'perilune.embed', 'io',"
         " 'debug', 'os', '../x', '/etc/passwd', '..', 'string', '_G', 'package'} do\n"
         "  assert(not pcall(require, n), n) end",
         PERILUNE_OK},
        {"the mapper's tables are read-only",
         "local p = require 'perilune' assert(not pcall(function() p.open = nil end))\n"
         "assert(not pcall(rawset, p, 'open', 1))\n"
         "local app = p.App 'x' assert(getmetatable(app) == false)\n"
         "assert(p._debug == nil)",
         PERILUNE_OK},
        {"no files through the mapper",
         "local p = require 'perilune'\n"
         "assert(not pcall(function() p.open 'sqlite:////tmp/x.db'.session:begin() "
         "end))\n"
         "local app = p.App 'x'\n"
         "assert(not pcall(function() app.config:from_file '/etc/passwd' end))\n"
         "assert(not pcall(function() app.config:from_env 'HO' end))",
         PERILUNE_OK},
        {"error objects that carry functions",
         "local ok, e = pcall(error, setmetatable({}, {__tostring = function() return "
         "'x' end}))\n"
         "assert(not ok and tostring(e) == 'x') error({print})",
         PERILUNE_ERUNTIME},
        {"a __tostring that raises", "error(setmetatable({}, {__tostring = error}))",
         PERILUNE_ERUNTIME},
        {"a __name that is no string",
         "error(setmetatable({}, {__name = 'perilune.host.Error', host_code = 5}))",
         PERILUNE_ERUNTIME},
    };
    TRY(list);
}

static void nothing_runs_on(void **state) {
    (void)state;
    static const attempt list[] = {
        {"a loop", "while true do end", PERILUNE_ETIME},
        {"a loop of pcall", "while true do pcall(function() while true do end end) end",
         PERILUNE_ETIME},
        {"pcall of pcall", "local function f() pcall(f) while true do end end f()",
         PERILUNE_ETIME},
        {"an xpcall handler",
         "xpcall(function() while true do end end, function() while true do end end)",
         PERILUNE_ETIME},
        {"an xpcall handler of an error",
         "xpcall(error, function() while true do end end)", PERILUNE_ETIME},
        {"coroutine.wrap inside pcall",
         "while true do pcall(coroutine.wrap(function() while true do end end)) end",
         PERILUNE_ETIME},
        {"coroutines inherit the hook",
         "local co = coroutine.create(function() while true do end end)\n"
         "while true do coroutine.resume(co) co = coroutine.create(function() while true "
         "do end"
         " end) end",
         PERILUNE_ETIME},
        {"__close of a stopped coroutine",
         "local co = coroutine.create(function()\n"
         "  local x <close> = setmetatable({}, {__close = function() while true do end "
         "end})\n"
         "  while true do end end)\n"
         "coroutine.resume(co) coroutine.close(co)",
         PERILUNE_ETIME},
        {"__close of a stopped coroutine.wrap",
         "pcall(coroutine.wrap(function()\n"
         "  local x <close> = setmetatable({}, {__close = function() while true do end "
         "end})\n"
         "  while true do end end))",
         PERILUNE_ETIME},
        {"__close of the script",
         "local x <close> = setmetatable({}, {__close = function() while true do end "
         "end})\n"
         "while true do end",
         PERILUNE_ETIME},
        {"__tostring of an error",
         "error(setmetatable({}, {__tostring = function() while true do end end}))",
         PERILUNE_ETIME},
        {"metamethods that call each other",
         "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return "
         "t[k + 1]"
         " end\nlocal x = pcall(function() return t[1] end) while true do end",
         PERILUNE_ETIME},
        {"__index chain",
         "local t = {} for i = 1, 1000 do t = setmetatable({}, {__index = t}) end\n"
         "while true do local _ = t.x end",
         PERILUNE_ETIME},
        {"a pattern with many repetitions",
         "return (('a'):rep(40)):find(('a-'):rep(20) .. 'b')", PERILUNE_ETIME},
        {"a pattern with captures",
         "return (('a'):rep(60)):match(('(a*)'):rep(20) .. 'b')", PERILUNE_ETIME},
        {"gsub and gmatch",
         "for _ in (('a'):rep(60)):gmatch(('.-'):rep(15) .. 'b') do end", PERILUNE_ETIME},
        {"gsub with pcall", "while true do (('a'):rep(1e6)):gsub('.', pcall) end",
         PERILUNE_ETIME},
        {"%b", "local s = ('('):rep(1e6) while true do s:find('%b()') end",
         PERILUNE_ETIME},
        {"plain find", "local s = ('a'):rep(1e7) while true do s:find('b', 1, true) end",
         PERILUNE_ETIME},
        {"rep of nothing", "return (''):rep(1 << 60)", PERILUNE_OK},
        {"rep of much", "return #('x'):rep(1 << 30)", PERILUNE_EMEMORY},
        {"rep in a loop", "while true do local s = ('x'):rep(1e7) end", PERILUNE_ETIME},
        {"upper in a loop",
         "local s = ('x'):rep(1e7) while true do local t = s:upper() end",
         PERILUNE_ETIME},
        {"comparing",
         "local a = ('x'):rep(1e7) local b = ('x'):rep(1e7) while a == b do end",
         PERILUNE_ETIME},
        {"less than",
         "local a = ('x'):rep(1e7) local b = ('x'):rep(1e7) while a <= b do end",
         PERILUNE_ETIME},
        {"joining", "local s = ('x'):rep(1e6) while true do local t = s .. s .. s end",
         PERILUNE_ETIME},
        {"table.concat of nothing",
         "return table.concat(setmetatable({}, {__index = table.concat, __len = "
         "function() return"
         " 1 << 60 end}))",
         SOME},
        {"table.move of nothing", "table.move({}, 1, 1 << 60, 1)", PERILUNE_ETIME},
        {"table.unpack", "return select('#', table.unpack({}, 1, 1e7))",
         PERILUNE_ERUNTIME},
        {"sort with a function of C",
         "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.sort(t, "
         "rawequal) end",
         PERILUNE_ETIME},
        {"sort of long texts",
         "local a, b, t = ('x'):rep(1e6), ('x'):rep(1e6) .. 'y', {}\n"
         "for i = 1, 1e4 do t[i] = i % 2 == 0 and a or b end table.sort(t)",
         PERILUNE_ETIME},
        {"table.insert in front",
         "local t = {} for i = 1, 1e9 do table.insert(t, 1, i) end", PERILUNE_ETIME},
        {"tonumber", "local s = ('1'):rep(1e7) while true do tonumber(s, 36) end",
         PERILUNE_ETIME},
        {"arithmetic on a long text",
         "local s = ('0'):rep(3e6) while true do local _ = s + 1 end", PERILUNE_ETIME},
        {"one long text many times",
         "local t = {} for i = 1, 1e5 do t[i] = ('0'):rep(3e6) break end\n"
         "for i = 2, 1e5 do t[i] = t[1] end\n"
         "assert(not pcall(string.format, ('%d'):rep(1e5), table.unpack(t)))\n"
         "assert(not pcall(math.max, table.unpack(t)))",
         PERILUNE_OK},
        {"os.date of a long format",
         "assert(not pcall(os.date, ('%c'):rep(2e6))) assert(os.date('!%Y', 0) == "
         "'1970')",
         PERILUNE_OK},
        {"what is measured does what it did",
         "assert(('abc'):byte(2) == 98 and string.char(97, 98) == 'ab')\n"
         "assert(('%s-%d'):format('x', 5) == 'x-5' and #('abc') == 3 and ('abc'):len() "
         "== "
         "3)\n"
         "assert(('abc'):sub(2) == 'bc' and ('abc'):sub(-2, -2) == 'b')\n"
         "assert(string.unpack('<i4', string.pack('<i4', 7)) == 7)\n"
         "assert('10' + 5 == 15 and '3' * '4' == 12 and -'2' == -2 and 2 ^ '3' == 8)\n"
         "assert(math.max(1, 3) == 3 and math.type(1) == 'integer' and math.pi > 3)\n"
         "assert(math.random(1, 1) == 1 and utf8.len('äö') == 2 and utf8.charpattern)\n"
         "for _, c in utf8.codes('ä') do assert(c == 228) end\n"
         "assert(tonumber('ff', 16) == 255 and tonumber('0x10') == 16 and tonumber('x') "
         "== "
         "nil)\n"
         "local ok, e = pcall(function() math.floor {} end) assert(e:find \"bad argument "
         "#1 to "
         "'floor'\")",
         PERILUNE_OK},
        {"utf8.len", "local s = ('x'):rep(1e7) while true do utf8.len(s) end",
         PERILUNE_ETIME},
        {"load with a reader of C", "load(math.random)", PERILUNE_OK},
        {"load of much", "while true do load(('x = 1 '):rep(1e5)) end", PERILUNE_ETIME},
        {"a deep expression",
         "return load('return ' .. ('('):rep(1e5) .. (')'):rep(1e5))", PERILUNE_OK},
        {"recursion without end", "local function f() return 1 + f() end f()", SOME},
        {"memory in a table", "local t = {} for i = 1, 1e12 do t[i] = {} end", SOME},
        {"memory caught by pcall",
         "local t = {} while true do pcall(function() t[#t + 1] = ('x'):rep(1e6) .. #t "
         "end) end",
         SOME},
        {"memory in the values of a JSON text",
         "local p = require 'perilune' local s = '[' .. ('0,'):rep(2e6) .. '0]'\n"
         "pcall(p.json.decode, s) error 'not stopped'",
         PERILUNE_EMEMORY},
        {"memory in the error", "error(('x'):rep(5e7))", SOME},
        {"a result that doubles itself",
         "local t = {} for i = 1, 30 do t = {t, t} end return t", PERILUNE_OK},
        {"setmetatable on a running loop", "setmetatable(_ENV, {}) while true do end",
         PERILUNE_ERUNTIME},
    };
    TRY(list);
}

static int answer(perilune_call *call, void *payload) {
    (void)payload;
    perilune_value v = {PERILUNE_INTEGER, 0, {.integer = 42}};
    return perilune_return(call, &v);
}

/* Also not before the program registers them. */
static void registered_functions_stay(void **state) {
    (void)state;
    perilune_host *h = new_sandbox(0);
    static const char before[] = "price = 1 shop = {price = print}";
    static const char text[] =
        "assert(not pcall(rawset, _G, 'price', 1) and not pcall(rawset, _G, 'shop', "
        "{}))\n"
        "assert(not pcall(rawset, shop, 'price', 1))\n"
        "assert(not pcall(function() shop.price = 1 end))\n"
        "assert(not pcall(function() shop.deep.price = 1 end))\n"
        "assert(price() == 42 and shop.price() == 42 and shop.deep.price() == 42)\n"
        "assert(string.price() == 42 and not pcall(function() string.price = 1 end))";
    assert_int_equal(
        perilune_run_string(h, "before", before, strlen(before), 0, NULL, NULL), 0);
    static const char *const names[] = {"price", "shop.price", "shop.deep.price",
                                        "string.price"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(perilune_register(h, names[i], answer, NULL), PERILUNE_OK);
    assert_int_equal(perilune_call_function(h, "shop.price", 0, NULL, NULL), PERILUNE_OK);
    if (perilune_run_string(h, "script", text, strlen(text), 0, NULL, NULL))
        fail_msg("%s", perilune_error_of(h)->message);
    perilune_host_free(h);
}

/* Scripts that go on behind a limit: the first line hits one, and `ran` must stay nil. */
static void nothing_after_a_limit(void **state) {
    (void)state;
    static const char *const hits[] = {
        "local function hit() return ('x'):rep(1 << 30) end\n",
        "local p = require 'perilune' local db = p.open 'sqlite://'\n"
        "local function hit() return db.session:execute(db.text('with recursive n(i) as "
        "(select 1 union all select i + 1 from n) select i from n')):all() end\n",
        "local p = require 'perilune' local db = p.open 'sqlite://'\n"
        "local function hit() return db.session:execute(db.text('with recursive n(i) as "
        "(select 1 union all select i + 1 from n) select max(i) from n')):all() end\n",
        "local function hit() while true do end end\n",
    };
    static const char *const catches[] = {
        "pcall(hit) ran = 1",
        "xpcall(hit, function() ran = 1 end) ran = 2",
        "local co = coroutine.create(hit) coroutine.resume(co) ran = 1",
        "local f = coroutine.wrap(function() pcall(hit) ran = 1 end) pcall(f) ran = 2",
        "local f = coroutine.wrap(function() pcall(pcall, hit) coroutine.yield() end)\n"
        "pcall(f) ran = 2",
        "local function close() return setmetatable({}, {__close = function() ran = 1 "
        "end}) "
        "end\n"
        "local x <close> = close() pcall(function() local y <close> = close() hit() end)",
        "local co = coroutine.create(function() local x <close> = setmetatable({}, "
        "{__close "
        "= function() ran = 1 end}) coroutine.yield() end)\n"
        "coroutine.resume(co) pcall(hit) coroutine.close(co)",
        "local co = coroutine.create(function() local x <close> = setmetatable({}, "
        "{__close "
        "= function() pcall(hit) ran = 1 end}) coroutine.yield() end)\n"
        "coroutine.resume(co) coroutine.close(co)",
        "for _ in (function() hit() end), nil, nil, setmetatable({}, {__close = "
        "function() "
        "ran = 1 end}) do end",
        "table.sort({3, 2, 1}, function() pcall(hit) ran = 1 end)",
        "local s = ('abc'):gsub('.', function() pcall(hit) ran = 1 end)",
        "local t = setmetatable({}, {__index = function() pcall(hit) ran = 1 end}) "
        "pcall(rawget, t, t[1])",
        "pcall(load, function() pcall(hit) ran = 1 end)",
        "print(setmetatable({}, {__tostring = function() pcall(hit) ran = 1 end}))",
    };
    enum {
        HITS = sizeof hits / sizeof *hits,
        CATCHES = sizeof catches / sizeof *catches
    };
    int failures = 0;
    for (size_t i = 0; i < HITS * CATCHES; i++) {
        const char *hit = hits[i / CATCHES], *catch = catches[i % CATCHES];
        char text[2048];
        (void)snprintf(text, sizeof text, "%s%s", hit, catch);
        perilune_host *h = new_sandbox(0);
        perilune_limit(h, PERILUNE_LIMIT_ROWS, i / CATCHES == 2 ? 0 : 100, NULL);
        int code = perilune_run_string(h, "script", text, strlen(text), 0, NULL, NULL);
        if (code > PERILUNE_EINTERRUPT && code != PERILUNE_EMEMORY && ++failures)
            print_error("%s\nended with %s\n", text, perilune_error_of(h)->message);
        static const char after[] = "assert(ran == nil, ran)";
        if (perilune_run_string(h, "after", after, strlen(after), 0, NULL, NULL) &&
            ++failures)
            print_error("%s\nran on: %s\n", text, perilune_error_of(h)->message);
        perilune_host_free(h);
    }
    assert_int_equal(failures, 0);
}

/* A table says how long it is, and a script how many times. */
static void tables(void **state) {
    (void)state;
#define LONG "local t = setmetatable({}, {__len = function() return 1 << 40 end})\n"
    static const attempt list[] = {
        {"insert into a table that says it is long", LONG "table.insert(t, 1, 5)",
         PERILUNE_ETIME},
        {"remove from one", LONG "table.remove(t, 1)", PERILUNE_ETIME},
        {"concat of one",
         LONG "getmetatable(t).__index = function() return '' end table.concat(t)",
         PERILUNE_ETIME},
        {"unpack in a loop", "while true do pcall(table.unpack, {}, 1, 900000) end",
         PERILUNE_ETIME},
        {"move in a loop", "while true do table.move({}, 1, 1e7, 1e8) end",
         PERILUNE_ETIME},
        {"they do what Lua's own do",
         "local function list(...) return setmetatable({...}, {__len = function() return "
         "3 end}) end\n"
         "local t = list(1, 2, 3) assert(table.remove(t, '1') == 1 and t[2] == 3)\n"
         "t = list(1, 2, 3) table.insert(t, 1, 0) assert(t[1] == 0 and t[4] == 3)\n"
         "assert(table.remove(list(1, 2, 3)) == 3 and table.remove(list(1), 4) == nil)\n"
         "for _, at in ipairs {0, 5} do\n"
         "  assert(not pcall(table.remove, t, at) and not pcall(table.insert, t, at, 1)) "
         "end\n"
         "assert(not pcall(table.insert, {}, 1, 2, 3) and not pcall(table.insert, 5, "
         "1))\n"
         "assert(table.concat({1, 'b', 2.5}, '-') == '1-b-2.5')\n"
         "assert(table.concat({1, 2, 3}, ',', 2, 3) == '2,3' and table.concat({}) == "
         "'')\n"
         "assert(not pcall(table.concat, {1, {}, 3}))\n"
         "local m = table.move({1, 2, 3}, 1, 3, 2) assert(m[1] == 1 and m[4] == 3)\n"
         "m = table.move({1, 2, 3}, 2, 3, 1) assert(m[1] == 2 and m[3] == 3)\n"
         "m = table.move({1, 2}, 1, 2, 3, {7}) assert(m[1] == 7 and m[4] == 2)\n"
         "assert(select('#', table.unpack({}, 1, 3)) == 3 and table.unpack({4}) == 4)\n"
         "assert(select('#', table.unpack({}, 2, 1)) == 0)\n"
         "assert(not pcall(table.unpack, {}, math.mininteger, math.maxinteger))",
         PERILUNE_OK},
    };
    TRY(list);
}

static void sql(void **state) {
    (void)state;
#define DB                                                                               \
    "local p = require 'perilune' local db = p.open 'sqlite://' local s = db.session\n"  \
    "local function x(q) return s:execute(db.text(q)) end\n"                             \
    "local function no(q) assert(not pcall(x, q), q) end\n"
    static const attempt list[] = {
        {"ATTACH, VACUUM INTO, PRAGMA, extensions",
         DB "no \"attach '/tmp/x.db' as x\" no \"attach ':memory:' as y\"\n"
            "no \"vacuum into '/tmp/y.db'\" no 'pragma journal_mode = delete'\n"
            "no 'pragma writable_schema = 1' no 'pragma temp_store_directory = 1'\n"
            "no 'pragma hard_heap_limit = 1' no 'pragma database_list'\n"
            "no \"select load_extension('x')\" no \"select writefile('a', 'b')\"\n"
            "no \"select fts3_tokenizer('a')\" no \"select 'a' regexp '(a*)*b'\"\n"
            "no \"select * from pragma_database_list\"",
         PERILUNE_OK},
        {"pragmas that write",
         DB
         "for _, name in ipairs {'schema_version', 'user_version', 'application_id', "
         "'foreign_keys'} do\n"
         "  local before = s:scalar(db.text('pragma ' .. name))\n"
         "  no('pragma ' .. name .. ' = 0') no('pragma main.' .. name .. '(77)')\n"
         "  no('select * from pragma_' .. name .. '(77)')\n"
         "  assert(s:scalar(db.text('pragma ' .. name)) == before)\n"
         "end\n"
         "no 'pragma trusted_schema' no 'pragma integrity_check' no 'pragma optimize'\n"
         "no 'pragma case_sensitive_like = 1' no 'pragma recursive_triggers = 0'",
         PERILUNE_OK},
        {"pragmas of a database that is opened",
         DB
         "for name in ('hard_heap_limit soft_heap_limit temp_store_directory '\n"
         "    .. 'user_version schema_version journal_mode recursive_triggers '\n"
         "    .. 'writable_schema locking_mode mmap_size cache_size '\n"
         "    .. 'ignore_check_constraints Hard_Heap_Limit'):gmatch '%S+' do\n"
         "  local other = p.open('sqlite://', {pragmas = {[name] = 1}})\n"
         "  local ok, e = pcall(function() other.session:scalar(db.text 'select 1') "
         "end)\n"
         "  assert(not ok and e.message:find 'may not set this pragma', name)\n"
         "end\n"
         "local other = p.open('sqlite://', {pragmas = {busy_timeout = 9, foreign_keys "
         "= 0}})\n"
         "assert(other.session:scalar(db.text 'pragma foreign_keys') == 0)",
         PERILUNE_OK},
        {"plain SQL works",
         DB "x 'create table t (a)' x 'insert into t values (1)'\n"
            "assert(s:scalar(db.text 'select count(*) from t') == 1)\n"
            "x 'pragma table_info(t)' x 'drop table t'",
         PERILUNE_OK},
        {"a statement without end",
         DB "x 'with recursive n(i) as (select 1 union all select i + 1 from n) select "
            "max(i) "
            "from n'",
         PERILUNE_ETIME},
        {"a statement without end under pcall",
         DB "while true do pcall(x, 'with recursive n(i) as (select 1 union all select i "
            "+ 1 "
            "from n) select max(i) from n') end",
         PERILUNE_ETIME},
        {"instr", DB "x \"select instr(zeroblob(900000), zeroblob(450000) || x'01')\"",
         PERILUNE_ETIME},
        {"replace",
         DB "x \"select replace(zeroblob(900000), zeroblob(450000) || x'01', '')\"",
         PERILUNE_ETIME},
        {"trim",
         DB "x \"select trim(replace(hex(zeroblob(400000)), '0', 'b'), "
            "replace(hex(zeroblob(400000)), '0', 'a') || 'b')\"",
         PERILUNE_ETIME},
        {"LIKE",
         DB
         "local p = '%' .. ('a'):rep(250) .. 'b'\n"
         "while true do s:execute(db.text \"select replace(hex(zeroblob(450000)), '0', "
         "'a') like :p\", {p = p}):all() end",
         PERILUNE_ETIME},
        {"short statements that take long",
         DB "while true do pcall(x, 'select length(quote(randomblob(400000)))') end",
         PERILUNE_ETIME},
        {"many functions in a row",
         DB "local t = {} for i = 1, 600 do t[i] = 'hex(zeroblob(400000 + ' .. i .. '))' "
            "end\n"
            "no('select ' .. table.concat(t, ','))",
         PERILUNE_OK},
        {"many operators in a row",
         DB "local t = {} for i = 1, 1900 do t[i] = '(:j || :k) = 1' end\n"
            "local j = ('x'):rep(500000)\n"
            "assert(not pcall(s.execute, s, db.text('select ' .. table.concat(t, ',')), "
            "{j = j, k = j}))",
         PERILUNE_OK},
        {"a commit after the limit",
         DB "x 'create table t (a)' pcall(x, 'with recursive n(i) as (select 1 union all "
            "select i + 1 from n) select max(i) from n') s:commit()",
         PERILUNE_ETIME},
        {"common table expressions of each other",
         DB
         "local q = 'with a0(x) as (select 1)'\n"
         "for i = 1, 28 do\n"
         "  q = q .. (', a%d(x) as (select p.x from a%d p, a%d q)'):format(i, i - 1, i - "
         "1)\n"
         "end\n"
         "no(q .. ' select count(*) from a28')\n"
         "no('select :a(\"), 1 from (' .. q .. ' select x from a28) --\"')\n"
         "no('/*\\'*/' .. q:gsub('a(%d)', '[a\"%1]') .. ' select * from [a\"28] --\\'')",
         PERILUNE_OK},
        {"the same in other words",
         DB "local q = 'with a0(x) as not materialized (select 1)'\n"
            "for i = 1, 28 do\n"
            "  q = q .. (', \"a%d\" /* as */ as --\\n materialized (select p.x from "
            "`A%d` p join main.v q on 1 in [a%d])'):format(i, i - 1, i - 1)\n"
            "end\n"
            "x 'create view v as select 1 as x' no(q .. ' select count(*) from a28')",
         PERILUNE_OK},
        {"names that mean two things",
         DB "local q = 'select x from a'\n"
            "for i = 1, 12 do\n"
            "  local n, o = 'a', 'b' if i % 2 == 0 then n, o = o, n end\n"
            "  q = ('with %s(x) as (select p.x from %s p, %s q) select * from "
            "(%s)'):format(o, n, n, q)\n"
            "end\n"
            "pcall(x, 'with a(x) as (select 1) ' .. q)",
         PERILUNE_OK},
        {"views of each other",
         DB
         "x 'create view v0 as select 1 as x'\n"
         "assert(not pcall(function() for i = 1, 28 do\n"
         "  x(('create view v%d as select p.x from v%d p, v%d q'):format(i, i - 1, i - "
         "1))\n"
         "end end))",
         PERILUNE_OK},
        {"columns of each other",
         DB "x 'create table t (x)' local q = 'select x from t'\n"
            "for i = 1, 11 do q = 'select x+x+x+x+x+x+x+x as x from (' .. q .. ')' end\n"
            "no(q) no('with a as (' .. q .. ') select * from a')",
         PERILUNE_OK},
        {"statements that only look so",
         DB "x 'create table t (a, b)' x 'insert into t values (1, 2)'\n"
            "local q = 'with recursive a0(x) as (select a from t)'\n"
            "for i = 1, 40 do q = q .. (', a%d as (select x from a%d)'):format(i, i - 1) "
            "end\n"
            "assert(s:scalar(db.text(q .. ' select x from a40')) == 1)\n"
            "local u = {} for i = 1, 90 do u[i] = 'select a, b, a + b from t' end\n"
            "assert(#x(table.concat(u, ' union all ')):all() == 90)\n"
            "local c = {} for i = 1, 300 do c[i] = 'a as c' .. i end\n"
            "x('select * from (select ' .. table.concat(c, ', ') .. ' from t)')\n"
            "local o = {} for i = 1, 150 do o[i] = 'a = ' .. i end\n"
            "x('select * from t where ' .. table.concat(o, ' or '))",
         PERILUNE_OK},
        {"large values", DB "no 'select length(zeroblob(900000000))'", PERILUNE_OK},
        {"a database as large as the disk",
         DB "x 'create table t (a)' x \"with recursive n(i) as (select 1 union all "
            "select i + 1 "
            "from n) insert into t select zeroblob(15000000) from n\"",
         PERILUNE_ERUNTIME},
    };
    TRY(list);
}

static void allowed(void **state) {
    (void)state;
    static const char text[] =
        "assert(io.open('/nowhere/x') == nil) assert(os.getenv == nil)\n"
        "local f = assert(io.open('/dev/null')) f:close()\n"
        "assert(not io.open('/dev/null', 'w')) assert(io.popen == nil)";
    perilune_host *h = new_sandbox(PERILUNE_ALLOW_READ);
    if (perilune_run_string(h, "script", text, strlen(text), 0, NULL, NULL) !=
        PERILUNE_OK)
        fail_msg("%s", perilune_error_of(h)->message);
    perilune_host_free(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_reach),
        cmocka_unit_test(nothing_runs_on),
        cmocka_unit_test(registered_functions_stay),
        cmocka_unit_test(nothing_after_a_limit),
        cmocka_unit_test(tables),
        cmocka_unit_test(sql),
        cmocka_unit_test(allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
