/* SPDX-License-Identifier: MIT */
/*
** t_session_io.c - every read, write and sync of a session's commit fails in turn.
**
** A commit that fails is an error of the database, after which the file holds all of the
** transaction or nothing, a rollback brings the objects in step with it, and the session
** goes on working.
*/
#include "session_fault.h"

#include "fault_vfs.h"

#include <stdio.h>

static const char script[] =
    "local perilune = require 'perilune'\n"
    "local M, db, Counter, Mark, counter, path = {}\n"
    "function M.open(journal)\n"
    "  path = os.tmpname()\n"
    "  os.remove(path)\n"
    "  db = perilune.open('sqlite:///' .. path, { pragmas = {\n"
    "    journal_mode = journal == 1 and 'WAL' or 'DELETE', synchronous = 'FULL', "
    "cache_size = 5 } })\n"
    "  Counter = db.Model 'Counter' { id = db.Column{db.Integer, primary_key = true},\n"
    "    n = db.Column{db.Integer} }\n"
    "  Mark = db.Model 'Mark' { id = db.Column{db.Integer, primary_key = true},\n"
    "    turn = db.Column{db.Integer, unique = true}, body = db.Column{db.Text} }\n"
    "  db:create_all()\n"
    "  counter = Counter{n = 0}\n"
    "  db.session:add(counter)\n"
    "  db.session:commit()\n"
    "end\n"
    "function M.work()\n"
    "  counter.n = counter.n + 1\n"
    "  for i = 1, 6 do\n"
    "    db.session:add(Mark{turn = counter.n * 6 + i, body = ('x'):rep(3000)})\n"
    "  end\n"
    "  db.session:commit()\n"
    "end\n"
    "local function verify()\n"
    "  local n = counter.n\n"
    "  local row = db.session:execute(db.text [[select n, (select count(*) from mark) "
    "from counter]]):one()\n"
    "  assert(row[1] == n, 'the object has ' .. n .. ', the row ' .. row[1])\n"
    "  assert(row[2] == n * 6, row[2] .. ' marks for ' .. n)\n"
    "  assert(Mark.query:count() == n * 6)\n"
    "end\n"
    "function M.check()\n"
    "  db.session:rollback()\n"
    "  verify()\n"
    "  M.work()\n"
    "  verify()\n"
    "  if counter.n > 20 then\n"
    "    Mark.query:delete()\n"
    "    counter.n = 0\n"
    "    db.session:commit()\n"
    "  end\n"
    "end\n"
    "function M.close()\n"
    "  db:close()\n"
    "  for _, e in ipairs{'', '-wal', '-shm', '-journal'} do os.remove(path .. e) end\n"
    "end\n"
    "return M\n";

enum { ROUNDS_MOST = 3000 };

static void sweep(int journal, unsigned kinds, bool full) {
    fault_vfs v;
    fail_alloc fa = {.fail_at = 0};
    assert_int_equal(fault_vfs_register(&v, "fault"), SQLITE_OK);
    assert_int_equal(sqlite3_vfs_register(&v.vfs, 1), SQLITE_OK);
    v.full = full;
    lua_State *L = fault_state(&fa, script);
    fault_must(L, "open", journal);
    long n = 1, failed = 1;
    for (; failed > 0 && n < ROUNDS_MOST; n++) {
        fault_vfs_arm(&v, kinds, n, false);
        const char *text = fault_call(L, "work", 0);
        failed = v.failed;
        (void)fault_vfs_disarm(&v);
        if (text && (failed == 0 || !strstr(text, "OperationalError")))
            fail_msg("operation %ld: %s", n, text);
        fault_must(L, "check", 0);
    }
    assert_in_range(n, 3, ROUNDS_MOST - 1);
    fault_must(L, "close", 0);
    lua_close(L);
    fault_vfs_unregister(&v);
    assert_int_equal(fa.live, 0);
    print_message("  %s: %ld operations\n", journal ? "WAL" : "DELETE", n - 2);
}

static void test_wal(void **state) {
    (void)state;
    sweep(1, FAULT_ALL, false);
}

static void test_journal(void **state) {
    (void)state;
    sweep(0, FAULT_ALL, false);
}

static void test_full(void **state) {
    (void)state;
    sweep(1, FAULT_WRITE, true);
    sweep(0, FAULT_WRITE, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wal),
        cmocka_unit_test(test_journal),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
