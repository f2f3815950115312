/* SPDX-License-Identifier: MIT */
/*
 * t_policy.c - a policy's rules on rows: two tenants in one table, each sees and changes
 * its own, by the mapper and by plain SQL.
 */
#include <perilune.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static const char setup_sql[] =
    "CREATE TABLE user (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, name TEXT,"
    " secret TEXT);"
    "CREATE TABLE note (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES user (id));"
    "INSERT INTO user VALUES (1, 1, 'Ann', 'x'), (2, 2, 'Bob', 'y'), (3, 1, 'Cid', 'z');"
    "INSERT INTO note VALUES (1, 1), (2, 2);";

static const char program[] =
    "local perilune = require 'perilune'\n"
    "local vars = require 'perilune.host'.vars\n"
    "app = perilune.App 'tenants'\n"
    "app.config.DATABASE_URI = 'sqlite:///' .. vars.file\n"
    "db = perilune.Database(app)\n"
    "User = db.Model 'User' { id = db.Column{db.Integer, primary_key = true},\n"
    "  tenant = db.Column{db.Integer, nullable = false}, name = db.Column{db.Text},\n"
    "  secret = db.Column{db.Text} }\n"
    "Note = db.Model 'Note' { id = db.Column{db.Integer, primary_key = true},\n"
    "  user_id = db.Column{db.Integer, db.ForeignKey 'user.id'},\n"
    "  user = db.relationship{'User', backref = 'notes'} }\n"
    "function x(q) return db.session:execute(db.text(q)) end\n"
    "function refused(q, ...) local ok, e = pcall(x, q)\n"
    "  assert(not ok and (e.message:find 'not authorized' or e.name == "
    "'PermissionError'),\n"
    "    q .. ': ' .. tostring(e))\n"
    "  db.session:rollback() end\n";

typedef struct world {
    char folder[64], file[96], other[96], policy[96];
    sqlite3 *db;
    perilune_host *host;
} world;

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* A database with a name that rules keep for themselves. */
static void make_other(const char *path) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "CREATE TABLE user (id); CREATE VIEW \"user (rows)\" AS "
                     "SELECT * FROM user",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
}

static void open_host(world *w) {
    perilune_config c;
    perilune_config_init(&c);
    c.policy = w->policy;
    if (perilune_host_new(&w->host, &c) != PERILUNE_OK)
        fail_msg("%s", perilune_error_of(w->host)->message);
    perilune_value file = {PERILUNE_TEXT, strlen(w->file), {.text = w->file}};
    assert_int_equal(perilune_set(w->host, "file", &file), PERILUNE_OK);
    perilune_value other = {PERILUNE_TEXT, strlen(w->other), {.text = w->other}};
    assert_int_equal(perilune_set(w->host, "other", &other), PERILUNE_OK);
    if (perilune_run_string(w->host, "app", program, strlen(program), 0, NULL, NULL))
        fail_msg("%s", perilune_error_of(w->host)->message);
}

static int open_with(void **state, const char *more) {
    world *w = calloc(1, sizeof *w);
    char text[900];
    snprintf(w->folder, sizeof w->folder, "/tmp/perilune_XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->file, sizeof w->file, "%s/x.db", w->folder);
    snprintf(w->other, sizeof w->other, "%s/y.db", w->folder);
    snprintf(w->policy, sizeof w->policy, "%s/policy.lua", w->folder);
    make_other(w->other);
    assert_int_equal(sqlite3_open(w->file, &w->db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(w->db, setup_sql, NULL, NULL, NULL), SQLITE_OK);
    snprintf(
        text, sizeof text,
        "local all = { read = true, insert = true, update = true, delete = true }\n"
        "return { databases = {'%s', '%s', ':memory:'}, %s tables = { note = all,\n"
        "  user = { read = {'id', 'tenant', 'name'}, hidden = {'secret'}, insert = "
        "true,\n"
        "    update = {'name', 'tenant'}, delete = true, rows = 'tenant = :tenant' } } }",
        w->file, w->other, more);
    write_file(w->policy, text);
    open_host(w);
    *state = w;
    return 0;
}

static int open_world(void **state) {
    return open_with(state, "");
}

/* Scripts may change the schema, and know a table more without a rule. */
static int open_schema_world(void **state) {
    open_with(state, "schema = true,");
    world *w = *state;
    assert_int_equal(sqlite3_exec(w->db,
                                  "CREATE TABLE secret (id INTEGER PRIMARY KEY, v TEXT);"
                                  "INSERT INTO secret VALUES (1, 's')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    return 0;
}

static int close_world(void **state) {
    world *w = *state;
    char command[100];
    perilune_host_free(w->host);
    sqlite3_close(w->db);
    snprintf(command, sizeof command, "rm -r %s", w->folder);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

/* Runs a text in a context of a tenant, which commits. */
static void as_tenant(world *w, int tenant, const char *text) {
    perilune_value v = {PERILUNE_INTEGER, 0, {.integer = tenant}};
    assert_int_equal(perilune_context_push(w->host, NULL), PERILUNE_OK);
    assert_int_equal(perilune_set(w->host, "tenant", &v), PERILUNE_OK);
    if (perilune_run_string(w->host, "test", text, strlen(text), 0, NULL, NULL))
        fail_msg("%s", perilune_error_of(w->host)->message);
    if (perilune_context_pop(w->host, 1) != PERILUNE_OK)
        fail_msg("%s", perilune_error_of(w->host)->message);
}

static int count(world *w, const char *sql) {
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(w->db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int n = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return n;
}

static void queries(void **state) {
    as_tenant(
        *state, 1,
        "assert(User.query:count() == 2) assert(User.query:get(2) == nil)\n"
        "assert(User.query:get(1).name == 'Ann') assert(User.query:get(1).secret == "
        "nil)\n"
        "assert(Note.query:get(2).user == nil) assert(Note.query:get(1).user.id == 1)\n"
        "assert(#Note.query:join(Note.user):all() == 1)\n"
        "local U = db.aliased(User) assert(db.select(U.name):where(U.id:eq(2)):first() "
        "== nil)\n"
        "assert(#Note.query:options(db.joinedload(Note.user)):all() == 2)\n"
        "assert(Note.query:where(Note.user:has(User.name:eq 'Bob')):count() == 0)");
    as_tenant(*state, 2, "assert(User.query:one().name == 'Bob')");
    as_tenant(*state, 3, "assert(User.query:first() == nil)");
}

static void plain_sql(void **state) {
    as_tenant(*state, 1,
              "refused 'select name from user' refused 'select id from user'\n"
              "refused 'select count(*) from main.user' refused 'select * from user u'\n"
              "refused 'update user set name = (select secret from user where id = 2)'\n"
              "refused 'update user set name = secret' refused 'delete from user where "
              "name = 1'\n"
              ""
              "refused 'insert into user select 9, 1, secret, 1 from user'\n"
              "refused 'drop view \"user (rows)\"' refused 'create temp table user (a)'\n"
              "refused \"update user set name = 'x' where id = 2 returning secret\"\n"
              "assert(#x('select * from \"user (rows)\"'):all() == 2)");
}

/* Names that pass for the view's: the authorizer is told of names, not what they stand
 * for. */
static void names(void **state) {
    as_tenant(
        *state, 1,
        "local body = ' AS (SELECT * FROM main.user) SELECT * FROM '\n"
        "for _, name in ipairs {'user (rows)', 'USER (ROWS)', 'user (rows)x',\n"
        "    'user (rows) insert', 'user (rows) pass delete'} do\n"
        "  for _, q in ipairs {'\"\"', '``', '[]', \"''\"} do\n"
        "    local n = q:sub(1, 1) .. name .. q:sub(2)\n"
        "    for _, between in ipairs {'', ' ', '/**/', '--x\\n', '\\xEF\\xBB\\xBF',\n"
        "        '(id, tenant, name, secret)'} do\n"
        "      refused('WITH ' .. n .. between .. body .. n)\n"
        "    end\n"
        "    refused('WITH ' .. n .. ' AS MATERIALIZED (SELECT * FROM main.user) '\n"
        "      .. 'SELECT * FROM ' .. n)\n"
        "    refused('SELECT :a(\") FROM (WITH ' .. n .. ' AS NOT/**/MATERIALIZED/**/('\n"
        "      .. 'SELECT * FROM main.user) SELECT * FROM ' .. n .. ')--\"')\n"
        "  end\n"
        "end\n"
        "refused 'WITH \"user (rows)\" AS (SELECT * FROM user) INSERT INTO user '\n"
        "refused 'SELECT * FROM (SELECT * FROM main.user) AS \"user (rows)\"'\n"
        "local q = User.query:cte 'user (rows)'\n"
        "assert(not pcall(function() return db.session:execute(db.select(q)):all() "
        "end))\n"
        "db.session:rollback()\n"
        "local mine = User.query:cte 'mine'\n"
        "assert(#db.session:execute(db.select(mine)):all() == 2)");
}

/* SQLite does not tell the authorizer of columns that are joined by their names. */
static void joins_by_name(void **state) {
    as_tenant(
        *state, 1,
        "refused 'select * from (select 0 id) natural join main.user'\n"
        "refused 'select * from (select 0 id) NATURAL/**/full join main.user'\n"
        "refused 'select * from (select 0 secret) full join main.user using(secret)'\n"
        "refused 'select * from (select 0 id) join main.user Using --x\\n (id)'\n"
        "assert(#x('select n.id from note n join \"user (rows)\" u on u.id = '\n"
        "  .. 'n.user_id'):all() == 1)\n"
        "assert(x([[select 'confusing (naturally)' as using_it]]):scalar())");
}

/* Another file; and a database whose rules cannot be set up, which leaves no trace. */
static void databases(void **state) {
    as_tenant(
        *state, 1,
        "local vars = require 'perilune.host'.vars\n"
        "local function refused(uri, why)\n"
        "  local other = require 'perilune'.open(uri)\n"
        "  local ok, e = pcall(function() other.session:scalar(db.text 'select 1') "
        "end)\n"
        "  assert(not ok and e.message:find(why, 1, true), tostring(e))\n"
        "end\n"
        "refused('sqlite:///' .. vars.file:upper(), 'does not name')\n"
        "refused('sqlite:////tmp/../' .. vars.file, 'does not name')\n"
        "for _ = 1, 20 do refused('sqlite:///' .. vars.other, 'names that are kept') "
        "end\n"
        "local t = {} for i = 1, 1e4 do t[i] = {} end");
}

/* The right to change the schema does not reach the rules. */
static void schema(void **state) {
    world *w = *state;
    as_tenant(
        w, 1,
        "x 'create temp view mine as select * from main.user'\n"
        "refused 'select * from mine'\n"
        "for _, q in ipairs {\n"
        "  'create temp view \"user (rows)2\" as select * from main.user',\n"
        "  'create view \"user (Rows)\" as select * from main.user',\n"
        "  'create table \"x (rows)\" (a)', 'create index \"x (rows)\" on note (id)',\n"
        "  'create temp trigger \"user (rows) x\" after insert on note begin select 1; "
        "end',\n"
        "  'drop view \"user (rows)\"', 'drop trigger \"user (rows) pass delete\"',\n"
        "  'drop trigger temp.\"user (rows) insert\"',\n"
        "  'create trigger t after insert on note begin select 1; end',\n"
        "  'create temp trigger t after insert on user begin select 1; end',\n"
        "  'alter table secret rename to note2', 'alter table note rename to n2',\n"
        "  'alter table user rename column secret to name2', 'drop table secret',\n"
        "  'alter table user add column shown as (secret)', 'drop table user',\n"
        "  'alter table note rename column id to no', 'alter table secret drop v'}\n"
        "do refused(q) end\n"
        "x 'drop table note' refused 'alter table secret rename to note'\n"
        "db.session:rollback()\n"
        "x 'alter table note add column text' x 'create index i on note (text)'\n"
        "refused 'create index j on user (secret)'\n"
        "x 'create table note2 (a)' refused 'drop table note2'");
    assert_int_equal(count(w, "SELECT count(*) FROM user"), 3);
}

/* Rules on rows hold for a table that is made after the database was opened, and after a
 * rollback; its keys are its own. */
static void made_later(void **state) {
    as_tenant(
        *state, 1,
        "local file = db\n"
        "db = require 'perilune'.open 'sqlite://'\n"
        "local user = [[create table user (id integer, tenant, name, secret text "
        "primary key)]]\n"
        "local n = function() return db.session:scalar(db.text "
        "'select count(*) from \"user (rows)\"') end\n"
        "for _ = 1, 2 do\n"
        "  x(user) x \"insert into user values (1, 1, 'a', 'x')\"\n"
        "  assert(not pcall(x, \"insert into user values (2, 2, 'b', 'y')\"))\n"
        "  assert(n() == 1) db.session:rollback()\n"
        "end\n"
        "x 'savepoint a' x(user) x 'savepoint b' x 'delete from user' x 'rollback to "
        "b'\n"
        "assert(not pcall(x, \"insert into user values (2, 2, 'b', 'y')\"))\n"
        "x \"delete from user where secret = 'y'\"\n"
        "x 'release a' db.session:commit()\n"
        "db = file refused \"delete from user where secret = 'y'\"");
    as_tenant(*state, 1,
              "local a = require 'perilune'.App 'later'\n"
              "a.config.DATABASE_URI = 'sqlite://'\n"
              "local d = require 'perilune'.Database(a)\n"
              "local U = d.Model 'User' { id = d.Column{d.Integer, primary_key = true},\n"
              "  tenant = d.Column{d.Integer, index = true}, name = d.Column{d.Text} }\n"
              "a:app_context(function()\n"
              "  d:create_all()\n"
              "  d.session:add(U{tenant = 1, name = 'Ann'}) d.session:commit()\n"
              "  d.session:add(U{tenant = 2, name = 'Bob'})\n"
              "  assert(not d.session:try_commit()) d.session:rollback()\n"
              "  assert(U.query:one().name == 'Ann')\n"
              "end)");
}

/* A foreign key to a table with a rule on rows reads its key. */
static void references(void **state) {
    world *w = *state;
    as_tenant(
        w, 1,
        "x 'insert into note values (3, 1)' x 'insert into note values (4, 3), (5, 3)'\n"
        "x 'update note set user_id = 1 where id = 4'\n"
        "assert(not pcall(x, 'insert into note values (6, 77)'))\n"
        "for i = 10, 30 do db.session:add(Note{id = i, user_id = 1}) end\n"
        "db.session:commit()\n"
        "for _, q in ipairs {'insert into note select 40 + id, id from user',\n"
        "  'insert into note values (50, (select id from main.user limit 1))',\n"
        "  'insert into note values ((select max(id) + 90 from main.user), 1)',\n"
        "'insert into user values (60, 1, (select max(id) from main.user), 1)',\n"
        "'update note set user_id = u.id from user u', 'select id from user',\n"
        "  'with u as (select id from user) insert into note select 9, id from u'} do\n"
        "  refused(q)\n"
        "end");
    assert_int_equal(count(w, "SELECT count(*) FROM note"), 26);
    assert_int_equal(count(w, "SELECT count(*) FROM note WHERE user_id = 2"), 1);
}

/* Rows that go with another one go, whatever the rule says of them. */
static void cascades(void **state) {
    world *w = *state;
    assert_int_equal(
        sqlite3_exec(w->db,
                     "DROP TABLE note; CREATE TABLE note (id INTEGER PRIMARY "
                     "KEY, user_id INTEGER REFERENCES user ON DELETE CASCADE);"
                     "INSERT INTO note VALUES (1, 1), (2, 2), (3, 3)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    as_tenant(w, 1,
              "x 'delete from user where id = 1' x 'delete from user where id = 2'\n"
              "db.session:delete(User.query:get(3))");
    assert_int_equal(count(w, "SELECT count(*) FROM user"), 1);
    assert_int_equal(count(w, "SELECT group_concat(id) FROM note"), 2);
}

/* Tables that are no tables. */
static void functions(void **state) {
    as_tenant(*state, 1,
              "assert(#x(\"select * from json_each('[1, 2]')\"):all() == 2)\n"
              "refused 'select * from sqlite_stmt' refused 'select * from dbstat'");
}

static const char shared_text[] =
    "local d = require 'perilune'.open('sqlite://',\n"
    "  {handle = require 'perilune.host'.handle 'main'})\n"
    "local U = d.Model 'User' { id = d.Column{d.Integer, primary_key = true},\n"
    "  tenant = d.Column{d.Integer}, name = d.Column{d.Text} }\n"
    "assert(U.query:count() == 2)\n"
    "local function no(q) assert(not pcall(d.session.execute, d.session, d.text(q)), q) "
    "end\n"
    "no 'select * from user' no 'select zeroblob(20000000)' no \"attach ':memory:' as "
    "x\"\n"
    "no \"insert into user values (8, 2, 'a', 'b')\"\n"
    "U.query:get(1).name = 'Anne' d.session:commit() d.session:close()";

/* Several databases over one handle: none goes without rules when another ends. */
static void shared_twice(void **state) {
    world *w = *state;
    static const char text[] =
        "local open = require 'perilune'.open\n"
        "local function new()\n"
        "  local h = require 'perilune.host'.handle 'main'\n"
        "  local d = open('sqlite://', {handle = h})\n"
        "  return d.session, function(q) return d.session:scalar(d.text(q)) end, d\n"
        "end\n"
        "local sql = 'select secret from \"user (rows)\"'\n"
        "local s1, q1, d1 = new() local s2, q2, d2 = new()\n"
        "local function check(q)\n"
        "  assert(q(sql) == nil and not pcall(q, 'select secret from user'))\n"
        "  assert(not pcall(q, 'select count(*) from main.user'))\n"
        "end\n"
        "check(q1) check(q2) check(q1) s1:rollback() s2:rollback()\n"
        "s2:close() d2.engine:dispose() check(q1) s1:rollback()\n"
        "local s3, q3, d3 = new() check(q3) s3:rollback()\n"
        "s1:close() d1.engine:dispose() check(q3) s3:rollback()";
    assert_int_equal(perilune_share(w->host, "main", w->db), PERILUNE_OK);
    as_tenant(w, 1, text);
}

/* A handle of the program: ruled while a script runs, and given back as it was. */
static void shared(void **state) {
    world *w = *state;
    int attached = sqlite3_limit(w->db, SQLITE_LIMIT_ATTACHED, -1);
    int length = sqlite3_limit(w->db, SQLITE_LIMIT_LENGTH, -1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(perilune_share(w->host, "main", w->db), PERILUNE_OK);
        as_tenant(w, 1, shared_text);
        as_tenant(w, 1, shared_text);
        assert_int_equal(sqlite3_exec(w->db,
                                      "UPDATE user SET tenant = 3 - tenant WHERE id < 3;"
                                      "UPDATE user SET tenant = 3 - tenant WHERE id < 3",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(
            count(w, "SELECT count(*) FROM user WHERE tenant = 2 AND id = 2"), 1);
        perilune_host_free(w->host);
        assert_int_equal(count(w, "SELECT count(*) FROM sqlite_temp_schema"), 0);
        assert_int_equal(count(w, "PRAGMA recursive_triggers"), 0);
        assert_int_equal(sqlite3_limit(w->db, SQLITE_LIMIT_ATTACHED, -1), attached);
        assert_int_equal(sqlite3_limit(w->db, SQLITE_LIMIT_LENGTH, -1), length);
        open_host(w);
    }
    assert_int_equal(count(w, "SELECT instr('abc', 'c')"), 3);
    assert_int_equal(count(w, "SELECT count(*) FROM user WHERE name = 'Anne'"), 1);
}

static void changes(void **state) {
    world *w = *state;
    as_tenant(w, 1,
              "User.query:get(1).name = 'Anne' db.session:commit()\n"
              "db.session:add(User{tenant = 1, name = 'Dee'}) db.session:commit()\n"
              "db.session:delete(User.query:get(3))");
    assert_int_equal(count(w, "SELECT count(*) FROM user WHERE name IN ('Anne', 'Dee')"),
                     2);
    assert_int_equal(count(w, "SELECT count(*) FROM user WHERE id = 3 AND name = 'Cid'"),
                     0);
    as_tenant(w, 1,
              "db.session:add(User{tenant = 2, name = 'Eve'})\n"
              "assert(not db.session:try_commit()) db.session:rollback()\n"
              "User.query:get(1).tenant = 2 assert(not db.session:try_commit())\n"
              "db.session:rollback()");
    as_tenant(
        w, 1,
        "x \"update user set name = 'gone' where id = 2\" x 'delete from user where "
        "id = 2'");
    as_tenant(w, 1,
              "pcall(x, \"insert or replace into user values (2, 1, 'mine', 'm')\")");
    assert_int_equal(count(w, "SELECT count(*) FROM user WHERE id = 2 AND name = 'Bob'"),
                     1);
    assert_int_equal(count(w, "SELECT count(*) FROM user WHERE tenant = 2"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(queries, open_world, close_world),
        cmocka_unit_test_setup_teardown(plain_sql, open_world, close_world),
        cmocka_unit_test_setup_teardown(names, open_world, close_world),
        cmocka_unit_test_setup_teardown(joins_by_name, open_world, close_world),
        cmocka_unit_test_setup_teardown(databases, open_world, close_world),
        cmocka_unit_test_setup_teardown(schema, open_schema_world, close_world),
        cmocka_unit_test_setup_teardown(made_later, open_schema_world, close_world),
        cmocka_unit_test_setup_teardown(references, open_world, close_world),
        cmocka_unit_test_setup_teardown(cascades, open_world, close_world),
        cmocka_unit_test_setup_teardown(functions, open_world, close_world),
        cmocka_unit_test_setup_teardown(shared_twice, open_world, close_world),
        cmocka_unit_test_setup_teardown(shared, open_world, close_world),
        cmocka_unit_test_setup_teardown(changes, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
